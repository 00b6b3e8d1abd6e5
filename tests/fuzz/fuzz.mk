# SPDX-License-Identifier: GPL-2.0-only
# Included by the top Makefile.
$(B)/guest/tests/fuzz/abuse-fuzz: $(wildcard tests/fuzz/lib/*)

# Once more, as a program: replays.sh runs it.
$(B)/guest/abuse-fuzz: $(B)/guest/tests/fuzz/abuse-fuzz
	@cp $< $@
test-build: $(B)/guest/abuse-fuzz

# How long and with which seed: the runner's default is 20 s and seed 1.  make
# fuzz SECONDS=600 SEED=7; REPLAY=ACTOR:FROM-TO,... as abuse-fuzz.c has it.
SECONDS ?= 300
SEED ?= 1
REPLAY ?=
VERBOSE ?=
COVER ?=
# What a test takes beyond its SECONDS, twice as long on a machine under load.
MARGIN_S := 140
LONG_RUN = --kernel $(or $(filter-out all,$(KERNEL)),6.12) --jobs 1 --env T_SECONDS=$(SECONDS) --env T_SEED=$(SEED) \
	--time-limit $(shell echo $$(($(SECONDS) + $(MARGIN_S)))) \
	$(if $(COVER),--env T_COVER=1) $(if $(REPLAY),--env T_REPLAY=$(REPLAY)) $(if $(VERBOSE),--env T_VERBOSE=1)

.PHONY: fuzz
fuzz: deps test-build	## operations drawn at random against the module: SECONDS=N SEED=S KERNEL=K
	tests/run $(LONG_RUN) fuzz

.PHONY: cover
cover:	## which parts of the module the fuzzer reaches: SECONDS=N SEED=S, on the debug kernel
	$(MAKE) --no-print-directory fuzz KERNEL=debug COVER=1
	tests/cover $(B)/tests/debug/fuzz/abuse-fuzz.log $(B)/module/debug/abuse.ko
