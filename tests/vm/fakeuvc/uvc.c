/* SPDX-License-Identifier: BSD-2-Clause */
/* uvc.c - see fakeuvc.h: descriptors and requests of USB and of its video class. */
#include "fakeuvc.h"

#include <endian.h>
#include <string.h>

const struct size sizes[SIZES] = { { 320, 240 }, { 640, 480 }, { 1280, 800 }, { 1920, 1080 } };
static const unsigned rates[] = { 60, 30, 15, 10, 5 };

#define RATES (sizeof(rates) / sizeof(rates[0]))

static const struct format_set format_sets[] = {
	{ "usual", 3, { { "NV12", PLANAR, 12 }, { "Y800", PLANAR, 8 }, { "YUY2", PACKED, 16 } } },
	{ "mjpeg", 1, { { "MJPG", COMPRESSED, 16 } } },
	{ "mosaic", 1, { { "BA81", PLANAR, 8 } } },
};

/* --- descriptors ------------------------------------------------------------------------------------------------ */

static uint8_t configuration[4096];
static unsigned configuration_bytes;

static void put(const void *bytes, unsigned count)
{
	memcpy(configuration + configuration_bytes, bytes, count);
	configuration_bytes += count;
}

static void put8(unsigned value)
{
	configuration[configuration_bytes++] = (uint8_t)value;
}

static void put16(unsigned value)
{
	put8(value & 255);
	put8(value >> 8 & 255);
}

static void put32(uint32_t value)
{
	put16(value & 0xffff);
	put16(value >> 16);
}

static void set16(unsigned at, unsigned value)
{
	configuration[at] = (uint8_t)value;
	configuration[at + 1] = (uint8_t)(value >> 8);
}

/* The interface that controls: a camera, a processing unit with brightness and contrast, the output. */
static void put_control_interface(void)
{
	static const uint8_t association[] = { 8, 11, 0, 2, 14, 3, 0, 0 };
	static const uint8_t interface[] = { 9, 4, 0, 0, 0, 14, 1, 0, 0 };
	static const uint8_t header[] = { 13, 36, 1, 0x10, 1, 0, 0, 0x00, 0x6c, 0xdc, 0x02, 1, 1 };
	static const uint8_t terminal[] = { 18, 36, 2, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0 };
	static const uint8_t processing[] = { 12, 36, 5, 2, 1, 0, 0, 3, 3, 0, 0, 0 };
	static const uint8_t output[] = { 9, 36, 3, 3, 1, 1, 0, 2, 0 };
	unsigned began;

	put(association, sizeof(association));
	put(interface, sizeof(interface));
	began = configuration_bytes;
	put(header, sizeof(header));
	put(terminal, sizeof(terminal));
	put(processing, sizeof(processing));
	put(output, sizeof(output));
	set16(began + 5, configuration_bytes - began);
}

static void put_frame_descriptor(const struct format *format, unsigned size)
{
	uint32_t bytes = camera_frame_bytes(format, &sizes[size]);

	put8(26 + 4 * RATES);
	put8(36);
	put8(format->layout == COMPRESSED ? 7 : 5);
	put8(size + 1);
	put8(0);
	put16(sizes[size].width);
	put16(sizes[size].height);
	put32(bytes * 8 * rates[RATES - 1]);
	put32(bytes * 8 * rates[0]);
	put32(bytes);
	put32(UNITS_PER_SECOND / DEFAULT_RATE);
	put8(RATES);
	for (unsigned i = 0; i < RATES; i++)
		put32(UNITS_PER_SECOND / rates[i]);
}

static void put_format(const struct format *format, unsigned number)
{
	static const uint8_t guid_tail[] = { 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71 };
	static const uint8_t full_range[] = { 6, 36, 13, 1, 1, 4 };

	put8(format->layout == COMPRESSED ? 11 : 27);
	put8(36);
	put8(format->layout == COMPRESSED ? 6 : 4);
	put8(number);
	put8(SIZES);
	if (format->layout == COMPRESSED) {
		put8(1);
	} else {
		put(format->fourcc, 4);
		put(guid_tail, sizeof(guid_tail));
		put8(format->bits_per_pixel);
	}
	put8(2);
	put32(0);
	for (unsigned i = 0; i < SIZES; i++)
		put_frame_descriptor(format, i);
	put(full_range, sizeof(full_range));
}

static void make_descriptors(void)
{
	static const uint8_t head[] = { 9, 2, 0, 0, 2, 1, 0, 0x80, 50 };
	static const uint8_t interface[] = { 9, 4, 1, 0, 1, 14, 2, 0, 0 };
	static const uint8_t endpoint[] = { 7, 5, ENDPOINT, 2, 0x00, 2, 0 };
	unsigned began;

	put(head, sizeof(head));
	put_control_interface();
	put(interface, sizeof(interface));
	began = configuration_bytes;
	put8(13 + camera.formats->count);
	put8(36);
	put8(1);
	put8(camera.formats->count);
	put16(0);
	put8(ENDPOINT);
	put("\0\3\0\0\0\1", 6);
	for (unsigned i = 0; i < camera.formats->count; i++)
		put8(0);
	for (unsigned i = 0; i < camera.formats->count; i++)
		put_format(&camera.formats->formats[i], i + 1);
	set16(began + 4, configuration_bytes - began);
	put(endpoint, sizeof(endpoint));
	set16(2, configuration_bytes);
}

bool uvc_take_formats(const char *name)
{
	for (unsigned i = 0; i < sizeof(format_sets) / sizeof(format_sets[0]); i++) {
		if (strcmp(format_sets[i].name, name))
			continue;
		camera.formats = &format_sets[i];
		camera.format = 1;
		configuration_bytes = 0;
		make_descriptors();
		return true;
	}
	return false;
}

/* --- requests --------------------------------------------------------------------------------------------------- */

/* The answer of UVC to probe and commit. */
static int write_probe(uint8_t *out)
{
	uint32_t bytes = htole32(camera_frame_bytes(camera_format(), &sizes[camera.size - 1])),
		 payload = htole32(PAYLOAD_BYTES);
	uint32_t interval = htole32(camera.interval), clock = htole32(48000000);

	memset(out, 0, 34);
	out[0] = 1;
	out[2] = (uint8_t)camera.format;
	out[3] = (uint8_t)camera.size;
	memcpy(out + 4, &interval, 4);
	memcpy(out + 18, &bytes, 4);
	memcpy(out + 22, &payload, 4);
	memcpy(out + 26, &clock, 4);
	return 34;
}

static void take_probe(const uint8_t *in)
{
	uint32_t interval;

	memcpy(&interval, in + 4, 4);
	interval = le32toh(interval);
	if (in[2] >= 1 && in[2] <= camera.formats->count)
		camera.format = in[2];
	if (in[3] >= 1 && in[3] <= SIZES)
		camera.size = in[3];
	for (unsigned i = 0; i < RATES; i++)
		if (interval == UNITS_PER_SECOND / rates[i])
			camera.interval = interval;
}

enum uvc_request {
	SET_CUR = 0x01,
	GET_CUR = 0x81,
	GET_MIN = 0x82,
	GET_MAX = 0x83,
	GET_RES = 0x84,
	GET_LEN = 0x85,
	GET_INFO = 0x86,
	GET_DEF = 0x87
};

static int answer_streaming(unsigned request, unsigned selector, const uint8_t *in, int in_bytes, uint8_t *out)
{
	bool commit = selector == 2;

	if (request == SET_CUR && in_bytes >= 8) {
		take_probe(in);
		if (commit)
			camera_begin_streaming();
		return 0;
	}
	if (request == GET_INFO) {
		out[0] = 3;
		return 1;
	}
	if (request == GET_LEN) {
		out[0] = 34;
		out[1] = 0;
		return 2;
	}
	return write_probe(out);
}

/* Brightness and contrast: 0 to 100, whatever they are has no effect. */
static int answer_processing(unsigned request, unsigned selector, const uint8_t *in, int in_bytes, uint8_t *out)
{
	static uint8_t values[4] = { 50, 50, 50, 50 };
	uint8_t *value = &values[selector & 3];

	out[1] = 0;
	switch (request) {
	case SET_CUR:
		if (in_bytes >= 2)
			*value = in[0];
		return 0;
	case GET_INFO:
		out[0] = 3;
		return 1;
	case GET_LEN:
		out[0] = 2;
		return 2;
	case GET_MIN:
		out[0] = 0;
		return 2;
	case GET_MAX:
		out[0] = 100;
		return 2;
	case GET_RES:
		out[0] = 1;
		return 2;
	case GET_DEF:
		out[0] = 50;
		return 2;
	default:
		out[0] = *value;
		return 2;
	}
}

static int answer_string(unsigned index, uint8_t *out)
{
	static const char *const strings[] = { "", "fakeuvc", "Fake UVC camera", "0001" };
	int n = 2;

	if (index >= sizeof(strings) / sizeof(strings[0]))
		return UVC_STALL;
	if (index == 0) {
		memcpy(out, "\4\3\x09\4", 4);
		return 4;
	}
	for (const char *c = strings[index]; *c; c++) {
		out[n++] = (uint8_t)*c;
		out[n++] = 0;
	}
	out[0] = (uint8_t)n;
	out[1] = 3;
	return n;
}

static int answer_descriptor(unsigned type, unsigned index, uint8_t *out)
{
	static const uint8_t device[] = { 18, 1, 0, 2, 0xef, 2, 1, 64, 0x09, 0x12, 1, 0, 0, 1, 1, 2, 3, 1 };

	switch (type) {
	case 1:
		memcpy(out, device, sizeof(device));
		return sizeof(device);
	case 2:
		memcpy(out, configuration, configuration_bytes);
		return (int)configuration_bytes;
	case 3:
		return answer_string(index, out);
	default:
		return UVC_STALL;
	}
}

/* How many bytes of answer, or UVC_STALL. */
int uvc_answer(const struct usb_redir_control_packet_header *h, const uint8_t *in, int in_bytes, uint8_t *out)
{
	unsigned interface = h->index & 255, unit = h->index >> 8, selector = h->value >> 8;
	bool class = (h->requesttype & 0x60) == 0x20;

	if (h->requesttype == 0x80 && h->request == 6)
		return answer_descriptor(selector, h->value & 255, out);
	if (h->requesttype == 0x02 && h->request == 1) { /* the driver clears the endpoint: it has stopped */
		camera_end_streaming();
		return 0;
	}
	if (!class && h->request == 0 && (h->requesttype & 0x80)) {
		out[0] = out[1] = 0;
		return 2;
	}
	if (class && interface == 1 && (selector == 1 || selector == 2))
		return answer_streaming(h->request, selector, in, in_bytes, out);
	if (class && interface == 0 && unit == 2)
		return answer_processing(h->request, selector, in, in_bytes, out);
	if (class && interface == 0 && unit == 0 && (h->requesttype & 0x80)) { /* no error to tell */
		out[0] = 0;
		return 1;
	}
	return UVC_STALL;
}
