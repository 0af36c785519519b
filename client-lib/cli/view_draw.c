/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * view_draw.c - see view_draw.h. Memory to text, no system calls. A cell is sent anew when it differs by more than an
 * eye would see, so that noise costs no bytes; colours are sent when they are others than those of the cell before.
 */
#include "view_draw.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOISE 3 /* of 255: less is not sent */

static const char ramp[] = " .:-=+*#%@";

struct view_manner view_manner(bool terminal)
{
	const enum terminal_colours colours = terminal ? terminal_colours() : TERMINAL_COLOURS_NONE;

	return (struct view_manner){ colours, colours != TERMINAL_COLOURS_NONE && terminal_is_utf8() };
}

/* --- the place -----------------------------------------------------------------------------------------------------
 */

static uint32_t at_least_one(uint64_t value)
{
	return value < 1 ? 1 : (uint32_t)value;
}

struct view_place view_place(const struct view_manner *manner, uint32_t width, uint32_t height, uint32_t columns,
			     uint32_t rows)
{
	struct view_place place = { .columns = columns, .rows = rows };
	const uint64_t half_rows = 2 * (uint64_t)rows; /* as tall as a column is wide */

	if ((uint64_t)width * half_rows > (uint64_t)columns * height)
		place.rows = at_least_one(((uint64_t)columns * height + width) / (2 * (uint64_t)width));
	else
		place.columns = at_least_one((half_rows * width + height / 2) / height);
	place.columns = place.columns > columns ? columns : place.columns;
	place.rows = place.rows > rows ? rows : place.rows;
	place.column = (columns - place.columns) / 2;
	place.row = (rows - place.rows) / 2;
	place.width = place.columns;
	place.height = manner->halves ? 2 * place.rows : place.rows;
	return place;
}

static size_t cells(const struct view_place *place)
{
	return (size_t)place->columns * place->rows;
}

int view_draw_begin(struct view_draw *draw, const struct view_manner *manner, const struct view_place *place)
{
	struct view_cell *both;

	if (draw->shown && memcmp(&draw->place, place, sizeof(*place)) == 0)
		return 0;
	both = calloc(2 * cells(place), sizeof(*both));
	if (!both)
		return -ENOMEM;
	free(draw->shown);
	draw->shown = both;
	draw->wanted = both + cells(place);
	draw->manner = *manner;
	draw->place = *place;
	draw->anew = true;
	return 0;
}

void view_draw_finish(struct view_draw *draw)
{
	free(draw->shown);
	free(draw->text);
	memset(draw, 0, sizeof(*draw));
}

/* --- cells ---------------------------------------------------------------------------------------------------------
 */

void view_draw_picture(struct view_draw *draw, const uint8_t *pixels)
{
	const struct view_place *place = &draw->place;

	for (size_t row = 0; row < place->rows; row++) {
		const uint8_t *upper = pixels + (draw->manner.halves ? 2 * row : row) * place->width;
		const uint8_t *lower = draw->manner.halves ? upper + place->width : upper;

		for (size_t i = 0; i < place->columns; i++)
			draw->wanted[row * place->columns + i] =
				(struct view_cell){ .upper = upper[i], .lower = lower[i] };
	}
}

static void mark(struct view_draw *draw, int64_t x, int64_t y, char line)
{
	struct view_cell *cell;

	if (x < 0 || y < 0 || x >= draw->place.width || y >= draw->place.height)
		return;
	cell = &draw->wanted[(size_t)(draw->manner.halves ? y / 2 : y) * draw->place.columns + (size_t)x];
	if (!draw->manner.halves || y % 2 == 0)
		cell->upper_marked = true;
	if (!draw->manner.halves || y % 2 == 1)
		cell->lower_marked = true;
	cell->line = cell->line && cell->line != line ? '+' : line;
}

/* Where a pixel of the captured image lies in the picture; it may be outside. */
static int64_t place_of(int64_t position, int64_t begin, int64_t bin, int64_t extent, int64_t pixels)
{
	const int64_t at = (position - begin) * pixels;

	return at < 0 ? -1 : at / (extent * bin);
}

void view_draw_region(struct view_draw *draw, const struct lumaring_frame *frame, const struct lumaring_region *region)
{
	const uint32_t right = region->width ? region->x + region->width : frame->image_width;
	const uint32_t bottom = region->height ? region->y + region->height : frame->image_height;
	const int64_t left_x = place_of(region->x, frame->region.x, frame->bin, frame->width, draw->place.width);
	const int64_t right_x =
		place_of((int64_t)right - 1, frame->region.x, frame->bin, frame->width, draw->place.width);
	const int64_t top_y = place_of(region->y, frame->region.y, frame->bin, frame->height, draw->place.height);
	const int64_t bottom_y =
		place_of((int64_t)bottom - 1, frame->region.y, frame->bin, frame->height, draw->place.height);

	for (int64_t x = left_x < 0 ? 0 : left_x; x <= right_x && x < draw->place.width; x++) {
		mark(draw, x, top_y, '-');
		mark(draw, x, bottom_y, '-');
	}
	for (int64_t y = top_y < 0 ? 0 : top_y; y <= bottom_y && y < draw->place.height; y++) {
		mark(draw, left_x, y, '|');
		mark(draw, right_x, y, '|');
	}
}

/* --- text ----------------------------------------------------------------------------------------------------------
 */

static int make_room(struct view_draw *draw, size_t bytes)
{
	const size_t room = 2 * (draw->bytes + bytes);
	char *text;

	if (draw->bytes + bytes <= draw->room)
		return 0;
	text = realloc(draw->text, room);
	if (!text)
		return -ENOMEM;
	draw->text = text;
	draw->room = room;
	return 0;
}

int view_draw_text(struct view_draw *draw, const char *format, ...)
{
	va_list arguments;
	int n;

	if (make_room(draw, 512) < 0)
		return -ENOMEM;
	va_start(arguments, format);
	n = vsnprintf(draw->text + draw->bytes, draw->room - draw->bytes, format, arguments);
	va_end(arguments);
	if (n > 0)
		draw->bytes += (size_t)n < draw->room - draw->bytes ? (size_t)n : draw->room - draw->bytes - 1;
	return 0;
}

/* The nearest grey of the 256: black and white of the cube, its four greys, and the 24. */
static unsigned grey_of(unsigned value)
{
	static const uint8_t cube[] = { 0, 95, 135, 175, 215, 255 };
	const unsigned step = value < 3 ? 0 : (value - 3) / 10 > 23 ? 23 : (value - 3) / 10;
	unsigned best = 232 + step, distance = (unsigned)abs((int)value - (int)(8 + 10 * step));

	for (unsigned i = 0; i < 6; i++) {
		const unsigned other = (unsigned)abs((int)value - cube[i]);

		if (other < distance) {
			distance = other;
			best = 16 + 43 * i;
		}
	}
	return best;
}

static bool close_enough(const struct view_cell *a, const struct view_cell *b)
{
	return a->upper_marked == b->upper_marked && a->lower_marked == b->lower_marked && a->line == b->line &&
	       abs(a->upper - b->upper) <= NOISE && abs(a->lower - b->lower) <= NOISE;
}

/* 256 and above: the colour of a line. */
static int put_colour(struct view_draw *draw, unsigned ground, unsigned value)
{
	if (draw->manner.colours == TERMINAL_COLOURS_TRUE)
		return value > 255 ? view_draw_text(draw, "\033[%u;2;255;200;0m", ground)
				   : view_draw_text(draw, "\033[%u;2;%u;%u;%um", ground, value, value, value);
	return view_draw_text(draw, "\033[%u;5;%um", ground, value > 255 ? 220 : grey_of(value));
}

struct colours {
	unsigned fore, back;
};

#define COLOUR_NONE 1000u

static int put_cell(struct view_draw *draw, const struct view_cell *cell, struct colours *now)
{
	const unsigned upper = cell->upper_marked ? 256 : cell->upper, lower = cell->lower_marked ? 256 : cell->lower;
	const bool even = upper == lower;
	int r = 0;

	if (draw->manner.colours == TERMINAL_COLOURS_NONE)
		return view_draw_text(draw, "%c",
				      cell->line ? cell->line : ramp[cell->upper * (sizeof(ramp) - 1) / 256]);
	if (!even && now->fore != upper) {
		r = put_colour(draw, 38, upper);
		now->fore = upper;
	}
	if (r == 0 && now->back != lower) {
		r = put_colour(draw, 48, lower);
		now->back = lower;
	}
	return r < 0 ? r : view_draw_text(draw, "%s", even ? " " : "\xe2\x96\x80");
}

static int put_row(struct view_draw *draw, uint32_t row, struct colours *now)
{
	const size_t begin = (size_t)row * draw->place.columns;
	bool there = false; /* the cursor */
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < draw->place.columns; i++) {
		const struct view_cell *wanted = &draw->wanted[begin + i];

		if (!draw->anew && close_enough(&draw->shown[begin + i], wanted)) {
			there = false;
			continue;
		}
		if (!there)
			r = view_draw_text(draw, "\033[%u;%uH", draw->place.row + row + 1, draw->place.column + i + 1);
		there = true;
		if (r == 0)
			r = put_cell(draw, wanted, now);
		draw->shown[begin + i] = *wanted;
	}
	return r;
}

static int put_end(struct view_draw *draw)
{
	return draw->manner.colours == TERMINAL_COLOURS_NONE ? 0 : view_draw_text(draw, "\033[0m");
}

int view_draw_screen(struct view_draw *draw)
{
	struct colours now = { COLOUR_NONE, COLOUR_NONE };
	const size_t before = draw->bytes;
	int r = draw->anew ? view_draw_text(draw, "\033[0m\033[2J") : 0;

	for (uint32_t row = 0; r == 0 && row < draw->place.rows; row++)
		r = put_row(draw, row, &now);
	if (r == 0 && draw->bytes > before)
		r = put_end(draw);
	draw->anew = r < 0;
	return r;
}

int view_draw_lines(struct view_draw *draw)
{
	int r = 0;

	for (uint32_t row = 0; r == 0 && row < draw->place.rows; row++) {
		struct colours now = { COLOUR_NONE, COLOUR_NONE };

		for (uint32_t i = 0; r == 0 && i < draw->place.columns; i++)
			r = put_cell(draw, &draw->wanted[(size_t)row * draw->place.columns + i], &now);
		if (r == 0)
			r = put_end(draw);
		if (r == 0)
			r = view_draw_text(draw, "\n");
	}
	return r;
}
