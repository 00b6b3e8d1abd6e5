// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will make each call of libabuse go wrong in the ways that its
 * header documents, and find the errno that stands there: no device, a file
 * that is none, a device that is not configured or not alike, wrong sizes, the
 * wrong store; and see that absent memory is touched, answers to requests that
 * are gone are skipped, and a signal ends the loop.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 60
 * busted: module=any-status
 * busted: module=fault-anyway
 * busted: module=accept-stale
 * busted: module=any-store
 * busted: module=control-any
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libabuse.h"
#include "t.h"

#define SIZE	(4 * T_MIB)
#define ROOM	16

static const uint8_t store[16] = { 1 }, other[16] = { 2 }, none[16];

static struct abuse_info wanted(uint64_t size_bytes, uint32_t blocksize_bytes)
{
	struct abuse_info info = {
		.ab_size = size_bytes,
		.ab_blocksize = blocksize_bytes,
	};

	return info;
}

static int configure(struct abuse_dev *dev, uint64_t size_bytes,
		     uint32_t blocksize_bytes)
{
	struct abuse_info info = wanted(size_bytes, blocksize_bytes);

	return abuse_configure(dev, &info);
}

static void opens(void)
{
	struct abuse_dev dev = { .fd = 7 };
	int fd;

	T_EQ(abuse_open(&dev, 999), -ENOENT);
	T_EQ(dev.fd, -1);
	T_EQ(abuse_open_path(&dev, "/dev/null"), -ENOTTY);
	T_EQ(dev.fd, -1);
	T_EQ(abuse_open_path(&dev, "/dev/abuse-control"), -ENOTTY);
	T_EQ(abuse_adopt(&dev, -1), -EBADF);
	/* Of one that was never opened, and twice. */
	abuse_close(&dev);
	T_EQ(abuse_open(&dev, 1), 0);
	T_TRUE(T_RET(fcntl(dev.fd, F_GETFD)) == FD_CLOEXEC,
	       "the descriptor: expected close-on-exec, found it kept");
	fd = dev.fd;
	abuse_close(&dev);
	abuse_close(&dev);
	T_EQ(T_RET(fcntl(fd, F_GETFD)), -EBADF);
	fd = open("/dev/abctl1", O_RDWR | O_CLOEXEC);
	T_EQ(abuse_adopt(&dev, fd), 0);
	T_EQ(dev.fd, fd);
	abuse_close(&dev);
}

static void not_configured(struct abuse_dev *dev)
{
	const struct abuse_poll threshold = { ABUSE_POLL_MSG, 2, 0, 0 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct abuse_counters counters;
	struct abuse_info info;
	struct abuse_lent lent;
	unsigned int value;
	bool refuses;

	T_EQ(abuse_get_status(dev, &info), 0);
	T_EQ(info.ab_size, 0);
	T_EQ(abuse_get_counters(dev, &counters), 0);
	T_EQ(counters.ab_nr_slots, 0);
	T_EQ(abuse_go_live(dev), -ENODEV);
	T_EQ(abuse_serve(dev, NULL, 0, &lent, 1, false), -ENODEV);
	T_EQ(abuse_probe_nofault(dev, &refuses), -ENODEV);
	T_EQ(abuse_probe_verb(dev, ABUSE_VERB_COPY_IN), -ENODEV);
	T_EQ(abuse_bind_store(dev, store), -ENODEV);
	T_EQ(abuse_present_store(dev, store), -ENODEV);
	T_EQ(abuse_bind_store(dev, none), -EINVAL);
	T_EQ(abuse_set_backing(dev, -1, &value, NULL), -EBADF);
	T_EQ(abuse_set_backing(dev, null, &value, NULL), -ENOTBLK);
	T_EQ(abuse_reset(dev), -EINVAL);
	T_EQ(abuse_unconfigure(dev), 0);
	T_EQ(abuse_set_poll(dev, &threshold), -EINVAL);
	T_EQ(abuse_set_scope(dev, 9, ABUSE_SCOPE_NONE), -EINVAL);
	T_EQ(abuse_set_scope(dev, ABUSE_SCOPE_DEVICE, 9), -EINVAL);
	T_EQ(abuse_get_scope(dev, 9, &value), -EINVAL);
	close(null);
}

static void wrong_sizes(struct abuse_dev *dev)
{
	T_EQ(configure(dev, 0, T_PAGE), -EINVAL);
	T_EQ(configure(dev, T_PAGE + 1, T_PAGE), -EINVAL);
	T_EQ(configure(dev, SIZE, 3), -EINVAL);
	T_EQ(configure(dev, SIZE, 2 * T_PAGE), -EINVAL);
	T_EQ(configure(dev, 1ull << 63, T_PAGE), -EFBIG);
	T_TRUE(!dev->configured, "refused: expected not configured");
	T_EQ(dev->size_bytes, 0);
}

static void comes_back(struct abuse_dev *dev)
{
	struct abuse_dev late;
	struct abuse_info info;

	T_EQ(configure(dev, SIZE, T_PAGE), 0);
	T_TRUE(dev->configured, "the first: expected it to have configured");
	T_EQ(dev->size_bytes, SIZE);
	/* Again: it is who configured it, still. */
	T_EQ(configure(dev, SIZE, T_PAGE), 0);
	T_TRUE(dev->configured, "once more: expected it to have configured");
	T_EQ(abuse_open(&late, 0), 0);
	T_EQ(configure(&late, SIZE / 2, T_PAGE), -EINVAL);
	T_EQ(configure(&late, SIZE, 512), -EINVAL);
	info = wanted(SIZE, T_PAGE);
	info.ab_flags = ABUSE_FLAGS_WRITE_CACHE;
	T_EQ(abuse_configure(&late, &info), -EINVAL);
	T_EQ(configure(&late, 2 * SIZE, T_PAGE), 0);
	T_TRUE(!late.configured, "who came back: expected not to have");
	T_EQ(late.size_bytes, 2 * SIZE);
	T_EQ(abuse_unconfigure(&late), 0);
	T_EQ(abuse_get_status(dev, &info), 0);
	T_EQ(info.ab_size, 2 * SIZE);
	T_EQ(abuse_unconfigure(dev), 0);
	T_EQ(abuse_get_status(dev, &info), 0);
	T_EQ(info.ab_size, 0);
	abuse_close(&late);
}

static void stores(struct abuse_dev *dev)
{
	struct abuse_dev stranger;
	struct abuse_lent lent;

	T_EQ(configure(dev, SIZE, T_PAGE), 0);
	T_EQ(abuse_present_store(dev, store), -ENOMEDIUM);
	T_EQ(abuse_bind_store(dev, store), 0);
	T_EQ(abuse_bind_store(dev, store), 0);
	T_EQ(abuse_bind_store(dev, other), -EMEDIUMTYPE);
	T_EQ(abuse_open(&stranger, 0), 0);
	T_EQ(abuse_serve(&stranger, NULL, 0, &lent, 1, false), -EMEDIUMTYPE);
	T_EQ(abuse_present_store(&stranger, other), -EMEDIUMTYPE);
	T_EQ(abuse_present_store(&stranger, store), 0);
	T_EQ(abuse_serve(&stranger, NULL, 0, &lent, 1, false), 0);
	abuse_close(&stranger);
	T_EQ(abuse_reset(dev), 0);

	T_EQ(configure(dev, SIZE, T_PAGE), 0);
	T_EQ(abuse_go_live(dev), 0);
	T_UNTIL(t_is_live(0));
	T_EQ(abuse_bind_store(dev, store), -EBUSY);
	T_EQ(abuse_reset(dev), 0);
}

/* Memory that has never been touched: there once the call has returned. */
static void absent(struct abuse_dev *dev)
{
	char *fresh = mmap(NULL, 4 * T_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct abuse_verb verbs[4];
	struct abuse_batch batch = { verbs, 0, 4 };
	struct abuse_lent lent = { 0 };
	bool refuses = true;
	struct t_io *io;

	T_TRUE(fresh != MAP_FAILED, "mmap: %s", strerror(errno));
	T_EQ(abuse_probe_verb(dev, ABUSE_VERB_COPY_OUT), 0);
	T_EQ(abuse_probe_verb(dev, ABUSE_VERB_COPY_IN |
				   ABUSE_VERB_AND_COMPLETE), 0);
	T_EQ(abuse_probe_verb(dev, ABUSE_VERB_COMPLETE |
				   ABUSE_VERB_AND_COMPLETE), -EOPNOTSUPP);
	T_EQ(abuse_probe_verb(dev, 99), -EOPNOTSUPP);
	T_EQ(abuse_probe_nofault(dev, &refuses), 0);
	T_TRUE(!refuses, "without NOFAULT: expected no refusal");
	dev->flags = ABUSE_SERVE_NOFAULT;
	T_EQ(abuse_probe_nofault(dev, &refuses), 0);
	T_TRUE(refuses, "with NOFAULT: expected a refusal, found none");

	io = t_submit(0, T_WRITE, 0, T_PAGE, 0);
	T_EQ(abuse_exchange(dev, &batch, &lent, 1, true), 1);
	T_EQ(abuse_copy_out(&batch, &lent, fresh, 0, T_PAGE), 0);
	T_EQ(abuse_complete(&batch, &lent), 0);
	T_EQ(abuse_exchange(dev, &batch, NULL, 0, false), 0);
	T_EQ(batch.nr, 0);
	T_EQ(t_result(io), T_PAGE);
	t_stamp_check(fresh, 0, T_PAGE, 1);
	T_TRUE(dev->nr_absent > 0, "absent memory: expected it noticed");

	/* What the kernel reads may be read-only. */
	T_EQ(T_RET(mprotect(fresh + T_PAGE, T_PAGE, PROT_READ)), 0);
	io = t_submit(0, T_READ, 0, T_PAGE, 0);
	T_EQ(abuse_exchange(dev, &batch, &lent, 1, true), 1);
	T_EQ(abuse_copy_in(&batch, &lent, fresh + T_PAGE, 0, T_PAGE), 0);
	T_EQ(abuse_complete(&batch, &lent), 0);
	T_EQ(abuse_exchange(dev, &batch, NULL, 0, false), 0);
	T_EQ(t_result(io), T_PAGE);
	dev->flags = 0;
}

static void batches(struct abuse_dev *dev)
{
	struct abuse_verb verbs[3];
	struct abuse_batch batch = { verbs, 0, 2 };
	struct abuse_lent lent = { 0 }, again = { 0 };
	unsigned long long nr_stale = dev->nr_stale;
	static char page[T_PAGE];
	struct t_io *io;

	io = t_submit(0, T_WRITE, T_PAGE, T_PAGE, 0);
	T_EQ(abuse_exchange(dev, &batch, &lent, 1, true), 1);
	T_EQ(abuse_requeue(&batch, &lent), 0);
	T_EQ(abuse_exchange(dev, &batch, &again, 1, false), 1);
	T_TRUE(lent.ab_id != again.ab_id, "lent again: expected another id");

	/* To the first lend: an answer is skipped, a copy-out is not. */
	T_EQ(abuse_fail(&batch, &lent, -ENOSPC), 0);
	T_EQ(abuse_copy_out(&batch, &lent, page, 0, T_PAGE), 0);
	T_EQ(abuse_complete(&batch, &lent), -ENOSPC);
	T_EQ(batch.nr, 2);
	T_EQ(abuse_exchange(dev, &batch, NULL, 0, false), -ESTALE);
	T_EQ(dev->nr_stale, nr_stale + 1);
	T_EQ(dev->nr_done, 1);
	T_EQ(batch.nr, 1);
	T_EQ(batch.verbs[0].ab_verb, ABUSE_VERB_COPY_OUT);
	abuse_forget(&batch, again.ab_id);
	T_EQ(batch.nr, 1);
	abuse_forget(&batch, lent.ab_id);
	T_EQ(batch.nr, 0);
	batch.max = 3;
	T_EQ(abuse_copy_in(&batch, &lent, page, 0, T_PAGE), 0);
	T_EQ(abuse_requeue(&batch, &lent), 0);
	T_EQ(abuse_fail(&batch, &again, ENOSPC), 0);
	T_EQ(abuse_exchange(dev, &batch, NULL, 0, false), 0);
	T_EQ(dev->nr_stale, nr_stale + 3);
	T_EQ(t_result(io), -ENOSPC);

	/* Both in one: a WRITE, the same again, a READ of it. */
	io = t_submit(0, T_WRITE, T_PAGE, T_PAGE, 0);
	T_EQ(abuse_exchange(dev, &batch, &lent, 1, true), 1);
	T_EQ(abuse_copy_and_complete(&batch, &lent, page), 0);
	T_EQ(abuse_copy_and_complete(&batch, &lent, page), 0);
	T_EQ(abuse_exchange(dev, &batch, NULL, 0, false), 0);
	T_EQ(dev->nr_stale, nr_stale + 4);
	T_EQ(t_result(io), T_PAGE);
	io = t_submit(0, T_READ, T_PAGE, T_PAGE, 0);
	T_EQ(abuse_exchange(dev, &batch, &lent, 1, true), 1);
	T_EQ(abuse_copy_and_complete(&batch, &lent, page), 0);
	T_EQ(abuse_exchange(dev, &batch, NULL, 0, false), 0);
	T_EQ(t_result(io), T_PAGE);
	T_TRUE(!memcmp(io->data, page, T_PAGE), "expected what was written");

	/* What makes no sense is the caller's to know of. */
	T_TRUE(abuse_append(&batch, &again, 99), "append: expected room");
	T_EQ(abuse_exchange(dev, &batch, NULL, 0, false), -EINVAL);
	T_EQ(batch.nr, 1);
	T_EQ(abuse_serve(dev, NULL, 0, NULL, ABUSE_SERVE_LIMIT + 1, false),
	     -E2BIG);
}

static int run_read(void *context, void *buffer, uint64_t offset_bytes,
		    uint32_t len_bytes)
{
	(void)context;
	t_stamp(buffer, offset_bytes, len_bytes, 5);
	return 0;
}

static int run_write(void *context, const void *buffer, uint64_t offset_bytes,
		     uint32_t len_bytes)
{
	(void)context;
	return t_stamp_is(buffer, offset_bytes, len_bytes, 1) ? 0 : -EREMOTEIO;
}

static volatile bool signalled;

static void on_signal(int sig)
{
	(void)sig;
	signalled = true;
}

static void runs(struct abuse_dev *dev)
{
	const struct sigaction action = { .sa_handler = on_signal };
	const struct abuse_ops ops = { .read = run_read, .write = run_write };
	const struct abuse_ops no_ops = { .read = run_read };
	struct t_io *read_io, *write_io;
	pid_t parent = getpid(), caller;

	T_EQ(abuse_ops_flags(&ops), 0);
	T_EQ(abuse_run(dev, &no_ops, NULL), -EINVAL);
	T_EQ(abuse_arena_make(dev, 0, T_PAGE), -EINVAL);
	T_EQ(abuse_arena_make(dev, ABUSE_SERVE_LIMIT, T_PAGE), -EINVAL);
	T_EQ(abuse_arena_make(dev, 4, 1000), -EINVAL);
	T_EQ(abuse_arena_make(dev, 4, T_PAGE), 0);
	T_EQ(abuse_arena_make(dev, 4, T_PAGE), -EEXIST);

	/* Through a buffer of one page; the signal comes when both are done. */
	T_EQ(T_RET(sigaction(SIGUSR1, &action, NULL)), 0);
	read_io = t_submit(0, T_READ, 0, 64 * T_PAGE, 0);
	write_io = t_submit(0, T_WRITE, 64 * T_PAGE, 64 * T_PAGE, 0);
	caller = t_fork(false);
	if (!caller) {
		T_UNTIL(read_io->done && write_io->done);
		/* Until it is heard: one between two calls is not. */
		for (;;) {
			kill(parent, SIGUSR1);
			t_pause();
		}
	}
	T_EQ(abuse_run(dev, &ops, NULL), -EINTR);
	T_TRUE(signalled, "-EINTR: expected a signal, found none");
	t_kill(caller, SIGKILL);
	T_EQ(t_result(read_io), 64 * T_PAGE);
	t_stamp_check(read_io->data, 0, 64 * T_PAGE, 5);
	T_EQ(t_result(write_io), 64 * T_PAGE);
	abuse_arena_free(dev);
	abuse_arena_free(dev);
}

static void control(void)
{
	uint32_t numbers[ROOM];
	int fd = abuse_control_open();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), nr, number;

	T_OK(fd);
	nr = abuse_list(fd, numbers, ROOM);
	T_TRUE(nr > 0 && nr < ROOM, "devices: expected some, found %d", nr);
	number = abuse_add(fd, -1);
	T_EQ(number, nr);
	T_EQ(abuse_list(fd, numbers, ROOM), nr + 1);
	T_EQ(numbers[nr], number);
	T_EQ(abuse_list(fd, NULL, 0), nr + 1);
	T_EQ(abuse_add(fd, number), -EEXIST);
	T_EQ(abuse_add(fd, ABUSE_NR_LIMIT), -EINVAL);
	T_EQ(abuse_add(fd, -2), -EINVAL);
	T_EQ(abuse_remove(fd, ABUSE_NR_LIMIT), -EINVAL);
	T_EQ(abuse_remove(fd, 0), -EBUSY);
	T_EQ(abuse_remove(fd, number), 0);
	T_EQ(abuse_remove(fd, number), -ENODEV);
	T_EQ(abuse_add(null, -1), -ENOTTY);
	T_EQ(abuse_remove(null, 0), -ENOTTY);
	T_EQ(abuse_list(null, numbers, ROOM), -ENOTTY);
	close(null);
	close(fd);
}

int main(void)
{
	struct abuse_dev dev;
	int ctl;

	t_init(55);
	opens();
	/* The test's own, that a failure can clean up by. */
	ctl = t_ctl_open(0);
	T_EQ(abuse_open(&dev, 0), 0);
	not_configured(&dev);
	wrong_sizes(&dev);
	comes_back(&dev);
	stores(&dev);
	control();

	T_EQ(configure(&dev, SIZE, T_PAGE), 0);
	T_EQ(abuse_go_live(&dev), 0);
	T_UNTIL(t_is_live(0));
	absent(&dev);
	batches(&dev);
	runs(&dev);
	abuse_close(&dev);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	return t_end();
}
