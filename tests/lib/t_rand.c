// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_rand.c - numbers that look random, the same for the same seed
 *
 * Where it stands: [test] > /dev/abctlN, /dev/abuseN > module.
 */
#include "t_rand.h"

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t t_u64(struct t_rand *r)
{
	uint64_t x = r->state += 0x9e3779b97f4a7c15ull;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

struct t_rand t_rand_of(uint64_t seed, uint32_t actor, uint64_t step)
{
	struct t_rand r = { seed };

	r.state = t_u64(&r) ^ actor;
	r.state = t_u64(&r) ^ step;
	return r;
}

uint32_t t_below(struct t_rand *r, uint32_t n)
{
	return t_u64(r) % n;
}

bool t_one_in(struct t_rand *r, uint32_t n)
{
	return !t_below(r, n);
}

uint64_t t_number(struct t_rand *r)
{
	uint64_t x = t_u64(r);

	switch (t_below(r, 8)) {
	case 0:
		return 0;
	case 1:
		return x % 16;
	case 2:
		return 1ull << x % 64;
	case 3:
		return (1ull << x % 64) - 1;
	case 4:
		return (1ull << x % 64) + 1;
	case 5:
		return -(x % 16);
	case 6:
		return x & 0xffffffff;
	}
	return x;
}
