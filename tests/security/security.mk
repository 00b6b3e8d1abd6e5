# SPDX-License-Identifier: GPL-2.0-only
# Included by the top Makefile: what the tests of this group are made of beside their own file.
SECURITY_TESTS := $(patsubst tests/%.c,$(B)/guest/tests/%,$(wildcard tests/security/*.c))
$(SECURITY_TESTS): $(wildcard tests/security/lib/*) $(SERVER_HEADERS)
