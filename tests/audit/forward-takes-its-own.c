// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have a server forward some hundred requests to a disk: beside
 * what the disk's driver can do without or has a pool for, all that is taken in
 * its name is a clone for each, from a bio_set.
 *
 * Where it stands: bio > queue > ioctl > server > [backend] > disk.
 *
 * time: 60
 * kernels: 6.12 6.1
 * busted: env=SERVER_FLAGS=--naive
 * busted: module=alloc-in-serve
 * invariant: I2
 */
#include "audit.h"

#define NR	400
/* As in disk-needs-nothing; and the clone: abuse_forward_clone(). */
#define ALLOW	"--allow sg_pool_alloc --allow sg_alloc_table_chained --allow virtqueue_add_sgs --allow virtqueue_add --allow virtqueue_add_split --allow alloc_indirect_split --allow bio_alloc_bioset"

int main(void)
{
	struct audit a;

	t_init(55);
	a = audit_server("forward,path=/dev/store", ALLOW, NR);
	AUDIT_NOTHING(a, "forward");
	T_TRUE(a.allowed.pool >= a.requests,
	       "clones taken: expected one a request, %llu, found %llu: %s",
	       (unsigned long long)a.requests,
	       (unsigned long long)a.allowed.pool, a.text);
	T_EQ(a.minor_faults + a.major_faults, 0);
	return t_end();
}
