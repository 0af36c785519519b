/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay.c - see replay.h. Opening looks at the file in the owner's thread; everything else is the feeder's thread,
 * which reads plainly from the first byte to the last and waits only where the feeder or the input can be interrupted.
 *
 * A frame is read into its buffer before it is due, as a camera would have it complete by then: the copy finds it
 * cold in the caches, and it is published in time also when the disk was slow.
 */
#include "source/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/feeder.h"
#include "source/input.h"
#include "source/y4m.h"

/* Bytes of a path that sentences show, so that their end still fits. */
#define NAME_BYTES 72u

/* Returned beside 0 and negative errnos: this pass over the file, or this writer of the pipe, is over. */
#define STREAM_OVER 1

struct replay {
	struct feeder feeder; /* stays first */
	struct input input;
	struct y4m_header header;
	char *path;
	char name[NAME_BYTES]; /* of the file, for sentences */

	uint32_t width, height;   /* asked for, 0: any */
	uint64_t period_asked_ns; /* 0: the footage's own */
	bool unpaced, loop, fifo;

	uint64_t start;           /* offset of the first byte; not 0 if standard input was read before */
	uint64_t period_ns;       /* 0: unpaced */
	uint64_t frames;          /* delivered in this pass */
	uint64_t camera_sequence; /* of the newest frame */
	uint32_t lost;            /* frames since then that their writer left unfinished */
};

static struct replay *replay_of(struct source *source)
{
	return (struct replay *)source;
}

static int replay_unreadable(struct replay *replay, int error)
{
	if (error == -ECANCELED)
		return error;
	return feeder_fail(&replay->feeder, error, "%s: byte %llu: cannot read: %s", replay->name,
			   (unsigned long long)replay->input.offset, strerror(-error));
}

/* Writers of a FIFO that waits for the next one may leave at any place: that is how they usually end. */
static bool replay_expects_more(const struct replay *replay)
{
	return replay->fifo && replay->loop;
}

static int replay_set_period(struct replay *replay, const struct y4m_header *header, uint64_t offset)
{
	uint64_t numerator = header->rate_numerator, denominator = header->rate_denominator, period_ns = 0;

	if (!replay->unpaced && replay->period_asked_ns) {
		period_ns = replay->period_asked_ns;
	} else if (!replay->unpaced && numerator) {
		period_ns = (denominator * NS_PER_SECOND + numerator / 2) / numerator;
		if (period_ns < FEEDER_PERIOD_MIN_NS || period_ns > FEEDER_PERIOD_MAX_NS)
			return feeder_fail(&replay->feeder, -EINVAL,
					   "%s: byte %llu: %llu:%llu frames a second; from one an hour to %g a second "
					   "are possible, or give --framerate",
					   replay->name, (unsigned long long)offset, (unsigned long long)numerator,
					   (unsigned long long)denominator, LIMIT_FRAMERATE);
	}
	replay->period_ns = period_ns;
	return 0;
}

static int replay_header(struct replay *replay, const char *line, size_t bytes, uint64_t offset)
{
	struct y4m_header header;
	char text[256];
	int rc = y4m_parse_header(line, bytes, offset, &header, text, sizeof(text));

	if (rc == -ENODATA && replay_expects_more(replay))
		return STREAM_OVER;
	if (rc)
		return feeder_fail(&replay->feeder, rc, "%s: %s", replay->name, text);
	if ((replay->width && replay->width != header.width) || (replay->height && replay->height != header.height))
		return feeder_fail(&replay->feeder, -EINVAL,
				   "%s: byte %llu: the footage has %ux%u pixels and %ux%u were asked for; "
				   "replay does not scale, leave the size out",
				   replay->name, (unsigned long long)offset, header.width, header.height,
				   replay->width ? replay->width : header.width,
				   replay->height ? replay->height : header.height);
	rc = replay_set_period(replay, &header, offset);
	if (rc)
		return rc;
	replay->header = header;
	return feeder_set_format(&replay->feeder, replay->name, header.width, header.height, PIXELS_R8, replay->period_ns,
				 header.luma_range);
}

/* The data end within the frame whose first line is at `offset`. */
static int replay_cut_off(struct replay *replay, uint64_t offset, uint64_t bytes, uint64_t bytes_all)
{
	if (replay_expects_more(replay)) {
		replay->camera_sequence++;
		replay->lost++;
		return STREAM_OVER;
	}
	return feeder_fail(&replay->feeder, -ENODATA,
			   "%s: frame %llu, at byte %llu, is cut off: %llu of its %llu bytes are there", replay->name,
			   (unsigned long long)replay->frames + 1, (unsigned long long)offset,
			   (unsigned long long)bytes, (unsigned long long)bytes_all);
}

/* Read a frame's planes; the first line was at `offset`. */
static int replay_read(struct replay *replay, unsigned buffer, uint64_t offset)
{
	const struct y4m_header *header = &replay->header;
	uint64_t luma = y4m_luma_bytes(header), chroma = y4m_chroma_bytes(header);
	uint64_t luma_read = 0, chroma_skipped = 0;
	int rc;

	rc = input_rows(&replay->input, replay->feeder.buffers[buffer].pixels, replay->feeder.format.stride,
			header->width, header->height, &luma_read);
	if (!rc && luma_read == luma)
		rc = input_skip(&replay->input, chroma, &chroma_skipped);
	if (rc)
		return replay_unreadable(replay, rc);
	if (luma_read + chroma_skipped < luma + chroma)
		return replay_cut_off(replay, offset, luma_read + chroma_skipped, luma + chroma);
	return 0;
}

static int replay_deliver(struct replay *replay, unsigned buffer, uint64_t begin_ns)
{
	struct source_frame frame = { .sensor_ns = begin_ns };

	if (replay->period_ns) {
		int rc;

		frame.sensor_ns = feeder_next_due(&replay->feeder, replay->period_ns, clock_monotonic_ns());
		rc = feeder_wait_until(&replay->feeder, frame.sensor_ns);
		if (rc)
			return rc;
	}
	frame.ready_ns = clock_monotonic_ns();
	frame.camera_sequence = ++replay->camera_sequence;
	frame.lost[LUMARING_LOST_SENSOR] = replay->lost;
	replay->lost = 0;
	replay->frames++;
	return feeder_deliver(&replay->feeder, buffer, frame);
}

static int replay_frame(struct replay *replay, const char *line, size_t bytes, uint64_t offset)
{
	uint64_t begin_ns;
	unsigned buffer;
	char text[200];
	int rc = y4m_parse_frame(line, bytes, offset, text, sizeof(text));

	if (rc == -ENODATA && replay_expects_more(replay))
		return replay_cut_off(replay, offset, 0, 0);
	if (rc)
		return feeder_fail(&replay->feeder, rc, "%s: frame %llu, at %s", replay->name,
				   (unsigned long long)replay->frames + 1, text);
	rc = feeder_wait_start(&replay->feeder);
	if (!rc)
		rc = feeder_take(&replay->feeder, &buffer);
	if (rc)
		return rc;
	begin_ns = clock_monotonic_ns();
	rc = replay_read(replay, buffer, offset);
	if (rc) {
		feeder_put_back(&replay->feeder, buffer);
		return rc;
	}
	return replay_deliver(replay, buffer, begin_ns);
}

/* Everything from a stream header to the end of the data: STREAM_OVER, or why not. */
static int replay_stream(struct replay *replay)
{
	bool first = true;
	int rc = 0;

	replay->frames = 0;
	while (!rc) {
		uint64_t offset = replay->input.offset;
		const char *line;
		size_t bytes;

		rc = input_line(&replay->input, Y4M_LINE_MAX, &line, &bytes);
		if (rc)
			return replay_unreadable(replay, rc);
		if (!bytes && !first)
			return STREAM_OVER;
		if (first || y4m_is_header(line, bytes))
			rc = replay_header(replay, line, bytes, offset);
		else
			rc = replay_frame(replay, line, bytes, offset);
		first = false;
	}
	return rc;
}

/* Wait for a writer, and say so, also when the one before had nothing to say. */
static int replay_await(struct replay *replay)
{
	int rc = 0;

	if (input_would_wait(&replay->input))
		rc = feeder_post(&replay->feeder, SOURCE_PAUSED);
	return rc ? rc : input_wait(&replay->input);
}

/* The new descriptor is opened before the old one is closed, so nothing that the next writer wrote already is lost. */
static int replay_reopen(struct replay *replay)
{
	int fd = open(replay->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), old = replay->input.fd;
	struct stat status;

	if (fd >= 0 && !fstat(fd, &status) && S_ISFIFO(status.st_mode)) {
		close(old);
		return input_begin(&replay->input, fd, 0);
	}
	if (fd < 0)
		return feeder_fail(&replay->feeder, -errno, "%s: cannot be opened again: %s", replay->name,
				   strerror(errno));
	close(fd);
	return feeder_fail(&replay->feeder, -EINVAL, "%s: is no longer a FIFO", replay->name);
}

static int replay_again(struct replay *replay)
{
	if (replay->fifo)
		return replay_reopen(replay);
	if (!replay->frames)
		return feeder_fail(&replay->feeder, -EINVAL, "%s: holds no frame to repeat", replay->name);
	return input_begin(&replay->input, replay->input.fd, replay->start);
}

static int replay_run(struct feeder *feeder)
{
	struct replay *replay = replay_of(&feeder->source);

	for (;;) {
		int rc = replay_await(replay);

		if (!rc)
			rc = replay_stream(replay);
		if (rc == STREAM_OVER && replay->loop)
			rc = replay_again(replay);
		if (rc)
			return rc == STREAM_OVER ? 0 : rc;
	}
}

/* --- opening ------------------------------------------------------------------------------------------------ */

static void replay_set_name(struct replay *replay)
{
	size_t length = strlen(replay->path);

	if (strcmp(replay->path, "-") == 0)
		snprintf(replay->name, sizeof(replay->name), "standard input");
	else if (length < sizeof(replay->name))
		memcpy(replay->name, replay->path, length + 1);
	else
		snprintf(replay->name, sizeof(replay->name), "...%s",
			 replay->path + length - (sizeof(replay->name) - sizeof("...")));
}

static int replay_open_file(struct replay *replay)
{
	bool standard = strcmp(replay->path, "-") == 0;
	struct input *input = &replay->input;
	struct stat status;

	/* Standard input is shared with others, so it is left as it is; its copy closes with the source. */
	if (standard)
		input->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		input->fd = open(replay->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (input->fd < 0 || fstat(input->fd, &status))
		return feeder_fail(&replay->feeder, -errno, "%s: cannot be opened: %s", replay->name, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return feeder_fail(&replay->feeder, -EISDIR, "%s: is a directory; name one Y4M file", replay->name);
	input->seekable = S_ISREG(status.st_mode);
	input->nonblocking = replay->fifo = S_ISFIFO(status.st_mode) && !standard;
	if (replay->loop && !input->seekable && !replay->fifo)
		return feeder_fail(&replay->feeder, -EINVAL,
				   "%s: cannot be read again; --loop is for files and named pipes", replay->name);
	if (input->seekable && standard) {
		off_t at = lseek(input->fd, 0, SEEK_CUR);

		replay->start = at > 0 ? (uint64_t)at : 0;
	}
	return 0;
}

/* Look at what a regular file begins with, and whether one frame of that is there. */
static int replay_check_file(struct replay *replay)
{
	struct input *input = &replay->input;
	uint64_t needed;
	struct stat status;
	const char *line;
	size_t bytes;
	int rc;

	rc = input_line(input, Y4M_LINE_MAX, &line, &bytes);
	if (rc)
		return replay_unreadable(replay, rc);
	rc = replay_header(replay, line, bytes, replay->start);
	if (rc)
		return rc;
	needed = input->offset + sizeof("FRAME\n") - 1 + y4m_luma_bytes(&replay->header) +
		 y4m_chroma_bytes(&replay->header);
	if (fstat(input->fd, &status))
		return replay_unreadable(replay, -errno);
	if ((uint64_t)status.st_size < needed)
		return feeder_fail(&replay->feeder, -ENODATA,
				   "%s: holds %llu bytes, and its header with one frame of %ux%u pixels takes %llu",
				   replay->name, (unsigned long long)status.st_size, replay->header.width,
				   replay->header.height, (unsigned long long)needed);
	return input_begin(input, input->fd, replay->start);
}

static int replay_prepare(struct replay *replay, const struct source_config *config)
{
	int rc = feeder_init(&replay->feeder, &replay_operations, config);

	if (rc)
		return rc;
	if (!config->path || !config->path[0])
		return feeder_fail(&replay->feeder, -EINVAL,
				   "replay needs a Y4M file, a FIFO or -: --source replay:FILE");
	replay->path = strdup(config->path);
	if (!replay->path)
		return feeder_fail(&replay->feeder, -ENOMEM, "no memory for the replay source");
	replay_set_name(replay);
	replay->input.feeder = &replay->feeder;
	replay->width = config->width;
	replay->height = config->height;
	replay->period_asked_ns = config->frame_duration_ns;
	replay->unpaced = config->unpaced;
	replay->loop = config->loop;
	rc = replay_open_file(replay);
	if (!rc)
		rc = input_begin(&replay->input, replay->input.fd, replay->start);
	if (!rc && replay->input.seekable)
		rc = replay_check_file(replay);
	return rc ? rc : feeder_launch(&replay->feeder, "replay", replay_run);
}

static void replay_destroy(struct source *source)
{
	struct replay *replay = replay_of(source);

	feeder_finish(&replay->feeder);
	if (replay->input.fd >= 0)
		close(replay->input.fd);
	free(replay->path);
	free(replay);
}

static int replay_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int rc;

	if (!replay) {
		snprintf(text, text_bytes, "no memory for the replay source");
		return -ENOMEM;
	}
	replay->input.fd = -1;
	rc = replay_prepare(replay, config);
	if (rc) {
		snprintf(text, text_bytes, "%s", replay->feeder.text);
		replay_destroy(&replay->feeder.source);
		return rc;
	}
	*ret_source = &replay->feeder.source;
	return 0;
}

static bool replay_is_live(const struct source *source)
{
	(void)source;
	return false;
}

const struct source_operations replay_operations = {
	.name = "replay",
	.open = replay_open,
	.start = feeder_start,
	.fd = feeder_fd,
	.fetch = feeder_fetch,
	.release = feeder_release,
	.is_live = replay_is_live,
	.destroy = replay_destroy,
};
