/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trace.h - one tracepoint for each stage of the path
 *
 * bio > queue > ioctl > server > backend > completion: abuse_accept,
 * abuse_stall, abuse_queue, abuse_lend, abuse_copy, abuse_forward,
 * abuse_requeue, abuse_aside, abuse_end.  An id is what the server sees (I5).
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM abuse

#if !defined(ABUSE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define ABUSE_TRACE_H

#include <linux/blkdev.h>
#include <linux/tracepoint.h>

#include "abuse.h"

DECLARE_EVENT_CLASS(abuse_bio,
	TP_PROTO(struct abuse_device *dev, struct bio *bio),
	TP_ARGS(dev, bio),
	TP_STRUCT__entry(
		__field(int, number)
		__field(u64, sector)
		__field(u32, bytes)
		__field(u32, op)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->number = dev->number;
		__entry->sector = bio->bi_iter.bi_sector;
		__entry->bytes = bio->bi_iter.bi_size;
		__entry->op = (__force u32)bio_op(bio);
		__entry->flags = (__force u32)(bio->bi_opf & ~REQ_OP_MASK);
	),
	TP_printk("abuse%d op=%u flags=%#x sector=%llu bytes=%u",
		  __entry->number, __entry->op, __entry->flags,
		  __entry->sector, __entry->bytes)
);

DEFINE_EVENT(abuse_bio, abuse_accept,
	TP_PROTO(struct abuse_device *dev, struct bio *bio),
	TP_ARGS(dev, bio)
);

DEFINE_EVENT(abuse_bio, abuse_stall,
	TP_PROTO(struct abuse_device *dev, struct bio *bio),
	TP_ARGS(dev, bio)
);

DECLARE_EVENT_CLASS(abuse_request,
	TP_PROTO(struct abuse_device *dev, struct abuse_request *rq),
	TP_ARGS(dev, rq),
	TP_STRUCT__entry(
		__field(int, number)
		__field(u64, id)
		__field(u64, sector)
		__field(u32, bytes)
		__field(u32, command)
	),
	TP_fast_assign(
		__entry->number = dev->number;
		__entry->id = abuse_queue_id(dev, rq);
		__entry->sector = rq->bio->bi_iter.bi_sector;
		__entry->bytes = rq->bio->bi_iter.bi_size;
		__entry->command = abuse_serve_command(rq->bio);
	),
	TP_printk("abuse%d id=%#llx command=%u sector=%llu bytes=%u",
		  __entry->number, __entry->id, __entry->command,
		  __entry->sector, __entry->bytes)
);

#define ABUSE_REQUEST_EVENT(name)					\
DEFINE_EVENT(abuse_request, name,					\
	TP_PROTO(struct abuse_device *dev, struct abuse_request *rq),	\
	TP_ARGS(dev, rq)						\
)

ABUSE_REQUEST_EVENT(abuse_queue);
ABUSE_REQUEST_EVENT(abuse_lend);
ABUSE_REQUEST_EVENT(abuse_requeue);
ABUSE_REQUEST_EVENT(abuse_aside);

TRACE_EVENT(abuse_copy,
	TP_PROTO(struct abuse_device *dev, u64 id, bool out, u32 offset_bytes,
		 u32 len_bytes, int error),
	TP_ARGS(dev, id, out, offset_bytes, len_bytes, error),
	TP_STRUCT__entry(
		__field(int, number)
		__field(u64, id)
		__field(bool, out)
		__field(u32, offset_bytes)
		__field(u32, len_bytes)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->number = dev->number;
		__entry->id = id;
		__entry->out = out;
		__entry->offset_bytes = offset_bytes;
		__entry->len_bytes = len_bytes;
		__entry->error = error;
	),
	TP_printk("abuse%d id=%#llx %s offset=%u bytes=%u error=%d",
		  __entry->number, __entry->id, __entry->out ? "out" : "in",
		  __entry->offset_bytes, __entry->len_bytes, __entry->error)
);

TRACE_EVENT(abuse_forward,
	TP_PROTO(struct abuse_device *dev, struct abuse_request *rq,
		 dev_t backing, u64 sector),
	TP_ARGS(dev, rq, backing, sector),
	TP_STRUCT__entry(
		__field(int, number)
		__field(u64, id)
		__field(dev_t, backing)
		__field(u64, sector)
		__field(u32, bytes)
	),
	TP_fast_assign(
		__entry->number = dev->number;
		__entry->id = abuse_queue_id(dev, rq);
		__entry->backing = backing;
		__entry->sector = sector;
		__entry->bytes = rq->bio->bi_iter.bi_size;
	),
	TP_printk("abuse%d id=%#llx to=%d:%d sector=%llu bytes=%u",
		  __entry->number, __entry->id, MAJOR(__entry->backing),
		  MINOR(__entry->backing), __entry->sector, __entry->bytes)
);

TRACE_EVENT(abuse_end,
	TP_PROTO(struct abuse_device *dev, struct abuse_request *rq,
		 int error),
	TP_ARGS(dev, rq, error),
	TP_STRUCT__entry(
		__field(int, number)
		__field(u64, id)
		__field(u64, sector)
		__field(u32, bytes)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->number = dev->number;
		__entry->id = abuse_queue_id(dev, rq);
		__entry->sector = rq->bio->bi_iter.bi_sector;
		__entry->bytes = rq->bio->bi_iter.bi_size;
		__entry->error = error;
	),
	TP_printk("abuse%d id=%#llx sector=%llu bytes=%u error=%d",
		  __entry->number, __entry->id, __entry->sector,
		  __entry->bytes, __entry->error)
);

#endif /* ABUSE_TRACE_H */

/* Where define_trace.h finds this file again; Kbuild adds its folder. */
#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
