/* SPDX-License-Identifier: BSD-2-Clause */
/* usb.c - see fakeuvc.h: the parser of usbredir and the transfers that the guest has under way. */
#include "fakeuvc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TRANSFERS_MAX 256u

/* What the guest waits for. */
static struct {
	uint64_t id;
	uint32_t bytes;
} transfers[TRANSFERS_MAX];
static unsigned transfer_first, transfer_count;

static struct usbredirparser *parser;
static int qemu = -1;

static void answer_transfer(uint64_t id, uint8_t status, uint8_t *bytes, unsigned count)
{
	struct usb_redir_bulk_packet_header header = {
		.endpoint = ENDPOINT,
		.status = status,
		.length = (uint16_t)count,
		.length_high = (uint16_t)(count >> 16),
	};

	usbredirparser_send_bulk_packet(parser, id, &header, bytes, (int)count);
}

/* As much of the frame as the guest waits for. */
void usb_send_frame(void)
{
	static uint8_t payload[PAYLOAD_BYTES];

	while (frame.busy && transfer_count > 0) {
		uint64_t id = transfers[transfer_first].id;
		uint32_t bytes = transfers[transfer_first].bytes;
		unsigned count = (bytes < PAYLOAD_BYTES ? bytes : PAYLOAD_BYTES) - HEADER_BYTES;
		bool last;

		transfer_first = (transfer_first + 1) % TRANSFERS_MAX;
		transfer_count--;
		count = count < frame.size - frame.at ? count : frame.size - frame.at;
		last = frame.at + count == frame.size;
		memset(payload, 0, HEADER_BYTES);
		payload[0] = HEADER_BYTES;
		payload[1] = (uint8_t)(0x80 | frame.id | (last ? 2 : 0) | (frame.damaged ? 0x40 : 0));
		memcpy(payload + HEADER_BYTES, frame.bytes + frame.at, count);
		answer_transfer(id, usb_redir_success, payload, HEADER_BYTES + count);
		frame.at += count;
		if (last)
			camera_note_sent();
	}
}

static void on_control(void *unused, uint64_t id, struct usb_redir_control_packet_header *asked, uint8_t *in,
		       int in_bytes)
{
	static uint8_t out[UVC_ANSWER_BYTES];
	struct usb_redir_control_packet_header header = *asked;
	int n = uvc_answer(asked, in, in_bytes, out);

	(void)unused;
	header.status = n < 0 ? usb_redir_stall : usb_redir_success;
	n = n < asked->length ? n : asked->length;
	if (n < 0)
		header.length = 0;
	else if (asked->requesttype & 0x80)
		header.length = (uint16_t)n;
	n = n > 0 && asked->requesttype & 0x80 ? n : 0;
	usbredirparser_send_control_packet(parser, id, &header, n ? out : NULL, n);
	usbredirparser_free_packet_data(parser, in);
}

static void on_bulk(void *unused, uint64_t id, struct usb_redir_bulk_packet_header *header, uint8_t *bytes, int count)
{
	(void)unused;
	(void)count;
	usbredirparser_free_packet_data(parser, bytes);
	if (header->endpoint != ENDPOINT || transfer_count == TRANSFERS_MAX) {
		answer_transfer(id, usb_redir_stall, NULL, 0);
		return;
	}
	transfers[(transfer_first + transfer_count) % TRANSFERS_MAX].id = id;
	transfers[(transfer_first + transfer_count) % TRANSFERS_MAX].bytes =
		header->length | (uint32_t)header->length_high << 16;
	transfer_count++;
	usb_send_frame();
}

static void on_cancel(void *unused, uint64_t id)
{
	unsigned kept = 0;

	(void)unused;
	for (unsigned i = 0; i < transfer_count; i++) {
		unsigned from = (transfer_first + i) % TRANSFERS_MAX;

		if (transfers[from].id != id)
			transfers[(transfer_first + kept++) % TRANSFERS_MAX] = transfers[from];
	}
	if (kept < transfer_count)
		answer_transfer(id, usb_redir_cancelled, NULL, 0);
	transfer_count = kept;
}

static void on_reset(void *unused)
{
	(void)unused;
	transfer_count = 0;
	camera_end_streaming();
}

static void on_set_configuration(void *unused, uint64_t id, struct usb_redir_set_configuration_header *asked)
{
	struct usb_redir_configuration_status_header header = { usb_redir_success, asked->configuration };

	(void)unused;
	usbredirparser_send_configuration_status(parser, id, &header);
}

static void on_get_configuration(void *unused, uint64_t id)
{
	struct usb_redir_configuration_status_header header = { usb_redir_success, 1 };

	(void)unused;
	usbredirparser_send_configuration_status(parser, id, &header);
}

static void on_set_alternative(void *unused, uint64_t id, struct usb_redir_set_alt_setting_header *asked)
{
	struct usb_redir_alt_setting_status_header header = { asked->alt ? usb_redir_stall : usb_redir_success,
							      asked->interface, 0 };

	(void)unused;
	usbredirparser_send_alt_setting_status(parser, id, &header);
}

static void on_get_alternative(void *unused, uint64_t id, struct usb_redir_get_alt_setting_header *asked)
{
	struct usb_redir_alt_setting_status_header header = { usb_redir_success, asked->interface, 0 };

	(void)unused;
	usbredirparser_send_alt_setting_status(parser, id, &header);
}

/* QEMU is there: plug in. */
static void on_hello(void *unused, struct usb_redir_hello_header *hello)
{
	struct usb_redir_interface_info_header interfaces = {
		.interface_count = 2,
		.interface = { 0, 1 },
		.interface_class = { 14, 14 },
		.interface_subclass = { 1, 2 },
	};
	struct usb_redir_device_connect_header device = { usb_redir_speed_high, 0xef, 2, 1, 0x1209, 1, 0x0100 };
	struct usb_redir_ep_info_header endpoints;

	(void)unused;
	(void)hello;
	memset(&endpoints, 0, sizeof(endpoints));
	memset(endpoints.type, usb_redir_type_invalid, sizeof(endpoints.type));
	endpoints.type[0] = endpoints.type[16] = usb_redir_type_control;
	endpoints.max_packet_size[0] = endpoints.max_packet_size[16] = 64;
	endpoints.type[17] = usb_redir_type_bulk;
	endpoints.interface[17] = 1;
	endpoints.max_packet_size[17] = 512;
	usbredirparser_send_interface_info(parser, &interfaces);
	usbredirparser_send_ep_info(parser, &endpoints);
	usbredirparser_send_device_connect(parser, &device);
	camera.plugged = true;
	stats.plugs++;
	write_stats();
}

static int on_read(void *unused, uint8_t *bytes, int count)
{
	ssize_t n = read(qemu, bytes, (size_t)count);

	(void)unused;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n <= 0 ? -1 : (int)n;
}

static int on_write(void *unused, uint8_t *bytes, int count)
{
	ssize_t n = write(qemu, bytes, (size_t)count);

	(void)unused;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n < 0 ? -1 : (int)n;
}

static void on_log(void *unused, int level, const char *text)
{
	(void)unused;
	if (level <= usbredirparser_warning)
		fprintf(stderr, "fakeuvc: %s\n", text);
}

static bool connect_to_qemu(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	qemu = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (qemu >= 0 && connect(qemu, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	close(qemu);
	qemu = -1;
	return false;
}

bool usb_plug(const char *path)
{
	uint32_t capabilities[USB_REDIR_CAPS_SIZE] = { 0 };

	if (!connect_to_qemu(path))
		return false;
	parser = usbredirparser_create();
	if (!parser)
		fail("usbredir");
	parser->log_func = on_log;
	parser->read_func = on_read;
	parser->write_func = on_write;
	parser->hello_func = on_hello;
	parser->reset_func = on_reset;
	parser->set_configuration_func = on_set_configuration;
	parser->get_configuration_func = on_get_configuration;
	parser->set_alt_setting_func = on_set_alternative;
	parser->get_alt_setting_func = on_get_alternative;
	parser->cancel_data_packet_func = on_cancel;
	parser->control_packet_func = on_control;
	parser->bulk_packet_func = on_bulk;
	usbredirparser_caps_set_cap(capabilities, usb_redir_cap_connect_device_version);
	usbredirparser_caps_set_cap(capabilities, usb_redir_cap_ep_info_max_packet_size);
	usbredirparser_caps_set_cap(capabilities, usb_redir_cap_64bits_ids);
	usbredirparser_caps_set_cap(capabilities, usb_redir_cap_32bits_bulk_length);
	usbredirparser_init(parser, "fakeuvc", capabilities, USB_REDIR_CAPS_SIZE, usbredirparser_fl_usb_host);
	return true;
}

void usb_unplug(void)
{
	if (qemu < 0)
		return;
	usbredirparser_destroy(parser);
	parser = NULL;
	close(qemu);
	qemu = -1;
	transfer_count = 0;
	camera.plugged = false;
	stats.unplugs++;
	camera_end_streaming();
}

int usb_descriptor(void)
{
	return qemu;
}

bool usb_wants_to_write(void)
{
	return parser && usbredirparser_has_data_to_write(parser);
}

bool usb_read(void)
{
	return usbredirparser_do_read(parser) >= 0;
}

bool usb_write(void)
{
	return usbredirparser_do_write(parser) >= 0;
}

bool usb_is_awaited(void)
{
	return transfer_count > 0;
}
