/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sec.h - what the tests of security share
 *
 * Where it stands: [test] > an ordinary user's process > /dev/abctlN.
 * Capabilities are masks, bit CAP_X of <linux/capability.h>.
 */
#ifndef TESTS_SECURITY_SEC_H
#define TESTS_SECURITY_SEC_H

#include <linux/capability.h>

#include "t.h"

/* Nobody the guest knows of. */
#define SEC_UID		4711u
#define SEC_CAP(which)	(1ull << (which))
/* Those that a server takes its protections with. */
#define SEC_PROTECT	(SEC_CAP(CAP_IPC_LOCK) | SEC_CAP(CAP_SYS_NICE) | \
			 SEC_CAP(CAP_SYS_RESOURCE))
/* Of the kernel that runs. */
uint64_t sec_caps_all(void);
/* "CAP_SYS_NICE", of those that occur here. */
const char *sec_cap_name(int which);
/* What the environment's variable of that name (CAP_...) takes away. */
uint64_t sec_caps_of_env(const char *variable);

/* What a user may do without a capability; next to nothing, at first. */
struct sec_limits {
	uint64_t locked_bytes;
	uint32_t rt_priority;
	bool oom_exempt;
};
extern struct sec_limits sec_limits;

/*
 * In a child: be SEC_UID, with exactly these capabilities, which exec(2) keeps
 * (inheritable, ambient), no others in any set, and sec_limits.
 */
void sec_become(uint64_t caps);

/* What /proc/PID/status says. */
struct sec_task {
	uint32_t uid;
	uint64_t inheritable, permitted, effective, ambient;
	bool no_new_privs;
	int seccomp;
};
struct sec_task sec_task_of(pid_t pid);
/* These in all four sets, and no others. */
void sec_has_caps(pid_t pid, const char *who, uint64_t caps);

/* The nodes of device 0, the store and /run/abuse: SEC_UID's, or root's. */
void sec_give_nodes(uint32_t uid);
/*
 * /bin/swapserver as SEC_UID, with $SERVER_FLAGS before the arguments; does
 * not wait for anything.
 */
struct t_swapserver sec_server_run(uint64_t caps, const char *arguments);
/* Until it serves; it must. */
void sec_server_await(const struct t_swapserver *s);
/* As root, so that the next server finds an unconfigured device, no scope. */
void sec_reset(void);

/* Memory of a process of its own, swapped out, and read back as it was. */
void sec_swap_and_verify(void);

/* All files below a folder, for each: its path. */
void sec_walk(const char *folder, void (*each)(const char *path));

#endif
