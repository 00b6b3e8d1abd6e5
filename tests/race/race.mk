# SPDX-License-Identifier: GPL-2.0-only
# Included by the top Makefile; LONG_RUN is from tests/fuzz/fuzz.mk.
$(B)/guest/tests/race/abuse-race: $(wildcard tests/race/lib/*)

.PHONY: race
race: deps test-build	## servers killed, devices removed, the module unloaded, under I/O: SECONDS=N SEED=S KERNEL=K
	tests/run $(LONG_RUN) race
