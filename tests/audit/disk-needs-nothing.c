// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have a server answer some hundred requests from a disk: all
 * that it asks the kernel for meanwhile is what the disk's driver can do
 * without, a table of descriptors for each request, or has a pool for.
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
/*
 * virtqueue_add_split() uses the ring's own descriptors when there is no memory
 * for a table.  Which of these stand in the stack is the compiler's choice.
 * sg_pool_alloc() has a mempool that the disk alone gives back to.
 */
#define ALLOW	"--allow sg_pool_alloc --allow virtqueue_add_sgs --allow virtqueue_add --allow virtqueue_add_split --allow alloc_indirect_split"

int main(void)
{
	struct audit a;

	t_init(55);
	a = audit_server("disk,path=/dev/store", ALLOW, NR);
	AUDIT_NOTHING(a, "disk");
	T_TRUE(a.allowed.slab,
	       "tables of descriptors: expected some to be seen, found none: %s",
	       a.text);
	T_EQ(a.minor_faults + a.major_faults, 0);
	return t_end();
}
