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

# The one place: --version, pkg-config and DKMS follow it, and a test compares the manual pages with it.
VERSION := 0.1
# Where make install puts things: below DESTDIR, for a package; PREFIX is where they are when they are used.
PREFIX ?= /usr/local
DESTDIR ?=

# Test selection: make test T=tests/ioctl KERNEL=6.12
T ?=
KERNEL ?= all
# Debian's are unpacked; our own are built from its source, when they are asked for by name.
DEBIAN_KERNELS := 6.12 6.1
OUR_KERNELS := debug kcsan um um-builtin
KERNELS ?= $(if $(filter all,$(KERNEL)),$(DEBIAN_KERNELS),$(KERNEL))
B := build
# Debian's own: another Python on the way does not see Debian's packages.
PYTHON := /usr/bin/python3
# Everything for the guest is static: nothing to resolve, nothing to fault in.
# The same wherever the tree lies, to the byte: results name what their guests were made of.
CFLAGS_USER := -std=gnu11 -O2 -g -ffile-prefix-map=$(CURDIR)=. -Wall -Wextra -Werror -Wshadow -Imodule/include/uapi
UAPI := module/include/uapi/linux/abuse.h

MODULE_SOURCES := $(wildcard module/*.c module/*.h) module/Kbuild module/Makefile $(UAPI)
SERVER_SOURCES := $(wildcard swapserver/*.c)
SERVER_HEADERS := $(wildcard swapserver/*.h)
GUEST_PROGRAMS := $(patsubst experiments/guest/%.c,$(B)/guest/%,$(wildcard experiments/guest/*.c))
# One that is larger has a folder.
FAULT_SOURCES := $(wildcard experiments/guest/fault/*.c)
TEST_LIB := $(wildcard tests/lib/*.c)
EXAMPLES := $(patsubst swapserver/examples/%.c,$(B)/guest/examples/%,$(wildcard swapserver/examples/*.c))
LIBABUSE_OBJECTS := $(patsubst swapserver/libabuse/%.c,$(B)/lib/objects/%.o,$(wildcard swapserver/libabuse/*.c))
LIBABUSE_SONAME := libabuse.so.0
TEST_PROGRAMS := $(patsubst tests/%.c,$(B)/guest/tests/%,$(filter-out tests/lib/%,$(wildcard tests/*/*.c)))
TOOLS := stress-ng fio e2fs udev util-linux systemd nbd xfs

## The two commands
.PHONY: demo
demo: deps demo-build	## swap on /dev/abuse0 under stress-ng: the safe server, then the naive one
	experiments/demo

.PHONY: test
test: deps deps-paper test-build	## build and run every test; KERNEL=debug, kcsan, um: on that kernel, built first
	INSTALL_BUILDS_MODULE=1 $(MAKE) --no-print-directory test-host
	$(if $(filter um-builtin,$(KERNEL)),,tests/run --self-test --kernel $(KERNEL))
	tests/run --kernel $(KERNEL) $(T)

## Parts of them
.PHONY: test-busted
test-busted: deps test-build	## show that every test fails on its busted twin
	tests/run --busted --kernel $(KERNEL) $(T)

.PHONY: quick
quick:	## the quick tests on user-mode Linux: an answer within a minute, once its kernel is built
	@$(MAKE) --no-print-directory test-build test-host KERNEL=um
	tests/run --kernel um $(T)

.PHONY: test-host
test-host: deps-paper	## the quick tests of the host side, no guest
	@for d in vm-images experiments analysis tests; do \
		PYTHONPYCACHEPREFIX=$(B)/pycache $(PYTHON) -m unittest discover -q -s $$d -p 'test_*.py'; \
	done

.PHONY: test-slurm
test-slurm:	## campaigns as job arrays, on a Slurm of one node in a folder of its own: packages unpacked, not installed
	ABUSE_TEST_SLURM=1 PYTHONPYCACHEPREFIX=$(B)/pycache python3 -m unittest discover -s experiments -p test_campaign.py -k RealSlurm

# QUESTION=H8, RUNS=30, SEED=7, JOBS=1, ENGINE=slurm
QUESTION ?=
RUNS ?=
SEED ?=
JOBS ?=
ENGINE ?=
.PHONY: experiments
experiments: deps $(if $(QUESTION),experiments-build,experiments-build-all)	## every question of experiments/README.md, or QUESTION=H8; RUNS= SEED= JOBS= ENGINE=; goes on where it stopped
	experiments/run $(if $(QUESTION),$(QUESTION:%=--question %),--matrix standard) $(RUNS:%=--runs %) $(SEED:%=--seed %) \
		$(JOBS:%=--jobs %) $(ENGINE:%=--engine %)

# CLOCK=icount, SEED=7, RUNS=30 (rounds)
CLOCK ?=
.PHONY: bench
bench: deps bench-build	## every device side by side in one guest: ratios, a table, data for plots; CLOCK= RUNS= SEED=; goes on where it stopped
	experiments/bench $(CLOCK:%=--clock %) $(RUNS:%=--rounds %) $(SEED:%=--seed %)

.PHONY: bench-build
bench-build: $(B)/module/6.12/abuse.ko $(B)/images/6.12-base.stamp server guest \
		$(foreach t,util-linux nbd fio,$(B)/images/$(t).stamp)

.PHONY: experiments-build
experiments-build: $(foreach k,6.12 6.1,$(B)/module/$(k)/abuse.ko $(B)/images/$(k)-base.stamp) server guest \
		$(foreach t,stress-ng e2fs util-linux nbd xfs,$(B)/images/$(t).stamp)

# The whole matrix has cells on the debug kernel, and checks that are tests.
.PHONY: experiments-build-all
experiments-build-all: experiments-build
	$(MAKE) --no-print-directory test-build KERNEL=6.12
	$(MAKE) --no-print-directory test-build KERNEL=debug

.PHONY: model
model: deps	## the formal models: the healthy ones hold, each busted one has its counterexample; CHECK=standby: those
	analysis/model/check --json $(B)/model/results.json $(CHECK)

.PHONY: check
check: deps kernels	## static checks: checkpatch, sparse, shellcheck, python syntax, formats
	tests/check

.PHONY: check-cocci
check-cocci: deps	## the kernel's own semantic patches over the module
	tests/check-cocci

.PHONY: all
all: deps module server library examples guest images	## build everything but the tests

.PHONY: deps
deps:	## install the Debian packages that are missing (root, or sudo)
	@vm-images/deps

.PHONY: deps-paper
deps-paper:	## the same for figures, statistics and the paper: 75 MB to fetch
	@vm-images/deps --paper

.PHONY: demo-build
demo-build: $(B)/module/6.12/abuse.ko server guest $(B)/images/6.12-base.stamp $(B)/images/stress-ng.stamp

# Which modules a kernel has: none where it is built in; the unit tests where there is KUnit.
MODULE_KERNELS := $(filter-out um-builtin,$(KERNELS))
KUNIT_KERNELS := $(filter debug kcsan um,$(KERNELS))

.PHONY: test-build
# The busted modules, too: the self-test runs twins.
test-build: module server guest library examples images $(TEST_PROGRAMS) test-build-busted
test-build: $(KUNIT_KERNELS:%=$(B)/module/%-kunit/abuse.ko) $(KUNIT_KERNELS:%=$(B)/module/%-plant/abuse_plant.ko)

.PHONY: test-build-busted
test-build-busted: $(MODULE_KERNELS:%=$(B)/module/%-busted/abuse.ko) $(KUNIT_KERNELS:%=$(B)/module/%-kunit-busted/abuse.ko)

.PHONY: module
module: $(MODULE_KERNELS:%=$(B)/module/%/abuse.ko)	## abuse.ko for each kernel

.PHONY: server
server: $(B)/guest/swapserver	## the swapserver

.PHONY: guest
guest: $(GUEST_PROGRAMS) $(B)/guest/fault $(B)/guest/server-2009	## the programs that run in guests

.PHONY: library
library: $(B)/lib/libabuse.a $(B)/lib/$(LIBABUSE_SONAME)	## libabuse, static and shared, in build/lib

.PHONY: examples
examples: $(EXAMPLES)	## servers on libabuse, and one without, in build/guest/examples

.PHONY: kernels
kernels: $(DEBIAN_KERNELS:%=$(B)/kernels/%/release)	## kernels and headers, unpacked, never installed

.PHONY: kernel-debug kernel-kcsan kernel-um kernel-um-builtin
kernel-debug:	## our kernel with KASAN, lockdep, kmemleak and fault injection: 15 CPU minutes
kernel-kcsan:	## our kernel with the detector of data races: 13 CPU minutes
kernel-um:	## user-mode Linux with KASAN and lockdep: 7 CPU minutes
kernel-um-builtin:	## user-mode Linux with abuse built in, by the patch: 2 CPU minutes
$(OUR_KERNELS:%=kernel-%): kernel-%: $(B)/kernels/%/release $(B)/images/%-base.stamp

.PHONY: kernel-builtin
kernel-builtin:	## show that the patch makes a kernel that has abuse built in
	$(MAKE) --no-print-directory test-build KERNEL=um-builtin
	tests/run --kernel um-builtin

.PHONY: kernel-patch
kernel-patch: deps	## build/abuse-VERSION.patch: the module as drivers/block/abuse of a kernel's tree
	@vm-images/kernel-source --patch

.PHONY: images
images: $(foreach k,$(KERNELS),$(B)/images/$(k)-base.stamp) $(foreach t,$(TOOLS),$(B)/images/$(t).stamp)	## guest images

## From raw results to claims
# Which results: the paper's, or RESULTS=build/results/lab
RESULTS ?= analysis/results
.PHONY: figures
figures: deps-paper	## every figure and table from raw results, in build/figures; RESULTS=build/results/lab for your own
	analysis/figures $(RESULTS)

.PHONY: paper
paper: deps-paper	## PAPER.md's numbers, tables, pictures and code; build/paper/paper.html and paper.pdf
	analysis/paper $(RESULTS)

.PHONY: check-paper
check-paper: deps-paper	## fails if PAPER.md says anything else than the raw results and the code do
	@# That a rule of today judges an old run otherwise is told, and no drift of the paper; evidence that is spoilt is (2).
	analysis/judge $(RESULTS) || test $$? = 1
	analysis/paper --check $(RESULTS)

# ONLY=C1
ONLY ?=
.PHONY: repro
repro: deps deps-paper experiments-build	## the paper's main claims again from nothing, each against its tolerance; ONLY=C1; goes on where it stopped
	analysis/repro $(ONLY:%=--only %)

# ------------------------------------------------------------------ kernels

$(B)/kernels/%/release: vm-images/modules.txt | deps
	vm-images/kernel $*
	@touch $@

# It knows whether one of its inputs has changed what comes out.
$(OUR_KERNELS:%=$(B)/kernels/%/release): $(B)/kernels/%/release: vm-images/kernel-source vm-images/tree.py \
		$(wildcard vm-images/config/*.config) vm-images/modules.txt | deps
	vm-images/kernel-source $*
	@touch $@
$(B)/kernels/um-builtin/release: $(MODULE_SOURCES) module/Kconfig

# The scripts know their inputs and rewrite an image only if one changed; the
# stamp is when that was last looked at.
$(B)/images/%-base.stamp: $(B)/kernels/%/release vm-images/image vm-images/cpio.py vm-images/init vm-images/modules.txt
	vm-images/image base $*
	@touch $@

$(B)/images/%.stamp: vm-images/image vm-images/cpio.py vm-images/archive.py | deps
	vm-images/image tools $*
	@touch $@

# ------------------------------------------------------------------- module

# The most specific pattern wins.
$(B)/module/%-kunit-busted/abuse.ko: $(B)/kernels/%/release $(MODULE_SOURCES)
	@echo '  KBUILD  $@'
	@$(MAKE) -s -C module KDIR=$(CURDIR)/$(B)/kernels/$*/headers OUT=$(CURDIR)/$(B)/module/$*-kunit-busted KUNIT=y BUSTED=y
	@touch $@

$(B)/module/%-kunit/abuse.ko: $(B)/kernels/%/release $(MODULE_SOURCES)
	@echo '  KBUILD  $@'
	@$(MAKE) -s -C module KDIR=$(CURDIR)/$(B)/kernels/$*/headers OUT=$(CURDIR)/$(B)/module/$*-kunit KUNIT=y W=1
	@touch $@

# Faults for the detectors of our kernels, see tests/self.
$(B)/module/%-plant/abuse_plant.ko: $(B)/kernels/%/release tests/self/plant/abuse_plant.c tests/self/plant/Kbuild
	@echo '  KBUILD  $@'
	@mkdir -p $(@D)
	@ln -sfn $(CURDIR)/tests/self/plant/abuse_plant.c $(CURDIR)/tests/self/plant/Kbuild $(@D)/
	@$(MAKE) -s -C $(B)/kernels/$*/headers M=$(CURDIR)/$(@D) modules
	@touch $@

$(B)/module/%-busted/abuse.ko: $(B)/kernels/%/release $(MODULE_SOURCES)
	@echo '  KBUILD  $@'
	@$(MAKE) -s -C module KDIR=$(CURDIR)/$(B)/kernels/$*/headers OUT=$(CURDIR)/$(B)/module/$*-busted BUSTED=y
	@touch $@

$(B)/module/%/abuse.ko: $(B)/kernels/%/release $(MODULE_SOURCES)
	@echo '  KBUILD  $@'
	@$(MAKE) -s -C module KDIR=$(CURDIR)/$(B)/kernels/$*/headers OUT=$(CURDIR)/$(B)/module/$* W=1
	@touch $@

# ----------------------------------------------------------------- programs

$(B)/guest/swapserver: $(SERVER_SOURCES) $(SERVER_HEADERS) $(B)/lib/libabuse.a $(UAPI) Makefile | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_USER) -DABUSE_VERSION='"$(VERSION)"' -Iswapserver/libabuse -static -o $@ $(SERVER_SOURCES) $(B)/lib/libabuse.a -lcap -lseccomp -llz4

# Some look at the server's board.
$(GUEST_PROGRAMS): $(B)/guest/%: experiments/guest/%.c $(wildcard experiments/guest/*.h) $(SERVER_HEADERS) $(UAPI) Makefile | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_USER) -static -o $@ $<

$(B)/guest/fault: $(FAULT_SOURCES) experiments/guest/fault/fault.h $(wildcard experiments/guest/*.h) $(SERVER_HEADERS) $(UAPI) Makefile | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_USER) -static -o $@ $(FAULT_SOURCES)

# ----------------------------------------------------- libabuse, its examples

$(LIBABUSE_OBJECTS): $(B)/lib/objects/%.o: swapserver/libabuse/%.c swapserver/libabuse/libabuse.h $(UAPI) Makefile | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_USER) -fPIC -c -o $@ $<

$(B)/lib/libabuse.a: $(LIBABUSE_OBJECTS)
	@echo '  AR      $@'
	@rm -f $@
	@$(AR) rcsD $@ $^

$(B)/lib/$(LIBABUSE_SONAME): $(LIBABUSE_OBJECTS) swapserver/libabuse/libabuse.map
	@echo '  LD      $@'
	@$(CC) -shared -Wl,-soname,$(LIBABUSE_SONAME) -Wl,--version-script,swapserver/libabuse/libabuse.map \
		-Wl,-z,defs -Wl,-z,relro -Wl,-z,now -o $@ $(LIBABUSE_OBJECTS)
	@ln -sfn $(LIBABUSE_SONAME) $(@D)/libabuse.so

# null-raw wants nothing of the library, and shows so: the linker takes nothing.
$(EXAMPLES): $(B)/guest/examples/%: swapserver/examples/%.c $(B)/lib/libabuse.a $(UAPI) Makefile | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_USER) -Iswapserver/libabuse -static -o $@ $< $(B)/lib/libabuse.a

# ----------------------------------------------------------- test programs

# What all tests share is compiled once.
TEST_OBJECTS := $(TEST_LIB:tests/lib/%.c=$(B)/guest/tests/lib/%.o)
$(TEST_OBJECTS): $(B)/guest/tests/lib/%.o: tests/lib/%.c $(wildcard tests/lib/*.h) $(UAPI) Makefile | deps
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_USER) -Itests/lib -c -o $@ $<

$(B)/guest/tests/lib/libt.a: $(TEST_OBJECTS)
	@echo '  AR      $@'
	@rm -f $@ && $(AR) rcs $@ $^

# Of tests/GROUP/lib, if there is one, too: GROUP.mk names it as what they depend on.
$(TEST_PROGRAMS): $(B)/guest/tests/%: tests/%.c $(B)/guest/tests/lib/libt.a $(wildcard tests/lib/*.h) $(UAPI) Makefile | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_USER) -static -Itests/lib -Itests/$(*D)/lib -o $@ $< $(wildcard tests/$(*D)/lib/*.c) $(B)/guest/tests/lib/libt.a $(TEST_LIBS) -lpthread

# What a group of tests needs beside its programs.
include $(wildcard tests/*/*.mk)

# ------------------------------------------- the control tool, installation

CTL_SOURCES := $(wildcard swapserver/abusectl/*.c) swapserver/parse.c
CTL_HEADERS := $(wildcard swapserver/abusectl/*.h) swapserver/board.h swapserver/parse.h swapserver/protect.h swapserver/turn.h

server: $(B)/guest/abusectl
$(B)/guest/abusectl: $(CTL_SOURCES) $(CTL_HEADERS) $(UAPI) Makefile | deps
	@mkdir -p $(@D)
	@echo '  CC      $@'
	@$(CC) $(CFLAGS_USER) -DABUSE_VERSION='"$(VERSION)"' -static -o $@ $(CTL_SOURCES)

## Installing, cleaning up

INSTALL := PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' swapserver/install
.PHONY: install
install:	## install what make server library has built, and the module's source; PREFIX=/usr/local DESTDIR=
	@$(INSTALL)/install '$(VERSION)' '$(B)/guest' '$(B)/lib'

.PHONY: uninstall
uninstall:	## take away what make install has put there, with the same PREFIX and DESTDIR
	@$(INSTALL)/uninstall

# ----------------------------------------------------------------- the rest

.PHONY: clean
clean:	## remove what was built; keep downloads, kernels and results
	rm -rf $(B)/module $(B)/guest $(B)/lib $(B)/images $(B)/tests $(B)/model $(B)/pycache

.PHONY: distclean
distclean:	## remove everything that is not in git
	rm -rf $(B)

.PHONY: help
help:	## this list
	@awk -F ':.*## ' '/^## /{print "\n" substr($$0, 4) ":"} /^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
