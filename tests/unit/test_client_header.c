/* SPDX-License-Identifier: BSD-2-Clause */
/* test_client_header.c - the header of a ring as a hostile file: each field corrupted, one at a time. */
#include "fake_daemon.h"

#include <sys/resource.h>

#define AT(field) #field, offsetof(struct lumaring_header, field), sizeof(((struct lumaring_header *)0)->field)

/* Values of the fake's own ring that rows refer to. */
#define OBJECT (4096 + FAKE_SLOTS * FAKE_SLOT_BYTES)
#define ORDER_AT (FAKE_DESCRIPTORS + FAKE_SLOTS * 256)

struct row {
	const char *name;
	size_t offset, bytes;
	uint64_t value;
	int result;
};

static const struct row rows[] = {
	{ AT(magic), 0, -EBADMSG },
	{ AT(magic), LUMARING_MAGIC + 1, -EBADMSG },
	{ AT(magic), UINT64_C(0x4c554d4152494e47), -EBADMSG }, /* the other byte order */
	{ AT(layout_version), 0, -EPROTONOSUPPORT },
	{ AT(layout_version), 2, 0 }, /* newer, and this reader can read it */
	{ AT(reader_version_min), 0, -EBADMSG },
	{ AT(reader_version_min), 2, -EPROTONOSUPPORT },
	{ AT(reader_version_min), UINT32_MAX, -EPROTONOSUPPORT },
	{ AT(header_bytes), 0, -EBADMSG },
	{ AT(header_bytes), 632, -EBADMSG },
	{ AT(header_bytes), 641, -EBADMSG },
	{ AT(header_bytes), 768, 0 },         /* a later header may be longer */
	{ AT(header_bytes), 1032, -EBADMSG }, /* over the descriptors */
	{ AT(header_bytes), UINT32_MAX - 7, -EBADMSG },
	{ AT(descriptor_bytes), 0, -EBADMSG },
	{ AT(descriptor_bytes), 248, -EBADMSG },
	{ AT(descriptor_bytes), 260, -EBADMSG },
	{ AT(descriptor_bytes), 264, -EBADMSG }, /* over the order table */
	{ AT(descriptor_bytes), UINT32_MAX - 7, -EBADMSG },
	{ AT(object_bytes), 0, -EBADMSG },
	{ AT(object_bytes), 639, -EBADMSG },
	{ AT(object_bytes), OBJECT - 1, -EBADMSG },
	{ AT(object_bytes), OBJECT + 1, -EBADMSG },
	{ AT(object_bytes), UINT64_MAX, -EBADMSG },
	{ AT(epoch), 0, -EBADMSG },
	{ AT(epoch), FAKE_EPOCH - 1, -EBADMSG },
	{ AT(descriptors_offset), 0, -EBADMSG },
	{ AT(descriptors_offset), 632, -EBADMSG },
	{ AT(descriptors_offset), 1028, -EBADMSG },
	{ AT(descriptors_offset), 1032, -EBADMSG }, /* over the order table */
	{ AT(descriptors_offset), OBJECT - 8, -EBADMSG },
	{ AT(descriptors_offset), OBJECT, -EBADMSG },
	{ AT(descriptors_offset), UINT64_MAX - 7, -EBADMSG },
	{ AT(order_offset), 0, -EBADMSG },
	{ AT(order_offset), ORDER_AT - 8, -EBADMSG }, /* over the descriptors */
	{ AT(order_offset), ORDER_AT + 4, -EBADMSG },
	{ AT(order_offset), 4096 - 56, -EBADMSG }, /* over the slots */
	{ AT(order_offset), OBJECT - 56, -EBADMSG },
	{ AT(order_offset), UINT64_MAX - 7, -EBADMSG },
	{ AT(slots_offset), 0, -EBADMSG },
	{ AT(slots_offset), 4096 + 8, -EBADMSG },
	{ AT(slots_offset), 4096 + 64, -EBADMSG },
	{ AT(slots_offset), 4096 - 64, 0 }, /* there is room */
	{ AT(slots_offset), ORDER_AT, -EBADMSG },
	{ AT(slots_offset), UINT64_MAX - 63, -EBADMSG },
	{ AT(slot_bytes), 0, -EBADMSG },
	{ AT(slot_bytes), FAKE_SLOT_BYTES - 64, -EBADMSG }, /* less than the capacity needs */
	{ AT(slot_bytes), FAKE_SLOT_BYTES + 8, -EBADMSG },
	{ AT(slot_bytes), FAKE_SLOT_BYTES + 64, -EBADMSG },
	{ AT(slot_bytes), UINT64_C(1) << 62, -EBADMSG }, /* four of them are 0 in 64 bits */
	{ AT(slot_bytes), UINT64_MAX - 63, -EBADMSG },
	{ AT(slot_count), 0, -EBADMSG },
	{ AT(slot_count), 3, -EBADMSG },
	{ AT(slot_count), 5, -EBADMSG },
	{ AT(slot_count), 65536, -EBADMSG },
	{ AT(slot_count), UINT32_MAX, -EBADMSG },
	{ AT(order_count), 0, -EBADMSG },
	{ AT(order_count), FAKE_SLOTS - 1, -EBADMSG },
	{ AT(order_count), FAKE_SLOTS, 0 },
	{ AT(order_count), (4096 - ORDER_AT) / 8 + 1, -EBADMSG },
	{ AT(order_count), UINT32_MAX, -EBADMSG },
	{ AT(width_max), 0, -EBADMSG },
	{ AT(width_max), FAKE_SLOT_BYTES / 8 + 1, -EBADMSG },
	{ AT(width_max), 65536, -EBADMSG },
	{ AT(height_max), 0, -EBADMSG },
	{ AT(height_max), 9, -EBADMSG },
	{ AT(height_max), UINT32_MAX, -EBADMSG },
	{ AT(camera), 0, -EBADMSG },
	{ AT(camera), UINT64_C(0x2f2e2e), -EBADMSG }, /* "../" */
	{ AT(stream), 0, -EBADMSG },
	{ AT(stream), UINT64_C(0x72656874), -EBADMSG }, /* "ther": another stream */
	/* What a reader must not mind. */
	{ AT(boot_id), 1, 0 },
	{ AT(sequence_first), UINT64_MAX, 0 },
	{ AT(writer_pid), UINT32_MAX, 0 },
	{ AT(writer_start), UINT64_MAX, 0 },
	{ AT(reserved_0), UINT32_MAX, 0 },
	{ AT(reserved_1), UINT64_MAX, 0 },
	{ AT(reserved_2), UINT64_MAX, 0 },
	{ AT(reserved_3), UINT64_MAX, 0 },
	{ AT(state), UINT32_MAX, 0 },
	{ AT(generation), UINT32_MAX, 0 },
	{ AT(luma_range), UINT32_MAX, 0 },
	{ AT(sensor_clock), UINT32_MAX, 0 },
	{ AT(lost), UINT64_MAX, 0 },
};

static int try_open(struct fake *f)
{
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;
	int r;

	r = fake_open_with(f, &options, &ring);
	if (r == 0) {
		const struct lumaring_frame *frame;

		/* What was accepted can be read. */
		lumaring_info(ring);
		assert_int_equal(lumaring_next(ring, 0, &frame), -EAGAIN);
		lumaring_close(ring);
	}
	fake_hang_up(f);
	return r;
}

static void test_fields(void **state)
{
	struct fake *f = *state;
	const struct lumaring_header good = *f->ring.header;

	fake_answer_welcome(f);
	assert_int_equal(try_open(f), 0);
	for (const struct row *row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
		const unsigned fds = count_fds();
		int r;

		memcpy((char *)f->ring.header + row->offset, &row->value, row->bytes < 8 ? row->bytes : 8);
		r = try_open(f);
		if (r != row->result)
			fail_msg("%s = %llu: %d (%s)", row->name, (unsigned long long)row->value, r, f->text);
		if (r < 0)
			assert_true(strlen(f->text) > 20);
		assert_int_equal(count_fds(), fds);
		*f->ring.header = good;
	}
}

/* The rows cover the header: no field can be added without a thought about it here. */
static void test_every_field_has_a_row(void **state)
{
	size_t covered = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool seen = false;

		for (size_t k = 0; k < i; k++)
			seen = seen || rows[k].offset == rows[i].offset;
		if (!seen)
			covered += rows[i].bytes;
	}
	assert_int_equal(covered + sizeof(uint64_t), sizeof(struct lumaring_header)); /* all but `published` */
}

/* object_bytes and the welcome agree, the object itself is shorter. */
static void test_truncated_objects(void **state)
{
	static const off_t sizes[] = { 0, 1, 639, 640, 4096, OBJECT - 1 };
	struct fake *f = *state;

	fake_answer_welcome(f);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fake_ring cut;

		fake_ring_create(&cut, FAKE_EPOCH, FAKE_SLOT_BYTES);
		assert_return_code(ftruncate(cut.fd, sizes[i]), errno);
		f->answer_fds[0] = cut.fd;
		assert_int_equal(try_open(f), -EBADMSG);
		assert_non_null(strstr(f->text, sizes[i] < 640 ? "its header alone has 640" : "object_bytes"));
		fake_ring_destroy(&cut);
	}
}

static void test_longer_object(void **state)
{
	struct fake *f = *state;

	assert_return_code(ftruncate(f->ring.fd, OBJECT + 4096), errno);
	fake_answer_welcome(f);
	assert_int_equal(try_open(f), 0);
}

/* Headers that agree with themselves on enormous objects: mapped if there is room for it, else refused. */
static void test_huge_object(void **state)
{
	struct fake *f = *state;
	struct lumaring_welcome *w = fake_answer_welcome(f);
	const off_t huge = (off_t)1 << 46;
	int r;

	if (ftruncate(f->ring.fd, huge) < 0)
		skip();
	f->ring.header->object_bytes = w->ring_bytes = (uint64_t)huge;
	f->ring.header->slot_bytes = ((uint64_t)huge - 4096) / 4 / 64 * 64;
	r = try_open(f);
	assert_true(r == 0 || r == -ENOMEM); /* as large as this machine's addresses */
	assert_return_code(ftruncate(f->ring.fd, huge * 16), errno);
	f->ring.header->object_bytes = w->ring_bytes = (uint64_t)huge * 16;
	assert_int_equal(try_open(f), -ENOMEM);
	/* Four slots of 2^62 bytes take none, in 64 bits. */
	assert_return_code(ftruncate(f->ring.fd, (off_t)1 << 62), errno);
	f->ring.header->object_bytes = w->ring_bytes = UINT64_C(1) << 62;
	f->ring.header->slot_bytes = UINT64_C(1) << 62;
	assert_int_equal(try_open(f), -EBADMSG);
}

/* No descriptor is free for what the daemon hands over: said as such, not as nonsense. */
static void test_no_free_descriptor(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct rlimit old, low;
	struct lumaring *ring;
	int used, r;

	fake_answer_welcome(f);
	used = dup(0);
	close(used);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &old), errno);
	low = old;
	/* The library needs one, the fake's end of the connection another; so the ring comes and the page does not. */
	low.rlim_cur = (rlim_t)used + 3;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &low), errno);
	r = fake_open_with(f, &options, &ring);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
	assert_int_equal(r, -EMFILE);
	assert_non_null(strstr(f->text, "no free descriptor"));
	fake_hang_up(f);

	low.rlim_cur = (rlim_t)used; /* not even for a socket */
	assert_return_code(setrlimit(RLIMIT_NOFILE, &low), errno);
	r = lumaring_open("cam0", "main", &options, &ring);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
	assert_int_equal(r, -EMFILE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fields),
		cmocka_unit_test(test_every_field_has_a_row),
		TEST(test_truncated_objects),
		TEST(test_longer_object),
		TEST(test_huge_object),
		TEST(test_no_free_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
