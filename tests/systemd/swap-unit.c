// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will swap on by a swap unit, and by a line of fstab, as the examples
 * have them: the server comes first; when they are stopped pages come back,
 * and the server is still there.
 *
 * Where it stands: systemd > swapon > bio > queue > ioctl > [server] > disk.
 *
 * time: 120
 * busted: env=T_TWIN=no-order
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sd.h"

#define BYTES	(4 * T_MIB)
#define ETC	"/etc/systemd/system"
#define UNIT	ETC "/dev-abuse0.swap"
#define DROP_IN	ETC "/" SD_UNIT ".d"
#define RULES	"/etc/udev/rules.d"

extern const char swap_text[], swap_end[], fstab_text[], fstab_end[];
__asm__(".section .rodata\n"
	".globl swap_text, swap_end, fstab_text, fstab_end\n"
	"swap_text: .incbin \"swapserver/install/examples/dev-abuse0.swap\"\n"
	"swap_end: .byte 0\n"
	"fstab_text: .incbin \"swapserver/install/examples/fstab\"\n"
	"fstab_end: .byte 0\n"
	".previous\n");

static void program(const char *path, const char *first, const char *second)
{
	char *const args[] = { (char *)path, (char *)first, (char *)second,
			       NULL };
	const char *said;
	int status = sd_run(&said, args);

	T_TRUE(!status, "%s %s: expected status 0, found %d: %s", path, first,
	       status, said);
}

/* Swap units wait until udev says that there is such a disk. */
static void udev_start(void)
{
	mkdir("/etc/udev", 0755);
	mkdir(RULES, 0755);
	sd_write(RULES "/99-systemd.rules",
		 "SUBSYSTEM==\"block\", TAG+=\"systemd\"\n");
	program("/bin/systemd-udevd", "--daemon", NULL);
	program("/bin/udevadm", "trigger", "--subsystem-match=block");
	SD_AWAIT(!sd_ctl(NULL, "is-active dev-abuse0.device"));
}

static bool has_priority(long priority)
{
	const char *line = strstr(t_read_text("/proc/swaps"), "/dev/abuse0");
	long found;

	return line && sscanf(line, "%*s %*s %*s %*s %ld", &found) == 1 &&
	       found == priority;
}

/* Started, with pages in it, stopped. */
static void one(const char *what, const char *start)
{
	struct sd_holder holder;
	const char *said;
	int status = sd_ctl(&said, "%s", start);

	T_TRUE(!status, "%s: expected it started, found status %d: %s", what,
	       status, said);
	T_TRUE(has_priority(10), "%s: expected swap of priority 10, found:\n%s",
	       what, t_read_text("/proc/swaps"));
	T_TRUE(sd_is("active"), "%s: expected the server's unit active, found %s",
	       what, sd_show("ActiveState"));
	holder = sd_holder_start(BYTES);
	T_EQ(sd_ctl(NULL, "stop dev-abuse0.swap"), 0);
	T_TRUE(!sd_swap_is_on(), "%s: expected swap off after its stop, found it on",
	       what);
	T_TRUE(sd_is("active"), "%s: expected the server to stay, found %s",
	       what, sd_show("ActiveState"));
	sd_holder_check(&holder);
	sd_drain();
}

static void write_unit(void)
{
	char text[3000], *line;
	static const char *const lines[] = { "Requires=", "After=" };
	size_t i;

	snprintf(text, sizeof(text), "%s", swap_text);
	for (i = 0; i < 2 && t_twin("no-order"); i++) {
		line = strstr(text, lines[i]);
		T_TRUE(line, "the example: expected %s, found none", lines[i]);
		line[0] = '#';
	}
	sd_write(UNIT, text);
	T_EQ(sd_ctl(NULL, "daemon-reload"), 0);
}

/* The line, and the file that its comment speaks of. */
static void write_fstab(void)
{
	const char *line = strstr(fstab_text, "\n/dev/abuse0");

	T_TRUE(line, "the example: expected a line /dev/abuse0, found none");
	T_TRUE(strstr(fstab_text, "\n#   [Unit]\n#   Before=dev-abuse0.swap\n"),
	       "the example: expected what stands in fstab.conf, found none");
	mkdir(DROP_IN, 0755);
	sd_write(DROP_IN "/fstab.conf", "[Unit]\nBefore=dev-abuse0.swap\n");
	sd_write("/etc/fstab", line + 1);
	T_OK(T_RET(unlink(UNIT)));
	T_EQ(sd_ctl(NULL, "daemon-reload"), 0);
}

int main(int argc, char **argv)
{
	sd_init(argc, argv, 115);
	sd_install(SD_DISK, "--standby 1");
	udev_start();
	/* The area, once and for all. */
	T_EQ(sd_ctl(NULL, "start " SD_UNIT), 0);
	t_mkswap(0);
	sd_drain();
	write_unit();
	one("a swap unit", "start dev-abuse0.swap");
	write_fstab();
	one("a line of fstab", "start dev-abuse0.swap " SD_UNIT);
	program("/bin/udevadm", "control", "--exit");
	return t_end();
}
