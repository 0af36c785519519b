/* SPDX-License-Identifier: BSD-2-Clause */
/* pixels.c - see pixels.h. */
#include "base/pixels.h"

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

const struct pixels_facts *pixels_facts(enum pixels pixels)
{
	return &table[pixels];
}

bool pixels_find(const char *name, enum pixels *ret_pixels)
{
	for (unsigned i = 0; i < PIXELS_COUNT; i++) {
		if (strcasecmp(table[i].name, name))
			continue;
		*ret_pixels = (enum pixels)i;
		return true;
	}
	return false;
}
