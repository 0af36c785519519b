/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_log.c - what a sink is told, what the journal gets, and that the kinds of events, their ids and the catalog
 * agree.
 */
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "service.h"

/* --- the sink ------------------------------------------------------------------------------------------------------
 */

static struct log_entry seen;
static char seen_line[2 * LOG_LINE_MAX];

static void note(const struct log_entry *entry)
{
	seen = *entry;
	snprintf(seen_line, sizeof(seen_line), "%s", entry->line);
}

static void test_sink(void **state)
{
	static const struct log_fields none;
	const struct log_fields fields = { .event = LOG_EVENT_CLIENT_REFUSED, .client_pid = 12, .error = EPERM };

	(void)state;
	log_set_sink(note);
	log_event(LOG_LEVEL_NOTICE, &fields, "%d of %s", 7, "eight");
	assert_int_equal(seen.level, LOG_LEVEL_NOTICE);
	assert_string_equal(seen_line, "7 of eight");
	assert_int_equal(seen.fields.event, LOG_EVENT_CLIENT_REFUSED);
	assert_int_equal(seen.fields.client_pid, 12);
	assert_int_equal(seen.fields.error, EPERM);
	assert_true(seen.fields.is_client); /* though it was not set: there is a pid */
	log_warning("%*s", 2 * (int)LOG_LINE_MAX, "x");
	assert_int_equal(seen.level, LOG_LEVEL_WARNING);
	assert_int_equal(strlen(seen_line), LOG_LINE_MAX - 1);
	assert_memory_equal(&seen.fields, &none, sizeof(none));
	log_set_sink(NULL);
}

/* --- the journal ---------------------------------------------------------------------------------------------------
 */

/* A socket that stands for the journal, or -1. */
static int make_journal(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	mkdir("/run/systemd", 0755);
	mkdir("/run/systemd/journal", 0755);
	return fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : -1;
}

/* One entry as it came: FIELD=value lines. False: none, or another one. */
static bool journal_got(int fd, const char *expected)
{
	char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	if (strcmp(text, expected) != 0)
		printf("the journal got:\n%s\ninstead of:\n%s\n", text, expected);
	return strcmp(text, expected) == 0;
}

static bool all_fields_arrive(int journal)
{
	const struct log_fields all = {
		.event = LOG_EVENT_CLIENT_REFUSED,
		.stream = "main",
		.sequence = UINT64_MAX,
		.client_pid = 4711,
		.client_uid = 1000,
		.error = EPERM,
	};
	const struct log_fields some = { .event = LOG_EVENT_CLIENT_LEFT_OUT, .client_uid = 0, .is_client = true };
	char expected[1024];

	log_event(LOG_LEVEL_INFO, &all, "refused %s", "somebody");
	snprintf(expected, sizeof(expected),
		 "MESSAGE=refused somebody\nPRIORITY=6\nSYSLOG_IDENTIFIER=lumaringd\nLUMARING_CAMERA=cam7\n"
		 "MESSAGE_ID=%s\nLUMARING_EVENT=CLIENT_REFUSED\nLUMARING_STREAM=main\n"
		 "LUMARING_SEQUENCE=18446744073709551615\nLUMARING_CLIENT_PID=4711\nLUMARING_CLIENT_UID=1000\n"
		 "ERRNO=1\n",
		 log_event_id(LOG_EVENT_CLIENT_REFUSED));
	if (!journal_got(journal, expected))
		return false;
	log_event(LOG_LEVEL_NOTICE, &some, "more of them");
	snprintf(expected, sizeof(expected),
		 "MESSAGE=more of them\nPRIORITY=5\nSYSLOG_IDENTIFIER=lumaringd\nLUMARING_CAMERA=cam7\n"
		 "MESSAGE_ID=%s\nLUMARING_EVENT=CLIENT_LEFT_OUT\nLUMARING_CLIENT_UID=0\n",
		 log_event_id(LOG_EVENT_CLIENT_LEFT_OUT));
	return journal_got(journal, expected);
}

static bool longest_line_arrives(int journal)
{
	char text[LOG_LINE_MAX * 2];
	ssize_t n;

	log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = LOG_EVENT_NO_ROOM, .error = ENOSPC }, "%*s",
		  2 * (int)LOG_LINE_MAX, "x");
	n = recv(journal, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return strcspn(text, "\n") == strlen("MESSAGE=") + LOG_LINE_MAX - 1 && strstr(text, "\nERRNO=28\n");
}

/* In a child with a /run of its own: standard error is a file, which JOURNAL_STREAM names or does not name. */
static void log_child(bool named)
{
	int journal, file = memfd_create("stderr", 0);
	char text[512] = "", stream[64];
	struct stat st;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		_exit(77);
	journal = make_journal();
	if (journal < 0 || file < 0 || dup2(file, STDERR_FILENO) < 0 || fstat(file, &st) < 0)
		_exit(2);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + !named);
	setenv("JOURNAL_STREAM", stream, 1);
	service_log_init("cam7");
	log_warning("a %s line", "test");
	if (named) {
		if (!journal_got(journal, "MESSAGE=a test line\nPRIORITY=4\nSYSLOG_IDENTIFIER=lumaringd\n"
					  "LUMARING_CAMERA=cam7\n"))
			_exit(3);
		if (!all_fields_arrive(journal))
			_exit(4);
		if (!longest_line_arrives(journal))
			_exit(5);
		_exit(lseek(file, 0, SEEK_END) != 0);
	}
	if (pread(file, text, sizeof(text) - 1, 0) <= 0 || strcmp(text, "lumaringd: warning: a test line\n") != 0)
		_exit(6);
	_exit(recv(journal, text, sizeof(text), 0) >= 0);
}

static void test_journal(void **state)
{
	(void)state;
	for (int named = 0; named < 2; named++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			log_child(named);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
			printf("needs to be root with mount namespaces\n");
			skip();
		}
		assert_int_equal(status, 0);
	}
}

/* --- the table and the catalog -------------------------------------------------------------------------------------
 */

static void test_table(void **state)
{
	(void)state;
	assert_null(log_event_name(LOG_EVENT_NONE));
	assert_null(log_event_id(LOG_EVENT_NONE));
	for (enum log_event event = LOG_EVENT_NONE + 1; event < LOG_EVENTS; event++) {
		const char *name = log_event_name(event), *id = log_event_id(event);

		if (!name || !id)
			fail_msg("event %d has no row", (int)event);
		assert_true(name[0] && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == strlen(name));
		assert_int_equal(strlen(id), 32);
		assert_int_equal(strspn(id, "0123456789abcdef"), 32);
		for (enum log_event other = LOG_EVENT_NONE + 1; other < event; other++) {
			assert_string_not_equal(name, log_event_name(other));
			assert_string_not_equal(id, log_event_id(other));
		}
	}
}

static enum log_event event_of_id(const char *id)
{
	for (enum log_event event = LOG_EVENT_NONE + 1; event < LOG_EVENTS; event++)
		if (strcmp(log_event_id(event), id) == 0)
			return event;
	return LOG_EVENT_NONE;
}

/* What was read of one entry of the catalog. */
struct reading {
	enum log_event event; /* LOG_EVENT_NONE: before the first */
	bool has_subject, has_author, is_body;
	unsigned paragraphs, body_lines;
	bool after_blank;
};

static void check_entry(const struct reading *entry)
{
	if (entry->event == LOG_EVENT_NONE)
		return;
	if (!entry->has_subject || !entry->has_author || !entry->is_body || entry->paragraphs < 2)
		fail_msg("the catalog says too little about %s: what happened and why, and what to do",
			 log_event_name(entry->event));
}

/* As systemd finds them; of the fields only this one is in each line, and journalctl shows the name of one that is not.
 */
static void check_fields(const char *line)
{
	for (const char *at = strchr(line, '@'); at; at = strchr(at + 1, '@')) {
		size_t length = strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

		if (length == 0 || at[length + 1] != '@')
			continue;
		assert_int_equal(length, strlen("LUMARING_CAMERA"));
		assert_memory_equal(at + 1, "LUMARING_CAMERA", length);
		at += length + 1;
	}
}

static void read_line(struct reading *entry, const char *line)
{
	check_fields(line);
	if (!entry->is_body) {
		entry->has_subject |= strncmp(line, "Subject: ", 9) == 0 && line[9];
		entry->has_author |= strcmp(line, "Defined-By: lumaring") == 0;
		entry->is_body = line[0] == '\0';
		entry->after_blank = true;
	} else if (line[0]) {
		entry->paragraphs += entry->after_blank;
		entry->after_blank = false;
	} else {
		entry->after_blank = true;
	}
}

static void test_catalog(void **state)
{
	unsigned entries[LOG_EVENTS] = { 0 };
	struct reading entry = { 0 };
	char line[256], comment[256] = "";
	FILE *file = fopen("systemd/lumaring.catalog", "re");

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		assert_non_null(strchr(line, '\n'));
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#') {
			snprintf(comment, sizeof(comment), "%s", line);
		} else if (strncmp(line, "-- ", 3) == 0) {
			check_entry(&entry);
			entry = (struct reading){ .event = event_of_id(line + 3) };
			if (entry.event == LOG_EVENT_NONE)
				fail_msg("the catalog has an id that no event has: %s", line + 3);
			assert_string_equal(comment + 2, log_event_name(entry.event));
			entries[entry.event]++;
		} else if (entry.event != LOG_EVENT_NONE) {
			read_line(&entry, line);
		}
	}
	check_entry(&entry);
	fclose(file);
	for (enum log_event event = LOG_EVENT_NONE + 1; event < LOG_EVENTS; event++)
		if (entries[event] != 1)
			fail_msg("%s is in the catalog %u times", log_event_name(event), entries[event]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sink),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_catalog),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
