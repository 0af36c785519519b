/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_dropin.c - the file that `--save` writes: what it keeps, and that it is replaced as a whole or not at all,
 * also where there is no room, no permission, or another program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../../client-lib/cli/dropin.c"

/* What was said last. */
static char said[1024];

void talk(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
}

static char base[64], directory[96], dropins[128], file[160];

static int set_up(void **state)
{
	(void)state;
	strcpy(base, "/tmp/lumaring-test-XXXXXX");
	assert_non_null(mkdtemp(base));
	snprintf(directory, sizeof(directory), "%s/etc", base);
	snprintf(dropins, sizeof(dropins), "%s/cam0.json.d", directory);
	snprintf(file, sizeof(file), "%s/50-set.json", dropins);
	alarm(60);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(file);
	rmdir(dropins);
	rmdir(directory);
	return rmdir(base); /* nothing else was left there */
}

static void put(const char *text)
{
	FILE *f;

	mkdir(directory, 0755);
	mkdir(dropins, 0755);
	f = fopen(file, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Without its first line, which says who wrote it, and without white space. */
static const char *get(void)
{
	static char text[2 * DROPIN_BYTES_MAX];
	FILE *f = fopen(file, "re");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	assert_memory_equal(text, HEAD, strlen(HEAD));
	assert_int_equal(text[n - 1], '\n');
	cJSON_Minify(text);
	return text;
}

static unsigned count_files(void)
{
	DIR *d = opendir(dropins);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static int begin(struct dropin *dropin, const char *where, const char *camera)
{
	int r = dropin_lock(dropin, where, camera);

	if (r == 0) {
		r = dropin_read(dropin);
		if (r < 0)
			dropin_end(dropin);
	}
	return r;
}

static int save(const char *key, const char *text)
{
	struct dropin dropin;
	int r = begin(&dropin, directory, "cam0");

	if (r < 0)
		return r;
	dropin_set_text(&dropin, key, text);
	r = dropin_write(&dropin);
	dropin_end(&dropin);
	return r;
}

static void test_new(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(save("size", "640x480"), 0);
	assert_string_equal(get(), "{\"size\":\"640x480\"}");
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
	assert_int_equal(count_files(), 1);
}

static void test_merged(void **state)
{
	struct dropin dropin;
	struct stat status;

	(void)state;
	put("// mine\n{ \"slots\": 9, /* \" */ \"size\": \"1x1\", \"auto_exposure\": true, \"exposure_us\": 4, "
	    "\"later\": [1.5, {}] }");
	assert_int_equal(chmod(file, 0640), 0);
	assert_int_equal(begin(&dropin, directory, "cam0"), 0);
	dropin_set_text(&dropin, "size", "640x480");
	dropin_set_text(&dropin, "framerate", "15-56");
	dropin_set_number(&dropin, "exposure_us", INT64_C(3600000000));
	dropin_set_number(&dropin, "brightness_milli", -1000);
	dropin_set_bool(&dropin, "auto_exposure", false);
	dropin_set_default(&dropin, "slots");
	dropin_set_number(&dropin, "brightness_milli", -1000);
	assert_int_equal(dropin.set_count, 6);
	assert_string_equal(dropin.set[0], "size");
	assert_int_equal(dropin_write(&dropin), 0);
	dropin_end(&dropin);
	assert_string_equal(
		get(), "{\"later\":[1.5,{}],\"size\":\"640x480\",\"framerate\":\"15-56\",\"exposure_us\":3600000000,"
		       "\"auto_exposure\":false,\"slots\":null,\"brightness_milli\":-1000}");
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	/* Again: what stands there is as before. */
	assert_int_equal(save("size", "640x480"), 0);
	assert_int_equal(count_files(), 1);
}

static void test_streams(void **state)
{
	struct dropin dropin;
	cJSON *streams = cJSON_Parse(
		"[{\"name\":\"main\",\"region\":{\"x\":0,\"y\":0,\"width\":0,\"height\":0},\"format\":\"R8\",\"bin\":1,"
		"\"slots\":8,"
		"\"always\":false},{\"name\":\"ball\",\"region\":{\"x\":1,\"y\":2,\"width\":64,\"height\":0},"
		"\"max_size\":{\"width\":128,\"height\":96},\"slots\":5,\"format\":\"R16\",\"bin\":2,\"always\":true},{"
		"\"name\":\"c\"},{\"name\":\"d\",\"slots\":8,\"format\":\"R8\",\"bin\":1}]");
	cJSON *own = cJSON_Parse("[7,\"d\",\"nobody\"]");

	(void)state;
	assert_int_equal(begin(&dropin, directory, "cam0"), 0);
	dropin_set_streams(&dropin, streams, own);
	assert_int_equal(dropin_write(&dropin), 0);
	dropin_end(&dropin);
	assert_string_equal(
		get(),
		"{\"streams\":[{\"name\":\"main\",\"slots\":8},"
		"{\"name\":\"ball\",\"region\":\"1,2,64,0\",\"max_size\":\"128x96\",\"slots\":5,\"format\":\"R16\","
		"\"bin\":2,\"always\":true},{\"name\":\"c\"},{\"name\":\"d\"}]}");
	/* A daemon that does not say. */
	assert_int_equal(begin(&dropin, directory, "cam0"), 0);
	dropin_set_streams(&dropin, streams, NULL);
	assert_int_equal(dropin_write(&dropin), 0);
	dropin_end(&dropin);
	assert_non_null(strstr(get(), "{\"name\":\"d\",\"slots\":8}"));
	cJSON_Delete(own);
	cJSON_Delete(streams);
}

/* A caller that got no further. */
static void test_given_up(void **state)
{
	struct dropin dropin;

	(void)state;
	put("{\"a\":1}");
	assert_int_equal(begin(&dropin, directory, "cam0"), 0);
	dropin_set_bool(&dropin, "a", false);
	dropin_end(&dropin);
	assert_int_equal(unlink(file), 0);
	put("// Written by `lumaring set --save`, which keeps what else stands here, but no comments.\n{\"a\":1}\n");
	assert_string_equal(get(), "{\"a\":1}");
	assert_int_equal(count_files(), 1);
}

static void test_not_to_be_read(void **state)
{
	static const char *const texts[] = { "", "[]", "{", "{} x", "{\"a\":}", "hello" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[32] = "";
		FILE *f;

		put(texts[i]);
		assert_int_equal(save("size", "1x1"), -EINVAL);
		assert_non_null(strstr(said, "/cam0.json.d/50-set.json is no JSON object: correct it or remove it"));
		f = fopen(file, "re");
		assert_true(fread(text, 1, sizeof(text) - 1, f) == strlen(texts[i]));
		fclose(f);
		assert_string_equal(text, texts[i]);
	}
	assert_int_equal(count_files(), 1);
	unlink(file);
	assert_int_equal(mkdir(file, 0755), 0);
	assert_int_equal(save("size", "1x1"), -EISDIR);
	assert_int_equal(rmdir(file), 0);
}

/* As large as the daemon reads, and one more. */
static void test_limit(void **state)
{
	const size_t around = strlen("{\"a\":\"\"}");
	static char text[DROPIN_BYTES_MAX + 64];

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		memset(text, 'x', sizeof(text));
		memcpy(text, "{\"a\":\"", 6);
		strcpy(text + DROPIN_BYTES_MAX + more - 2, "\"}");
		assert_int_equal(strlen(text), DROPIN_BYTES_MAX + more);
		put(text);
		/* What is read may be too much to be written with something new. */
		assert_int_equal(save("a", "short"), more ? -EINVAL : 0);
		assert_int_equal(save("b", "short"), more ? -EINVAL : 0);
	}
	put("{}");
	text[DROPIN_BYTES_MAX - around - strlen(HEAD)] = '\0';
	memset(text, 'x', strlen(text));
	/* White space between key and value, and the last newline. */
	for (size_t less = 0; less < 16; less++)
		if (save("a", text + less) == 0) {
			struct stat status;

			assert_int_equal(stat(file, &status), 0);
			assert_int_equal(status.st_size, DROPIN_BYTES_MAX);
			return;
		}
	fail_msg("not even 16 less was taken");
}

static void expect_old(void)
{
	char text[32] = "";
	FILE *f = fopen(file, "re");

	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	assert_string_equal(text, "{\"size\":\"1x1\"}");
	assert_int_equal(count_files(), 1); /* no half file is left behind either */
}

/* The disk is full after so many bytes: the old file stays, whatever was written by then. */
static void test_no_room(void **state)
{
	struct rlimit before, limit;

	(void)state;
	put("{\"size\":\"1x1\"}");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	for (rlim_t room = 0; room < 100; room += 9) {
		limit = (struct rlimit){ room, before.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_int_equal(save("size", "640x480"), -EFBIG);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_non_null(strstr(said, "/cam0.json.d/50-set.json: File too large"));
		expect_old();
	}
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(save("size", "640x480"), 0);
}

/* In a process of somebody who may not write there. */
static void test_no_permission(void **state)
{
	int status = -1;
	pid_t child;

	(void)state;
	put("{\"size\":\"1x1\"}");
	assert_int_equal(chmod(base, 0755) | chmod(dropins, 0555) | chmod(directory, 0555), 0);
	child = fork();
	if (child == 0) {
		if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(1);
		_exit(save("size", "640x480") == -EACCES ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	expect_old();
	assert_int_equal(chmod(dropins, 0755) | chmod(directory, 0755), 0);
}

static void test_no_directory(void **state)
{
	char name[256];
	struct dropin dropin;

	(void)state;
	/* One level is made, not two. */
	snprintf(name, sizeof(name), "%s/a/b", base);
	assert_int_equal(begin(&dropin, name, "cam0"), -ENOENT);
	put("{}");
	assert_int_equal(begin(&dropin, file, "cam0"), -ENOTDIR);
}

/* Two programs at once: both values are there afterwards. */
static void test_two_at_once(void **state)
{
	struct dropin dropin;
	int status = -1;
	pid_t child;

	(void)state;
	assert_int_equal(begin(&dropin, directory, "cam0"), 0);
	child = fork();
	if (child == 0) {
		close(dropin.fd); /* the lock is whoever's who has it */
		_exit(save("framerate", "30") == 0 ? 0 : 1);
	}
	dropin_set_text(&dropin, "size", "640x480");
	assert_int_equal(dropin_write(&dropin), 0);
	dropin_end(&dropin);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_string_equal(get(), "{\"size\":\"640x480\",\"framerate\":\"30\"}");
}

/* Who holds the lock and dies leaves nothing behind. */
static void test_killed_while_locked(void **state)
{
	int status, ready[2];
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct dropin dropin;

		if (dropin_lock(&dropin, directory, "cam0") == 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(save("size", "1x1"), 0);
	assert_string_equal(get(), "{\"size\":\"1x1\"}");
	assert_int_equal(count_files(), 1);
}

/* What somebody wrote after the lock was taken, an editor say, counts too. */
static void test_read_late(void **state)
{
	struct dropin dropin;

	(void)state;
	assert_int_equal(dropin_lock(&dropin, directory, "cam0"), 0);
	put("{\"slots\":9}");
	assert_int_equal(dropin_read(&dropin), 0);
	dropin_set_text(&dropin, "size", "1x1");
	assert_int_equal(dropin_write(&dropin), 0);
	dropin_end(&dropin);
	assert_string_equal(get(), "{\"slots\":9,\"size\":\"1x1\"}");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new),
		TEST(test_merged),
		TEST(test_streams),
		TEST(test_given_up),
		TEST(test_not_to_be_read),
		TEST(test_limit),
		TEST(test_no_room),
		TEST(test_no_permission),
		TEST(test_no_directory),
		TEST(test_two_at_once),
		TEST(test_killed_while_locked),
		TEST(test_read_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
