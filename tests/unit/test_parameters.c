/* SPDX-License-Identifier: BSD-2-Clause */
/* test_parameters.c - parameters read by a table: every kind, every way to be wrong, and the typed error of each. */
#include "control_probe.h"

struct all {
	int64_t number, small;
	bool flag;
	const char *name;
	const struct json_node *object, *array;
	bool has_small, has_flag, has_name, has_object, has_array;
};

static const struct parameter all_table[] = {
	PARAMETER_INTEGER_REQUIRED(struct all, number, INT64_MIN, INT64_MAX),
	PARAMETER_INTEGER_OPTIONAL(struct all, small, has_small, -3, 7),
	PARAMETER_OPTIONAL(PARAMETER_BOOL, struct all, flag, has_flag),
	PARAMETER_OPTIONAL(PARAMETER_STRING, struct all, name, has_name),
	PARAMETER_OPTIONAL(PARAMETER_OBJECT, struct all, object, has_object),
	PARAMETER_OPTIONAL(PARAMETER_ARRAY, struct all, array, has_array),
};

static struct all last;
static const char *where;
static int result;

static void read_all(void *owner, struct control_call *call, const struct json_node *parameters)
{
	(void)owner;
	result = parameters_read(call, where, parameters, all_table, 6, &last);
	if (result < 0)
		return;
	assert_int_equal(last.has_object, last.object != NULL);
	assert_int_equal(last.has_array, last.array != NULL);
	if (last.has_object)
		assert_int_equal(last.object->kind, JSON_OBJECT);
	if (last.has_array)
		assert_int_equal(last.array->kind, JSON_ARRAY);
	if (last.has_name)
		assert_string_equal(last.name, "n\xc3\xa9");
	control_reply(call);
	control_send(call, false);
}

static const struct control_method methods[] = { { .name = "Read", .call = read_all } };

static void start(struct world *w)
{
	const struct control_service service = { .name = PROBE, .methods = methods, .method_count = 1 };
	int fd;

	*w = (struct world){ .loop = make_loop() };
	peer_is.faked = false;
	listen_here(w, &fd);
	assert_int_equal(control_create(w->loop, fd, &probe_limits, &probe_access, &service, &w->control), 0);
}

/* Ask with these parameters and expect this answer. */
static void ask(struct world *w, int fd, const char *parameters, const char *answer)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "{\"method\":\"%s.Read\",\"parameters\":%s}", PROBE, parameters);

	last = (struct all){ .number = 77, .small = 77 };
	say_bytes(fd, text, (size_t)n + 1);
	expect_bytes(w, fd, answer, strlen(answer) + 1);
}

#define FINE "{\"parameters\":{}}"
#define FIELD(field, reason) ERROR("InvalidField", "\"field\":\"" field "\",\"reason\":\"" reason "\"")
#define RANGE(field, given) ERROR("OutOfRange", "\"field\":\"" field "\",\"minimum\":-3,\"maximum\":7,\"given\":" given)
#define WHOLE "must be a whole number, without fraction and exponent, from -9223372036854775808 to 9223372036854775807"
#define KNOWN "there is number, small, flag, name, object, array"

static void test_values(void **state)
{
	struct world w;
	int fd;

	(void)state;
	start(&w);
	fd = join(&w);
	where = "";
	ask(&w, fd, "{\"number\":9007199254740992}", FINE);
	assert_int_equal(last.number, INT64_C(1) << 53);
	assert_false(last.has_small || last.has_flag || last.has_name || last.has_object || last.has_array);
	assert_int_equal(last.small, 77); /* left alone */
	ask(&w, fd, "{\"name\":\"n\\u00e9\",\"array\":[],\"object\":{},\"flag\":true,\"small\":-3,\"number\":-0}",
	    FINE);
	assert_int_equal(last.number, 0);
	assert_int_equal(last.small, -3);
	assert_true(last.has_small && last.has_flag && last.has_name && last.has_object && last.has_array);
	assert_true(last.flag);
	ask(&w, fd, "{\"small\":7,\"number\":1,\"flag\":false}", FINE);
	assert_int_equal(last.small, 7);
	assert_true(last.has_flag && !last.flag);
	/* null is nothing. */
	ask(&w, fd, "{\"number\":1,\"small\":null,\"flag\":null,\"name\":null,\"object\":null,\"array\":null}", FINE);
	assert_false(last.has_small || last.has_flag || last.has_name || last.has_object || last.has_array);
	close(fd);
	tear_down(&w);
}

static void test_faults(void **state)
{
	static const struct {
		const char *parameters, *answer;
	} faults[] = {
		{ "{}", FIELD("number", "it is missing and " WHOLE) },
		{ "{\"number\":null}", FIELD("number", "it is missing and " WHOLE) },
		{ "{\"number\":1,\"Number\":1}", FIELD("Number", "it is not known here: " KNOWN) },
		{ "{\"number\":1,\"\":1}", FIELD("", "it is not known here: " KNOWN) },
		{ "{\"number\":\"1\"}", FIELD("number", "it " WHOLE) },
		{ "{\"number\":true}", FIELD("number", "it " WHOLE) },
		{ "{\"number\":1.0}", FIELD("number", "it " WHOLE) },
		{ "{\"number\":1e2}", FIELD("number", "it " WHOLE) },
		{ "{\"number\":[1]}", FIELD("number", "it " WHOLE) },
		{ "{\"number\":1,\"small\":8}", RANGE("small", "8") },
		{ "{\"number\":1,\"small\":-4}", RANGE("small", "-4") },
		{ "{\"number\":1,\"small\":9007199254740992}", RANGE("small", "9007199254740992") },
		{ "{\"number\":1,\"small\":\"7\"}",
		  FIELD("small", "it must be a whole number, without fraction and exponent, from -3 to 7") },
		{ "{\"number\":1,\"flag\":0}", FIELD("flag", "it must be true or false") },
		{ "{\"number\":1,\"flag\":\"true\"}", FIELD("flag", "it must be true or false") },
		{ "{\"number\":1,\"name\":1}", FIELD("name", "it must be a string") },
		{ "{\"number\":1,\"object\":[]}", FIELD("object", "it must be an object") },
		{ "{\"number\":1,\"array\":{}}", FIELD("array", "it must be an array") },
	};
	struct world w;
	int fd;

	(void)state;
	start(&w);
	fd = join(&w);
	where = "";
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		ask(&w, fd, faults[i].parameters, faults[i].answer);
		assert_int_equal(result, -EINVAL);
		assert_int_equal(last.number, 77); /* all or nothing */
	}
	close(fd);
	tear_down(&w);
}

/* Errors name the whole path of what is inside. */
static void test_where(void **state)
{
	struct world w;
	int fd;

	(void)state;
	start(&w);
	fd = join(&w);
	where = "configuration.streams[1]";
	ask(&w, fd, "{}", FIELD("configuration.streams[1].number", "it is missing and " WHOLE));
	ask(&w, fd, "{\"number\":1,\"x\":2}", FIELD("configuration.streams[1].x", "it is not known here: " KNOWN));
	ask(&w, fd, "{\"number\":1,\"small\":8}", RANGE("configuration.streams[1].small", "8"));
	close(fd);
	tear_down(&w);
}

static void read_what_is_no_object(void *owner, struct control_call *call, const struct json_node *parameters)
{
	(void)owner;
	result = parameters_read(call, "streams[0]", parameters->first, all_table, 6, &last);
}

static void test_no_object(void **state)
{
	static const struct control_method method[] = { { .name = "Read", .call = read_what_is_no_object } };
	const struct control_service service = { .name = PROBE, .methods = method, .method_count = 1 };
	struct world w;
	int fd;

	(void)state;
	start(&w);
	tear_down(&w);
	w.loop = make_loop();
	listen_here(&w, &fd);
	assert_int_equal(control_create(w.loop, fd, &probe_limits, &probe_access, &service, &w.control), 0);
	fd = join(&w);
	ask(&w, fd, "{\"streams\":7}", FIELD("streams[0]", "it must be an object"));
	assert_int_equal(result, -EINVAL);
	close(fd);
	tear_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_no_object),
	};

	return cmocka_run_group_tests_name("parameters", tests, NULL, NULL);
}
