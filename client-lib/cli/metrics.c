/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics.c - `lumaring metrics`: asks the daemon once, as `lumaring status` does, and prints what it says for
 * Prometheus; or makes it a file for node_exporter's textfile collector.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metrics_text.h"
#include "output.h"
#include "page.h"
#include "replace.h"
#include "session.h"
#include "stop.h"
#include "verbs.h"

static int ask(const struct options *options, const struct lumaring_options *how, void *result)
{
	char **ret_json = result;

	return lumaring_status(options->camera, how, ret_json);
}

static int write_page(int fd, const void *content)
{
	const struct page *page = content;
	struct output output;
	int r;

	output_init(&output, fd);
	r = output_put(&output, page->text, page->bytes);
	return r < 0 ? r : output_flush(&output);
}

static int replace(const char *path, const struct page *page)
{
	int r = replace_file(path, write_page, page);

	if (r == -EPIPE) /* of a FIFO: who read has had enough */
		return CODE_OK;
	if (r == -EINTR) /* before it had a reader */
		return 128 + stop_signal();
	if (r < 0)
		talk("cannot write %s: %s", path, strerror(-r));
	return r < 0 ? CODE_FAILED : CODE_OK;
}

/* To the file, or to standard output. */
static int deliver(const char *path, struct page *page, int r)
{
	int code;

	if (r < 0 || !path || strcmp(path, "-") == 0)
		return page_end(page, r);
	if (fflush(page->file) != 0)
		return page_end(page, -ENOMEM);
	code = replace(path, page);
	page_drop(page);
	return code;
}

int metrics_run(const struct options *options)
{
	struct lumaring_options how = LUMARING_OPTIONS_INIT;
	char *json = NULL;
	struct page page;
	int code = session_ask(options, &how, ask, &json), r, written;

	/* Whoever looks at the numbers must see that there are none: but not for a call that could never have any. */
	if (code == CODE_USAGE || stop_signal())
		return code;
	r = page_begin(&page);
	if (r == 0 && code == CODE_OK)
		r = metrics_text_print(json, page.file);
	else if (r == 0)
		metrics_text_print_down(options_camera(options), page.file);
	if (r == -EBADMSG)
		talk("the daemon's status is no JSON object; 'lumaring status --json' shows it as it came");
	written = deliver(options->output, &page, r);
	free(json);
	return written != CODE_OK ? written : code;
}
