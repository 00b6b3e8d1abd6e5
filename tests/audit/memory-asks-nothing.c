// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have servers that keep pages in memory (null, ram, lz4) answer
 * some hundred requests while every allocation, page fault and entry into
 * reclaim of theirs is recorded: there is none.
 *
 * Where it stands: bio > queue > ioctl > [server] > backend.
 *
 * time: 90
 * kernels: 6.12 6.1
 * busted: env=SERVER_FLAGS=--naive
 * busted: module=alloc-in-serve
 * invariant: I2
 */
#include "audit.h"

#define NR	400

int main(void)
{
	static const char * const backends[] = {
		"null", "ram", "lz4,store=16M",
	};
	struct audit a;
	size_t i;

	t_init(85);
	for (i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		a = audit_server(backends[i], "", NR);
		AUDIT_NOTHING(a, backends[i]);
		T_EQ(a.minor_faults + a.major_faults, 0);
	}
	return t_end();
}
