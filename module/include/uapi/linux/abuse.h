/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * abuse.h - the contract between the abuse block driver and its servers
 *
 * Where it stands: bio > queue > [ioctl] > server > backend > completion.
 * Both sides include this one file; nothing else is shared between them.
 *
 * A server is any process that opens /dev/abctlN and answers the requests of
 * /dev/abuseN through the ioctls below.  There is no connection to set up and
 * none to lose: a server may be one process or many, may crash at any time,
 * and what it had been lent then goes to the next one.
 *
 * The first half keeps the numbers and layouts of the 2009 proposal, so that
 * a server written against its header runs unmodified.  The second half is
 * the serve path of today.
 *
 * The word for the state of a request names who owns it:
 *   QUEUED     the module's, waiting for a server
 *   LENT       one server's (a process and the open file it asked through)
 *   FORWARDED  a backing device's, on the word of a server
 *   ASIDE      nobody's: too many servers died with it
 *   DONE       answered, on its way back to whoever submitted the bio
 */
#ifndef _UAPI_LINUX_ABUSE_H
#define _UAPI_LINUX_ABUSE_H

#include <linux/types.h>

/* The majors of 2009, from the range for local use; see the parameter major. */
#define ABUSE_MAJOR			60
#define ABUSECTL_MAJOR			61

/* Devices are numbered from 0 to this, exclusively. */
#define ABUSE_NR_LIMIT			1024

/* Bounds on what ABUSE_SET_STATUS accepts. */
#define ABUSE_QUEUE_DEFAULT		512
#define ABUSE_QUEUE_LIMIT		4096

/* ------------------------------------------------------------------ 2009 */

#define ABUSE_GET_STATUS		0x4120
#define ABUSE_SET_STATUS		0x4121
#define ABUSE_SET_POLL			0x4122
#define ABUSE_RESET			0x4123
#define ABUSE_GET_BIO			0x4124
#define ABUSE_PUT_BIO			0x4125

/* abuse_info.ab_flags */
#define ABUSE_FLAGS_READ_ONLY		1
#define ABUSE_FLAGS_RECONNECT		2
/* Since 2026: what the server can do; without them it is never asked to. */
#define ABUSE_FLAGS_WRITE_CACHE		4	/* flush, PREFLUSH, FUA */
#define ABUSE_FLAGS_DISCARD		8	/* ABUSE_DISCARD */
#define ABUSE_FLAGS_WRITE_ZEROES	16	/* ABUSE_WRITE_ZEROES */

/**
 * struct abuse_info - what a device is: ABUSE_GET_STATUS, ABUSE_SET_STATUS
 * @ab_device: out: dev_t of /dev/abuseN, as stat(2) gives it; never an address
 * @ab_size: capacity in bytes; a multiple of @ab_blocksize, not 0
 * @ab_number: out: N
 * @ab_flags: ABUSE_FLAGS_*; RECONNECT is not kept
 * @ab_blocksize: logical block size in bytes: a power of two, 512 to 4096
 * @ab_max_queue: bound on the requests in the module's care; 0 asks for
 *	ABUSE_QUEUE_DEFAULT, at most ABUSE_QUEUE_LIMIT
 * @ab_queue_size: out: requests in the module's care now, QUEUED and LENT
 * @ab_errors: out: requests that ended with an error since the last RESET
 * @ab_max_vecs: out: the most vectors that ABUSE_GET_BIO can hand out
 *
 * 44 bytes are copied, with a 32-bit server as with a 64-bit one: the four
 * bytes of padding that follow on a 64-bit machine carry nothing.
 *
 * ABUSE_SET_STATUS configures a device that is not configured yet.  With
 * ABUSE_FLAGS_RECONNECT it is for a server that comes back to a configured
 * one: block size, write cache, discard and write-zeroes must be those the
 * device has; the size may have grown, and then the device grows with it, in
 * use or not; READ_ONLY may be set and cleared; the queue bound may be
 * lowered, and raised again up to what it was at first.
 *
 * The disk has its capacity only when a server first asks for work: by
 * ABUSE_GET_BIO, by poll(2), or by ABUSE_SERVE with room for a request.
 *
 * Errors of ABUSE_SET_STATUS: EFAULT; EINVAL (a field is out of its range, or
 * differs on a reconnect); EFBIG (too large for a loff_t); EBUSY (configured
 * already, or being reset); ENOMEM (no memory for the reserve; nothing is
 * changed).
 */
struct abuse_info {
	__u64	ab_device;
	__u64	ab_size;
	__u32	ab_number;
	__u32	ab_flags;
	__u32	ab_blocksize;
	__u32	ab_max_queue;
	__u32	ab_queue_size;
	__u32	ab_errors;
	__u32	ab_max_vecs;
};

/* abuse_poll.ab_events */
#define ABUSE_POLL_MSG			1	/* POLLMSG: requests wait */
#define ABUSE_POLL_IN			2	/* POLLIN: the same */
#define ABUSE_POLL_PRI			4	/* POLLPRI: see below */

/* The longest that a threshold may make a request wait. */
#define ABUSE_POLL_TIMEOUT_LIMIT_MS	10000

/**
 * struct abuse_poll - what poll(2) reports of this open file: ABUSE_SET_POLL
 * @ab_events: ABUSE_POLL_*, at least one; ABUSE_POLL_MSG at first, as in 2009
 * @ab_threshold: requests that must be QUEUED to wake a poller; 1 at first, at
 *	most ABUSE_QUEUE_LIMIT.  What can never be reached counts as reached:
 *	when the bound is smaller, or all slots are taken
 * @ab_timeout_ms: a request that has been QUEUED for so long wakes a poller
 *	whatever the threshold; 1 to ABUSE_POLL_TIMEOUT_LIMIT_MS if
 *	@ab_threshold is above 1, else 0
 * @ab_reserved: 0
 *
 * 2009 named this call but gave it neither an argument nor an effect.
 *
 * POLLPRI: the device was configured, reset or grown, or a server went, since
 * this file last called ABUSE_GET_STATUS.
 *
 * Errors: EFAULT, EINVAL (a field is out of its range).
 */
struct abuse_poll {
	__u32	ab_events;
	__u32	ab_threshold;
	__u32	ab_timeout_ms;
	__u32	ab_reserved;
};

/**
 * struct abuse_vec - one piece of a request's data, of the 2009 calls
 * @ab_address: in, PUT: where the server has (READ) or wants (WRITE) the data
 * @ab_len: out, GET: bytes
 * @ab_offset: out, GET: offset in the page, for the curious
 */
struct abuse_vec {
	__u64	ab_address;
	__u32	ab_len;
	__u32	ab_offset;
};

/**
 * struct abuse_xfr_hdr - one request: ABUSE_GET_BIO, ABUSE_PUT_BIO
 * @ab_id: GET: out, PUT: in: names this lend of this request
 * @ab_sector: first sector, of 512 bytes
 * @ab_command: ABUSE_READ, ABUSE_WRITE or ABUSE_SYNC_NOTIFICATION
 * @ab_result: PUT: in: ABUSE_RESULT_*
 * @ab_vec_count: GET: out: vectors; PUT: in: the same number again
 * @ab_vec_offset: not used, as in 2009
 * @ab_transfer_address: address of an array of struct abuse_vec; GET writes
 *	lengths and offsets to it (0: do not), PUT reads addresses from it
 *
 * GET never waits: ENOMSG means that nothing is QUEUED; poll(2) for POLLMSG.
 * GET also gives EFAULT (the request is QUEUED again, ahead of the others),
 * EUSERS (too many processes serve through this open file), EMEDIUMTYPE (the
 * device is bound to a store that the caller has not presented).
 *
 * PUT gives ENOMSG (@ab_id names no request), ESTALE (it named one that is
 * no longer lent to the caller, or that the caller answered already), EINVAL
 * (sector, count or command do not match, or an unknown result), EFAULT, EBUSY
 * (another thread is copying), EMEDIUMTYPE (DEVICE_FAILURE by one who has not
 * presented the store that the device is bound to).
 * After EINVAL and EFAULT the request is QUEUED again, behind the others.
 *
 * A WRITE answered by PUT stays LENT, for the server stores the data only
 * after PUT has returned; it is DONE when the same thread next calls GET, PUT
 * or poll.  (2009 ended it at once, before anything had been stored.)
 */
struct abuse_xfr_hdr {
	__u64	ab_id;
	__u64	ab_sector;
	__u32	ab_command;
	__u32	ab_result;
	__u32	ab_vec_count;
	__u32	ab_vec_offset;
	__u64	ab_transfer_address;
};

/* ab_command */
#define ABUSE_READ			0
#define ABUSE_WRITE			1
#define ABUSE_SYNC_NOTIFICATION		2	/* flush: no data, no sector */
/* Since 2026, for servers that asked for them: a range, no data. */
#define ABUSE_DISCARD			3
#define ABUSE_WRITE_ZEROES		4

/* ab_result */
#define ABUSE_RESULT_OKAY		0
#define ABUSE_RESULT_MEDIA_FAILURE	1	/* this request fails with EIO */
#define ABUSE_RESULT_DEVICE_FAILURE	2	/* so do all that are QUEUED */

/* ------------------------------------------------------------- since 2026 */

#define ABUSE_SERVE			0x4126
#define ABUSE_SET_SCOPE			0x4127
#define ABUSE_GET_SCOPE			0x4128
#define ABUSE_GET_COUNTERS		0x4129
#define ABUSE_SET_BACKING		0x412a
#define ABUSE_SET_STORE			0x412b
/* Of /dev/abuse-control. */
#define ABUSE_CTL_ADD			0x412c
#define ABUSE_CTL_REMOVE		0x412d
#define ABUSE_CTL_LIST			0x412e

/* abuse_serve.ab_flags */
#define ABUSE_SERVE_NOWAIT		1	/* nothing QUEUED: return 0 */
#define ABUSE_SERVE_NOFAULT		2	/* absent memory: EFAULT */

/* Most verbs, and most requests, that one call takes. */
#define ABUSE_SERVE_LIMIT		4096

/**
 * struct abuse_serve - answer requests and ask for more: ABUSE_SERVE
 * @ab_verbs: in: address of an array of struct abuse_verb
 * @ab_requests: in: address of an array of struct abuse_lent, filled
 * @ab_nr_verbs: in: verbs to carry out, in order
 * @ab_nr_requests: in: the most requests to be lent; 0: none, do not wait
 * @ab_nr_verbs_done: out: verbs carried out
 * @ab_flags: in: ABUSE_SERVE_*
 *
 * Returns the number of requests lent.  Waits for the first if there is none
 * (unless NOWAIT), never for more than the first.
 *
 * A verb that fails ends the call with its error: @ab_nr_verbs_done is then
 * its index, the verbs before it have been carried out, no request is lent.
 *
 * Errors of the call: EFAULT (memory is not there, or not present under
 * NOFAULT: touch it and call again), EINVAL (unknown flags), E2BIG (more than
 * ABUSE_SERVE_LIMIT), EINTR (a signal came while waiting; the verbs have been
 * carried out), ENODEV (the device is not configured, or was reset meanwhile),
 * EBADF (the caller has closed the file, or given its requests up, meanwhile),
 * EUSERS (more than eight processes serve through one open file), EMEDIUMTYPE
 * (the device is bound to a store that the caller has not presented).
 *
 * Errors of a verb: EINVAL (unknown verb, an id that no request ever had, a
 * range outside the request, a copy in the wrong direction, a READ completed
 * without all its data), ESTALE (not
 * or no longer lent to the caller), EFAULT (as above; the request stays
 * LENT), EBUSY (another thread is copying to or from it); of FORWARD also
 * EINVAL (no such backing, or a range outside or not aligned to it), EPERM
 * (the caller has not presented that backing), EOPNOTSUPP (the backing cannot
 * do this): the request stays LENT.
 */
struct abuse_serve {
	__u64	ab_verbs;
	__u64	ab_requests;
	__u32	ab_nr_verbs;
	__u32	ab_nr_requests;
	__u32	ab_nr_verbs_done;
	__u32	ab_flags;
};

/* abuse_verb.ab_verb */
#define ABUSE_VERB_COPY_OUT		1	/* a WRITE's data to the server */
#define ABUSE_VERB_COPY_IN		2	/* a READ's data from the server */
#define ABUSE_VERB_COMPLETE		3	/* DONE, without an error */
#define ABUSE_VERB_FAIL			4	/* DONE, with ab_error */
#define ABUSE_VERB_REQUEUE		5	/* QUEUED again, ahead of the rest */
#define ABUSE_VERB_FORWARD		6	/* to a backing device, whole */
/* With COPY_OUT or COPY_IN, if it did not fail: and COMPLETE. */
#define ABUSE_VERB_AND_COMPLETE		0x100

/**
 * struct abuse_verb - one thing to do with one LENT request
 * @ab_id: the request, as struct abuse_lent named it
 * @ab_address: copies: address in the server
 * @ab_sector: FORWARD: first sector on the backing, of 512 bytes
 * @ab_offset_bytes: copies: offset in the request's data
 * @ab_len_bytes: copies: how much
 * @ab_verb: ABUSE_VERB_*; a copy may have AND_COMPLETE, and is done then when
 *	both are
 * @ab_error: FAIL: an errno, positive: EIO, ENOSPC, ETIMEDOUT, EREMOTEIO or
 *	EOPNOTSUPP; anything else counts as EIO
 * @ab_backing: FORWARD: index of the backing
 *
 * Copy a READ's data in ascending order of offset: COMPLETE wants every byte
 * copied in since this lend, so that no stale page is ever shown.
 *
 * FORWARD sends the request's own pages to the backing; the data never enters
 * the server.  The request is FORWARDED then, and no longer the server's: it
 * is DONE when the backing has done it, whatever becomes of the server.  If
 * the backing fails, the request is lent again with ABUSE_LENT_FAILED and the
 * error, to be answered in another way (or fails at once, if the attribute
 * forward_error says so).
 */
struct abuse_verb {
	__u64	ab_id;
	union {
		__u64	ab_address;
		__u64	ab_sector;
	};
	__u32	ab_offset_bytes;
	__u32	ab_len_bytes;
	__u32	ab_verb;
	union {
		__u32	ab_error;
		__u32	ab_backing;
	};
};

/* abuse_lent.ab_flags */
#define ABUSE_LENT_PREFLUSH		1	/* flush before this WRITE */
#define ABUSE_LENT_FUA			2	/* this WRITE is to be durable */
#define ABUSE_LENT_SWAP			4	/* a page of the swap */
#define ABUSE_LENT_AGAIN		8	/* an earlier owner had it, too */
#define ABUSE_LENT_FAILED		16	/* a backing failed it: ab_error */
#define ABUSE_LENT_NOUNMAP		32	/* WRITE_ZEROES: keep the space */

/**
 * struct abuse_lent - a request that the call lends to the server
 * @ab_id: names this lend; a later lend of the same request has another
 * @ab_sector: first sector, of 512 bytes
 * @ab_len_bytes: length of the data, or of the range
 * @ab_command: ABUSE_READ, ABUSE_WRITE, ABUSE_SYNC_NOTIFICATION, ABUSE_DISCARD
 *	or ABUSE_WRITE_ZEROES
 * @ab_flags: ABUSE_LENT_*
 * @ab_error: with ABUSE_LENT_FAILED: the errno of the backing, positive; else 0
 */
struct abuse_lent {
	__u64	ab_id;
	__u64	ab_sector;
	__u32	ab_len_bytes;
	__u32	ab_command;
	__u32	ab_flags;
	__u32	ab_error;
};

/* Most backing devices that one device can have. */
#define ABUSE_BACKINGS			4

/**
 * struct abuse_backing - a device to forward to: ABUSE_SET_BACKING
 * @ab_fd: in: a block device, open for reading and writing, not O_EXCL
 * @ab_index: out: its index, for ABUSE_VERB_FORWARD
 * @ab_size: out: its size in bytes
 *
 * Between ABUSE_SET_STATUS and the first call for work: the device claims the
 * backing exclusively, takes over its limits, and keeps it until it is reset
 * or removed, whatever becomes of the server.  Later, by another process: the
 * same call with its own descriptor presents a backing that the device has.
 *
 * Errors: EFAULT; EBADF (no such descriptor, or not open for reading and
 * writing); ENOTBLK (not a block device); ENODEV (the device is not
 * configured); EBUSY (somebody else has the backing claimed, mounted or as
 * swap, or the device is live and does not have it); EINVAL (the backing is no
 * disk or partition on hardware: loop, nbd, device mapper and the like could
 * lead back here; or its blocks are larger than the device's); ENOSPC (more
 * than ABUSE_BACKINGS); ENXIO (the disk has gone); ENOMEM (to open it once
 * more); EUSERS (see ABUSE_SERVE).
 */
struct abuse_backing {
	__s32	ab_fd;
	__u32	ab_index;
	__u64	ab_size;
};

/* abuse_store.ab_flags */
#define ABUSE_STORE_BIND		1	/* bind the device, if nothing has */

/**
 * struct abuse_store - which store a server has: ABUSE_SET_STORE
 * @ab_id: 128 bits that name the store, not all 0
 * @ab_flags: ABUSE_STORE_BIND or 0
 * @ab_reserved: 0
 *
 * A device that is bound to a store lends to nobody who has not presented
 * that store's id: each process that serves calls this once.  The binding is
 * made between ABUSE_SET_STATUS and the first call for work and ends with the
 * configuration.
 *
 * Errors: EFAULT; EINVAL (flags, reserved, or an id of 0); ENODEV (not
 * configured); EMEDIUMTYPE (bound to another store); ENOMEDIUM (not bound,
 * and not to be); EBUSY (BIND on a live device that is not bound); EUSERS.
 */
struct abuse_store {
	__u8	ab_id[16];
	__u32	ab_flags;
	__u32	ab_reserved;
};

/**
 * struct abuse_ctl - ABUSE_CTL_ADD and ABUSE_CTL_REMOVE of /dev/abuse-control
 * @ab_number: N of /dev/abuseN; ADD: -1 asks for the first that is free and
 *	is replaced by it
 * @ab_flags: 0
 *
 * Errors: EFAULT; EINVAL (flags, or a number out of range); EEXIST (ADD: it is
 * there); ENOSPC (ADD: none is free); ENODEV (REMOVE: it is not there); EBUSY
 * (REMOVE: the disk or its control node is open, or requests are in care);
 * ENOMEM; EINTR.
 */
struct abuse_ctl {
	__s32	ab_number;
	__u32	ab_flags;
};

/**
 * struct abuse_ctl_list - ABUSE_CTL_LIST: which devices there are
 * @ab_numbers: in: address of an array of __u32, filled in ascending order
 * @ab_nr: in: room in it; out: devices there are, perhaps more than that
 * @ab_reserved: 0
 *
 * Errors: EFAULT, EINVAL, ENOMEM, EINTR.
 */
struct abuse_ctl_list {
	__u64	ab_numbers;
	__u32	ab_nr;
	__u32	ab_reserved;
};

/* abuse_scope.ab_target */
#define ABUSE_SCOPE_DEVICE		0
#define ABUSE_SCOPE_THREAD		1

/* abuse_scope.ab_scope */
#define ABUSE_SCOPE_NONE		0
#define ABUSE_SCOPE_NOIO		1	/* PF_MEMALLOC_NOIO */
#define ABUSE_SCOPE_MEMALLOC		2	/* PF_MEMALLOC; copies never fault */

/**
 * struct abuse_scope - the reserve scope: ABUSE_SET_SCOPE, ABUSE_GET_SCOPE
 * @ab_target: DEVICE: around every serve ioctl of this device; THREAD: for
 *	every system call of the calling thread, until it exits, or sets NONE
 * @ab_scope: ABUSE_SCOPE_*
 *
 * GET reads a thread's scope from its task flags, not from what was asked
 * for.  A thread's scope is inherited over fork and kept over exec.
 * SET_SCOPE for THREAD changes only what this call set before: the flag of
 * PR_SET_IO_FLUSHER stays as it is.
 *
 * Errors: EFAULT, EINVAL, EPERM (SET wants CAP_SYS_RESOURCE).
 */
struct abuse_scope {
	__u32	ab_target;
	__u32	ab_scope;
};

/**
 * struct abuse_counters - what a device has done: ABUSE_GET_COUNTERS
 * @ab_accepted: bios taken into care
 * @ab_ended: bios ended, or DONE and about to be by the call that answered
 *	them; accepted - ended is what waits for an answer
 * @ab_ended_error: of these, with an error
 * @ab_read_bytes: bytes of the READs that ended well
 * @ab_write_bytes: bytes of the WRITEs that ended well
 * @ab_swap_write_bytes: of these, marked as swap by the kernel
 * @ab_lent: lends, every lend of a request counted
 * @ab_requeued: times a request went from LENT back to QUEUED
 * @ab_stalled: submitters that had to wait for a slot
 * @ab_bypassed: bios of serving processes that were let past the bound
 * @ab_again: bios turned away with EAGAIN (REQ_NOWAIT on a full queue)
 * @ab_serve_calls: serve and GET/PUT calls
 * @ab_discard_bytes: bytes of the DISCARDs and WRITE_ZEROESs that ended well
 * @ab_flushes: flushes that ended well
 * @ab_forwarded: clones sent to backings
 * @ab_forward_failed: of these, ended with an error
 * @ab_timed_out: bios failed because there was no server (see no_server)
 * @ab_set_aside: times a request was set ASIDE
 * @ab_nr_slots: request slots, the reserve
 * @ab_nr_free: of these, free
 * @ab_nr_free_min: the fewest that were ever free since configuration
 * @ab_nr_queued: requests QUEUED now
 * @ab_nr_waiting: bios accepted that still wait for a slot
 * @ab_nr_lent: requests LENT now
 * @ab_nr_servers: processes that serve now
 * @ab_nr_opens: opens of the block device now (a swap area is one)
 * @ab_nr_forwarded: requests FORWARDED now
 * @ab_nr_aside: requests ASIDE now
 * @ab_nr_clones: bios in the device's bio_set, the other half of the reserve
 * @ab_nr_clones_free: of these, free
 * @ab_nr_clones_free_min: the fewest that were ever free since configuration
 * @ab_nr_backings: backing devices
 *
 * Allocates nothing, takes no lock that a server could hold: to be called by
 * a monitor when memory is exhausted.  Errors: EFAULT.
 */
struct abuse_counters {
	__u64	ab_accepted;
	__u64	ab_ended;
	__u64	ab_ended_error;
	__u64	ab_read_bytes;
	__u64	ab_write_bytes;
	__u64	ab_swap_write_bytes;
	__u64	ab_lent;
	__u64	ab_requeued;
	__u64	ab_stalled;
	__u64	ab_bypassed;
	__u64	ab_again;
	__u64	ab_serve_calls;
	__u64	ab_discard_bytes;
	__u64	ab_flushes;
	__u64	ab_forwarded;
	__u64	ab_forward_failed;
	__u64	ab_timed_out;
	__u64	ab_set_aside;
	__u32	ab_nr_slots;
	__u32	ab_nr_free;
	__u32	ab_nr_free_min;
	__u32	ab_nr_queued;
	__u32	ab_nr_waiting;
	__u32	ab_nr_lent;
	__u32	ab_nr_servers;
	__u32	ab_nr_opens;
	__u32	ab_nr_forwarded;
	__u32	ab_nr_aside;
	__u32	ab_nr_clones;
	__u32	ab_nr_clones_free;
	__u32	ab_nr_clones_free_min;
	__u32	ab_nr_backings;
};

#endif /* _UAPI_LINUX_ABUSE_H */
