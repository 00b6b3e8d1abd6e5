# SPDX-License-Identifier: GPL-2.0-only
# Included by the top Makefile: what the tests of this group are made of beside their own file.
STANDBY_TESTS := $(patsubst tests/%.c,$(B)/guest/tests/%,$(wildcard tests/standby/*.c))
$(STANDBY_TESTS): $(wildcard tests/standby/lib/*) $(SERVER_HEADERS)
