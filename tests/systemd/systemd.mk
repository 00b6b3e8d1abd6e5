# SPDX-License-Identifier: GPL-2.0-only
# The unit as make install puts it, and the example beside it, are embedded in the tests.  Included by the top Makefile.
SYSTEMD_UNIT := $(B)/guest/systemd/usr/local/lib/systemd/system/abuse-swap@.service
$(SYSTEMD_UNIT): swapserver/install/systemd/abuse-swap@.service.in $(wildcard swapserver/install/*) $(B)/guest/swapserver \
		$(B)/guest/abusectl $(B)/lib/libabuse.a $(B)/lib/$(LIBABUSE_SONAME)
	@PREFIX=/usr/local DESTDIR='$(CURDIR)/$(B)/guest/systemd' swapserver/install/install '$(VERSION)' '$(B)/guest' '$(B)/lib' >/dev/null
	@touch $@
$(patsubst tests/%.c,$(B)/guest/tests/%,$(wildcard tests/systemd/*.c)): $(wildcard tests/systemd/lib/*) $(SYSTEMD_UNIT) \
		$(wildcard swapserver/install/examples/*) swapserver/board.h swapserver/protect.h
