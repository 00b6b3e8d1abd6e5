// SPDX-License-Identifier: GPL-2.0-only
/*
 * store-id.c - ids of stores, from a sysfs made up here
 *
 * Where it stands: [backend], before anything is served.  Run by
 * tests/test_backend_host.py, one part at a time, with an empty folder:
 *   text   an id survives being written and read, and nothing else is one
 *   disks  the same place of the same disk is the same, all others are not
 *   memory a store in memory keeps its id, another has another
 * Exit status 0, or 1 with a line that says what was expected and found.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "backend.h"
#include "blockid.h"

#define EXPECT(cond, ...)						\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "store-id: expected " #cond	\
				", found " __VA_ARGS__);		\
			fputc('\n', stderr);				\
			exit(1);					\
		}							\
	} while (0)

static const char *root;

/* ------------------------------------------------------------------- text */

static void part_text(void)
{
	static const char *const wrong[] = {
		"", "0123456789abcdef0123456789abcde",
		"0123456789abcdef0123456789abcdeff",
		"0123456789abcdef0123456789abcdeg",
		"0123456789abcdef 123456789abcdef",
		"-1234567-9abcdef0123456789abcdef",
		"00000000000000000000000000000000",
	};
	/* FNV-1a's own test vectors. */
	static const struct {
		const char *text, *id;
	} vectors[] = {
		{ "", "6c62272e07bb014262b821756295c58d" },
		{ "a", "d228cb696f1a8caf78912b704e4a8964" },
		{ "foobar", "343e1662793c64bf6f0d3597ba446f18" },
	};
	char text[STOREID_TEXT_BYTES];
	uint8_t id[STOREID_BYTES], other[STOREID_BYTES];
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		EXPECT(storeid_read(id, wrong[i]) == -EINVAL, "\"%s\" taken",
		       wrong[i]);
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		storeid_make(id, vectors[i].text);
		storeid_write(text, id);
		EXPECT(!strcmp(text, vectors[i].id), "%s", text);
		EXPECT(!storeid_read(other, text) &&
		       !memcmp(id, other, sizeof(id)), "another");
	}
	EXPECT(!storeid_draw(id) && !storeid_draw(other) &&
	       memcmp(id, other, sizeof(id)), "the same twice");
}

/* ------------------------------------------------------------------ disks */

static void put(const char *disk, const char *name, const char *value)
{
	char path[500], *at;
	FILE *f;

	snprintf(path, sizeof(path), "%s/devices/%s/%s", root, disk, name);
	for (at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0777);
		*at = '/';
	}
	f = fopen(path, "w");
	EXPECT(f, "%s: %s", path, strerror(errno));
	fprintf(f, "%s\n", value);
	fclose(f);
}

/* The device with this number is there; links as the kernel makes them. */
static void number(const char *disk, unsigned int minor_number)
{
	char path[500], to[500];

	snprintf(path, sizeof(path), "%s/dev", root);
	mkdir(path, 0777);
	strcat(path, "/block");
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/dev/block/8:%u", root, minor_number);
	snprintf(to, sizeof(to), "../../devices/%s", disk);
	EXPECT(!symlink(to, path), "%s: %s", path, strerror(errno));
}

static const char *name_of(unsigned int minor_number, uint64_t offset)
{
	static char names[4][1000];
	static unsigned int next;
	char *name = names[next++ % 4];
	int err = blockid_name(root, makedev(8, minor_number), offset, name,
			       sizeof(names[0]));

	EXPECT(!err, "error %d for disk %u", err, minor_number);
#ifdef BLOCKID_BUSTED_PATH	/* the twin: known by its number */
	snprintf(name, sizeof(names[0]), "8:%u at %llu", minor_number,
		 (unsigned long long)offset);
#endif
	return name;
}

static void same(const char *a, const char *b)
{
	EXPECT(!strcmp(a, b), "\"%s\" and \"%s\"", a, b);
}

static void differ(const char *a, const char *b)
{
	EXPECT(strcmp(a, b), "\"%s\" twice", a);
}

static void part_disks(void)
{
	char name[100];

	/* Two with a WWID, one of them found twice, under another number. */
	put("sda", "device/wwid", "  naa.5000c500a1b2c3d4  ");
	put("sda", "diskseq", "3");
	put("sda", "sda2/partition", "2");
	put("sda", "sda2/start", "2048");
	put("sdb", "device/wwid", "naa.5000c500a1b2c3d5");
	put("sdb", "diskseq", "4");
	put("sdc", "device/wwid", "naa.5000c500a1b2c3d4");
	put("sdc", "diskseq", "9");
	number("sda", 0);
	number("sda/sda2", 2);
	number("sdb", 16);
	number("sdc", 32);
	same(name_of(0, 0), name_of(32, 0));
	differ(name_of(0, 0), name_of(16, 0));
	/* A partition is a place on its disk. */
	differ(name_of(0, 0), name_of(2, 0));
	same(name_of(0, 2048 * 512), name_of(2, 0));
	differ(name_of(0, 0), name_of(0, 4096));

	/* The same serial number twice, and one that is none. */
	put("vda", "serial", "disk0");
	put("vda", "size", "2048");
	put("vda", "diskseq", "5");
	put("vdb", "serial", "disk0");
	put("vdb", "size", "4096");
	put("vdb", "diskseq", "6");
	put("vdc", "serial", "0000-0000");
	put("vdc", "size", "2048");
	put("vdc", "diskseq", "7");
	put("vdd", "serial", "");
	put("vdd", "size", "2048");
	put("vdd", "diskseq", "8");
	number("vda", 48);
	number("vdb", 64);
	number("vdc", 80);
	number("vdd", 96);
	differ(name_of(48, 0), name_of(64, 0));
	differ(name_of(80, 0), name_of(96, 0));
	EXPECT(strstr(name_of(96, 0), "diskseq 8"), "%s", name_of(96, 0));

	/* With a key that is drawn at each start the same name says nothing. */
	put("dm-0", "dm/uuid", "CRYPT-PLAIN-swap");
	put("dm-0", "diskseq", "20");
	put("dm-1", "dm/uuid", "CRYPT-PLAIN-swap");
	put("dm-1", "diskseq", "21");
	put("dm-2", "dm/uuid", "LVM-abcdef");
	put("dm-2", "diskseq", "22");
	put("dm-3", "dm/uuid", "LVM-abcdef");
	put("dm-3", "diskseq", "23");
	number("dm-0", 112);
	number("dm-1", 113);
	number("dm-2", 114);
	number("dm-3", 115);
	differ(name_of(112, 0), name_of(113, 0));
	same(name_of(114, 0), name_of(115, 0));

	/* The name of the mapping is not the volume's. */
	put("dm-4", "dm/uuid", "CRYPT-LUKS2-0123456789abcdef-swap");
	put("dm-5", "dm/uuid", "CRYPT-LUKS2-0123456789abcdef-my-swap");
	put("dm-6", "dm/uuid", "CRYPT-LUKS2-123456789abcdef0-swap");
	number("dm-4", 116);
	number("dm-5", 117);
	number("dm-6", 118);
	same(name_of(116, 0), name_of(117, 0));
	differ(name_of(116, 0), name_of(118, 0));

	put("odd", "size", "1");
	number("odd", 128);
	EXPECT(blockid_name(root, makedev(8, 128), 0, name, sizeof(name)) ==
	       -ENOENT, "a name for a disk that has none: %s", name);
}

/* ----------------------------------------------------------------- memory */

static struct backend opened(const char *spec, int memory_fd)
{
	struct backend b = { .fd = -1, .memory_fd = memory_fd };
	uint64_t size_bytes = 1 << 20;

	EXPECT(!backend_open(&b, spec, &size_bytes, 4096), "%s refused", spec);
	EXPECT(storeid_is_set(b.store_id), "%s without an id", spec);
	return b;
}

static bool alike(struct backend a, struct backend b)
{
	return !memcmp(a.store_id, b.store_id, sizeof(a.store_id));
}

static void part_memory(void)
{
	static const char *const specs[] = { "ram", "lz4", "fault:ram" };
	uint64_t size_bytes = 1 << 20;
	struct backend a, b;
	size_t i;

	for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		a = opened(specs[i], -1);
		EXPECT(alike(a, opened(specs[i], a.memory_fd)),
		       "another id in the same %s", specs[i]);
		EXPECT(!alike(a, opened(specs[i], -1)),
		       "the same id in another %s", specs[i]);
		/* One that is not the one that was handed over. */
		b = (struct backend){ .fd = -1, .memory_fd = a.memory_fd };
		b.store_id[0] = 1;
		EXPECT(backend_open(&b, specs[i], &size_bytes, 4096),
		       "%s taken for another", specs[i]);
	}
	EXPECT(alike(opened("null", -1), opened("null", -1)),
	       "two kinds of nothing");
	EXPECT(backend_takes_scope("disk,path=x") &&
	       backend_takes_scope("fault:ram") && backend_takes_scope("x"),
	       "no scope where it may be");
	EXPECT(!backend_takes_scope("file,path=x:y") &&
	       !backend_takes_scope("fault,only=read:file,path=x"),
	       "the scope for a file");
}

int main(int argc, char **argv)
{
	root = argc == 3 ? argv[2] : "";
	if (argc == 3 && !strcmp(argv[1], "text"))
		part_text();
	else if (argc == 3 && !strcmp(argv[1], "disks"))
		part_disks();
	else if (argc == 3 && !strcmp(argv[1], "memory"))
		part_memory();
	else
		return 2;
	return 0;
}
