/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record.c - `lumaring record`: what the ring holds already, then every frame in order, to a file that is a whole
 * YUV4MPEG2 recording after each of them. This thread takes frames and gives them back, another one writes them
 * (record_queue.h), from the ring as long as the disk keeps up. One size for all frames: a change of it ends it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "output.h"
#include "picture.h"
#include "record_file.h"
#include "record_history.h"
#include "record_progress.h"
#include "record_queue.h"
#include "session.h"
#include "shape.h"
#include "stop.h"
#include "verbs.h"

#define NS_PER_MS UINT64_C(1000000)
#define LOOK_NS (250 * NS_PER_MS) /* how often the writer is looked after while no frame comes */
#define READER_MS 50              /* how often a FIFO is tried that nobody reads */
#define BUFFER_MAX (UINT64_C(1024) << 20)
#define BUFFER_MIN (UINT64_C(16) << 20)
#define TIMES_BYTES 256u

static const char times_head[] = "frame,epoch,sequence,sensor_ns,ready_ns,publish_ns,exposure_us,gain_milli,missed\n";
static const char marker[] = "FRAME\n";

/* The writer's, once its thread runs. */
struct writer {
	struct record_file video, times;
	const struct record_file *failed; /* the one that could not be written to */
	const char *header;
	uint64_t frames;
	bool chroma, with_times;
};

struct record {
	const struct options *options;
	struct session session;
	struct record_history history;
	struct record_progress progress;
	struct record_queue queue;
	struct writer writer;
	struct shape shape;
	char header[PICTURE_HEADER_BYTES];
	uint64_t frame_bytes, buffer_bytes;
	uint64_t taken;               /* frames put into the queue */
	uint64_t begin_ns, until_ns;  /* of live frames; until_ns 0: no limit */
	uint64_t first_ns, newest_ns; /* publication of the frames written */
	bool closed;
};

/* --- the writer ----------------------------------------------------------------------------------------------------
 */

static uint64_t frame_bytes(const struct lumaring_frame *frame, bool chroma)
{
	const uint64_t half_width = (frame->width + UINT64_C(1)) / 2, half_height = (frame->height + UINT64_C(1)) / 2;
	const uint64_t samples = (uint64_t)frame->width * frame->height + (chroma ? 2 * half_width * half_height : 0);

	return sizeof(marker) - 1 + samples * picture_sample_bytes(frame->fourcc);
}

/* *ret_bytes: how many it has. */
static int write_video(struct writer *writer, const struct lumaring_frame *frame, uint64_t *ret_bytes)
{
	struct output *output = &writer->video.output;
	int r = 0;

	*ret_bytes = frame_bytes(frame, writer->chroma);
	if (writer->frames == 0) {
		*ret_bytes += strlen(writer->header);
		r = output_put(output, writer->header, strlen(writer->header));
	}
	if (r == 0)
		r = output_put(output, marker, sizeof(marker) - 1);
	if (r == 0)
		r = picture_put_rows(output, frame);
	if (r == 0 && writer->chroma)
		r = picture_write_chroma(output, frame);
	return r < 0 ? r : output_flush(output);
}

static int write_times(struct writer *writer, const struct lumaring_frame *frame, uint64_t *ret_bytes)
{
	const uint64_t missed = writer->frames == 0 ? 0 : frame->missed;
	char text[sizeof(times_head) + TIMES_BYTES];
	int n = snprintf(
		text, sizeof(text),
		"%s%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%u,%u,%" PRIu64 "\n",
		writer->frames == 0 ? times_head : "", writer->frames, frame->epoch, frame->sequence, frame->sensor_ns,
		frame->ready_ns, frame->publish_ns, frame->exposure_us, frame->analogue_gain_milli, missed);
	int r = output_put(&writer->times.output, text, (size_t)n);

	*ret_bytes = (uint64_t)n;
	return r < 0 ? r : output_flush(&writer->times.output);
}

/* A frame and its times count, and take their files' names, once both are written. */
static int write_frame(void *user, const struct lumaring_frame *frame)
{
	struct writer *writer = user;
	uint64_t video_bytes, times_bytes;
	int r = write_video(writer, frame, &video_bytes);

	writer->failed = &writer->video;
	if (r == 0 && writer->with_times) {
		writer->failed = &writer->times;
		r = write_times(writer, frame, &times_bytes);
		if (r == 0)
			r = record_file_finish_piece(&writer->times, times_bytes);
	}
	if (r < 0)
		return r;
	writer->failed = &writer->video;
	r = record_file_finish_piece(&writer->video, video_bytes);
	if (r == 0)
		writer->frames++;
	return r;
}

/* SESSION_GO_ON, or an exit code after a sentence. */
static int open_file(struct record_file *file, const char *path)
{
	const struct timespec pause = { .tv_nsec = READER_MS * (long)NS_PER_MS };
	int r = record_file_open(file, path);

	if (r == -EAGAIN)
		talk("nobody reads the FIFO %s yet, waiting for a program that does", path);
	while (r == -EAGAIN && !stop_signal()) {
		nanosleep(&pause, NULL);
		r = record_file_open(file, path);
	}
	if (r == -EAGAIN) {
		talk("stopped while it waited for a reader of the FIFO %s; nothing was written", path);
		return CODE_OK;
	}
	if (r < 0) {
		talk("cannot write to %s: %s", path, strerror(-r));
		return CODE_FAILED;
	}
	return SESSION_GO_ON;
}

/* SESSION_GO_ON, or an exit code after a sentence. */
static int open_files(struct writer *writer, const struct options *options)
{
	int code = open_file(&writer->video, options->operands[1]);

	if (code != SESSION_GO_ON || !options->times)
		return code;
	writer->with_times = true;
	return open_file(&writer->times, options->times);
}

/* Both end with the same frame. */
static int close_file(struct record *record, struct record_file *file, bool failed)
{
	int r;

	if (failed)
		record_file_cut(file);
	r = record_file_close(file);
	return r < 0 ? session_write_failure(&record->session, r, record_file_name(file)) : CODE_OK;
}

/* --- frames --------------------------------------------------------------------------------------------------------
 */

static struct record_figures figures_of(struct record *record)
{
	return (struct record_figures){
		.tally = record->session.tally,
		.span_us = (record->newest_ns - record->first_ns) / 1000,
		.bytes = record->session.tally.frames * record->frame_bytes + strlen(record->header),
		.waiting = record_queue_waiting(&record->queue),
	};
}

static void show_progress(struct record *record)
{
	const struct record_figures figures = figures_of(record);

	record_progress_show(&record->progress, &figures, session_now_ns());
}

/* Count what is written, and give it back. CODE_OK, or CODE_FAILED after a sentence. */
static int reap(struct record *record)
{
	const struct lumaring_frame *frame;

	while ((frame = record_queue_reap(&record->queue))) {
		struct lumaring_frame counted = *frame;

		if (record->session.tally.frames == 0) { /* what came before it is no part of the recording */
			counted.missed = 0;
			memset(counted.missed_by, 0, sizeof(counted.missed_by));
			record->first_ns = frame->publish_ns;
		}
		record->newest_ns = frame->publish_ns;
		tally_add(&record->session.tally, &counted);
		if (session_release(&record->session, frame) < 0)
			return CODE_FAILED;
	}
	return CODE_OK;
}

static bool has_room(struct record *record)
{
	const unsigned held = record_queue_held(&record->queue);

	return held == 0 || (held < RECORD_QUEUE_FRAMES && (held + 1) * record->frame_bytes <= record->buffer_bytes);
}

static void begin_video(struct record *record, const struct lumaring_frame *frame)
{
	const struct lumaring_info *info = lumaring_info(record->session.ring);
	const uint32_t duration_us = frame->frame_duration_us ? frame->frame_duration_us : info->frame_duration_us;

	picture_y4m_header(record->header, frame, info->luma_range, duration_us, record->writer.chroma);
	record->frame_bytes = frame_bytes(frame, record->writer.chroma);
}

static int take_frame(struct record *record, const struct lumaring_frame *frame)
{
	int code = SESSION_GO_ON;

	if (frame->publish_ns < record->history.from_ns) /* older than what is wanted of the ring */
		return session_release(&record->session, frame) < 0 ? CODE_FAILED : SESSION_GO_ON;
	if (record->until_ns > 0 && frame->publish_ns >= record->until_ns)
		code = CODE_OK;
	if (code == SESSION_GO_ON)
		code = shape_keep(&record->shape, frame);
	if (code != SESSION_GO_ON) {
		lumaring_release(record->session.ring, frame);
		return code;
	}
	if (record->taken == 0)
		begin_video(record, frame);
	record_queue_put(&record->queue, frame);
	return ++record->taken == record->options->count ? CODE_OK : SESSION_GO_ON;
}

static int take_event(struct record *record, int event)
{
	if (event == LUMARING_EVENT_CLOSED && !record->options->follow) {
		record->closed = true;
		return CODE_OK;
	}
	/* What a change of geometry means for the output is decided, and said, with the frame after it. */
	if (event == LUMARING_EVENT_GEOMETRY)
		return SESSION_GO_ON;
	record_progress_clear(&record->progress);
	session_tell_event(event);
	return SESSION_GO_ON;
}

static int take_next(struct record *record)
{
	const struct lumaring_frame *frame;
	int r;

	record->session.until_ns = session_now_ns() + LOOK_NS;
	if (record->until_ns > 0 && record->until_ns < record->session.until_ns)
		record->session.until_ns = record->until_ns;
	r = session_wait(&record->session, lumaring_next, &frame);
	if (r == 0)
		return take_frame(record, frame);
	if (r > 0)
		return take_event(record, r);
	if (r == -ETIME)
		return record->until_ns > 0 && session_now_ns() >= record->until_ns ? CODE_OK : SESSION_GO_ON;
	if (r == -EINTR)
		return CODE_OK;
	record_progress_clear(&record->progress);
	return session_failure(&record->session, r);
}

/* --- the whole -----------------------------------------------------------------------------------------------------
 */

static int run(struct record *record)
{
	int code = SESSION_GO_ON;

	while (code == SESSION_GO_ON) {
		if (reap(record) != CODE_OK)
			return CODE_FAILED;
		if (record_queue_error(&record->queue) < 0)
			return CODE_OK; /* finish() says why */
		show_progress(record);
		if (stop_signal())
			return CODE_OK;
		if (has_room(record))
			code = take_next(record);
		else
			record_queue_wait(&record->queue, (int)(LOOK_NS / NS_PER_MS));
	}
	return code;
}

/* Everything that was taken is written, or given back. */
static int finish_writing(struct record *record)
{
	const struct lumaring_frame *frame;
	uint64_t left = 0;
	int code = CODE_OK, r;

	while (record_queue_waiting(&record->queue) > 0 && record_queue_error(&record->queue) == 0) {
		record_queue_wait(&record->queue, (int)(LOOK_NS / NS_PER_MS));
		if (reap(record) != CODE_OK)
			code = CODE_FAILED;
		show_progress(record);
	}
	record_queue_stop(&record->queue);
	if (reap(record) != CODE_OK)
		code = CODE_FAILED;
	for (; (frame = record_queue_take_back(&record->queue)); left++)
		lumaring_release(record->session.ring, frame);
	record_progress_clear(&record->progress);
	r = record_queue_error(&record->queue);
	if (r < 0 && session_write_failure(&record->session, r, record_file_name(record->writer.failed)) != CODE_OK)
		code = CODE_FAILED;
	if (r < 0 && code != CODE_OK && left > 0)
		talk("frames that waited to be written, and are lost: %llu", (unsigned long long)left);
	return code;
}

static void tell_sum(struct record *record)
{
	const struct record_figures figures = figures_of(record);
	struct line line;

	if (record->session.reader_gone)
		return;
	record_progress_sum(&line, &figures);
	if (figures.tally.frames > 0)
		talk("%s: %s", record_file_name(&record->writer.video), line.text);
	else
		talk("no frame %s, and %s was not written", record->taken > 0 ? "could be written" : "came",
		     record_file_name(&record->writer.video));
}

static int finish(struct record *record, int code)
{
	int written = finish_writing(record), closed;
	const bool failed = record_queue_error(&record->queue) < 0;

	closed = close_file(record, &record->writer.video, failed);
	if (closed == CODE_OK)
		closed = close_file(record, &record->writer.times, failed);
	tell_sum(record);
	if (written != CODE_OK || closed != CODE_OK)
		return CODE_FAILED;
	return record->closed ? session_closed(&record->session) : code;
}

/* What may be used without driving others out. */
static uint64_t buffer_bytes(const struct options *options)
{
	unsigned long long available_kib = 0;
	uint64_t bytes;
	char line[128];
	FILE *file;

	if (options->buffer_megabytes)
		return options->buffer_megabytes * 1000000;
	file = fopen("/proc/meminfo", "re");
	while (file && fgets(line, sizeof(line), file) && sscanf(line, "MemAvailable: %llu", &available_kib) != 1)
		;
	if (file)
		fclose(file);
	bytes = available_kib * 1024 / 4;
	if (bytes < BUFFER_MIN)
		return BUFFER_MIN;
	return bytes < BUFFER_MAX ? bytes : BUFFER_MAX;
}

static int begin(struct record *record)
{
	struct options how = *record->options;
	int code;

	how.oldest = !how.private;
	how.frames_max = RECORD_QUEUE_FRAMES;
	code = session_open(&record->session, &how);
	if (code != CODE_OK)
		return code;
	if (how.private && how.last_ms > 0)
		talk("a stream of one's own (--region, --pixels, --bin) begins now and holds nothing of before");
	if (!how.private) {
		code = record_history_look(&record->history, &how);
		if (code != CODE_OK)
			return code;
		record_history_tell(&record->history, &how);
	}
	record->begin_ns = session_now_ns();
	if (how.seconds_ms >= 0)
		record->until_ns = record->begin_ns + (uint64_t)how.seconds_ms * NS_PER_MS;
	return CODE_OK;
}

/* A name that says what is in it, a FIFO or a device of any name, or -. */
static int check_name(const char *path)
{
	const size_t length = strlen(path);
	struct stat entry;

	if (strcmp(path, "-") == 0) {
		if (!isatty(STDOUT_FILENO))
			return 0;
		talk("standard output is a terminal, and frames are no text: use '> FILE' or '| PROGRAM'");
		return -EINVAL;
	}
	if (stat(path, &entry) == 0 && !S_ISREG(entry.st_mode) && !S_ISDIR(entry.st_mode))
		return 0;
	if (length < 4 || strcmp(path + length - 4, ".y4m") != 0) {
		talk("the file '%s' does not end in .y4m, the format of 'record'; for others: lumaring cat --y4m-420 | "
		     "ffmpeg -i - FILE",
		     path);
		return -EINVAL;
	}
	if (length == 4 || path[length - 5] == '/') {
		talk("the file '%s' is an ending without a name: a name must stand before the ending", path);
		return -EINVAL;
	}
	return 0;
}

static int check_usage(const struct options *options)
{
	const char *path = options->operands[1];
	int r;

	if (!path) {
		talk("'record' needs a file: lumaring record FILE.y4m, or - for standard output");
		return -EINVAL;
	}
	r = check_name(path);
	if (r == 0 && options->times && record_file_same(path, options->times)) {
		talk("--times is '%s', where the frames go: it must be another file", options->times);
		return -EINVAL;
	}
	return r;
}

static int record_all(struct record *record)
{
	/* First, since a FIFO may keep us waiting: the history is that of the moment when there is somebody to read it.
	 */
	int code = open_files(&record->writer, record->options), r;

	if (code != SESSION_GO_ON)
		return code;
	code = begin(record);
	if (code != CODE_OK)
		return stop_signal() ? CODE_OK : code;
	if (record->writer.video.regular)
		stop_patiently();
	r = record_queue_start(&record->queue, write_frame, &record->writer);
	if (r < 0) {
		talk("cannot begin to record: %s", strerror(-r));
		return CODE_FAILED;
	}
	return finish(record, run(record));
}

int record_run(const struct options *options)
{
	struct record *record;
	int code;

	if (check_usage(options) < 0)
		return CODE_USAGE;
	stop_at_hangup(); /* a connection that breaks leaves a whole recording */
	record = calloc(1, sizeof(*record));
	if (!record) {
		talk("cannot begin to record: %s", strerror(ENOMEM));
		return CODE_FAILED;
	}
	record->options = options;
	record->buffer_bytes = buffer_bytes(options);
	record->writer.header = record->header;
	record->writer.chroma = options->format == CAT_Y4M_420;
	record_progress_init(&record->progress);
	code = record_all(record);
	record_file_close(&record->writer.video); /* where it came to nothing */
	record_file_close(&record->writer.times);
	session_close(&record->session);
	free(record);
	return code == CODE_OK && stop_signal() == SIGHUP ? 128 + SIGHUP : code;
}
