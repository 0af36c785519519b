/* SPDX-License-Identifier: BSD-2-Clause */
/* control_table.c - see control_table.h. Nothing here asks the daemon. */
#include "control_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "output.h"
#include "process.h"
#include "table.h"
#include "words.h"

/* Words for parts of the configuration, and where they are. */
static const struct {
	const char *word, *path[3];
} parts[] = {
	{ "configuration", { "configuration" } },
	{ "controls", { "controls" } },
	{ "size", { "configuration", "size" } },
	{ "width", { "configuration", "size", "width" } },
	{ "height", { "configuration", "size", "height" } },
	{ "pixel-format", { "configuration", "pixel_format" } },
	{ "framerate", { "configuration", "frame_duration_us" } },
	{ "streams", { "configuration", "streams" } },
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* --- texts ------------------------------------------------------------------------------------------------------- */

typedef int (*print_root)(const cJSON *root, FILE *file);

int control_table_no_sense(void)
{
	talk("the daemon's answer makes no sense to this version; --json shows it as it came");
	return -EBADMSG;
}

static int print_parsed(const char *json, print_root print, FILE *file)
{
	cJSON *root = cJSON_ParseWithOpts(json, NULL, true);
	int r = cJSON_IsObject(root) ? print(root, file) : control_table_no_sense();

	cJSON_Delete(root);
	return r;
}

/* --- configuration and controls ---------------------------------------------------------------------------------- */

static void add_value(struct table *table, const char *word, const char *value, const char *unit)
{
	table_cell(table, "%s", word);
	table_cell(table, "%s", value);
	table_cell(table, "%s", unit);
}

static void add_controls(struct table *table, const cJSON *controls)
{
	for (const struct words_control *w = words_controls; w < words_controls + WORDS_CONTROLS; w++) {
		const cJSON *item = json_get(controls, w->name);

		if (item && !cJSON_IsNull(item))
			add_value(table, w->word, words_of_control(w, item).text, w->unit);
	}
}

static void add_configuration(struct table *table, const cJSON *configuration)
{
	const cJSON *durations = json_get(configuration, "frame_duration_us");
	const struct words size = words_of_size(json_get(configuration, "size")), rates = words_of_rates(durations);
	const char *format = json_text(configuration, "pixel_format");

	if (size.text[0])
		add_value(table, "size", size.text, "px");
	if (format[0])
		add_value(table, "pixel-format", format, "");
	if (rates.text[0])
		add_value(table, "framerate", rates.text, "frames/s");
}

static int print_streams(const cJSON *streams, FILE *file)
{
	static const char *const heads[] = { "STREAM", ">REGION px", ">CAPACITY px", ">SLOTS",
					     "FORMAT", ">BIN",       "COPIED",       NULL };
	struct table table;

	table_begin(&table, heads);
	for (const cJSON *s = streams ? streams->child : NULL; s; s = s->next) {
		const struct words size = words_of_size(json_get(s, "max_size"));

		table_cell(&table, "%s", json_text(s, "name"));
		table_cell(&table, "%s", words_of_region(json_get(s, "region")).text);
		table_cell(&table, "%s", size.text[0] ? size.text : "-");
		table_cell(&table, "%.0f", json_number(s, "slots"));
		table_cell(&table, "%s", json_text(s, "format"));
		table_cell(&table, "%.0f", json_number(s, "bin"));
		table_cell(&table, "%s", json_is_true(s, "always") ? "always" : "when read");
	}
	return table_end(&table, file);
}

static const char *const value_heads[] = { "WHAT", ">VALUE", "UNIT", NULL };

static int print_all(const cJSON *root, FILE *file)
{
	const cJSON *configuration = json_get(root, "configuration");
	struct table table;
	int r;

	table_begin(&table, value_heads);
	add_configuration(&table, configuration);
	add_controls(&table, json_get(root, "controls"));
	r = table_end(&table, file);
	if (r < 0)
		return r;
	fputc('\n', file);
	return print_streams(json_get(configuration, "streams"), file);
}

int control_table_all(const char *json, FILE *file)
{
	return print_parsed(json, print_all, file);
}

static int print_controls(const cJSON *root, FILE *file)
{
	struct table table;

	table_begin(&table, value_heads);
	add_controls(&table, json_get(root, "controls"));
	return table_end(&table, file);
}

int control_table_controls(const char *json, FILE *file)
{
	return print_parsed(json, print_controls, file);
}

static int print_only_streams(const cJSON *root, FILE *file)
{
	return print_streams(json_get(json_get(root, "configuration"), "streams"), file);
}

int control_table_streams(const char *json, FILE *file)
{
	return print_parsed(json, print_only_streams, file);
}

/* --- one value --------------------------------------------------------------------------------------------------- */

static const struct words_control *control_of(const char *word)
{
	for (const struct words_control *w = words_controls; w < words_controls + WORDS_CONTROLS; w++)
		if (strcmp(word, w->word) == 0)
			return w;
	return NULL;
}

static int part_of(const char *word)
{
	for (int i = 0; i < (int)PARTS; i++)
		if (strcmp(word, parts[i].word) == 0)
			return i;
	return -1;
}

bool control_table_knows(const char *word)
{
	return control_of(word) || part_of(word) >= 0;
}

/* NULL: there is no such value. */
static const cJSON *find(const cJSON *root, const char *word)
{
	const struct words_control *control = control_of(word);
	const int part = part_of(word);
	const cJSON *item = root;

	if (control)
		item = json_get(json_get(root, "controls"), control->name);
	for (size_t i = 0; part >= 0 && i < 3 && parts[part].path[i]; i++)
		item = json_get(item, parts[part].path[i]);
	return item && !cJSON_IsNull(item) ? item : NULL;
}

static int print_value(const cJSON *root, const char *word, const cJSON *item, FILE *file)
{
	const struct words_control *control = control_of(word);
	struct table table;

	if (strcmp(word, "streams") == 0)
		return print_streams(item, file);
	if (strcmp(word, "controls") == 0)
		return print_controls(root, file);
	if (strcmp(word, "configuration") == 0) {
		table_begin(&table, value_heads);
		add_configuration(&table, item);
		return table_end(&table, file);
	}
	if (control)
		fprintf(file, "%s\n", words_of_control(control, item).text);
	else if (strcmp(word, "size") == 0)
		fprintf(file, "%s\n", words_of_size(item).text);
	else if (strcmp(word, "framerate") == 0)
		fprintf(file, "%s\n", words_of_rates(item).text);
	else if (cJSON_IsNumber(item))
		fprintf(file, "%.0f\n", item->valuedouble);
	else
		table_line(cJSON_IsString(item) ? item->valuestring : "?", file);
	return 0;
}

int control_table_value(const char *json, const char *word, FILE *file)
{
	cJSON *root = cJSON_ParseWithOpts(json, NULL, true);
	const cJSON *item = find(root, word);
	int r = !cJSON_IsObject(root) ? control_table_no_sense() : item ? print_value(root, word, item, file) : -ENOENT;

	cJSON_Delete(root);
	return r;
}

int control_table_value_json(const char *json, const char *word, FILE *file)
{
	cJSON *root = cJSON_ParseWithOpts(json, NULL, true);
	const cJSON *item = find(root, word);
	char *text = item ? cJSON_PrintUnformatted(item) : NULL;
	int r = !cJSON_IsObject(root) ? control_table_no_sense() : !item ? -ENOENT : !text ? -ENOMEM : 0;

	if (r == 0)
		fprintf(file, "%s\n", text);
	free(text);
	cJSON_Delete(root);
	return r;
}

/* --- clients and capabilities ------------------------------------------------------------------------------------ */

static int print_clients(const cJSON *root, FILE *file)
{
	static const char *const heads[] = { ">PID",     "PROCESS", ">UID",     "STREAM", "STATE",
					     "WOKEN BY", ">PINS",   ">DROPPED", NULL };
	struct table table;

	if (!json_first(root, "clients")) {
		fprintf(file, "no clients\n");
		return 0;
	}
	table_begin(&table, heads);
	for (const cJSON *c = json_first(root, "clients"); c; c = c->next) {
		const char *stream = json_text(c, "stream");

		table_cell(&table, "%.0f", json_number(c, "pid"));
		table_cell(&table, "%s", process_name(json_number(c, "pid")).name);
		table_cell(&table, "%.0f", json_number(c, "uid"));
		table_cell(&table, "%s", stream[0] ? stream : "-");
		table_cell(&table, "%s", json_text(c, "state"));
		table_cell(&table, "%s", json_is_true(c, "futex") ? "futex" : "notice");
		table_cell(&table, "%.0f", json_number(c, "cursors"));
		table_cell(&table, "%.0f", json_number(c, "notices_dropped"));
	}
	return table_end(&table, file);
}

int control_table_clients(const char *json, FILE *file)
{
	return print_parsed(json, print_clients, file);
}

static int print_cameras(const cJSON *root, FILE *file)
{
	static const char *const heads[] = { "CAMERA", "MODEL", "LOCATION", "SERVED", NULL };
	struct table table;

	if (!json_first(root, "cameras")) {
		fprintf(file, "no camera is known\n");
		return 0;
	}
	table_begin(&table, heads);
	for (const cJSON *c = json_first(root, "cameras"); c; c = c->next) {
		table_cell(&table, "%s", json_text(c, "id"));
		table_cell(&table, "%s", json_text(c, "model"));
		table_cell(&table, "%s", json_text(c, "location"));
		table_cell(&table, "%s", json_is_true(c, "served") ? "here" : "");
	}
	return table_end(&table, file);
}

/* "YUV420 R8", as far as it fits. */
static void add_formats(struct table *table, const cJSON *mode)
{
	char formats[TABLE_CELL_BYTES] = "";

	for (const cJSON *f = json_first(mode, "pixel_formats"); f; f = f->next) {
		const size_t n = strlen(formats);

		if (cJSON_IsString(f))
			snprintf(formats + n, sizeof(formats) - n, "%s%s", n > 0 ? " " : "", f->valuestring);
	}
	table_cell(table, "%s", formats);
}

static int print_modes(const cJSON *root, FILE *file)
{
	static const char *const heads[] = { ">SMALLEST px", ">LARGEST px", ">STEP", ">FRAMES/S", "FORMATS", NULL };
	struct table table;

	if (!json_first(root, "modes")) {
		fprintf(file, "no sizes are known\n");
		return 0;
	}
	table_begin(&table, heads);
	for (const cJSON *m = json_first(root, "modes"); m; m = m->next) {
		table_cell(&table, "%s", words_of_size(json_get(m, "minimum")).text);
		table_cell(&table, "%s", words_of_size(json_get(m, "maximum")).text);
		table_cell(&table, "%s", words_of_size(json_get(m, "step")).text);
		table_cell(&table, "%s", words_of_rates(json_get(m, "frame_duration_us")).text);
		add_formats(&table, m);
	}
	return table_end(&table, file);
}

static int print_ranges(const cJSON *root, FILE *file)
{
	static const char *const heads[] = { "CONTROL", ">MINIMUM", ">MAXIMUM", ">DEFAULT", "UNIT", NULL };
	static const char *const ends[] = { "minimum", "maximum", "default" };
	const cJSON *controls = json_get(root, "controls");
	struct table table;

	if (!controls || !controls->child) {
		fprintf(file, "no controls\n");
		return 0;
	}
	table_begin(&table, heads);
	for (const struct words_control *w = words_controls; w < words_controls + WORDS_CONTROLS; w++) {
		const cJSON *range = json_get(controls, w->name);

		if (!range)
			continue;
		table_cell(&table, "%s", w->word);
		for (size_t i = 0; i < 3; i++)
			table_cell(&table, "%s", words_in_manner(w->manner, json_number(range, ends[i])).text);
		table_cell(&table, "%s", w->unit);
	}
	return table_end(&table, file);
}

static int print_capabilities(const cJSON *root, FILE *file)
{
	static const print_root tables[] = { print_cameras, print_modes, print_ranges };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(tables) / sizeof(tables[0]); i++) {
		r = tables[i](root, file);
		if (r == 0)
			fputc('\n', file);
	}
	if (r == 0)
		fprintf(file, "size and format %s be changed while it runs, the rate %s\n",
			json_is_true(root, "size_changes") ? "can" : "cannot",
			json_is_true(root, "rate_changes") ? "can" : "cannot");
	return r;
}

int control_table_capabilities(const char *json, FILE *file)
{
	return print_parsed(json, print_capabilities, file);
}
