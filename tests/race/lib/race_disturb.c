// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_disturb.c - who comes in between: opens, configurations, devices and
 * the module itself
 *
 * Where it stands: [races] > /dev/abctlN, /dev/abuse-control > module.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "race.h"

/* Opens and closes the nodes of the device in use, and asks a little. */
void race_opener(struct t_rand *r, uint32_t index)
{
	struct abuse_counters c;
	struct abuse_lent lent[4];
	int fd;

	(void)index;
	while (!race->stop) {
		race_count(nr_opens, 1);
		if (t_one_in(r, 2)) {
			fd = t_blk_open(RACE_DATA, O_RDONLY | O_NONBLOCK);
			if (fd >= 0)
				close(fd);
		} else {
			fd = open("/dev/abctl0", O_RDWR | O_CLOEXEC);
			if (fd < 0)
				continue;
			if (!t_ioctl(fd, ABUSE_GET_COUNTERS, &c))
				RACE_EXPECT(c.ab_ended <= c.ab_accepted &&
					    c.ab_nr_free <= c.ab_nr_slots,
					    "counters: expected ended <= accepted, free <= slots, found %llu, %llu, %u, %u",
					    c.ab_ended, c.ab_accepted,
					    c.ab_nr_free, c.ab_nr_slots);
			/* It becomes a server, and goes at once. */
			if (t_one_in(r, 2))
				t_go_live(fd);
			/* With a request in its hands. */
			if (t_one_in(r, 4))
				t_lend(fd, lent, 4);
			close(fd);
		}
		race_sleep_us(t_below(r, 2000));
	}
}

/* What must not succeed on a device in use, and what may. */
void race_configurator(struct t_rand *r, uint32_t index)
{
	struct abuse_info info;
	int fd = t_ctl_open(RACE_DATA), ret;

	(void)index;
	while (!race->stop) {
		switch (t_below(r, 4)) {
		case 0:
			ret = t_ioctl(fd, ABUSE_RESET, NULL);
			race_count(nr_resets_busy, 1);
			RACE_EXPECT(ret == -EBUSY,
				    "RESET of a device in use: expected -EBUSY, found %s",
				    t_name(ret));
			break;
		case 1:
			info = (struct abuse_info){
				.ab_size = RACE_BYTES,
				.ab_blocksize = T_PAGE,
			};
			ret = t_ioctl(fd, ABUSE_SET_STATUS, &info);
			RACE_EXPECT(ret == -EBUSY,
				    "SET_STATUS of a device in use: expected -EBUSY, found %s",
				    t_name(ret));
			break;
		default:	/* a server comes back, with another bound */
			if (t_ioctl(fd, ABUSE_GET_STATUS, &info))
				break;
			info.ab_flags |= ABUSE_FLAGS_RECONNECT;
			info.ab_max_queue = 1 + t_below(r, RACE_BOUND);
			ret = t_ioctl(fd, ABUSE_SET_STATUS, &info);
			race_count(nr_reconnects, 1);
			RACE_EXPECT(!ret,
				    "RECONNECT: expected 0, found %s",
				    t_name(ret));
			break;
		}
		race_sleep_us(t_below(r, 3000));
	}
	t_ctl_close(fd);
}

/* With a backing a reset takes longer: more can come in between. */
static void give_backing(int ctl)
{
	struct abuse_backing b = {
		.ab_fd = open("/dev/store", O_RDWR | O_CLOEXEC),
	};

	if (b.ab_fd < 0)
		return;
	t_ioctl(ctl, ABUSE_SET_BACKING, &b);
	close(b.ab_fd);
}

/* All at once on a device that nobody needs: whoever comes first. */
void race_spare(struct t_rand *r, uint32_t index)
{
	static char data[T_PAGE] __attribute__((aligned(4096)));
	struct abuse_info info = {
		.ab_size = 64 * T_PAGE,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 4,
	};
	struct abuse_lent lent[4];
	int ctl = t_ctl_open(RACE_SPARE), fd, nr, i;

	/* The one that serves goes when the others have. */
	while (index % 3 == RACE_SPARE_SERVER ? !race->stop_spare :
	       !race->stop) {
		switch (index % 3) {
		case 0:		/* configures and resets */
			t_ioctl(ctl, ABUSE_SET_STATUS, &info);
			if (t_one_in(r, 2))
				give_backing(ctl);
			race_sleep_us(t_below(r, 2000));
			if (!t_ioctl(ctl, ABUSE_RESET, NULL))
				race_count(nr_resets, 1);
			break;
		case RACE_SPARE_SERVER:	/* by calls that never wait */
			nr = t_serve(ctl, NULL, 0, lent, 4,
				     ABUSE_SERVE_NOWAIT, NULL);
			for (i = 0; i < nr; i++)
				t_fail_request(ctl, lent[i].ab_id, EIO);
			break;
		case 1:		/* uses it */
			fd = t_blk_open(RACE_SPARE, O_RDONLY | O_DIRECT);
			if (fd < 0)
				break;
			(void)!pread(fd, data, T_PAGE, 0);
			race_count(nr_io, 1);
			close(fd);
			break;
		}
		race_sleep_us(t_below(r, 500));
	}
	t_ctl_close(ctl);
}

/* Devices that come and go under those who open them. */
void race_devices(struct t_rand *r, uint32_t index)
{
	int control = open("/dev/abuse-control", O_RDWR | O_CLOEXEC), fd, ret;
	char path[32];

	T_OK(control);
	while (!race->stop) {
		struct abuse_ctl ctl = { .ab_number = 8 + t_below(r, 2) };

		if (index % 2) {
			ret = t_ioctl(control, ABUSE_CTL_ADD, &ctl);
			RACE_EXPECT(!ret || ret == -EEXIST,
				    "ADD: expected 0 or -EEXIST, found %s",
				    t_name(ret));
			race_count(nr_adds, !ret);
			snprintf(path, sizeof(path), "/dev/ab%s%d",
				 t_one_in(r, 2) ? "ctl" : "use",
				 ctl.ab_number);
			fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
			if (fd >= 0) {
				race_sleep_us(t_below(r, 200));
				close(fd);
			}
			continue;
		}
		ret = t_ioctl(control, ABUSE_CTL_REMOVE, &ctl);
		RACE_EXPECT(!ret || ret == -EBUSY || ret == -ENODEV,
			    "REMOVE: expected 0, -EBUSY or -ENODEV, found %s",
			    t_name(ret));
		race_count(nr_removes, !ret);
		race_count(nr_removes_busy, ret == -EBUSY);
		race_sleep_us(t_below(r, 500));
	}
	close(control);
}

/* ---------------------------------------------------------------- module */

/* Opens whatever node there is, while the module comes and goes. */
void race_node_opener(struct t_rand *r, uint32_t index)
{
	static const char * const nodes[] = {
		"/dev/abuse0", "/dev/abctl0", "/dev/abuse-control",
		"/dev/abuse7", "/dev/abuse3",
	};
	struct abuse_counters c;
	const char *state;
	int fd;

	(void)index;
	while (!race->stop) {
		fd = open(nodes[t_below(r, 5)],
			  O_RDWR | O_CLOEXEC | O_NONBLOCK);
		race_count(nr_opens, 1);
		if (fd >= 0) {
			t_ioctl(fd, ABUSE_GET_COUNTERS, &c);
			/* Long enough for somebody to unload it meanwhile. */
			if (t_one_in(r, 2))
				race_sleep_us(t_below(r, 10000));
			/* "coming" is well: its nodes appear before it is live. */
			state = t_read_text("/sys/module/abuse/initstate");
			RACE_EXPECT(*state && strncmp(state, "going", 5),
				    "a node that is open: expected the module to stay, found it \"%s\"",
				    state);
			close(fd);
		}
		race_sleep_us(t_below(r, 5000));
	}
}

/* The module as it was loaded: the busted one with its fault. */
static int load(const char *busted)
{
	char options[100] = "";
	const char *path = "/lib/abuse/abuse.ko";
	int fd, ret;

	if (*busted) {
		path = "/lib/abuse/abuse-busted.ko";
		snprintf(options, sizeof(options), "busted=%s", busted);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = T_RET(syscall(SYS_finit_module, fd, options, 0));
	close(fd);
	return ret;
}

void race_reload(void)
{
	char busted[64] = "";
	pid_t pids[3];
	uint32_t i;
	long began = t_now_ms();
	int ret;

	snprintf(busted, sizeof(busted), "%s",
		 t_read_text("/sys/module/abuse/parameters/busted"));
	busted[strcspn(busted, "\n")] = '\0';
	race->stop = false;
	for (i = 0; i < 3; i++)
		pids[i] = race_start(race_node_opener, i);
	do {
		ret = T_RET(syscall(SYS_delete_module, "abuse", O_NONBLOCK));
		race_count(nr_unloads_busy, ret < 0);
		RACE_EXPECT(!ret || ret == -EWOULDBLOCK || ret == -EBUSY,
			    "unloading: expected 0, or that it is in use, found %s",
			    t_name(ret));
		if (ret)
			race_sleep_us(500);
	} while (ret && t_now_ms() - began < t_patience_ms());
	RACE_EXPECT(!ret, "unloading a module that is opened now and then: expected success some time, found %s",
		    t_name(ret));
	race_count(nr_unloads, !ret);
	if (!ret) {
		ret = load(busted);
		RACE_EXPECT(!ret, "loading the module again: expected 0, found %s",
			    t_name(ret));
	}
	race_sleep_us(20000);
	race->stop = true;
	for (i = 0; i < 3; i++)
		t_reap(pids[i]);
}
