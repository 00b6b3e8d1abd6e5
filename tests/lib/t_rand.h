/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * t_rand.h - numbers that look random, the same for the same seed
 *
 * Where it stands: [test] > /dev/abctlN, /dev/abuseN > module.
 */
#ifndef TESTS_LIB_T_RAND_H
#define TESTS_LIB_T_RAND_H

#include <stdbool.h>
#include <stdint.h>

struct t_rand {
	uint64_t state;
};

/* A row of its own for each actor, and each of its steps. */
struct t_rand t_rand_of(uint64_t seed, uint32_t actor, uint64_t step);
uint64_t t_u64(struct t_rand *r);
/* 0 to n - 1; n is not 0. */
uint32_t t_below(struct t_rand *r, uint32_t n);
/* Once in n times. */
bool t_one_in(struct t_rand *r, uint32_t n);
/* A number as bugs like it: small, a power of two, near one, or anything. */
uint64_t t_number(struct t_rand *r);

#endif
