/* SPDX-License-Identifier: BSD-2-Clause */
/* change_table.c - see change_table.h. Nothing here asks the daemon. */
#include "change_table.h"

#include <errno.h>
#include <string.h>

#include "control_table.h"
#include "json.h"
#include "output.h"
#include "table.h"
#include "words.h"

static int check_control(const struct words_control *w, const cJSON *range, double value)
{
	const double min = json_number(range, "minimum"), max = json_number(range, "maximum");

	if (!range) {
		talk("this source has no --%s: 'lumaring capabilities' lists what it has", w->word);
		return -ENOTSUP;
	}
	if (value >= min && value <= max)
		return 0;
	talk("--%s %s is out of range: %s to %s", w->word, words_in_manner(w->manner, value).text,
	     words_in_manner(w->manner, min).text, words_in_manner(w->manner, max).text);
	return -ERANGE;
}

int change_table_check(const char *json, const struct lumaring_controls *controls)
{
	cJSON *root = cJSON_ParseWithOpts(json, NULL, true);
	int r = cJSON_IsObject(root) ? 0 : control_table_no_sense();

	for (const struct words_control *w = words_controls; r == 0 && w < words_controls + WORDS_CONTROLS; w++) {
		int64_t value;

		memcpy(&value, (const char *)controls + w->offset, sizeof(value));
		if (value != LUMARING_KEEP)
			r = check_control(w, json_get(json_get(root, "controls"), w->name), (double)value);
	}
	cJSON_Delete(root);
	return r;
}

/* --- changes ----------------------------------------------------------------------------------------------------- */

/* "main, ball", each as it may be shown. */
static void print_names(const char *before, const cJSON *names, FILE *file)
{
	char line[1024];

	snprintf(line, sizeof(line), "%s", before);
	for (const cJSON *name = names ? names->child : NULL; name; name = name->next)
		if (cJSON_IsString(name))
			snprintf(line + strlen(line), sizeof(line) - strlen(line), " %s%s", name->valuestring,
				 name->next ? "," : "");
	table_line(line, file);
}

static void print_gap(const cJSON *applied, FILE *file)
{
	const cJSON *us = json_get(applied, "gap_us");
	const double frames = json_number(applied, "gap_frames");

	if (!cJSON_IsNumber(us))
		return;
	fprintf(file, "no frame for %.1f ms, ", us->valuedouble / 1000);
	if (frames < 1)
		fprintf(file, "less than the time of one\n");
	else
		fprintf(file, "the time of %.0f\n", frames);
}

static void print_applied(const cJSON *applied, bool dry_run, FILE *file)
{
	const cJSON *configuration = json_get(applied, "configuration");
	const struct words rates = words_of_rates(json_get(configuration, "frame_duration_us"));
	char line[256];

	snprintf(line, sizeof(line), "%s%s %s%s%s%s", dry_run ? "would be: " : "",
		 words_of_size(json_get(configuration, "size")).text, json_text(configuration, "pixel_format"),
		 rates.text[0] ? ", " : "", rates.text, rates.text[0] ? " frames/s" : "");
	table_line(line, file);
	for (const cJSON *a = json_first(applied, "adjustments"); a; a = a->next) {
		snprintf(line, sizeof(line), "the source made of %s %.0f: %.0f", json_text(a, "field"),
			 json_number(a, "asked"), json_number(a, "got"));
		table_line(line, file);
	}
	if (json_is_true(applied, "restarted"))
		fprintf(file, "the camera %s stopped and started for it\n", dry_run ? "would be" : "was");
	if (json_first(applied, "replaced"))
		print_names(dry_run ? "larger rings for" : "larger rings, which clients were handed:",
			    json_get(applied, "replaced"), file);
	print_gap(applied, file);
}

int change_table_applied(const char *json, bool dry_run, FILE *file)
{
	cJSON *root = cJSON_ParseWithOpts(json, NULL, true);
	const cJSON *applied = json_get(root, "applied");
	int r = cJSON_IsObject(applied) ? 0 : control_table_no_sense();

	if (r == 0)
		print_applied(applied, dry_run, file);
	cJSON_Delete(root);
	return r;
}

static void print_reload(const cJSON *root, FILE *file)
{
	const cJSON *applied = json_get(root, "applied");

	if (json_first(root, "changed"))
		print_names("changed:", json_get(root, "changed"), file);
	else
		fprintf(file, "nothing changed\n");
	if (json_first(root, "needs_restart"))
		print_names("changed in the files, and needs a restart:", json_get(root, "needs_restart"), file);
	if (cJSON_IsObject(applied))
		print_applied(applied, false, file);
}

int change_table_reload(const char *json, FILE *file)
{
	cJSON *root = cJSON_ParseWithOpts(json, NULL, true);
	int r = cJSON_IsObject(root) ? 0 : control_table_no_sense();

	if (r == 0)
		print_reload(root, file);
	cJSON_Delete(root);
	return r;
}
