/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_plan.c - daemon/plan: a plan names exactly the streams that have a ring, the clients that read them, and the
 * cursors they were granted. Clients and streams are made by hand here; nothing runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "plan.h"

#define STREAMS 20u
#define CLIENTS 300u

static const struct source_format format = { .width = 64, .height = 48, .pixels = PIXELS_R8, .stride = 128 };
static char camera[LUMARING_NAME_MAX];

static struct {
	struct stream *streams[STREAMS];
	struct client clients[CLIENTS];
	struct lumaring_client_page pages[CLIENTS];
	unsigned stream_count, client_count;
} world;

static void give_ring(struct stream *stream)
{
	char text[512] = "";

	if (stream_fit(stream, &format, text, sizeof(text)) < 0)
		fail_msg("%s", text);
}

static struct stream *add_stream(struct region region, bool with_ring)
{
	struct stream_config config = { .region = region, .slot_count = 4 };
	struct stream *stream;

	snprintf(config.name, sizeof(config.name), "s%u", world.stream_count);
	stream = stream_create(&config, camera, (gid_t)-1, 0);
	assert_non_null(stream);
	if (with_ring)
		give_ring(stream);
	if (world.stream_count)
		world.streams[world.stream_count - 1]->next = stream;
	world.streams[world.stream_count++] = stream;
	return stream;
}

/* As the main thread leaves one behind that reads: in a plan, with a page and so many cursors. */
static struct client *add_client(struct stream *stream, uint32_t cursors)
{
	unsigned n = world.client_count++;
	struct client *client = &world.clients[n];

	*client = (struct client){
		.state = CLIENT_READING, .stream = stream, .plan = 1, .cursors = cursors, .page = &world.pages[n]
	};
	if (n)
		world.clients[n - 1].next = client;
	return client;
}

static struct plan *build(void)
{
	struct plan *plan = plan_build(7, 3, &format, world.stream_count ? world.streams[0] : NULL,
				       world.client_count ? world.clients : NULL);

	assert_non_null(plan);
	assert_int_equal(plan->number, 7);
	assert_int_equal(plan->format_serial, 3);
	assert_memory_equal(&plan->format, &format, sizeof(format));
	return plan;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < world.stream_count; i++)
		stream_destroy(world.streams[i]);
	memset(&world, 0, sizeof(world));
	return 0;
}

/* The plan's stream of a ring. */
static const struct plan_stream *of(const struct plan *plan, const struct stream *stream)
{
	const struct plan_stream *found = NULL;

	for (unsigned i = 0; i < plan->stream_count; i++) {
		if (plan->streams[i].ring != stream->ring)
			continue;
		assert_null(found);
		found = &plan->streams[i];
	}
	assert_non_null(found);
	return found;
}

static void test_nothing(void **state)
{
	struct plan *plan = build();

	(void)state;
	assert_int_equal(plan->stream_count, 0);
	plan_destroy(plan);
	plan = plan_build(1, 0, &format, NULL, NULL);
	assert_int_equal(plan->format.width, 0); /* none is known yet */
	plan_destroy(plan);
	plan_destroy(NULL);
}

static void test_streams(void **state)
{
	struct stream *whole, *part, *always;
	const struct plan_stream *p;
	struct plan *plan;

	(void)state;
	add_stream((struct region){ 0 }, false);
	whole = add_stream((struct region){ 0 }, true);
	add_stream((struct region){ 0 }, false);
	part = add_stream((struct region){ 8, 4, 16, 0 }, true);
	always = add_stream((struct region){ 63, 47, 1, 1 }, true);
	always->config.always = true;
	add_client(part, 0);
	plan = build();
	assert_int_equal(plan->stream_count, 3);
	p = of(plan, whole);
	assert_false(p->wanted);
	assert_memory_equal(&p->region, (&(struct region){ 0, 0, 64, 48 }), sizeof(struct region));
	p = of(plan, part);
	assert_true(p->wanted);
	assert_memory_equal(&p->region, (&(struct region){ 8, 4, 16, 44 }), sizeof(struct region));
	p = of(plan, always);
	assert_true(p->wanted);
	assert_ptr_equal(p->stats, &always->stats);
	assert_int_equal(p->client_count, 0);
	assert_memory_equal(&p->region, (&(struct region){ 63, 47, 1, 1 }), sizeof(struct region));
	for (unsigned i = 0; i < plan->stream_count; i++) {
		const struct plan_notice *notice = &plan->streams[i].notice;

		assert_false(plan->streams[i].picture.due);
		assert_null(plan->streams[i].wanted_region);
		assert_int_equal(notice->msg.msg_iovlen, 1);
		assert_ptr_equal(notice->msg.msg_iov->iov_base, &notice->notice);
		assert_int_equal(notice->msg.msg_iov->iov_len, sizeof(struct lumaring_notice));
	}
	plan_destroy(plan);
}

/* Who is not yet in a plan, or not any more, is left out with its cursors. */
static void test_who_reads(void **state)
{
	struct stream *stream;
	struct client *reading, *attaching;
	const struct plan_stream *p;
	struct plan *plan;

	(void)state;
	stream = add_stream((struct region){ 0 }, true);
	add_client(stream, 2)->plan = 0; /* waits for a format */
	attaching = add_client(stream, 1);
	attaching->state = CLIENT_ATTACHING;
	add_client(stream, 2)->state = CLIENT_LEAVING;
	add_client(NULL, 0)->state = CLIENT_GREETING;
	add_client(NULL, 0)->plan = 0;
	reading = add_client(stream, 1);
	plan = build();
	p = of(plan, stream);
	assert_int_equal(p->client_count, 2);
	assert_ptr_equal(p->clients[0], attaching);
	assert_ptr_equal(p->clients[1], reading);
	assert_int_equal(p->cursor_count, 2);
	assert_ptr_equal(p->cursors[0], &attaching->page->cursors[0].sequence);
	assert_ptr_equal(p->cursors[1], &reading->page->cursors[0].sequence);
	plan_destroy(plan);
}

/* Who still reads a stream that is no longer wanted is not served any more. */
static void test_removed(void **state)
{
	struct stream *kept = add_stream((struct region){ 0 }, true), *removed = add_stream((struct region){ 0 }, true);
	struct client *client = add_client(kept, 1);
	struct plan *plan;

	(void)state;
	add_client(removed, 2);
	removed->removed = true;
	plan = build();
	assert_int_equal(plan->stream_count, 1);
	assert_int_equal(of(plan, kept)->client_count, 1);
	assert_ptr_equal(of(plan, kept)->clients[0], client);
	plan_destroy(plan);
}

/* The capture thread is told whose account a ring goes on with. */
static void test_previous(void **state)
{
	struct stream *stream = add_stream((struct region){ 0 }, true);
	struct ring *first = stream->ring;
	struct source_format larger = format;
	struct plan *plan = build();
	char text[512] = "";

	(void)state;
	assert_null(of(plan, stream)->previous);
	plan_destroy(plan);
	larger.width *= 2;
	assert_int_equal(stream_fit(stream, &larger, text, sizeof(text)), 1);
	plan = build();
	assert_ptr_equal(of(plan, stream)->previous, first);
	plan_destroy(plan);
}

/* Its owner moves the region of a private stream by the word in its page. */
static void test_private(void **state)
{
	struct stream *shared, *private;
	struct client *owner;
	struct plan *plan;

	(void)state;
	shared = add_stream((struct region){ 0 }, true);
	private = add_stream((struct region){ 0 }, true);
	add_client(shared, 2);
	owner = add_client(private, 2);
	private->owner = owner;
	plan = build();
	assert_null(of(plan, shared)->wanted_region);
	assert_ptr_equal(of(plan, private)->wanted_region, &owner->page->region);
	plan_destroy(plan);
}

/* What the capture thread needs to know of a picture that is not the region as it is. */
static void test_picture(void **state)
{
	struct stream *plain, *binned, *wide;
	const struct plan_stream *p;
	struct plan *plan;

	(void)state;
	plain = add_stream((struct region){ 8, 4, 15, 0 }, true);
	binned = add_stream((struct region){ 8, 4, 15, 0 }, false);
	binned->config.bin = 2;
	binned->config.fourcc = LUMARING_FORMAT_R16;
	give_ring(binned);
	wide = add_stream((struct region){ 8, 4, 15, 0 }, false);
	wide->config.bin = 2;
	give_ring(wide);
	add_client(binned, 1);
	wide->owner = add_client(wide, 1);
	plan = build();
	p = of(plan, plain);
	assert_int_equal(p->fourcc, LUMARING_FORMAT_R8);
	assert_int_equal(p->bytes_per_pixel, 1);
	assert_memory_equal(&p->limits, (&(struct region_limits){ 15, 44, 1 }), sizeof(p->limits));
	p = of(plan, binned);
	assert_int_equal(p->fourcc, LUMARING_FORMAT_R16);
	assert_int_equal(p->bytes_per_pixel, 2);
	assert_memory_equal(&p->limits, (&(struct region_limits){ 14, 44, 2 }), sizeof(p->limits));
	assert_memory_equal(&p->region, (&(struct region){ 8, 4, 14, 44 }), sizeof(struct region));
	plan_destroy(plan);
	/* Nothing can be made of an image with a side of 1, and a private stream is not ended by it. */
	plan = plan_build(8, 4, &(struct source_format){ .width = 64, .height = 1 }, world.streams[0], world.clients);
	assert_non_null(plan);
	assert_false(of(plan, wide)->wanted);
	plan_destroy(plan);
	plan = plan_build(8, 4, &(struct source_format){ .width = 64, .height = 2 }, world.streams[0], world.clients);
	assert_non_null(plan);
	assert_true(of(plan, wide)->wanted);
	plan_destroy(plan);
}

/* When the owner leaves, the plan without it is the last to need its stream, so that has to be left out as well. */
static void test_private_ends(void **state)
{
	struct stream *shared, *private;
	struct plan *plan;

	(void)state;
	shared = add_stream((struct region){ 0 }, true);
	private = add_stream((struct region){ 0 }, true);
	private->owner = add_client(private, 2);
	private->owner->state = CLIENT_LEAVING;
	plan = build();
	assert_int_equal(plan->stream_count, 1);
	assert_ptr_equal(plan->streams[0].ring, shared->ring);
	plan_destroy(plan);
	private->owner->state = CLIENT_ATTACHING;
	private->owner->plan = 0; /* not granted yet */
	plan = build();
	assert_int_equal(plan->stream_count, 1);
	plan_destroy(plan);
}

/* All cursors that were granted, of all clients, each once and in the right stream. */
static void test_many(void **state)
{
	unsigned clients[STREAMS] = { 0 }, cursors[STREAMS] = { 0 };
	struct plan *plan;

	(void)state;
	for (unsigned i = 0; i < STREAMS; i++)
		add_stream((struct region){ 0 }, i % 5 != 3);
	for (unsigned i = 0; i < CLIENTS; i++) {
		unsigned s = i * 7 % STREAMS;
		struct client *client = add_client(world.streams[s], i % (LUMARING_CURSORS_MAX + 1));

		if (s % 5 == 3)
			client->plan = 0;
		clients[s]++;
		cursors[s] += client->cursors;
	}
	plan = build();
	assert_int_equal(plan->stream_count, STREAMS - STREAMS / 5);
	for (unsigned s = 0; s < STREAMS; s++) {
		const struct plan_stream *p;
		unsigned client = 0, cursor = 0;

		if (s % 5 == 3)
			continue;
		p = of(plan, world.streams[s]);
		assert_int_equal(p->client_count, clients[s]);
		assert_int_equal(p->cursor_count, cursors[s]);
		for (unsigned i = 0; i < CLIENTS; i++) {
			const struct client *c = &world.clients[i];

			if (c->stream != world.streams[s])
				continue;
			assert_ptr_equal(p->clients[client++], c);
			for (unsigned k = 0; k < c->cursors; k++)
				assert_ptr_equal(p->cursors[cursor++], &c->page->cursors[k].sequence);
		}
		assert_int_equal(client, clients[s]);
		assert_int_equal(cursor, cursors[s]);
	}
	plan_destroy(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nothing, tear_down),
		cmocka_unit_test_teardown(test_streams, tear_down),
		cmocka_unit_test_teardown(test_who_reads, tear_down),
		cmocka_unit_test_teardown(test_removed, tear_down),
		cmocka_unit_test_teardown(test_previous, tear_down),
		cmocka_unit_test_teardown(test_private, tear_down),
		cmocka_unit_test_teardown(test_private_ends, tear_down),
		cmocka_unit_test_teardown(test_picture, tear_down),
		cmocka_unit_test_teardown(test_many, tear_down),
	};

	snprintf(camera, sizeof(camera), "plan-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
