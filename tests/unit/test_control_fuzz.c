/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control_fuzz.c - a million random and mutated requests (seeded) through framing, parser and dispatch, over a
 * real socket in pieces of any size: every answer is one, memory does not grow, and another connection is answered
 * throughout. There are fewer on io_uring, which has no part in it but the pieces, and under a sanitizer.
 */
#include "control_probe.h"

#include <malloc.h>

#include "../tools/random.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REQUESTS 60000u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REQUESTS 60000u
#endif
#endif
#ifndef REQUESTS
#define REQUESTS 1000000u
#endif

#define BATCH_BYTES 16384u
#define REQUEST_BYTES 600u
#define LONG_BYTES 5000u
#define GROWTH_BYTES 65536u

static const char *const seeds[] = {
	ECHO("hello"),
	ECHO("\\u00e9\\n\\\"\\\\"),
	CALL("Change"),
	CALL("Later"),
	"{\"method\":\"" PROBE ".Stream\",\"more\":true}",
	"{\"method\":\"" PROBE ".Echo\",\"parameters\":null,\"oneway\":true}",
	"{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}",
	"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"org.varlink."
	"service\"}}",
	"{\"method\":\"" PROBE
	".Echo\",\"parameters\":{\"say\":[1,-2,3.5e7,true,null,{\"a\":[[]]}]},\"upgrade\":false}",
	"{\n  \"method\": \"" PROBE ".Echo\",\n  \"parameters\": {\n    \"say\": \"lines\"\n  }\n}",
	"{\"method\":\"" PROBE ".Echo\",\"method\":\"" PROBE ".Echo\"}",
	"[[[[[[[[[[[[]]]]]]]]]]]]",
	"{\"a\":9007199254740993,\"b\":1e400,\"c\":-0,\"d\":01}",
	"{}",
	"",
};
#define SEEDS (sizeof(seeds) / sizeof(seeds[0]))

static const char *const bits[] = { "{",       "}",       "[",    "]",    "\"",       ":",     ",",    "\\",
				    "\\u0000", "\\ud800", "\xff", "\xc3", "\n",       "\t",    "null", "true",
				    "1e9",     "-",       "0.5",  "NaN",  "\"more\"", "\"x\"", "\"\"", "\xef\xbb\xbf",
				    "//",      "/*",      "*/",   " " };
#define BITS (sizeof(bits) / sizeof(bits[0]))

static uint64_t random_state = 5;

static unsigned pick(unsigned count)
{
	return random_below(&random_state, count);
}

/* Put `bytes` bytes in the place of `cut` others. */
static size_t replace(char *text, size_t length, size_t at, size_t cut, const char *bytes, size_t count)
{
	if (cut > length - at)
		cut = length - at;
	if (length - cut + count > REQUEST_BYTES)
		return length;
	memmove(text + at + count, text + at + cut, length - at - cut);
	memcpy(text + at, bytes, count);
	return length - cut + count;
}

static size_t mutate(char *text, size_t length)
{
	char copy[32];
	size_t at = length ? pick((unsigned)length) : 0,
	       count = length - at < sizeof(copy) ? length - at : sizeof(copy);
	const char *bit = bits[pick(BITS)];
	unsigned way = pick(5);

	if (way == 0 && length > 0)
		text[at] ^= (char)(1u << pick(8));
	else if (way == 1)
		return replace(text, length, at, 0, bit, strlen(bit));
	else if (way == 2)
		return replace(text, length, at, pick(8), bit, strlen(bit));
	else if (way == 3)
		return replace(text, length, at, 1 + pick(16), "", 0);
	else if (way == 4 && count > 0) {
		memcpy(copy, text + at, count);
		return replace(text, length, pick((unsigned)length), 0, copy, count);
	}
	return length;
}

/* One request with its terminator, which it may lack. */
static size_t make_request(char *text)
{
	const char *seed = seeds[pick(SEEDS)];
	size_t length = strlen(seed);

	memcpy(text, seed, length);
	if (pick(8) == 0) {
		length = pick(200);
		for (size_t i = 0; i < length; i++)
			text[i] = (char)pick(256);
	}
	for (unsigned i = pick(4); i > 0; i--)
		length = mutate(text, length);
	if (pick(5000) == 0) { /* longer than any may be */
		memset(text, ' ' + (int)pick(90), LONG_BYTES);
		length = LONG_BYTES;
	}
	if (pick(20) > 0)
		text[length++] = pick(2) ? '\n' : '\0';
	return length;
}

/* What the daemon said on the fuzzed connection. */
struct listener {
	char text[1 << 16];
	size_t bytes;
	unsigned answers, ends;
	bool over; /* of this batch: the last request was answered, or the connection is closed */
};

/* An answer is an object on one line, and one of two kinds. */
static void check_answer(const char *text, size_t bytes)
{
	const struct json_bounds bounds = { .bytes_max = 1 << 16, .depth_max = 8, .values_max = 64 };
	struct json_tree *tree;
	struct json_fault fault;

	assert_true(strncmp(text, "{\"parameters\":{", 15) == 0 || strncmp(text, "{\"error\":\"", 10) == 0);
	if (pick(64) > 0)
		return;
	if (json_tree_parse(text, bytes, &bounds, &tree, &fault) < 0)
		fail_msg("%s: %.*s", fault.text, (int)bytes, text);
	json_tree_destroy(tree);
}

static void listen_on(struct listener *listener, int fd)
{
	ssize_t n = recv(fd, listener->text + listener->bytes, sizeof(listener->text) - listener->bytes, MSG_DONTWAIT);
	size_t begin = 0;

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		listener->over = true;
		listener->ends++;
		return;
	}
	listener->bytes += n > 0 ? (size_t)n : 0;
	for (size_t i = 0; i < listener->bytes; i++) {
		if (listener->text[i] != '\0' && listener->text[i] != '\n')
			continue;
		check_answer(listener->text + begin, i - begin);
		listener->answers++;
		if (i - begin == sizeof(SAID("over")) - 1 &&
		    memcmp(listener->text + begin, SAID("over"), i - begin) == 0)
			listener->over = true;
		begin = i + 1;
	}
	memmove(listener->text, listener->text + begin, listener->bytes - begin);
	listener->bytes -= begin;
}

/* Calls that are kept get some answers and an end. */
static void end_kept(struct world *w)
{
	if (!w->kept)
		return;
	if (pick(2)) {
		control_fail_field(w->kept, "x", "it is %s", "over");
	} else {
		control_reply(w->kept);
		control_send(w->kept, false);
	}
	w->kept = NULL;
}

/* Send a batch in pieces, while listening, until all of it is answered. */
static void play(struct world *w, struct listener *listener, int fd, const char *batch, size_t bytes)
{
	size_t at = 0;

	listener->over = false;
	for (unsigned turns = 0; !listener->over; turns++) {
		size_t piece = 1 + pick(4096);
		ssize_t n = 0;

		assert_true(turns < TURNS_MAX);
		if (at < bytes)
			n = send(fd, batch + at, piece < bytes - at ? piece : bytes - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		at += n > 0 ? (size_t)n : 0;
		assert_int_equal(loop_turn(w->loop, 0), 0);
		if (pick(2))
			end_kept(w);
		listen_on(listener, fd);
	}
}

static void test_fuzz(void **state)
{
	static struct listener listener;
	static char batch[BATCH_BYTES + LONG_BYTES + 128];
	const unsigned request_max = probed == PROBED_EPOLL ? REQUESTS : REQUESTS / 10;
	struct world w;
	unsigned requests = 0, ends = 0;
	size_t before = 0, after;
	int fd, other;

	(void)state;
	set_up(&w, &probe_limits);
	memset(&listener, 0, sizeof(listener));
	fd = join(&w);
	other = join(&w);
	while (requests < request_max) {
		size_t bytes = 0;

		while (bytes < BATCH_BYTES && requests < request_max) {
			bytes += make_request(batch + bytes);
			requests++;
		}
		memcpy(batch + bytes, "\0" ECHO("over"), sizeof("\0" ECHO("over")));
		play(&w, &listener, fd, batch, bytes + sizeof("\0" ECHO("over")));
		if (listener.ends > ends || pick(50) == 0) {
			send(fd, batch, bytes, MSG_DONTWAIT | MSG_NOSIGNAL); /* it may leave in the middle */
			close(fd);
			fd = join(&w);
			ends = listener.ends;
			listener.bytes = 0;
		}
		SAY(other, ECHO("other") "\0");
		EXPECT(&w, other, SAID("other") "\0");
		if (requests > request_max / 10 && !before)
			before = mallinfo2().uordblks;
	}
	after = mallinfo2().uordblks;
	print_message(
		"figure: %u requests on %s: %u answers, %u calls, %u connections closed, memory %zu to %zu bytes\n",
		requests, loop_backend_name(w.loop), listener.answers, w.calls, listener.ends, before, after);
	assert_true(after < before + GROWTH_BYTES);
	assert_true(listener.answers > requests / 2);
	assert_true(w.calls > requests / 20);
	assert_true(listener.ends >= requests / 20000);
	close(fd);
	close(other);
	tear_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fuzz) };

	return RUN_ON_EACH(tests);
}
