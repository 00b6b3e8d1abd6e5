# SPDX-License-Identifier: GPL-2.0-only
# Included by the top Makefile.  The collector is embedded in the tests that run it: a guest has no file of it.
AUDIT_TESTS := $(filter $(B)/guest/tests/audit/%,$(TEST_PROGRAMS))
$(AUDIT_TESTS): $(B)/guest/allocaudit $(wildcard tests/audit/lib/*)

# Beside the tests, with the same collector.
AUDIT ?= null ram lz4 disk forward
.PHONY: alloc-audit
alloc-audit: deps experiments-build	## AUDIT="disk nbd-swap": what a server asks the kernel for in a request; analysis/alloc-audit.md
	analysis/alloc-audit run $(AUDIT)
