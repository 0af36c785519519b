/* SPDX-License-Identifier: BSD-2-Clause */
/* status.c - `lumaring status`: asks the daemon once, prints what it says as it is or as tables, and is no client. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "session.h"
#include "status_table.h"
#include "verbs.h"

static int ask(const struct options *options, const struct lumaring_options *how, void *result)
{
	char **ret_json = result;

	return lumaring_status(options->camera, how, ret_json);
}

/* Who reads our output may have had enough. */
static int deliver(const char *text, size_t bytes)
{
	struct output output;
	int r;

	output_init(&output, STDOUT_FILENO);
	r = output_put(&output, text, bytes);
	if (r == 0)
		r = output_flush(&output);
	if (r == 0 || r == -EPIPE)
		return CODE_OK;
	talk("cannot write to standard output: %s", strerror(-r));
	return CODE_FAILED;
}

static int out_of_memory(void)
{
	talk("out of memory");
	return CODE_FAILED;
}

/* The text as it came: a parser's numbers would lose digits. Its NUL makes room for the newline. */
static int show_json(char *json)
{
	size_t bytes = strlen(json);

	json[bytes] = '\n';
	return deliver(json, bytes + 1);
}

static int show_table(const char *json, bool all)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *memory = open_memstream(&text, &bytes);
	int code, r = memory ? status_table_print(json, all, memory) : -ENOMEM;

	if (memory && fclose(memory) < 0)
		r = -ENOMEM;
	if (r == -EBADMSG) {
		talk("the daemon's status is no JSON object; --json shows it as it came");
		code = CODE_FAILED;
	} else {
		code = r < 0 ? out_of_memory() : deliver(text, bytes);
	}
	free(text);
	return code;
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
