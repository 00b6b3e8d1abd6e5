# SPDX-License-Identifier: GPL-2.0-only
# The servers that tests/legacy runs, embedded in its tests (server/program.h).
# Included by the top Makefile.
#
# They include <linux/abuse.h>: the programs of 2009 find HEADER_2009 under that
# name, which is the bare ABI of that time, or the header as it was posted:
#
#     make HEADER_2009=path/of/abuse.h build/guest/legacy/server-2009

HEADER_2009 ?= tests/legacy/abuse-2009.h
LEGACY := $(B)/guest/legacy
LEGACY_SERVER := tests/legacy/server
# No C library: see sys.h.  The kernel's headers lie in the 64-bit folder.
CFLAGS_32 := -m32 -std=gnu11 -O2 -Wall -Wextra -Werror -Wshadow -ffreestanding -fno-pic \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
	-fno-tree-loop-distribute-patterns -idirafter /usr/include/x86_64-linux-gnu
LDFLAGS_32 := -static -nostdlib -no-pie -Wl,--build-id=none -Wl,-z,noexecstack

# A copy, so that another HEADER_2009 is seen by its name's change, too.
.PHONY: FORCE
$(LEGACY)/include/linux/abuse.h: FORCE
	@mkdir -p $(@D)
	@cmp -s $(HEADER_2009) $@ || cp $(HEADER_2009) $@

$(LEGACY)/server-2009: $(LEGACY_SERVER)/server-2009.c $(LEGACY_SERVER)/sys.h $(LEGACY)/include/linux/abuse.h | deps
	@echo '  CC      $@'
	@$(CC) $(filter-out -I%,$(CFLAGS_USER)) -I$(LEGACY)/include -static -o $@ $< -lpthread

$(LEGACY)/server-2009-32: $(LEGACY_SERVER)/server-2009.c $(LEGACY_SERVER)/sys32.c $(LEGACY_SERVER)/sys.h $(LEGACY)/include/linux/abuse.h | deps
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_32) -I$(LEGACY)/include $(LDFLAGS_32) -o $@ $(filter %.c,$^)

$(LEGACY)/serve-32: $(LEGACY_SERVER)/serve-32.c $(LEGACY_SERVER)/sys32.c $(LEGACY_SERVER)/sys.h $(UAPI) | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_32) -Imodule/include/uapi $(LDFLAGS_32) -o $@ $(filter %.c,$^)

$(B)/guest/tests/legacy/threads-and-processes: $(LEGACY)/server-2009 $(LEGACY_SERVER)/program.h
$(B)/guest/tests/legacy/server-32bit: $(LEGACY)/server-2009-32 $(LEGACY_SERVER)/program.h
$(B)/guest/tests/legacy/serve-32bit: $(LEGACY)/serve-32 $(LEGACY_SERVER)/program.h

# The laboratory swaps on it: experiments/arms/server-2009.toml.
$(B)/guest/server-2009: $(LEGACY)/server-2009
	@cp $< $@
