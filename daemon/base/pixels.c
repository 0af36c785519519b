/* SPDX-License-Identifier: BSD-2-Clause */
/* pixels.c - see pixels.h. */
#include "base/pixels.h"

#include <stdio.h>
#include <strings.h>

static const struct pixels_facts table[PIXELS_COUNT] = {
	[PIXELS_R8] = { "R8", 1, 1, 8 },
	[PIXELS_R10] = { "R10", 1, 2, 10 },
	[PIXELS_R12] = { "R12", 1, 2, 12 },
	[PIXELS_R16] = { "R16", 1, 2, 16 },
	[PIXELS_R10_CSI2P] = { "R10_CSI2P", 4, 5, 10 },
	[PIXELS_R12_CSI2P] = { "R12_CSI2P", 2, 3, 12 },
	[PIXELS_YUYV] = { "YUYV", 2, 4, 8 },
	[PIXELS_YVYU] = { "YVYU", 2, 4, 8 },
	[PIXELS_UYVY] = { "UYVY", 2, 4, 8 },
	[PIXELS_VYUY] = { "VYUY", 2, 4, 8 },
	[PIXELS_RGB24] = { "RGB24", 1, 3, 8 },
	[PIXELS_BGR24] = { "BGR24", 1, 3, 8 },
	[PIXELS_XRGB8888] = { "XRGB8888", 1, 4, 8 },
	[PIXELS_XBGR8888] = { "XBGR8888", 1, 4, 8 },
};

static const struct pixels_layout planar[] = {
	{ "NV12", PIXELS_R8, PIXELS_CHROMA_420 },   { "NV21", PIXELS_R8, PIXELS_CHROMA_420 },
	{ "YUV420", PIXELS_R8, PIXELS_CHROMA_420 }, { "YVU420", PIXELS_R8, PIXELS_CHROMA_420 },
	{ "NV16", PIXELS_R8, PIXELS_CHROMA_422 },   { "NV61", PIXELS_R8, PIXELS_CHROMA_422 },
	{ "YUV422", PIXELS_R8, PIXELS_CHROMA_422 }, { "YVU422", PIXELS_R8, PIXELS_CHROMA_422 },
	{ "NV24", PIXELS_R8, PIXELS_CHROMA_444 },   { "NV42", PIXELS_R8, PIXELS_CHROMA_444 },
	{ "YUV444", PIXELS_R8, PIXELS_CHROMA_444 }, { "YVU444", PIXELS_R8, PIXELS_CHROMA_444 },
};

#define LAYOUTS (PIXELS_COUNT + sizeof(planar) / sizeof(planar[0]))

const struct pixels_facts *pixels_facts(enum pixels pixels)
{
	return &table[pixels];
}

static struct pixels_layout layout_at(size_t i)
{
	if (i >= PIXELS_COUNT)
		return planar[i - PIXELS_COUNT];
	return (struct pixels_layout){ table[i].name, (enum pixels)i, PIXELS_CHROMA_NONE };
}

bool pixels_find_layout(const char *name, struct pixels_layout *ret_layout)
{
	for (size_t i = 0; i < LAYOUTS; i++) {
		struct pixels_layout layout = layout_at(i);

		if (strcasecmp(layout.name, name))
			continue;
		*ret_layout = layout;
		return true;
	}
	return false;
}

void pixels_list_layouts(char *text, size_t text_bytes)
{
	size_t used = 0;

	for (size_t i = 0; i < LAYOUTS && used < text_bytes; i++)
		used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i ? ", " : "", layout_at(i).name);
}

uint64_t pixels_chroma_bytes(enum pixels_chroma chroma, uint32_t width, uint32_t height, unsigned sample_bytes)
{
	uint64_t half_width = ((uint64_t)width + 1) / 2, half_height = ((uint64_t)height + 1) / 2;

	switch (chroma) {
	case PIXELS_CHROMA_420:
		return 2 * half_width * half_height * sample_bytes;
	case PIXELS_CHROMA_422:
		return 2 * half_width * height * sample_bytes;
	case PIXELS_CHROMA_444:
		return UINT64_C(2) * width * height * sample_bytes;
	case PIXELS_CHROMA_NONE:
		break;
	}
	return 0;
}
