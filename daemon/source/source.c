/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source.c - the table of all sources, and the search in it. Runs in the thread that opens. A source that a build
 * leaves out keeps its row, so that its name is understood and the answer says what to use instead.
 */
#include "source/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "source/raw.h"
#include "source/replay.h"
#include "source/synthetic.h"

static const struct {
	const char *name;
	const struct source_operations *operations; /* NULL: not in this build */
} source_table[] = {
	{ "libcamera", NULL },
	{ "replay", &replay_operations },
	{ "raw", &raw_operations },
	{ "synthetic", &synthetic_operations },
};

int source_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes)
{
	for (size_t i = 0; i < sizeof(source_table) / sizeof(source_table[0]); i++) {
		if (strcmp(config->name, source_table[i].name) != 0)
			continue;
		if (source_table[i].operations)
			return source_table[i].operations->open(config, ret_source, text, text_bytes);
		snprintf(text, text_bytes,
			 "this build of lumaringd has no %s source; use --source replay:FILE, raw:FILE or synthetic",
			 config->name);
		return -ENOTSUP;
	}
	snprintf(text, text_bytes,
		 "there is no source \"%.64s\"; the sources are libcamera, replay:FILE, raw:FILE and synthetic",
		 config->name);
	return -ENOENT;
}
