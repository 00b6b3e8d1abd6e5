# SPDX-License-Identifier: GPL-2.0-only
# Makefile - build everything, and the commands that README.md names
#
# All output goes to build/.  Each step is made of files and their inputs, so
# that doing it again builds nothing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

KERNELS ?= 6.12 6.1
B := build
# Everything for the guest is static: nothing to resolve, nothing to fault in.
CFLAGS_USER := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wshadow -Imodule/include/uapi
UAPI := module/include/uapi/linux/abuse.h

MODULE_SOURCES := $(wildcard module/*.c module/*.h) module/Kbuild module/Makefile $(UAPI)
SERVER_SOURCES := $(wildcard swapserver/*.c)
SERVER_HEADERS := $(wildcard swapserver/*.h)
GUEST_PROGRAMS := $(patsubst experiments/guest/%.c,$(B)/guest/%,$(wildcard experiments/guest/*.c))
TEST_LIB := $(wildcard tests/lib/*.c)
TEST_PROGRAMS := $(patsubst tests/%.c,$(B)/guest/tests/%,$(filter-out tests/lib/%,$(wildcard tests/*/*.c)))
TOOLS := stress-ng fio e2fs util-linux

# Test selection: make test T=tests/ioctl KERNEL=6.12
T ?=
KERNEL ?= all

## The two commands
.PHONY: demo
demo: deps demo-build	## swap on /dev/abuse0 under stress-ng: the safe server, then the naive one
	experiments/demo

.PHONY: test
test: deps test-build	## build and run every test
	$(MAKE) --no-print-directory test-host
	tests/run --self-test
	tests/run --kernel $(KERNEL) $(T)

## Parts of them
.PHONY: test-busted
test-busted: deps test-build	## show that every test fails on its busted twin
	tests/run --busted --kernel $(KERNEL) $(T)

.PHONY: test-host
test-host:	## the quick tests of the host side, no guest
	@for d in vm-images experiments analysis tests; do \
		PYTHONPYCACHEPREFIX=$(B)/pycache python3 -m unittest discover -q -s $$d -p 'test_*.py'; \
	done

.PHONY: check
check: deps $(B)/kernels/6.12/release	## static checks: sparse, shellcheck, python syntax, formats
	tests/check

.PHONY: all
all: deps module server guest images	## build everything but the tests

.PHONY: deps
deps:	## install the Debian packages that are missing (root, or sudo)
	@vm-images/deps

.PHONY: demo-build
demo-build: $(B)/module/6.12/abuse.ko server guest $(B)/images/6.12-base.stamp $(B)/images/stress-ng.stamp

.PHONY: test-build
# The busted modules, too: the self-test runs twins.
test-build: module server guest images $(TEST_PROGRAMS) test-build-busted

.PHONY: test-build-busted
test-build-busted: $(foreach k,$(KERNELS),$(B)/module/$(k)-busted/abuse.ko)

.PHONY: module
module: $(foreach k,$(KERNELS),$(B)/module/$(k)/abuse.ko)	## abuse.ko for each kernel

.PHONY: server
server: $(B)/guest/swapserver	## the swapserver

.PHONY: guest
guest: $(GUEST_PROGRAMS)	## the programs that run in guests

.PHONY: kernels
kernels: $(foreach k,$(KERNELS),$(B)/kernels/$(k)/release)	## kernels and headers, unpacked, never installed

.PHONY: images
images: $(foreach k,$(KERNELS),$(B)/images/$(k)-base.stamp) $(foreach t,$(TOOLS),$(B)/images/$(t).stamp)	## guest images

# ------------------------------------------------------------------ kernels

$(B)/kernels/%/release: vm-images/modules.txt | deps
	vm-images/kernel $*
	@touch $@

# The scripts know their inputs and rewrite an image only if one changed; the
# stamp is when that was last looked at.
$(B)/images/%-base.stamp: $(B)/kernels/%/release vm-images/image vm-images/cpio.py vm-images/init vm-images/modules.txt
	vm-images/image base $*
	@touch $@

$(B)/images/%.stamp: vm-images/image vm-images/cpio.py | deps
	vm-images/image tools $*
	@touch $@

# ------------------------------------------------------------------- module

$(B)/module/%-busted/abuse.ko: $(B)/kernels/%/release $(MODULE_SOURCES)
	@echo '  KBUILD  $@'
	@$(MAKE) -s -C module KDIR=$(CURDIR)/$(B)/kernels/$*/headers OUT=$(CURDIR)/$(B)/module/$*-busted BUSTED=y
	@touch $@

$(B)/module/%/abuse.ko: $(B)/kernels/%/release $(MODULE_SOURCES)
	@echo '  KBUILD  $@'
	@$(MAKE) -s -C module KDIR=$(CURDIR)/$(B)/kernels/$*/headers OUT=$(CURDIR)/$(B)/module/$* W=1
	@touch $@

# ----------------------------------------------------------------- programs

$(B)/guest/swapserver: $(SERVER_SOURCES) $(SERVER_HEADERS) $(UAPI) | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_USER) -static -o $@ $(SERVER_SOURCES) -lcap -lseccomp

$(GUEST_PROGRAMS): $(B)/guest/%: experiments/guest/%.c $(UAPI) | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_USER) -static -o $@ $<

$(TEST_PROGRAMS): $(B)/guest/tests/%: tests/%.c $(TEST_LIB) $(wildcard tests/lib/*.h) $(UAPI) | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_USER) -static -Itests/lib -o $@ $< $(TEST_LIB) -lpthread

# ----------------------------------------------------------------- the rest

.PHONY: clean
clean:	## remove what was built; keep downloads, kernels and results
	rm -rf $(B)/module $(B)/guest $(B)/images $(B)/tests $(B)/pycache

.PHONY: distclean
distclean:	## remove everything that is not in git
	rm -rf $(B)

.PHONY: help
help:	## this list
	@awk -F ':.*## ' '/^## /{print "\n" substr($$0, 4) ":"} /^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
