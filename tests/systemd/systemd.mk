# SPDX-License-Identifier: GPL-2.0-only
# The unit as make install puts it, and the example beside it, are embedded in the tests.  Included by the top Makefile.
SYSTEMD_UNIT := $(B)/guest/systemd/usr/local/lib/systemd/system/abuse-swap@.service
$(SYSTEMD_UNIT): swapserver/install/systemd/abuse-swap@.service.in swapserver/install/install swapserver/install/plan.sh \
		swapserver/install/files $(B)/guest/swapserver $(B)/guest/abusectl
	@PREFIX=/usr/local DESTDIR='$(CURDIR)/$(B)/guest/systemd' swapserver/install/install '$(VERSION)' '$(B)/guest' >/dev/null
	@touch $@
$(patsubst tests/%.c,$(B)/guest/tests/%,$(wildcard tests/systemd/*.c)): $(wildcard tests/systemd/lib/*) $(SYSTEMD_UNIT) \
		swapserver/install/examples/abuse0.conf swapserver/board.h swapserver/protect.h
