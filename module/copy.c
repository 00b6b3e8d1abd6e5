// SPDX-License-Identifier: GPL-2.0-only
/*
 * copy.c - data and descriptors between the kernel and a server
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * Called by serve.c and legacy.c without any lock held (I6).  With nofault it
 * never enters the page fault handler, hence neither reclaim nor swap (I7).
 */
#include <linux/highmem.h>
#include <linux/uaccess.h>

#include "abuse.h"
#include "compat.h"

/*
 * A copy that may fault waits for whatever the server's memory waits for: as
 * far as lockdep is concerned the server is not at work then (lockdep.c).
 */
static void abuse_copy_begin(bool nofault)
{
	if (nofault && !abuse_busted("fault-anyway"))
		pagefault_disable();
	else
		abuse_lockdep_serve_leave();
}

static void abuse_copy_end(bool nofault)
{
	if (nofault && !abuse_busted("fault-anyway"))
		pagefault_enable();
	else
		abuse_lockdep_serve_enter();
}

/**
 * abuse_copy_from_user - copy_from_user(), on request without page faults
 * @to: kernel memory, the caller's own: hardened usercopy does not look at it
 * @from: address in the server
 * @len: bytes
 * @nofault: memory that is not present is an error
 *
 * Context: Process context, no lock held.  May sleep unless @nofault.
 * Return: 0 or -EFAULT.
 */
int abuse_copy_from_user(void *to, u64 from, size_t len, bool nofault)
{
	unsigned long left;

	abuse_copy_begin(nofault);
	left = _copy_from_user(to, u64_to_user_ptr(from), len);
	abuse_copy_end(nofault);
	return left ? -EFAULT : 0;
}

/**
 * abuse_copy_to_user - copy_to_user(), on request without page faults
 * @to: address in the server
 * @from: kernel memory, the caller's own: hardened usercopy does not look at it
 * @len: bytes
 * @nofault: memory that is not present is an error
 *
 * Context: Process context, no lock held.  May sleep unless @nofault.
 * Return: 0 or -EFAULT.
 */
int abuse_copy_to_user(u64 to, const void *from, size_t len, bool nofault)
{
	unsigned long left;

	abuse_copy_begin(nofault);
	left = _copy_to_user(u64_to_user_ptr(to), from, len);
	abuse_copy_end(nofault);
	return left ? -EFAULT : 0;
}

/*
 * The data of a bio, one segment.  The out-of-line functions: copy_to_user()
 * would have hardened usercopy look at the kernel's side, and that refuses,
 * with a BUG, what may well be in a bio: jbd2 keeps copies of blocks smaller
 * than a page in a slab of its own.  Returns 0 or -EFAULT.
 */
static int abuse_copy_segment(struct bio *bio, void *data, size_t len,
			      u64 address, bool nofault)
{
	void __user *user = u64_to_user_ptr(address);
	unsigned long left;

	abuse_copy_begin(nofault);
	if (abuse_busted("usercopy-checked"))
		left = bio_op(bio) == REQ_OP_WRITE ?
		       copy_to_user(user, data, len) :
		       copy_from_user(data, user, len);
	else if (bio_op(bio) == REQ_OP_WRITE)
		left = _copy_to_user(user, data, len);
	else
		left = _copy_from_user(data, user, len);
	abuse_copy_end(nofault);
	return left ? -EFAULT : 0;
}

/**
 * abuse_copy - move a range of a bio's data: a WRITE's out, a READ's in
 * @bio: the bio; the caller has begun a copy on its request (I11)
 * @offset_bytes: where in the bio's data
 * @len_bytes: how much; the range lies within the bio
 * @address: where in the server
 * @nofault: memory that is not present is an error
 *
 * Context: Process context, no lock held.  May sleep unless @nofault.
 * Return: 0, or -EFAULT after any part of the range was copied.
 */
int abuse_copy(struct bio *bio, u32 offset_bytes, u32 len_bytes, u64 address,
	       bool nofault)
{
	struct bvec_iter start = bio->bi_iter, iter;
	struct bio_vec bv;
	int err = 0;

	if (abuse_busted("short-copy"))
		len_bytes -= len_bytes / 2;
	bio_advance_iter(bio, &start, offset_bytes);
	start.bi_size = len_bytes;
	__bio_for_each_segment(bv, bio, iter, start) {
		void *data = bvec_kmap_local(&bv);

		err = abuse_copy_segment(bio, data, bv.bv_len, address,
					 nofault);
		if (bio_op(bio) == REQ_OP_READ)
			flush_dcache_page(bv.bv_page);
		kunmap_local(data);
		if (err)
			break;
		address += bv.bv_len;
	}
	return err;
}
