/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * abuse-2009.h - what the header of 2009 promised a server, and no more
 *
 * Where it stands: bio > queue > [ioctl] > server > backend > completion.
 * Names, numbers and layouts of <linux/abuse.h> as it was proposed in 2009:
 * the programs in server/ that play a server of that time include this in its
 * place, and nothing of today's.  The original compiles them as well:
 *
 *     make HEADER_2009=path/of/the/original/abuse.h ...
 */
#ifndef ABUSE_2009_H
#define ABUSE_2009_H

#include <linux/types.h>

#define ABUSE_GET_STATUS	0x4120
#define ABUSE_SET_STATUS	0x4121
#define ABUSE_SET_POLL		0x4122
#define ABUSE_RESET		0x4123
#define ABUSE_GET_BIO		0x4124
#define ABUSE_PUT_BIO		0x4125

/* abuse_info.ab_flags */
enum { ABUSE_FLAGS_READ_ONLY = 1, ABUSE_FLAGS_RECONNECT = 2 };

/* abuse_xfr_hdr.ab_command */
enum { ABUSE_READ = 0, ABUSE_WRITE = 1, ABUSE_SYNC_NOTIFICATION = 2 };

/* abuse_xfr_hdr.ab_result */
enum {
	ABUSE_RESULT_OKAY = 0,
	ABUSE_RESULT_MEDIA_FAILURE = 1,
	ABUSE_RESULT_DEVICE_FAILURE = 2,
};

struct abuse_info {
	__u64 ab_device, ab_size;
	__u32 ab_number, ab_flags, ab_blocksize, ab_max_queue;
	__u32 ab_queue_size, ab_errors, ab_max_vecs;
};

struct abuse_vec {
	__u64 ab_address;
	__u32 ab_len, ab_offset;
};

struct abuse_xfr_hdr {
	__u64 ab_id, ab_sector;
	__u32 ab_command, ab_result, ab_vec_count, ab_vec_offset;
	__u64 ab_transfer_address;
};

#endif
