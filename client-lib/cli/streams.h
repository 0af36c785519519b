/* SPDX-License-Identifier: BSD-2-Clause */
/* streams.h - a shared stream's region, for `region` and for `set --roi`; and streams as words. */
#ifndef LUMARING_CLI_STREAMS_H
#define LUMARING_CLI_STREAMS_H

#include <lumaring/control.h>

#include "options.h"
#include "value.h"

/* Move it, and show where it is then. The exit code. */
int streams_set_region(const struct options *options, struct lumaring_control *control, const char *stream,
		       const struct value_region *region);

/* `streams` without more. */
int streams_show(const struct options *options);

#define STREAMS_TEXT_BYTES 256u

/* A stream as `add` and lumaringd's --stream take it. */
struct streams_spec {
	char text[STREAMS_TEXT_BYTES]; /* that the name lies in */
	struct lumaring_stream
		stream; /* its region is not known before the image's size is, where it is in fractions */
	struct value_region region;
	bool has_region;
};

/* NAME[=X,Y,W,H][,KEY=VALUE]... 0, or -EINVAL after a sentence. */
int streams_parse(const char *text, struct streams_spec *ret_spec);

#endif
