# SPDX-License-Identifier: GPL-2.0-only
# Included by the top Makefile: what the tests of this group are made of beside their own file.
STANDBY_TESTS := $(patsubst tests/%.c,$(B)/guest/tests/%,$(wildcard tests/standby/*.c))
$(STANDBY_TESTS): $(wildcard tests/standby/lib/*) $(SERVER_HEADERS)

# The limit is for plain emulation on a busy machine; a kill takes about a second.
KILLS ?= 200
.PHONY: test-kill
test-kill: deps test-build	## KILLS=200: kill -9 of the active server under live swap, so often in one boot
	tests/run --kernel $(or $(filter-out all,$(KERNEL)),6.12) --jobs 1 --env KILLS=$(KILLS) \
		--time-limit $(shell echo $$((400 + 12 * $(KILLS)))) standby/kills
