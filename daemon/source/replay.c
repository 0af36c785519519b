/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay.c - see replay.h. The lines of Y4M between the frames; all else that can become of footage is in footage.c.
 */
#include "source/replay.h"

#include <errno.h>
#include <string.h>

#include "source/footage.h"
#include "source/y4m.h"

static int replay_set_period(struct footage *footage, const struct y4m_header *header, uint64_t offset)
{
	uint64_t numerator = header->rate_numerator, denominator = header->rate_denominator, period_ns = 0;

	if (numerator)
		period_ns = (denominator * NS_PER_SECOND + numerator / 2) / numerator;
	feeder_set_own_period(&footage->feeder, period_ns);
	if (numerator && !footage->feeder.unpaced && !feeder_wish(&footage->feeder)->frame_duration_min_ns &&
	    (period_ns < FEEDER_PERIOD_MIN_NS || period_ns > FEEDER_PERIOD_MAX_NS))
		return feeder_fail(&footage->feeder, -EINVAL,
				   "%s: byte %llu: %llu:%llu frames a second; from one an hour to %g a second "
				   "are possible, or give --framerate",
				   footage->name, (unsigned long long)offset, (unsigned long long)numerator,
				   (unsigned long long)denominator, LIMIT_FRAMERATE);
	return 0;
}

static int replay_header(struct footage *footage, const char *line, size_t bytes, uint64_t offset)
{
	struct y4m_header header;
	char text[256];
	int rc = y4m_parse_header(line, bytes, offset, &header, text, sizeof(text));

	if (rc == -ENODATA && footage_expects_more(footage))
		return FOOTAGE_OVER;
	if (rc)
		return feeder_fail(&footage->feeder, rc, "%s: %s", footage->name, text);
	if ((footage->width && footage->width != header.width) || (footage->height && footage->height != header.height))
		return feeder_fail(&footage->feeder, -EINVAL,
				   "%s: byte %llu: the footage has %ux%u pixels and %ux%u were asked for; "
				   "replay does not scale, leave the size out",
				   footage->name, (unsigned long long)offset, header.width, header.height,
				   footage->width ? footage->width : header.width,
				   footage->height ? footage->height : header.height);
	if (footage->layout.name && strcmp(footage->layout.name, pixels_facts(header.pixels)->name))
		return feeder_fail(&footage->feeder, -EINVAL,
				   "%s: byte %llu: the footage is %s and %s was asked for; replay does not convert, "
				   "leave the pixel format out",
				   footage->name, (unsigned long long)offset, pixels_facts(header.pixels)->name,
				   footage->layout.name);
	rc = replay_set_period(footage, &header, offset);
	if (rc)
		return rc;
	footage->row_bytes = pixels_row_bytes(header.pixels, header.width);
	footage->rows = header.height;
	footage->rest_bytes = pixels_chroma_bytes(header.chroma, header.width, header.height,
						  pixels_facts(header.pixels)->group_bytes);
	return feeder_set_format(&footage->feeder, footage->name,
				 &(struct feeder_picture){ .width = header.width,
							   .height = header.height,
							   .pixels = header.pixels,
							   .luma_range = header.luma_range });
}

static int replay_frame(struct footage *footage, const char *line, size_t bytes, uint64_t offset)
{
	char text[200];
	int rc = y4m_parse_frame(line, bytes, offset, text, sizeof(text));

	if (rc == -ENODATA && footage_expects_more(footage))
		return footage_cut_off(footage, offset, 0);
	if (rc)
		return feeder_fail(&footage->feeder, rc, "%s: frame %llu, at %s", footage->name,
				   (unsigned long long)footage->frames + 1, text);
	return footage_frame(footage, offset, true);
}

static int replay_stream(struct footage *footage)
{
	bool first = true;
	int rc = 0;

	while (!rc) {
		uint64_t offset = footage->input.offset;
		const char *line;
		size_t bytes;

		rc = input_line(&footage->input, Y4M_LINE_MAX, &line, &bytes);
		if (rc)
			return footage_unreadable(footage, rc);
		if (!bytes && !first)
			return FOOTAGE_OVER;
		if (first || y4m_is_header(line, bytes))
			rc = replay_header(footage, line, bytes, offset);
		else
			rc = replay_frame(footage, line, bytes, offset);
		first = false;
	}
	return rc;
}

/* Look at what a regular file begins with, and whether one frame of that is there. */
static int replay_opened(struct footage *footage, const struct source_config *config)
{
	struct input *input = &footage->input;
	const char *line;
	size_t bytes;
	int rc;

	footage->layout = config->settings.layout;
	if (!input->seekable)
		return 0;
	rc = input_line(input, Y4M_LINE_MAX, &line, &bytes);
	if (rc)
		return footage_unreadable(footage, rc);
	rc = replay_header(footage, line, bytes, footage->start);
	if (!rc)
		rc = footage_check_size(footage, "its header with one frame",
					input->offset - footage->start + sizeof("FRAME\n") - 1 +
						footage_frame_bytes(footage));
	return rc ? rc : input_begin(input, input->fd, footage->start);
}

static const struct footage_kind replay_kind = {
	.name = "replay",
	.file = "a Y4M file",
	.operations = &replay_operations,
	.opened = replay_opened,
	.stream = replay_stream,
};

static int replay_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes)
{
	return footage_open(&replay_kind, config, ret_source, text, text_bytes);
}

const struct source_operations replay_operations = {
	.name = "replay",
	.open = replay_open,
	FOOTAGE_OPERATIONS,
};
