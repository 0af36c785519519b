/* SPDX-License-Identifier: BSD-2-Clause */
/* status.c - `lumaring status`: asks the daemon once, prints what it says as it is or as tables, and is no client. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "page.h"
#include "session.h"
#include "status_table.h"
#include "verbs.h"

static int ask(const struct options *options, const struct lumaring_options *how, void *result)
{
	char **ret_json = result;

	return lumaring_status(options->camera, how, ret_json);
}

/* The text as it came: a parser's numbers would lose digits. Its NUL makes room for the newline. */
static int show_json(char *json)
{
	size_t bytes = strlen(json);

	json[bytes] = '\n';
	return output_deliver(json, bytes + 1) < 0 ? CODE_FAILED : CODE_OK;
}

static int show_table(const char *json, bool all)
{
	struct page page;
	int r = page_begin(&page);

	if (r == 0)
		r = status_table_print(json, all, page.file);
	if (r == -EBADMSG)
		talk("the daemon's status is no JSON object; --json shows it as it came");
	return page_end(&page, r);
}

int status_run(const struct options *options)
{
	struct lumaring_options how = LUMARING_OPTIONS_INIT;
	char *json = NULL;
	int code = session_ask(options, &how, ask, &json);

	if (code != CODE_OK)
		return code;
	code = options->json ? show_json(json) : show_table(json, options->all);
	free(json);
	return code;
}
