/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * view_draw.h - small pictures as the cells of a terminal: half blocks, two pixels one above the other in a cell, where
 * it knows colours and UTF-8; else a blank on a grey ground; or letters of more and less ink where it knows no colours.
 * Only cells that changed are sent.
 */
#ifndef LUMARING_CLI_VIEW_DRAW_H
#define LUMARING_CLI_VIEW_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lumaring/lumaring.h>

#include "terminal.h"

struct view_manner {
	enum terminal_colours colours;
	bool halves; /* two pixels a cell */
};

/* Where a frame's picture lies: as large as fits, in the middle, a cell being twice as tall as wide. */
struct view_place {
	uint32_t column, row;   /* of its first cell, from 0 */
	uint32_t columns, rows; /* cells */
	uint32_t width, height; /* pixels of the small picture */
};

/* A cell. What is drawn over the picture is not grey: the line of a region. */
struct view_cell {
	uint8_t upper, lower;
	bool upper_marked, lower_marked;
	char line; /* in letters: '-', '|' or '+'; 0: none */
};

struct view_draw {
	struct view_manner manner;
	struct view_place place;
	struct view_cell *shown, *wanted; /* place.columns * place.rows */
	bool anew;                        /* nothing is shown yet */
	char *text;                       /* escapes and cells to be sent */
	size_t bytes, room;
};

struct view_manner view_manner(bool terminal);

/* `columns` and `rows` are those that the picture may have. */
struct view_place view_place(const struct view_manner *manner, uint32_t width, uint32_t height, uint32_t columns,
			     uint32_t rows);

/* 0 or -ENOMEM. Begins anew where the place or the manner changed. */
int view_draw_begin(struct view_draw *draw, const struct view_manner *manner, const struct view_place *place);
void view_draw_finish(struct view_draw *draw);

/* The picture, of place.width by place.height; then a region of the captured image on it. */
void view_draw_picture(struct view_draw *draw, const uint8_t *pixels);
void view_draw_region(struct view_draw *draw, const struct lumaring_frame *frame, const struct lumaring_region *region);

/* draw->text has what makes a screen show it; or, below each other, rows that end with a newline. 0 or -ENOMEM. */
int view_draw_screen(struct view_draw *draw);
int view_draw_lines(struct view_draw *draw);

/* Add to draw->text. 0 or -ENOMEM. */
int view_draw_text(struct view_draw *draw, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
