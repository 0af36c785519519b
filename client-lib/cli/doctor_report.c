/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_report.c - what the checks found, for people and for programs: see doctor.h. Texts may hold what others said:
 * no byte of theirs gets out that a terminal takes for more than a letter.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amount.h"
#include "doctor.h"
#include "table.h"

#define COLUMN_NAME 9    /* where the names of checks begin, */
#define COLUMN_TEXT 20   /* their texts, */
#define COLUMN_ADVICE 12 /* and what to do, after "-> " */

static const char *const level_names[] = { "ok", "note", "problem" };
/* Green, yellow, red, as the terminal has them. */
static const char *const level_colours[] = { "\033[32m", "\033[33m", "\033[1;31m" };

/* --- gathering --------------------------------------------------------------------------------------------------- */

void doctor_add(struct doctor *doctor, const char *check, enum doctor_level level, const char *format, ...)
{
	struct doctor_finding *finding;
	char text[sizeof(finding->text)];
	va_list arguments;

	if (doctor->finding_count == DOCTOR_FINDINGS_MAX)
		return;
	finding = &doctor->findings[doctor->finding_count++];
	*finding = (struct doctor_finding){ .check = check, .level = level };
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	table_safe(finding->text, sizeof(finding->text), text);
}

static void advise(struct doctor *doctor, bool is_command, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));

static void advise(struct doctor *doctor, bool is_command, const char *format, va_list arguments)
{
	struct doctor_finding *finding = &doctor->findings[doctor->finding_count - 1];
	char text[sizeof(finding->advice)];

	vsnprintf(text, sizeof(text), format, arguments);
	table_safe(finding->advice, sizeof(finding->advice), text);
	finding->is_command = is_command;
}

void doctor_advise(struct doctor *doctor, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	advise(doctor, false, format, arguments);
	va_end(arguments);
}

void doctor_command(struct doctor *doctor, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	advise(doctor, true, format, arguments);
	va_end(arguments);
}

unsigned doctor_count(const struct doctor *doctor, enum doctor_level level)
{
	unsigned count = 0;

	for (unsigned i = 0; i < doctor->finding_count; i++)
		count += doctor->findings[i].level == level;
	return count;
}

/* --- for people -------------------------------------------------------------------------------------------------- */

/* Of a sentence, what fits on a line: broken between words, in the middle of one that is too long. */
static size_t fitting(const char *sentence, size_t columns)
{
	size_t end = strlen(sentence);

	if (end <= columns)
		return end;
	for (end = columns; end > 0 && sentence[end] != ' ';)
		end--;
	return end ? end : columns;
}

static void print_wrapped(const char *sentence, unsigned column, unsigned columns, FILE *file)
{
	for (;;) {
		const size_t length = fitting(sentence, columns - column);

		fprintf(file, "%.*s\n", (int)length, sentence);
		sentence += length;
		sentence += strspn(sentence, " ");
		if (!*sentence)
			return;
		fprintf(file, "%*s", (int)column, "");
	}
}

static void print_finding(const struct doctor_finding *finding, unsigned columns, bool is_coloured, FILE *file)
{
	const char *level = level_names[finding->level];

	fprintf(file, "%s%s%s%*s%-*s", is_coloured ? level_colours[finding->level] : "", level,
		is_coloured ? "\033[0m" : "", COLUMN_NAME - (int)strlen(level), "", COLUMN_TEXT - COLUMN_NAME,
		finding->check);
	print_wrapped(finding->text, COLUMN_TEXT, columns, file);
	if (!finding->advice[0])
		return;
	fprintf(file, "%*s-> ", COLUMN_NAME, "");
	if (finding->is_command) /* to be copied: on one line, however long */
		fprintf(file, "%s\n", finding->advice);
	else
		print_wrapped(finding->advice, COLUMN_ADVICE, columns, file);
}

/* "2 problems (daemon, unit)": they may have left the screen. */
static void print_count(const struct doctor *doctor, enum doctor_level level, FILE *file)
{
	const unsigned count = doctor_count(doctor, level);
	const char *last = "";

	fprintf(file, "%u %s%s", count, level_names[level], amount_plural(count));
	for (unsigned i = 0; i < doctor->finding_count; i++) {
		const struct doctor_finding *finding = &doctor->findings[i];

		if (finding->level != level || strcmp(finding->check, last) == 0)
			continue;
		fprintf(file, "%s%s", last[0] ? ", " : " (", finding->check);
		last = finding->check;
	}
	fputc(')', file);
}

void doctor_print(const struct doctor *doctor, unsigned columns, bool is_coloured, FILE *file)
{
	for (unsigned i = 0; i < doctor->finding_count; i++)
		print_finding(&doctor->findings[i], columns, is_coloured, file);
	fprintf(file, "%s: ", doctor->camera);
	if (doctor_count(doctor, DOCTOR_PROBLEM))
		print_count(doctor, DOCTOR_PROBLEM, file);
	else
		fprintf(file, "nothing is wrong");
	if (doctor_count(doctor, DOCTOR_NOTE)) {
		fprintf(file, ", ");
		print_count(doctor, DOCTOR_NOTE, file);
	}
	fputc('\n', file);
}

/* --- for programs ------------------------------------------------------------------------------------------------ */

static cJSON *finding_object(const struct doctor_finding *finding)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "check", finding->check);
	cJSON_AddStringToObject(object, "level", level_names[finding->level]);
	cJSON_AddStringToObject(object, "text", finding->text);
	if (finding->advice[0])
		cJSON_AddStringToObject(object, finding->is_command ? "command" : "advice", finding->advice);
	return object;
}

int doctor_print_json(const struct doctor *doctor, FILE *file)
{
	cJSON *root = cJSON_CreateObject(), *checks;
	char *text;

	cJSON_AddStringToObject(root, "camera", doctor->camera);
	cJSON_AddNumberToObject(root, "problems", doctor_count(doctor, DOCTOR_PROBLEM));
	cJSON_AddNumberToObject(root, "notes", doctor_count(doctor, DOCTOR_NOTE));
	checks = cJSON_AddArrayToObject(root, "checks");
	for (unsigned i = 0; i < doctor->finding_count; i++)
		cJSON_AddItemToArray(checks, finding_object(&doctor->findings[i]));
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	if (!text)
		return -ENOMEM;
	fprintf(file, "%s\n", text);
	cJSON_free(text);
	return 0;
}
