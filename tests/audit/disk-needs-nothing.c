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
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "audit.h"

#define NR	400
/*
 * virtqueue_add_split() uses the ring's own descriptors when there is no memory
 * for a table.  Which of these stand in the stack is the compiler's choice.
 * sg_pool_alloc() has a mempool that the disk alone gives back to.
 * fill_pool() is the debug kernel's: DEBUG_OBJECTS, which watches every timer.
 */
#define ALLOW	"--allow fill_pool --allow sg_pool_alloc --allow sg_alloc_table_chained --allow virtqueue_add_sgs --allow virtqueue_add --allow virtqueue_add_split --allow alloc_indirect_split"

/* With one, which a disk of one queue gets, a worker of the kernel submits. */
static void no_scheduler(void)
{
	char path[80];
	struct stat st;
	int fd;

	T_OK(T_RET(stat("/dev/store", &st)));
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/queue/scheduler",
		 major(st.st_rdev), minor(st.st_rdev));
	fd = T_OK(T_RET(open(path, O_WRONLY | O_CLOEXEC)));
	T_EQ(T_RET(write(fd, "none", 4)), 4);
	close(fd);
}

int main(void)
{
	struct audit a;

	t_init(55);
	no_scheduler();
	a = audit_server("disk,path=/dev/store", ALLOW, NR);
	AUDIT_NOTHING(a, "disk");
	T_TRUE(a.allowed.slab,
	       "tables of descriptors: expected some to be seen, found none: %s",
	       a.text);
	T_EQ(a.minor_faults + a.major_faults, 0);
	return t_end();
}
