# SPDX-License-Identifier: GPL-2.0-only
# Included by the top Makefile.  The examples are embedded in the tests that
# run them (lib/example.h), as a guest has no file of them.
LIBRARY_TESTS := $(filter $(B)/guest/tests/library/%,$(TEST_PROGRAMS))
$(LIBRARY_TESTS): $(EXAMPLES) $(B)/lib/libabuse.a $(wildcard tests/library/lib/*)
$(LIBRARY_TESTS): CFLAGS_USER += -Iswapserver/libabuse
$(LIBRARY_TESTS): TEST_LIBS := $(B)/lib/libabuse.a
