/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ring.c - daemon/ring, the writer alone: the object it makes, the slots it takes, the account it keeps. What it
 * wrote is looked at as a client would, through the read-only descriptor and layout.h. test_ring_take.c has the pins.
 */
#include "ring_probe.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "base/process.h"

/* --- the object --- */

static void path_of(const struct probe *probe, char path[256])
{
	snprintf(path, 256, "/dev/shm/lumaring.%s.main.%llu", probe_camera(),
		 (unsigned long long)ring_epoch(probe->ring));
}

static void test_header(void **state)
{
	struct ring_config config = probe_config(5, 333, 217);
	const struct lumaring_header *h;
	struct probe probe;
	uint8_t boot_id[16];

	(void)state;
	probe_open(&probe, &config);
	h = probe.header;
	assert_memory_equal(&h->magic, "LUMARING", 8);
	assert_int_equal(h->layout_version, LUMARING_LAYOUT_VERSION);
	assert_int_equal(h->reader_version_min, LUMARING_LAYOUT_READER_MIN);
	assert_int_equal(h->header_bytes, sizeof(*h));
	assert_int_equal(h->descriptor_bytes, sizeof(struct lumaring_descriptor));
	assert_int_equal(h->object_bytes, probe.bytes);
	assert_int_equal(h->epoch, ring_epoch(probe.ring));
	assert_int_equal(boot_id_read(boot_id), 0);
	assert_memory_equal(h->boot_id, boot_id, 16);
	assert_int_equal(h->slot_count, 5);
	assert_true(h->order_count >= h->slot_count);
	assert_int_equal(h->width_max, 333);
	assert_int_equal(h->height_max, 217);
	assert_int_equal(h->writer_pid, getpid());
	assert_true(process_is((pid_t)h->writer_pid, h->writer_start));
	assert_string_equal(h->camera, probe_camera());
	assert_string_equal(h->stream, "main");
	assert_int_equal(h->published, 0);
	assert_int_equal(h->generation, 0);
	assert_int_equal(h->state, LUMARING_RING_PAUSED);
	for (uint32_t slot = 0; slot < 5; slot++)
		assert_int_equal(probe_word(&probe, slot), 0);
	probe_close(&probe);
}

/* Parts follow each other without overlap, descriptors and cursors' lines aligned, and the slots hold the capacity. */
static void test_shape(void **state)
{
	static const struct {
		uint32_t slots, width, height;
	} shapes[] = { { 4, 1, 1 }, { 8, 64, 64 }, { 5, 65, 63 }, { 9, 333, 217 }, { 200, 3, 2 }, { 7, 1920, 8 } };

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct ring_config config = probe_config(shapes[i].slots, shapes[i].width, shapes[i].height);
		const struct lumaring_header *h;
		struct probe probe;

		probe_open(&probe, &config);
		h = probe.header;
		assert_true(h->descriptors_offset >= h->header_bytes && h->descriptors_offset % 128 == 0);
		assert_true(h->order_offset >= h->descriptors_offset + (uint64_t)h->slot_count * h->descriptor_bytes);
		assert_true(h->slots_offset >= h->order_offset + 8ull * h->order_count && h->slots_offset % 4096 == 0);
		assert_true(h->slot_bytes >= (uint64_t)ring_stride(shapes[i].width, 1) * shapes[i].height);
		assert_int_equal(h->slot_bytes, ring_slot_bytes(probe.ring));
		assert_true(h->object_bytes >= h->slots_offset + h->slot_count * h->slot_bytes);
		assert_int_equal(h->object_bytes, ring_bytes(probe.ring));
		assert_int_equal(h->object_bytes, ring_bytes_needed(&config));
		assert_int_equal(h->slot_count, shapes[i].slots);
		assert_int_equal(ring_width_max(probe.ring), shapes[i].width);
		assert_int_equal(ring_height_max(probe.ring), shapes[i].height);
		for (uint32_t slot = 0; slot < h->slot_count; slot++)
			memset(ring_pixels(probe.ring, slot), (int)slot + 1, ring_slot_bytes(probe.ring));
		for (uint32_t slot = 0; slot < h->slot_count; slot++) {
			const uint8_t *pixels = probe.base + h->slots_offset + slot * h->slot_bytes;

			assert_int_equal(pixels[0], slot + 1);
			assert_int_equal(pixels[h->slot_bytes - 1], slot + 1);
		}
		probe_close(&probe);
	}
	assert_int_equal(ring_stride(1, 1), 64);
	assert_int_equal(ring_stride(64, 1), 64);
	assert_int_equal(ring_stride(65, 1), 128);
	assert_int_equal(ring_stride(33, 2), 128);
}

/* All of its memory is there, its mode is 0640, its descriptor reads only, and its name goes with it. */
static void test_object(void **state)
{
	struct ring_config config = probe_config(8, 100, 100);
	struct probe probe;
	struct stat status;
	char path[256];

	(void)state;
	probe_open(&probe, &config);
	path_of(&probe, path);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, probe.bytes);
	assert_true((uint64_t)status.st_blocks * 512 >= probe.bytes);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(fcntl(ring_fd(probe.ring), F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(fcntl(ring_fd(probe.ring), F_GETFD) & FD_CLOEXEC);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd(probe.ring), 0), MAP_FAILED);
	assert_int_equal(errno, EACCES);
	assert_int_not_equal(ftruncate(ring_fd(probe.ring), 0), 0);
	ring_set_state(probe.ring, LUMARING_RING_CLOSED);
	ring_destroy(probe.ring);
	assert_int_not_equal(stat(path, &status), 0);
	assert_int_equal(probe.header->state, LUMARING_RING_CLOSED); /* what a client mapped stays */
	munmap((void *)probe.base, probe.bytes);
	ring_destroy(NULL);
}

static unsigned names_count(void)
{
	struct dirent *entry;
	char prefix[64];
	unsigned count = 0;
	DIR *directory = opendir("/dev/shm");

	assert_non_null(directory);
	snprintf(prefix, sizeof(prefix), "lumaring.%s.", probe_camera());
	while ((entry = readdir(directory)))
		count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	closedir(directory);
	return count;
}

static void test_unnamed(void **state)
{
	struct ring_config config = probe_config(4, 16, 16);
	struct probe probe;

	(void)state;
	config.named = false;
	probe_open(&probe, &config);
	assert_int_equal(names_count(), 0);
	probe_publish(&probe, 1);
	assert_int_equal(probe.header->published, 1);
	probe_close(&probe);
}

static void test_epochs_differ(void **state)
{
	struct ring_config config = probe_config(4, 16, 16);
	struct probe a, b;

	(void)state;
	probe_open(&a, &config);
	probe_open(&b, &config);
	assert_true(ring_epoch(b.ring) > ring_epoch(a.ring));
	assert_int_equal(names_count(), 2);
	probe_close(&a);
	probe_close(&b);
	assert_int_equal(names_count(), 0);
}

/* --- limits --- */

static void expect_refusal(const struct ring_config *config, int error, const char *part)
{
	struct ring *ring = (struct ring *)&errno; /* to be left alone */
	char text[512] = "";
	int r = ring_create(config, &ring, text, sizeof(text));

	if (r != error || !strstr(text, part))
		fail_msg("%u slots of %ux%u: %d, \"%s\"", config->slot_count, config->width_max, config->height_max, r,
			 text);
	assert_ptr_equal(ring, &errno);
	assert_int_equal(names_count(), 0);
}

static void test_out_of_range(void **state)
{
	static const struct {
		uint32_t slots, width, height, bytes_per_pixel;
	} bad[] = { { 0, 16, 16, 1 },    { 3, 16, 16, 1 },    { 65536, 16, 16, 1 }, { UINT32_MAX, 16, 16, 1 },
		    { 8, 0, 16, 1 },     { 8, 65536, 16, 1 }, { 8, 16, 0, 1 },	   { 8, 16, 65536, 1 },
		    { 8, 16, UINT32_MAX, 1 }, { 8, 16, 16, 0 }, { 8, 16, 16, 3 } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ring_config config = probe_config(bad[i].slots, bad[i].width, bad[i].height);

		config.bytes_per_pixel = bad[i].bytes_per_pixel;
		assert_int_equal(ring_bytes_needed(&config), 0);
		expect_refusal(&config, -EINVAL, "is out of range: 4 to 65535 slots, each side 1 to 65535");
	}
}

static void test_ceiling(void **state)
{
	struct ring_config config = probe_config(4, 16, 16), most = probe_config(65535, 65535, 65535);
	struct probe probe;
	char part[128];

	(void)state;
	config.bytes_max = ring_bytes_needed(&config);
	probe_open(&probe, &config);
	probe_close(&probe);
	config.bytes_max--;
	snprintf(part, sizeof(part), "the ring of stream main needs %llu bytes for 4 slots, more than the allowed %llu",
		 (unsigned long long)config.bytes_max + 1, (unsigned long long)config.bytes_max);
	expect_refusal(&config, -EDQUOT, part);
	/* The largest there can be: in range, but a lot. */
	most.bytes_per_pixel = 2;
	most.bytes_max = UINT64_C(1) << 40;
	assert_true(ring_bytes_needed(&most) > UINT64_C(65535) * 65535 * 65535 * 2);
	expect_refusal(&most, -EDQUOT, "more than the allowed 1099511627776");
}

/* More than /dev/shm ever had: refused at creation, with both numbers. */
static void test_no_room(void **state)
{
	struct ring_config config = probe_config(4, 65535, 65535);
	char needed[64], text[512], *available;
	struct statvfs room;
	struct ring *ring;

	(void)state;
	assert_int_equal(statvfs("/dev/shm", &room), 0);
	if (room.f_blocks == 0 || room.f_blocks * room.f_frsize > UINT64_C(1) << 46)
		skip(); /* without a limit it would take all the memory there is */
	while (ring_bytes_needed(&config) <= room.f_blocks * room.f_frsize)
		config.slot_count *= 2;
	snprintf(needed, sizeof(needed), "needs %llu bytes for %u slots but /dev/shm has ",
		 (unsigned long long)ring_bytes_needed(&config), config.slot_count);
	expect_refusal(&config, -ENOSPC, needed);
	assert_int_equal(ring_create(&config, &ring, text, sizeof(text)), -ENOSPC);
	available = strstr(text, "/dev/shm has ");
	assert_non_null(available);
	assert_true(strtoull(available + strlen("/dev/shm has "), &available, 10) <= room.f_blocks * room.f_frsize);
	assert_memory_equal(available, " available: use fewer --slots", 28);
}

/* --- left-over names --- */

static unsigned lines;

static void count_line(const struct log_entry *entry)
{
	lines += strstr(entry->line, "which no running daemon stands behind") != NULL;
}

static void put(const char *camera, const char *rest, const void *data, size_t bytes)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/lumaring.%s.%s", camera, rest);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, bytes), bytes);
	close(fd);
}

static void test_sweep(void **state)
{
	struct ring_config config = probe_config(4, 16, 16);
	struct lumaring_header dead;
	char other[64], path[256];
	struct probe probe;

	(void)state;
	snprintf(other, sizeof(other), "%sx", probe_camera());
	probe_open(&probe, &config); /* this process lives */
	dead = *probe.header;
	dead.writer_start--;
	put(probe_camera(), "main.1", "", 0);
	put(probe_camera(), "main.2", "LUMARING", 8);
	put(probe_camera(), "main.3", &dead, sizeof(dead));
	put(probe_camera(), "main.4", probe.header, sizeof(dead) - 1);
	put(other, "main.1", "", 0);
	assert_int_equal(names_count(), 5);
	log_set_sink(count_line);
	lines = 0;
	assert_int_equal(ring_sweep(probe_camera()), 4);
	assert_int_equal(lines, 4);
	assert_int_equal(names_count(), 1);
	assert_int_equal(ring_sweep(probe_camera()), 0);
	assert_int_equal(ring_sweep(other), 1);
	log_set_sink(NULL);
	path_of(&probe, path);
	assert_int_equal(access(path, F_OK), 0);
	probe_close(&probe);
}

/* --- publishing --- */

/* Through several rounds of the slots and of the order table. */
static void test_publish(void **state)
{
	struct ring_config config = probe_config(5, 20, 10);
	struct probe probe;

	(void)state;
	probe_open(&probe, &config);
	ring_begin(probe.ring, 1);
	for (uint64_t n = 1; n <= 3 * probe.header->order_count; n++) {
		const struct lumaring_descriptor *d = probe_publish(&probe, n);

		assert_int_equal(d->word, lumaring_word(n, LUMARING_STATE_LIVE));
		assert_int_equal(d->publication, n);
		assert_int_equal(d->camera_sequence, 7000 + n);
		assert_true(d->publish_ns > 0 && d->flags == 0);
		assert_int_equal(probe.header->published, n);
		assert_int_equal(ring_published(probe.ring), n);
		/* The newest frames are all there, each where the order table says. */
		for (uint64_t p = n > 5 ? n - 4 : 1; p <= n; p++) {
			uint64_t entry = probe_order(&probe, p);

			assert_int_equal(entry >> 16, p);
			assert_true((entry & 0xffff) < 5);
			d = probe_descriptor(&probe, entry & 0xffff);
			assert_int_equal(d->word, lumaring_word(p, LUMARING_STATE_LIVE));
			assert_int_equal(d->publication, p);
			assert_int_equal(probe_pixels(&probe, entry & 0xffff)[0], p & 0xff);
		}
	}
	probe_close(&probe);
}

static void publish_as(struct probe *probe, uint64_t sequence, uint32_t width, uint32_t height, uint32_t stride,
		       uint32_t fourcc, uint32_t generation)
{
	struct lumaring_descriptor d = { .width = width, .height = height, .stride = stride, .fourcc = fourcc,
					 .region_x = (uint32_t)sequence, .frame_duration_us = (uint32_t)sequence };
	uint32_t slot;

	assert_int_equal(ring_take(probe->ring, sequence, NULL, 0, &slot), 0);
	ring_publish(probe->ring, slot, sequence, &d);
	assert_int_equal(d.generation, generation);
	assert_int_equal(probe_descriptor(probe, slot)->generation, generation);
	assert_int_equal(probe->header->generation, generation);
	assert_int_equal(ring_generation(probe->ring), generation);
}

static void test_generation(void **state)
{
	struct ring_config config = probe_config(4, 100, 100);
	struct probe probe;

	(void)state;
	probe_open(&probe, &config);
	ring_begin(probe.ring, 1);
	publish_as(&probe, 1, 100, 100, 128, LUMARING_FORMAT_R8, 1);
	publish_as(&probe, 2, 100, 100, 128, LUMARING_FORMAT_R8, 1); /* only the place moved */
	publish_as(&probe, 3, 99, 100, 128, LUMARING_FORMAT_R8, 2);
	publish_as(&probe, 4, 99, 99, 128, LUMARING_FORMAT_R8, 3);
	publish_as(&probe, 5, 99, 99, 192, LUMARING_FORMAT_R8, 4);
	publish_as(&probe, 6, 99, 99, 192, LUMARING_FORMAT_R16, 5);
	publish_as(&probe, 7, 99, 99, 192, LUMARING_FORMAT_R16, 5);
	publish_as(&probe, 8, 100, 100, 128, LUMARING_FORMAT_R8, 6); /* back again is a change as well */
	probe_close(&probe);
}

/* What the pixels are, and what becomes of the source. */
static void test_state(void **state)
{
	struct ring_config config = probe_config(4, 16, 16);
	struct probe probe;

	(void)state;
	probe_open(&probe, &config);
	ring_set_source(probe.ring, LUMARING_RANGE_LIMITED, LUMARING_CLOCK_BOOTTIME);
	assert_int_equal(probe.header->luma_range, LUMARING_RANGE_LIMITED);
	assert_int_equal(probe.header->sensor_clock, LUMARING_CLOCK_BOOTTIME);
	for (int s = LUMARING_RING_PAUSED; s <= LUMARING_RING_CLOSED; s++) {
		ring_set_state(probe.ring, (enum lumaring_ring_state)s);
		assert_int_equal(probe.header->state, s);
		assert_int_equal(ring_state(probe.ring), s);
	}
	probe_close(&probe);
}

/* --- the account --- */

/* sequence - sequence_first = publication - 1 + the losses that take a sequence, at each publication, over rings. */
static void test_account(void **state)
{
	static const enum lumaring_lost sequenced[] = { LUMARING_LOST_UNREAD, LUMARING_LOST_NO_SLOT,
							LUMARING_LOST_COPY_LATE, LUMARING_LOST_RECONFIGURE,
							LUMARING_LOST_ERROR };
	struct ring_config config = probe_config(4, 16, 16);
	uint64_t sequence = 1000, lost[LUMARING_LOST_CAUSES] = { 0 }, publications = 0;
	struct probe probe, previous;

	(void)state;
	for (unsigned life = 0; life < 3; life++) {
		probe_open(&probe, &config);
		if (life) {
			ring_carry(probe.ring, previous.ring);
			probe_close(&previous);
			assert_int_equal(ring_published(probe.ring), publications);
			assert_memory_equal(probe.header->lost, lost, sizeof(lost));
		}
		ring_begin(probe.ring, sequence);
		for (unsigned i = 0; i < 500; i++) {
			unsigned dice = probe_random() % 8;

			if (dice < 2) {
				enum lumaring_lost cause = sequenced[probe_random() % 5];

				sequence++;
				ring_count_lost(probe.ring, cause, 1);
				lost[cause]++;
			} else if (dice == 2) {
				ring_count_lost(probe.ring, LUMARING_LOST_SENSOR, 3);
				lost[LUMARING_LOST_SENSOR] += 3;
			} else {
				const struct lumaring_descriptor *d = probe_publish(&probe, sequence++);
				uint64_t sum = 0;

				assert_int_equal(d->publication, ++publications);
				assert_memory_equal(d->lost, lost, sizeof(lost));
				for (unsigned cause = 0; cause < LUMARING_LOST_SEQUENCED; cause++)
					sum += d->lost[cause];
				assert_int_equal(probe.header->sequence_first, 1000);
				assert_int_equal(lumaring_word_sequence(d->word) - 1000, d->publication - 1 + sum);
			}
			assert_memory_equal(probe.header->lost, lost, sizeof(lost));
		}
		assert_int_equal(ring_account(probe.ring).published, publications);
		assert_int_equal(ring_account(probe.ring).sequence_first, 1000);
		previous = probe;
	}
	probe_close(&previous);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_object),
		cmocka_unit_test(test_unnamed),
		cmocka_unit_test(test_epochs_differ),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
