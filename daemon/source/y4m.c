/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * y4m.c - see y4m.h. A header is split at its spaces into fields of one letter and a value; each letter has a row in
 * one table. No C string function touches the line: it is not terminated and may hold NULs.
 */
#include "source/y4m.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define Y4M_MAGIC "YUV4MPEG2"
#define Y4M_MAGIC_ANY "YUV4MPEG"
#define Y4M_FRAME "FRAME"

/* Bytes of a wrong value that a sentence shows; each takes up to four characters. */
#define QUOTE_BYTES_MAX 16u
#define QUOTE_TEXT_MAX (4u * QUOTE_BYTES_MAX + sizeof("\"\"..."))

struct field {
	const char *value; /* behind the letter */
	size_t bytes;
	uint64_t offset; /* of the letter in the file */
};

struct parse {
	struct y4m_header header;
	unsigned seen; /* bit per row of the field table */
	bool range_seen;
	char *text;
	size_t text_bytes;
};

static bool begins(const char *line, size_t bytes, const char *word)
{
	size_t length = strlen(word);

	return bytes >= length && memcmp(line, word, length) == 0;
}

static bool is(const struct field *field, const char *word)
{
	return field->bytes == strlen(word) && memcmp(field->value, word, field->bytes) == 0;
}

/* The bytes as a quoted string that is safe to print, shortened. */
static const char *quote(char *text, const char *value, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";
	size_t shown = bytes < QUOTE_BYTES_MAX ? bytes : QUOTE_BYTES_MAX;
	char *to = text;

	*to++ = '"';
	for (size_t i = 0; i < shown; i++) {
		unsigned char byte = (unsigned char)value[i];

		if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
			*to++ = (char)byte;
		} else {
			*to++ = '\\';
			*to++ = 'x';
			*to++ = digits[byte >> 4];
			*to++ = digits[byte & 15];
		}
	}
	*to++ = '"';
	strcpy(to, shown < bytes ? "..." : "");
	return text;
}

/* One sentence on a field: `what` is followed by the quoted value and `rule`. */
static int refuse(const struct parse *parse, const struct field *field, const char *what, const char *rule)
{
	char quoted[QUOTE_TEXT_MAX];

	snprintf(parse->text, parse->text_bytes, "byte %llu: the %s %s %s", (unsigned long long)field->offset, what,
		 quote(quoted, field->value, field->bytes), rule);
	return -EINVAL;
}

/* Decimal digits and nothing else, at most `max`. */
static bool parse_number(const char *digits, size_t bytes, uint32_t max, uint32_t *ret_number)
{
	uint64_t number = 0;

	if (!bytes)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(digits[i] - '0');
		if (number > max)
			return false;
	}
	*ret_number = (uint32_t)number;
	return true;
}

static int parse_extent(const struct parse *parse, const struct field *field, const char *what, uint32_t *ret_extent)
{
	uint32_t extent;

	if (!parse_number(field->value, field->bytes, Y4M_EXTENT_MAX, &extent) || !extent)
		return refuse(parse, field, what, "is not in 1..65535");
	*ret_extent = extent;
	return 0;
}

static int parse_width(struct parse *parse, const struct field *field)
{
	return parse_extent(parse, field, "width", &parse->header.width);
}

static int parse_height(struct parse *parse, const struct field *field)
{
	return parse_extent(parse, field, "height", &parse->header.height);
}

static int parse_rate(struct parse *parse, const struct field *field)
{
	const char *colon = memchr(field->value, ':', field->bytes);
	size_t left = colon ? (size_t)(colon - field->value) : 0;
	uint32_t numerator, denominator;

	if (!colon || !parse_number(field->value, left, UINT32_MAX, &numerator) ||
	    !parse_number(colon + 1, field->bytes - left - 1, UINT32_MAX, &denominator) || !numerator != !denominator)
		return refuse(parse, field, "frame rate",
			      "is not NUMERATOR:DENOMINATOR, both 1..4294967295, or 0:0 for none");
	parse->header.rate_numerator = numerator;
	parse->header.rate_denominator = denominator;
	return 0;
}

/* Fields of an interlaced picture lie row by row in one frame, so they are replayed as frames. */
static int parse_interlacing(struct parse *parse, const struct field *field)
{
	if (field->bytes == 1 && memchr("p?tbm", field->value[0], 5))
		return 0;
	return refuse(parse, field, "interlacing", "is none of p, t, b, m and ?");
}

/* The shape of a pixel changes nothing in the bytes. */
static int parse_aspect(struct parse *parse, const struct field *field)
{
	(void)parse;
	(void)field;
	return 0;
}

static int parse_colourspace(struct parse *parse, const struct field *field)
{
	static const struct {
		const char *name;
		enum pixels pixels;
		enum pixels_chroma chroma;
	} accepted[] = {
		{ "420jpeg", PIXELS_R8, PIXELS_CHROMA_420 },  { "420mpeg2", PIXELS_R8, PIXELS_CHROMA_420 },
		{ "420paldv", PIXELS_R8, PIXELS_CHROMA_420 }, { "420", PIXELS_R8, PIXELS_CHROMA_420 },
		{ "422", PIXELS_R8, PIXELS_CHROMA_422 },      { "444", PIXELS_R8, PIXELS_CHROMA_444 },
		{ "mono", PIXELS_R8, PIXELS_CHROMA_NONE },    { "420p10", PIXELS_R10, PIXELS_CHROMA_420 },
		{ "422p10", PIXELS_R10, PIXELS_CHROMA_422 },  { "444p10", PIXELS_R10, PIXELS_CHROMA_444 },
		{ "mono10", PIXELS_R10, PIXELS_CHROMA_NONE }, { "420p12", PIXELS_R12, PIXELS_CHROMA_420 },
		{ "422p12", PIXELS_R12, PIXELS_CHROMA_422 },  { "444p12", PIXELS_R12, PIXELS_CHROMA_444 },
		{ "mono12", PIXELS_R12, PIXELS_CHROMA_NONE }, { "420p16", PIXELS_R16, PIXELS_CHROMA_420 },
		{ "422p16", PIXELS_R16, PIXELS_CHROMA_422 },  { "444p16", PIXELS_R16, PIXELS_CHROMA_444 },
		{ "mono16", PIXELS_R16, PIXELS_CHROMA_NONE },
	};

	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		if (is(field, accepted[i].name)) {
			parse->header.pixels = accepted[i].pixels;
			parse->header.chroma = accepted[i].chroma;
			return 0;
		}
	}
	return refuse(parse, field, "colourspace",
		      "is none of 420, 422, 444, their p10, p12 and p16, mono, mono10, mono12, mono16, 420jpeg, "
		      "420mpeg2 and 420paldv; ffmpeg -pix_fmt yuv420p converts it");
}

/* Extensions belong to whoever wrote them; this one is ffmpeg's. A range of another name is a range not known. */
static int parse_extension(struct parse *parse, const struct field *field)
{
	static const char range[] = "COLORRANGE=";

	if (!begins(field->value, field->bytes, range))
		return 0;
	if (parse->range_seen)
		return refuse(parse, field, "extension", "is given twice");
	parse->range_seen = true;
	if (is(field, "COLORRANGE=FULL"))
		parse->header.luma_range = LUMARING_RANGE_FULL;
	else if (is(field, "COLORRANGE=LIMITED"))
		parse->header.luma_range = LUMARING_RANGE_LIMITED;
	return 0;
}

static const struct {
	char letter;
	bool repeats;
	int (*parse)(struct parse *parse, const struct field *field);
} field_table[] = {
	{ 'W', false, parse_width },       { 'H', false, parse_height }, { 'F', false, parse_rate },
	{ 'I', false, parse_interlacing }, { 'A', false, parse_aspect }, { 'C', false, parse_colourspace },
	{ 'X', true, parse_extension },
};

static int parse_field(struct parse *parse, const char *word, size_t bytes, uint64_t offset)
{
	struct field field = { .value = word + 1, .bytes = bytes - 1, .offset = offset };
	char what[] = "field ?";

	for (unsigned i = 0; i < sizeof(field_table) / sizeof(field_table[0]); i++) {
		if (field_table[i].letter != word[0])
			continue;
		if (parse->seen & 1u << i && !field_table[i].repeats) {
			what[6] = word[0];
			return refuse(parse, &field, what, "is given twice");
		}
		parse->seen |= 1u << i;
		return field_table[i].parse(parse, &field);
	}
	field.value = word;
	field.bytes = bytes;
	return refuse(parse, &field, "field", "begins with none of the letters W, H, F, I, A, C and X");
}

/* The fields between the magic word and the newline. */
static int parse_fields(struct parse *parse, const char *line, size_t bytes, uint64_t offset)
{
	size_t at = sizeof(Y4M_MAGIC) - 1;

	while (at < bytes) {
		const char *space = memchr(line + at, ' ', bytes - at);
		size_t end = space ? (size_t)(space - line) : bytes;

		if (end > at) {
			int rc = parse_field(parse, line + at, end - at, offset + at);

			if (rc)
				return rc;
		}
		at = end + 1;
	}
	return 0;
}

/* A line that has no newline where one must be. */
static int refuse_endless(size_t bytes, uint64_t offset, const char *what, char *text, size_t text_bytes)
{
	if (bytes >= Y4M_LINE_MAX) {
		snprintf(text, text_bytes, "byte %llu: the line of the %s has no end within %u bytes",
			 (unsigned long long)offset, what, Y4M_LINE_MAX);
		return -EINVAL;
	}
	snprintf(text, text_bytes, "byte %llu: the data end %zu bytes into the line of the %s",
		 (unsigned long long)offset, bytes, what);
	return -ENODATA;
}

/* Also when the data end within the word. */
static bool begins_or_is_cut_off(const char *line, size_t bytes, const char *word)
{
	size_t length = strlen(word);

	return memcmp(line, word, bytes < length ? bytes : length) == 0;
}

bool y4m_is_header(const char *line, size_t bytes)
{
	return bytes && begins_or_is_cut_off(line, bytes, Y4M_MAGIC_ANY);
}

static int check_magic(const char *line, size_t bytes, uint64_t offset, char *text, size_t text_bytes)
{
	size_t length = sizeof(Y4M_MAGIC) - 1;
	char quoted[QUOTE_TEXT_MAX];

	/* What is cut off here is refused later, as a line without an end. */
	if (begins_or_is_cut_off(line, bytes, Y4M_MAGIC) &&
	    (bytes <= length || line[length] == ' ' || line[length] == '\n'))
		return 0;
	if (y4m_is_header(line, bytes))
		snprintf(text, text_bytes, "byte %llu: %s is another version of the format; only YUV4MPEG2 is read",
			 (unsigned long long)offset, quote(quoted, line, bytes));
	else
		snprintf(text, text_bytes,
			 "byte %llu: found %s where a Y4M stream has \"YUV4MPEG2 \"; "
			 "ffmpeg -i INPUT -f yuv4mpegpipe OUTPUT makes one",
			 (unsigned long long)offset, quote(quoted, line, bytes));
	return -EINVAL;
}

int y4m_parse_header(const char *line, size_t bytes, uint64_t offset, struct y4m_header *ret_header, char *text,
		     size_t text_bytes)
{
	struct parse parse = { .header = { .chroma = PIXELS_CHROMA_420 }, .text = text, .text_bytes = text_bytes };
	int rc = check_magic(line, bytes, offset, text, text_bytes);

	if (rc)
		return rc;
	if (bytes > Y4M_LINE_MAX)
		bytes = Y4M_LINE_MAX;
	if (!bytes || line[bytes - 1] != '\n')
		return refuse_endless(bytes, offset, "stream header", text, text_bytes);
	rc = parse_fields(&parse, line, bytes - 1, offset);
	if (rc)
		return rc;
	if (!parse.header.width || !parse.header.height) {
		snprintf(text, text_bytes, "byte %llu: the stream header has no %s", (unsigned long long)offset,
			 parse.header.width ? "height (H)" : "width (W)");
		return -EINVAL;
	}
	*ret_header = parse.header;
	return 0;
}

int y4m_parse_frame(const char *line, size_t bytes, uint64_t offset, char *text, size_t text_bytes)
{
	size_t length = sizeof(Y4M_FRAME) - 1;
	char quoted[QUOTE_TEXT_MAX];

	if (bytes > Y4M_LINE_MAX)
		bytes = Y4M_LINE_MAX;
	if (!begins_or_is_cut_off(line, bytes, Y4M_FRAME) ||
	    (bytes > length && line[length] != ' ' && line[length] != '\n')) {
		snprintf(text, text_bytes, "byte %llu: found %s where \"FRAME\" begins a frame",
			 (unsigned long long)offset, quote(quoted, line, bytes));
		return -EINVAL;
	}
	if (!bytes || line[bytes - 1] != '\n')
		return refuse_endless(bytes, offset, "frame header", text, text_bytes);
	return 0;
}
