/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * get.c - `lumaring get`, `clients`, `capabilities` and `reload`, and `streams` without more: one call each, whose
 * answer is shown as it came or as tables.
 */
#include <errno.h>
#include <string.h>

#include "change_table.h"
#include "control.h"
#include "control_table.h"
#include "output.h"
#include "page.h"
#include "streams.h"
#include "verbs.h"

typedef int (*show)(const char *json, FILE *file);

static int ask_and_show(const struct options *options, const char *method, show table)
{
	struct lumaring_control *control;
	const char *json;
	struct page page;
	int r, code = control_open(options, &control);

	if (code != CODE_OK)
		return code;
	code = control_call(options, control, method, NULL, &json);
	if (code == CODE_OK && options->json) {
		code = control_show_json(json);
	} else if (code == CODE_OK) {
		r = page_begin(&page);
		code = page_end(&page, r < 0 ? r : table(json, page.file));
	}
	lumaring_control_close(control);
	return code;
}

int clients_run(const struct options *options)
{
	return ask_and_show(options, "ListClients", control_table_clients);
}

int capabilities_run(const struct options *options)
{
	return ask_and_show(options, "GetCapabilities", control_table_capabilities);
}

int reload_run(const struct options *options)
{
	return ask_and_show(options, "Reload", change_table_reload);
}

/* One value, or a part. */
static int get_value(const struct options *options, const char *word)
{
	struct lumaring_control *control;
	const char *json;
	struct page page;
	int r, code = control_open(options, &control);

	if (code != CODE_OK)
		return code;
	code = control_call(options, control, "GetConfiguration", NULL, &json);
	if (code == CODE_OK) {
		r = page_begin(&page);
		if (r == 0)
			r = (options->json ? control_table_value_json : control_table_value)(json, word, page.file);
		code = page_end(&page, r);
		if (r == -ENOENT)
			talk("this source has no %s", word);
		code = r == -ENOENT ? CODE_REFUSED : code;
	}
	lumaring_control_close(control);
	return code;
}

int streams_show(const struct options *options)
{
	return options->json ? get_value(options, "streams")
			     : ask_and_show(options, "GetConfiguration", control_table_streams);
}

int get_run(const struct options *options)
{
	const char *word = options->operands[1];

	if (!word)
		return ask_and_show(options, "GetConfiguration", control_table_all);
	if (control_table_knows(word))
		return get_value(options, word);
	talk("there is no '%s' to get, only configuration, size, width, height, pixel-format, framerate, streams, "
	     "controls, shutter, gain, auto-exposure, ev, brightness, contrast, sharpness and scaler-crop-x, -y, "
	     "-width "
	     "and -height",
	     word);
	return CODE_USAGE;
}
