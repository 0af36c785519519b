/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raw.c - see raw.h. How a frame lies in the data is worked out once, when the source is opened; then frames follow
 * each other to the end, which must come between two of them.
 */
#include "source/raw.h"

#include <errno.h>

#include "source/footage.h"

/* What the configuration leaves open, filled in; what contradicts itself, refused. */
static int raw_set_shape(struct footage *footage, const struct source_config *config)
{
	const struct pixels_layout *layout = &config->settings.layout;
	uint64_t row_bytes = pixels_row_bytes(layout->pixels, config->settings.width), kept;

	if (config->row_bytes && config->row_bytes < row_bytes)
		return feeder_fail(&footage->feeder, -EINVAL,
				   "%s: rows of %u bytes were asked for (row-bytes), and %u pixels of %s take %llu",
				   footage->name, config->row_bytes, config->settings.width, layout->name,
				   (unsigned long long)row_bytes);
	if (config->row_bytes)
		row_bytes = config->row_bytes;
	kept = row_bytes * config->settings.height;
	if (config->frame_bytes && config->frame_bytes < kept)
		return feeder_fail(&footage->feeder, -EINVAL,
				   "%s: frames of %llu bytes were asked for (frame-bytes), and %u rows of %llu bytes "
				   "take %llu",
				   footage->name, (unsigned long long)config->frame_bytes, config->settings.height,
				   (unsigned long long)row_bytes, (unsigned long long)kept);
	footage->row_bytes = (size_t)row_bytes;
	footage->rows = config->settings.height;
	/* Rows of colour are padded as those of luma are. */
	footage->rest_bytes = config->frame_bytes ? config->frame_bytes - kept
						  : pixels_chroma_bytes(layout->chroma, (uint32_t)row_bytes,
									config->settings.height, 1);
	return 0;
}

static int raw_opened(struct footage *footage, const struct source_config *config)
{
	const struct pixels_layout *layout = &config->settings.layout;
	int rc;

	if (!config->settings.width || !config->settings.height || !layout->name)
		return feeder_fail(&footage->feeder, -EINVAL,
				   "%s: raw frames do not say what they are: give --size and --pixel-format",
				   footage->name);
	rc = raw_set_shape(footage, config);
	if (rc)
		return rc;
	footage->layout = *layout;
	feeder_set_own_period(&footage->feeder, footage->input.seekable ? RAW_PERIOD_NS : 0);
	rc = feeder_set_format(&footage->feeder, footage->name,
			       &(struct feeder_picture){
				       .width = config->settings.width,
				       .height = config->settings.height,
				       .pixels = layout->pixels,
				       .row_bytes = (uint32_t)footage->row_bytes,
				       .luma_range = config->luma_range ? config->luma_range : LUMARING_RANGE_FULL,
			       });
	if (rc || !footage->input.seekable)
		return rc;
	return footage_check_size(footage, "one frame", footage_frame_bytes(footage));
}

static int raw_stream(struct footage *footage)
{
	int rc = 0;

	while (!rc)
		rc = footage_frame(footage, footage->input.offset, false);
	return rc;
}

static const struct footage_kind raw_kind = {
	.name = "raw",
	.file = "a file of frames",
	.operations = &raw_operations,
	.opened = raw_opened,
	.stream = raw_stream,
};

static int raw_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes)
{
	return footage_open(&raw_kind, config, ret_source, text, text_bytes);
}

const struct source_operations raw_operations = {
	.name = "raw",
	.open = raw_open,
	FOOTAGE_OPERATIONS,
};
