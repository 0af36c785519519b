/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fakeuvc.h - a USB camera in user space, plugged into a virtual machine: it speaks usbredir to QEMU's usb-redir device
 * over a Unix socket, so that the guest's own USB and UVC drivers see an ordinary high-speed camera with a bulk
 * endpoint.
 *
 *   fakeuvc SOCKET COMMANDS STATS [--fps N] [--formats usual|mjpeg|mosaic]
 *
 * Formats: NV12, grey (R8) and YUYV; or Motion-JPEG only; or a Bayer mosaic only. Sizes: 320x240, 640x480, 1280x800,
 * 1920x1080. Luma at (x, y) of frame n is (x + y + n) & 255, but for the first and the last 8 bytes of the luma, which
 * hold n, little endian. A frame is due at each tick of the rate, and n goes on with each tick, sent or not.
 *
 * Lines appended to the file COMMANDS are obeyed in order:
 *   fps N    rate, whatever the driver asked for; 0: what it asked for
 *   pause    send nothing; resume ends it. The counted ticks go on
 *   skip N   drop the next N frames, as a sensor does
 *   error    the next frame carries the error bit; short: the next frame ends in its middle
 *   unplug   plug
 *   formats usual|mjpeg|mosaic    at the next plug
 *   quit
 *
 * STATS is one JSON object, always complete, of what it did since it began: see write_stats().
 *
 * One thread. main.c reads commands and keeps the time; camera.c makes frames and counts; uvc.c is what the guest's
 * drivers can ask of it; usb.c the way there.
 */
#ifndef LUMARING_TEST_FAKEUVC_H
#define LUMARING_TEST_FAKEUVC_H

#include <stdbool.h>
#include <stdint.h>

#include <usbredirparser.h>

#define ENDPOINT 0x81u
#define PAYLOAD_BYTES 16384u /* of one transfer, its header included */
#define HEADER_BYTES 12u
#define UNITS_PER_SECOND 10000000u /* UVC counts time by 100 ns */
#define SIZES 4u
#define DEFAULT_RATE 30u
#define FORMATS_MAX 3u

struct size {
	uint16_t width, height;
};

enum layout { PLANAR, PACKED, COMPRESSED };

struct format {
	char fourcc[5];
	enum layout layout;
	unsigned bits_per_pixel;
};

struct format_set {
	const char *name;
	unsigned count;
	struct format formats[FORMATS_MAX];
};

/* What it did. */
struct stats {
	uint64_t commands;              /* obeyed */
	uint64_t sent, errors, shorts;  /* frames; of the first, the others */
	uint64_t skipped, paused, slow; /* ticks without a frame: by command, paused, the guest was not ready for one */
	uint64_t plugs, unplugs, starts;
};

struct camera {
	const struct format_set *formats;
	unsigned format, size; /* index + 1, as UVC counts; negotiated */
	uint32_t interval;     /* negotiated */
	double fps;            /* by command, 0: as negotiated */
	bool plugged, streaming, paused;
	bool error_next, short_next;
	uint64_t skip; /* frames still to be dropped */
	uint64_t n;    /* of the next frame */
};

/* The frame that is being sent. */
struct frame {
	uint8_t *bytes;
	unsigned size, at;
	bool busy, damaged, cut;
	uint8_t id; /* toggles with each frame */
};

extern const struct size sizes[SIZES];
extern struct stats stats;
extern struct camera camera;
extern struct frame frame;

/* Say why and end. */
void fail(const char *what) __attribute__((noreturn));

/* --- camera.c --- */

void camera_init(const char *stats_path);
const struct format *camera_format(void);
unsigned camera_frame_bytes(const struct format *format, const struct size *size);
void camera_begin_streaming(void);
void camera_end_streaming(void);
/* A frame is due. */
void camera_tick(void);
void camera_note_sent(void);
void write_stats(void);

/* --- uvc.c --- */

/* The set of this name is what it has from the next plug on. False: there is none. */
bool uvc_take_formats(const char *name);

#define UVC_ANSWER_BYTES 4096u
#define UVC_STALL (-1)

/* A control transfer: how many bytes of answer, or UVC_STALL. */
int uvc_answer(const struct usb_redir_control_packet_header *asked, const uint8_t *in, int in_bytes, uint8_t *out);

/* --- usb.c --- */

/* QEMU's socket. False: it is not there. */
bool usb_plug(const char *path);
void usb_unplug(void);
/* -1 while it is not plugged in. */
int usb_descriptor(void);
bool usb_wants_to_write(void);
/* What came, and what is to go. False: QEMU is gone. */
bool usb_read(void);
bool usb_write(void);
/* As much of the frame as the guest waits for. */
void usb_send_frame(void);
/* The guest waits for bytes of a frame. */
bool usb_is_awaited(void);

/* --- main.c --- */

/* The rate may be another. */
void set_timer(void);

#endif
