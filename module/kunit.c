// SPDX-License-Identifier: GPL-2.0-only
/*
 * kunit.c - unit tests of the slots and their states
 *
 * Beside the path: [queue] and the line that ends a bio, without a server.
 * Built with KUNIT=y for kernels that have KUnit; the tests run when the
 * module is loaded, on a device of their own.
 */
#include <kunit/test.h>
#include <linux/bio.h>
#include <linux/prandom.h>

#include "abuse.h"

#define SLOTS	8
#define NUMBER	(ABUSE_NR_LIMIT - 1)

struct fixture {
	struct abuse_device *dev;
	struct abuse_server server[2];
	unsigned int nr_made;
	unsigned int nr_ended;
	unsigned int nr_failed;
};

static void bio_ended(struct bio *bio)
{
	struct fixture *f = bio->bi_private;

	f->nr_ended++;
	if (bio->bi_status)
		f->nr_failed++;
	bio_put(bio);
}

static struct bio *make_bio(struct kunit *test, unsigned int opf)
{
	struct fixture *f = test->priv;
	struct bio *bio;

	bio = bio_alloc(f->dev->disk->part0, 0, opf, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bio);
	bio->bi_iter.bi_sector = f->nr_made++ * 8;
	bio->bi_iter.bi_size = 4096;
	bio->bi_private = f;
	bio->bi_end_io = bio_ended;
	return bio;
}

static int queue_init(struct kunit *test)
{
	struct abuse_info info = {
		.ab_size = 1 << 20,
		.ab_blocksize = 4096,
		.ab_max_queue = SLOTS,
	};
	struct fixture *f;
	int i;

	f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	f->dev = abuse_device_create(NUMBER);
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->dev));
	for (i = 0; i < ARRAY_SIZE(f->server); i++)
		INIT_LIST_HEAD(&f->server[i].lent);
	KUNIT_ASSERT_EQ(test, abuse_status_apply(f->dev, &info), 0);
	return 0;
}

static void queue_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (f && !IS_ERR_OR_NULL(f->dev))
		abuse_device_destroy(f->dev);
}

/* As bio.c accepts one, without its checks. */
static bool accept(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct bio *bio = make_bio(test, REQ_OP_WRITE);
	bool added;

	spin_lock_irq(&f->dev->lock);
	added = abuse_queue_add(f->dev, bio);
	if (!added) {
		bio_list_add(&f->dev->waiting, bio);
		f->dev->ticket_in++;
	}
	f->dev->counters.ab_accepted++;
	spin_unlock_irq(&f->dev->lock);
	return added;
}

static struct abuse_request *lend(struct fixture *f, int i)
{
	struct abuse_request *rq;

	spin_lock_irq(&f->dev->lock);
	rq = abuse_queue_lend(f->dev, &f->server[i]);
	spin_unlock_irq(&f->dev->lock);
	return rq;
}

static void requeue(struct fixture *f, struct abuse_request *rq, bool ahead)
{
	spin_lock_irq(&f->dev->lock);
	abuse_queue_requeue(f->dev, rq, ahead);
	spin_unlock_irq(&f->dev->lock);
}

static void gone(struct fixture *f, int i)
{
	spin_lock_irq(&f->dev->lock);
	abuse_queue_requeue_all(f->dev, &f->server[i], true);
	spin_unlock_irq(&f->dev->lock);
}

static void end(struct fixture *f, struct abuse_request *rq, blk_status_t st)
{
	LIST_HEAD(done);

	spin_lock_irq(&f->dev->lock);
	abuse_queue_finish(f->dev, rq, st, &done);
	spin_unlock_irq(&f->dev->lock);
	abuse_bio_end_all(f->dev, &done);
}

static unsigned int list_len(struct list_head *list)
{
	struct list_head *p;
	unsigned int nr = 0;

	list_for_each(p, list)
		nr++;
	return nr;
}

static unsigned int nr_free_listed(struct abuse_device *dev)
{
	struct abuse_request *rq;
	unsigned int nr = 0;

	for (rq = dev->free; rq; rq = rq->next_free)
		nr++;
	return nr;
}

/* The lists, the counters and the states say the same. */
static void check(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct abuse_counters c;
	unsigned int nr[ABUSE_NR_STATES] = {};
	u32 i;

	abuse_counters_read(f->dev, &c);
	for (i = 0; i < f->dev->nr_slots; i++)
		nr[f->dev->slots[i].state]++;
	KUNIT_EXPECT_EQ(test, nr[ABUSE_FREE], c.ab_nr_free);
	KUNIT_EXPECT_EQ(test, nr[ABUSE_QUEUED], c.ab_nr_queued);
	KUNIT_EXPECT_EQ(test, nr[ABUSE_LENT], c.ab_nr_lent);
	KUNIT_EXPECT_EQ(test, nr[ABUSE_FORWARDED], c.ab_nr_forwarded);
	KUNIT_EXPECT_EQ(test, nr[ABUSE_ASIDE], c.ab_nr_aside);
	KUNIT_EXPECT_EQ(test, nr[ABUSE_DONE], 0);
	KUNIT_EXPECT_EQ(test, f->dev->nr[ABUSE_DONE], 0);
	KUNIT_EXPECT_EQ(test, nr_free_listed(f->dev), c.ab_nr_free);
	KUNIT_EXPECT_EQ(test, list_len(&f->dev->queue), c.ab_nr_queued);
	KUNIT_EXPECT_EQ(test, list_len(&f->dev->forwarded), c.ab_nr_forwarded);
	KUNIT_EXPECT_EQ(test, list_len(&f->dev->aside), c.ab_nr_aside);
	KUNIT_EXPECT_EQ(test, list_len(&f->server[0].lent) +
			      list_len(&f->server[1].lent), c.ab_nr_lent);
	KUNIT_EXPECT_EQ(test, c.ab_accepted - c.ab_ended,
			SLOTS - c.ab_nr_free + c.ab_nr_waiting);
	KUNIT_EXPECT_EQ(test, c.ab_ended, f->nr_ended);
	/* Nobody waits while a slot is free within the bound. */
	if (c.ab_nr_waiting)
		KUNIT_EXPECT_GE(test, SLOTS - c.ab_nr_free, f->dev->bound);
}

/* End whatever is left, from whatever state, and see that it balances. */
static void drain(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct abuse_request *rq;
	u32 i;

	abuse_policy_aside(f->dev, false);
	gone(f, 0);
	gone(f, 1);
	abuse_policy_aside(f->dev, true);
	for (i = 0; i < SLOTS; i++)
		if (f->dev->slots[i].state == ABUSE_FORWARDED)
			end(f, &f->dev->slots[i], BLK_STS_OK);
	while ((rq = lend(f, 0)))
		end(f, rq, BLK_STS_OK);
	check(test);
	KUNIT_EXPECT_EQ(test, f->nr_made, f->nr_ended);
	KUNIT_EXPECT_EQ(test, f->dev->nr[ABUSE_FREE], SLOTS);
}

static void queue_cycle(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct abuse_request *rq;

	KUNIT_EXPECT_PTR_EQ(test, lend(f, 0), NULL);
	KUNIT_EXPECT_TRUE(test, accept(test));
	check(test);
	rq = lend(f, 0);
	KUNIT_ASSERT_NOT_NULL(test, rq);
	KUNIT_EXPECT_EQ(test, rq->state, ABUSE_LENT);
	KUNIT_EXPECT_PTR_EQ(test, rq->owner, &f->server[0]);
	check(test);
	end(f, rq, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, f->nr_ended, 1);
	drain(test);
}

static void queue_bound(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct abuse_request *rq;
	int i;

	for (i = 0; i < SLOTS; i++)
		KUNIT_EXPECT_TRUE(test, accept(test));
	KUNIT_EXPECT_FALSE(test, accept(test));
	KUNIT_EXPECT_FALSE(test, accept(test));
	check(test);
	KUNIT_EXPECT_EQ(test, f->dev->counters.ab_nr_free_min, 0);
	rq = lend(f, 0);
	KUNIT_EXPECT_EQ(test, f->dev->ticket_out, 0);
	end(f, rq, BLK_STS_OK);
	/* The slot went to the one who waited longest. */
	KUNIT_EXPECT_EQ(test, f->dev->ticket_out, 1);
	check(test);
	/* A lower bound holds new ones back, and breaks nothing. */
	spin_lock_irq(&f->dev->lock);
	f->dev->bound = 2;
	spin_unlock_irq(&f->dev->lock);
	for (i = 0; i < SLOTS - 2; i++)
		end(f, lend(f, 0), BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, f->dev->ticket_out, 1);
	end(f, lend(f, 0), BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, f->dev->ticket_out, 2);
	check(test);
	drain(test);
}

static void queue_ids(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct abuse_request *rq, *found;
	u64 first, second;
	int err;

	accept(test);
	rq = lend(f, 0);
	KUNIT_EXPECT_EQ(test, upper_32_bits(abuse_queue_id(f->dev, rq)), 1);
	requeue(f, rq, true);
	KUNIT_EXPECT_PTR_EQ(test, lend(f, 0), rq);
	first = abuse_queue_id(f->dev, rq);
	spin_lock_irq(&f->dev->lock);
	found = abuse_queue_find(f->dev, &f->server[0], first, &err);
	KUNIT_EXPECT_PTR_EQ(test, found, rq);
	found = abuse_queue_find(f->dev, &f->server[1], first, &err);
	KUNIT_EXPECT_PTR_EQ(test, found, NULL);
	KUNIT_EXPECT_EQ(test, err, -ESTALE);
	found = abuse_queue_find(f->dev, &f->server[0], SLOTS | 1ULL << 32,
				 &err);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	abuse_queue_copy_begin(f->dev, rq);
	found = abuse_queue_find(f->dev, &f->server[0], first, &err);
	KUNIT_EXPECT_EQ(test, err, -EBUSY);
	KUNIT_EXPECT_EQ(test, abuse_queue_copy_end(f->dev, rq), 0);
	/* The generation before the one that is never used. */
	rq->generation = U32_MAX;
	spin_unlock_irq(&f->dev->lock);
	requeue(f, rq, true);
	KUNIT_EXPECT_PTR_EQ(test, lend(f, 0), rq);
	second = abuse_queue_id(f->dev, rq);
	KUNIT_EXPECT_EQ(test, upper_32_bits(second), 1);
	KUNIT_EXPECT_NE(test, first, second);
	drain(test);
}

static void queue_order(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct abuse_request *rq[5];
	int i;

	for (i = 0; i < 5; i++)
		accept(test);
	for (i = 0; i < 4; i++)
		rq[i] = lend(f, 0);
	gone(f, 0);
	check(test);
	/* The four of the dead, in their order, ahead of the fifth. */
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_PTR_EQ(test, lend(f, 1), rq[i]);
	requeue(f, rq[2], false);
	rq[4] = lend(f, 1);
	KUNIT_EXPECT_PTR_NE(test, rq[4], rq[2]);
	KUNIT_EXPECT_PTR_EQ(test, lend(f, 1), rq[2]);
	drain(test);
}

static void queue_copy(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct abuse_request *rq;

	accept(test);
	rq = lend(f, 0);
	spin_lock_irq(&f->dev->lock);
	abuse_queue_copy_begin(f->dev, rq);
	spin_unlock_irq(&f->dev->lock);
	gone(f, 0);
	/* I11: it waits for its copy. */
	KUNIT_EXPECT_EQ(test, rq->state, ABUSE_LENT);
	KUNIT_EXPECT_PTR_EQ(test, lend(f, 1), NULL);
	spin_lock_irq(&f->dev->lock);
	KUNIT_EXPECT_EQ(test, abuse_queue_copy_end(f->dev, rq), -ESTALE);
	spin_unlock_irq(&f->dev->lock);
	KUNIT_EXPECT_EQ(test, rq->state, ABUSE_QUEUED);
	KUNIT_EXPECT_FALSE(test, rq->orphaned);
	KUNIT_EXPECT_PTR_EQ(test, lend(f, 1), rq);
	check(test);
	drain(test);
}

static void queue_forward(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct abuse_request *rq;

	accept(test);
	rq = lend(f, 0);
	spin_lock_irq(&f->dev->lock);
	abuse_queue_forward(f->dev, rq);
	spin_unlock_irq(&f->dev->lock);
	check(test);
	gone(f, 0);
	KUNIT_EXPECT_EQ(test, rq->state, ABUSE_FORWARDED);
	KUNIT_EXPECT_PTR_EQ(test, lend(f, 1), NULL);
	requeue(f, rq, true);		/* the clone failed */
	KUNIT_EXPECT_PTR_EQ(test, lend(f, 1), rq);
	spin_lock_irq(&f->dev->lock);
	abuse_queue_forward(f->dev, rq);
	spin_unlock_irq(&f->dev->lock);
	end(f, rq, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, f->nr_ended, 1);
	drain(test);
}

static void queue_aside(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct abuse_request *rq;
	int i;

	f->dev->max_owners = 3;
	accept(test);
	accept(test);
	rq = lend(f, 0);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, rq->state, ABUSE_LENT);
		gone(f, 0);
		check(test);
		if (i < 2)
			KUNIT_EXPECT_PTR_EQ(test, lend(f, 0), rq);
	}
	KUNIT_EXPECT_EQ(test, rq->state, ABUSE_ASIDE);
	KUNIT_EXPECT_PTR_NE(test, lend(f, 0), rq);
	KUNIT_EXPECT_EQ(test, abuse_policy_aside(f->dev, false), 1);
	KUNIT_EXPECT_EQ(test, rq->state, ABUSE_QUEUED);
	KUNIT_EXPECT_EQ(test, rq->nr_owners_gone, 0);
	check(test);
	drain(test);
}

/* One step of a random walk. */
static void step(struct kunit *test, struct rnd_state *rnd)
{
	struct fixture *f = test->priv;
	u32 what = prandom_u32_state(rnd), i = what >> 8 & 1;
	struct abuse_request *rq;

	rq = list_first_entry_or_null(&f->server[i].lent,
				      struct abuse_request, list);
	switch (what & 7) {
	case 0:
	case 1:
		accept(test);
		break;
	case 2:
	case 3:
		lend(f, i);
		break;
	case 4:
		if (rq)
			end(f, rq, what & 0x1000 ? BLK_STS_OK : BLK_STS_IOERR);
		break;
	case 5:
		if (rq)
			requeue(f, rq, what & 0x1000);
		break;
	case 6:
		if (what & 0xf0000)
			break;
		gone(f, i);
		break;
	case 7:
		rq = list_first_entry_or_null(&f->dev->forwarded,
					      struct abuse_request, list);
		if (rq && what & 0x1000) {
			if (what & 0x2000)
				end(f, rq, BLK_STS_OK);
			else
				requeue(f, rq, true);
			break;
		}
		rq = list_first_entry_or_null(&f->server[i].lent,
					      struct abuse_request, list);
		spin_lock_irq(&f->dev->lock);
		if (rq)
			abuse_queue_forward(f->dev, rq);
		spin_unlock_irq(&f->dev->lock);
		break;
	}
}

static void queue_walk(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct rnd_state rnd;
	int i;

	prandom_seed_state(&rnd, 20091);
	f->dev->max_owners = 5;
	for (i = 0; i < 20000; i++) {
		step(test, &rnd);
		if (i % 16 == 0)
			check(test);
	}
	kunit_info(test, "%u bios, %u failed, %llu lends\n", f->nr_made,
		   f->nr_failed, f->dev->counters.ab_lent);
	drain(test);
}

static struct kunit_case queue_cases[] = {
	KUNIT_CASE(queue_cycle),
	KUNIT_CASE(queue_bound),
	KUNIT_CASE(queue_ids),
	KUNIT_CASE(queue_order),
	KUNIT_CASE(queue_copy),
	KUNIT_CASE(queue_forward),
	KUNIT_CASE(queue_aside),
	KUNIT_CASE(queue_walk),
	{}
};

static struct kunit_suite queue_suite = {
	.name = "abuse-queue",
	.init = queue_init,
	.exit = queue_exit,
	.test_cases = queue_cases,
};

kunit_test_suite(queue_suite);
