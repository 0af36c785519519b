/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scene.c - footage of a very small moving object whose position is known: Y4M on standard output, which begins anew
 * without a seam when it is looped, and the truth of each frame in a file.
 *
 *     scene [--size WxH] [--frames N] [--rate N] [--speed PIXELS] [--object PIXELS] [--contrast LEVELS] [--noise SIGMA]
 *           [--seed N] [--script NAME] [--truth FILE] [--over] > FILE.y4m
 *
 * A square goes straight on and is reflected at the edges, in front of a texture that stands still; every pixel of
 * every frame has noise of its own. It is drawn to fractions of a pixel: what it covers in part, it brightens in part.
 * The way that it goes is closed after N frames (0: as many as one round along all four edges takes); where that needs
 * it, it turns before the edges.
 *
 * With --over frames of other footage are behind it, with the noise that they have: their luma is read from standard
 * input, N frames of 8 bits a pixel and nothing else (ffmpeg -f rawvideo -pix_fmt gray).
 *
 *   bounce   nothing but that
 *   stop     it stands still for STOP_FRAMES in the middle of its way
 *   leave    it goes LEAVE_PIXELS beyond the edges and comes back
 *   cross    another one of its kind goes the same way backwards, so that they meet
 *   dark     brighter than what is behind it in one half of its way, darker in the other
 *   light    the light of the scene goes up and down by LIGHT_SHARE in two seconds
 *   gaps     of each GAP_EVERY frames some are missing, one to GAP_MAX in turn, as when a camera drops them
 *
 * The truth has a line for each frame of the file: its number from 1 on, x, y, 1 where all of the object is in the
 * image, else 0, then x and y of the other one, or "- -". The middle of the pixel in column 5 is at x = 5.
 */
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define SIDE_MAX 16384u
#define FRAMES_MAX 100000u
#define NOISE_SAMPLES (1u << 16)
#define STOP_FRAMES 56u
#define LEAVE_PIXELS 100.0
#define LIGHT_SHARE 0.1
#define GAP_EVERY 24u
#define GAP_MAX 4u
#define FIRST_PHASE 0.13 /* where on its way x begins, and y: no corner is met */
#define SECOND_PHASE 0.38

enum script { BOUNCE, STOP, LEAVE, CROSS, DARK, LIGHT, GAPS, SCRIPTS };

static const char *const script_names[SCRIPTS] = { "bounce", "stop", "leave", "cross", "dark", "light", "gaps" };

struct scene {
	uint32_t width, height, frames, rate;
	double speed, object, contrast, noise;
	uint64_t seed;
	enum script script;
	const char *truth;
	bool over;
	double left, top, range_x, range_y; /* where the middle of the object may be */
	double rounds;                      /* along the edges of that, in all frames */
	uint8_t *texture, *image;
	int8_t samples[NOISE_SAMPLES];
};

struct place {
	double x, y;
};

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "scene: %s \"%s\"; the head of tests/tools/scene.c says what there is\n", what, value);
	return -1;
}

/* --- the way ------------------------------------------------------------------------------------------------------ */

/* 0 to 1 and back in a period of 1. */
static double triangle(double phase)
{
	phase -= floor(phase);
	return phase < 0.5 ? 2 * phase : 2 - 2 * phase;
}

/* After this share of its way. */
static struct place place_at(const struct scene *scene, double gone)
{
	return (struct place){ scene->left + scene->range_x * triangle(gone * scene->rounds + FIRST_PHASE),
			       scene->top + scene->range_y * triangle(gone * scene->rounds + SECOND_PHASE) };
}

/* Frames of its way, with those that are left out. */
static uint32_t moving_frames(const struct scene *scene)
{
	return scene->script == STOP ? scene->frames - STOP_FRAMES : scene->frames;
}

/* As near to the edges as whole rounds allow in whole frames with exactly the speed that was asked for. */
static int lay_out(struct scene *scene)
{
	const double beyond = scene->script == LEAVE ? LEAVE_PIXELS : -scene->object / 2;
	double range_x = scene->width - 1 + 2 * beyond, range_y = scene->height - 1 + 2 * beyond, share;
	const double longest = 2 * hypot(range_x, range_y);

	if (!scene->frames)
		scene->frames = (uint32_t)(longest / scene->speed) + (scene->script == STOP ? STOP_FRAMES : 0);
	if (scene->frames <= (scene->script == STOP ? STOP_FRAMES : 0) || scene->frames > FRAMES_MAX)
		return complain("no way fits with this size, speed and number of frames", script_names[scene->script]);
	share = moving_frames(scene) * scene->speed / longest;
	scene->rounds = ceil(share);
	share /= scene->rounds;
	range_x *= share;
	range_y *= share;
	scene->left = (scene->width - 1 - range_x) / 2;
	scene->top = (scene->height - 1 - range_y) / 2;
	scene->range_x = range_x;
	scene->range_y = range_y;
	return 0;
}

/* How much of its way the object has gone at a moment. */
static double gone_at(const struct scene *scene, uint32_t moment)
{
	const uint32_t moving = moving_frames(scene), half = moving / 2;

	if (scene->script == STOP && moment > half)
		moment = moment > half + STOP_FRAMES ? moment - STOP_FRAMES : half;
	return (double)moment / moving;
}

static bool is_left_out(const struct scene *scene, uint32_t moment)
{
	const uint32_t missing = moment / GAP_EVERY % GAP_MAX + 1;

	return scene->script == GAPS && moment % GAP_EVERY >= GAP_EVERY - missing;
}

static bool is_inside(const struct scene *scene, struct place place)
{
	const double half = scene->object / 2;

	return place.x - half >= -0.5 && place.y - half >= -0.5 && place.x + half <= scene->width - 0.5 &&
	       place.y + half <= scene->height - 0.5;
}

/* --- the picture -------------------------------------------------------------------------------------------------- */

/* 0 to 1, without the latter. */
static double fraction(uint64_t *random)
{
	return (double)(random_next(random) >> 11) * 0x1p-53;
}

/* Smooth values between random ones on a grid. */
static void add_waves(const struct scene *scene, float *plane, uint32_t grid, double size, uint64_t *random)
{
	const uint32_t columns = scene->width / grid + 2, rows = scene->height / grid + 2;
	float *knots = malloc(sizeof(*knots) * columns * rows);

	for (size_t i = 0; knots && i < (size_t)columns * rows; i++)
		knots[i] = (float)((fraction(random) - 0.5) * size);
	for (uint32_t y = 0; knots && y < scene->height; y++)
		for (uint32_t x = 0; x < scene->width; x++) {
			const float *knot = knots + (size_t)(y / grid) * columns + x / grid;
			const float right = (float)(x % grid) / (float)grid, down = (float)(y % grid) / (float)grid;

			plane[(size_t)y * scene->width + x] +=
				(knot[0] * (1 - right) + knot[1] * right) * (1 - down) +
				(knot[columns] * (1 - right) + knot[columns + 1] * right) * down;
		}
	free(knots);
}

/* Hills of three sizes, and bars with hard edges. */
static int make_texture(struct scene *scene, uint64_t *random)
{
	const size_t pixels = (size_t)scene->width * scene->height;
	float *plane = calloc(pixels, sizeof(*plane));

	scene->texture = malloc(pixels);
	scene->image = malloc(pixels);
	if (!plane || !scene->texture || !scene->image)
		return complain("no memory for", "the image");
	add_waves(scene, plane, 256, 60, random);
	add_waves(scene, plane, 32, 40, random);
	add_waves(scene, plane, 4, 30, random);
	for (uint32_t y = 0; y < scene->height; y++)
		for (uint32_t x = 0; x < scene->width; x++) {
			const size_t at = (size_t)y * scene->width + x;
			const float bar = (x + y / 2) % 150 < 12 ? 25 : 0;

			scene->texture[at] = (uint8_t)fminf(fmaxf(105 + plane[at] + bar, 16), 235);
		}
	free(plane);
	return 0;
}

static void make_noise(struct scene *scene, uint64_t *random)
{
	for (unsigned i = 0; i < NOISE_SAMPLES; i++) {
		const double radius = sqrt(-2 * log(1 - fraction(random)));
		const double sample = scene->noise * radius * cos(2 * M_PI * fraction(random));

		scene->samples[i] = (int8_t)lrint(fmin(fmax(sample, -127), 127));
	}
}

static uint8_t level(int value)
{
	return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Texture and noise; the row's noise begins at another sample each time. */
static void draw_row(const struct scene *scene, uint32_t y, double light, uint64_t *random)
{
	const uint8_t *from = scene->texture + (size_t)y * scene->width;
	uint8_t *to = scene->image + (size_t)y * scene->width;
	const uint32_t begin = (uint32_t)random_next(random);
	const int gain = (int)lrint(light * 256);

	for (uint32_t x = 0; x < scene->width; x++)
		to[x] = level((from[x] * gain >> 8) + scene->samples[(begin + x) % NOISE_SAMPLES]);
}

/* How much of the pixel at this index the object covers along one axis. */
static double covered(double middle, double size, double pixel)
{
	const double begin = fmax(middle - size / 2, pixel - 0.5), end = fmin(middle + size / 2, pixel + 0.5);

	return end > begin ? end - begin : 0;
}

static void draw_object(const struct scene *scene, struct place place, double contrast)
{
	const double half = scene->object / 2 + 1;

	for (double y = floor(place.y - half); y <= place.y + half; y++)
		for (double x = floor(place.x - half); x <= place.x + half; x++) {
			const double share = covered(place.x, scene->object, x) * covered(place.y, scene->object, y);
			uint8_t *pixel;

			if (x < 0 || y < 0 || x >= scene->width || y >= scene->height || share <= 0)
				continue;
			pixel = &scene->image[(size_t)y * scene->width + (size_t)x];
			*pixel = level(*pixel + (int)lrint(contrast * share));
		}
}

static int write_moment(const struct scene *scene, uint32_t moment, uint64_t *random)
{
	const double gone = gone_at(scene, moment);
	const double light =
		scene->script == LIGHT ? 1 + LIGHT_SHARE * sin(2 * M_PI * moment / (2.0 * scene->rate)) : 1;
	const double contrast = scene->script == DARK && gone >= 0.5 ? -scene->contrast : scene->contrast;

	if (scene->over && fread(scene->image, scene->width, scene->height, stdin) != scene->height)
		return complain("too few frames on", "standard input");
	for (uint32_t y = 0; !scene->over && y < scene->height; y++)
		draw_row(scene, y, light, random);
	draw_object(scene, place_at(scene, gone), contrast);
	if (scene->script == CROSS)
		draw_object(scene, place_at(scene, -gone), contrast);
	if (fputs("FRAME\n", stdout) < 0 || fwrite(scene->image, scene->width, scene->height, stdout) != scene->height)
		return complain("cannot write", "standard output");
	return 0;
}

static void write_truth(const struct scene *scene, FILE *truth, uint32_t number, uint32_t moment)
{
	const struct place place = place_at(scene, gone_at(scene, moment));
	const struct place other = place_at(scene, -gone_at(scene, moment));

	fprintf(truth, "%u %.3f %.3f %d", number, place.x, place.y, is_inside(scene, place));
	if (scene->script == CROSS)
		fprintf(truth, " %.3f %.3f\n", other.x, other.y);
	else
		fprintf(truth, " - -\n");
}

static int write_scene(const struct scene *scene, FILE *truth, uint64_t *random)
{
	uint32_t number = 0;

	printf("YUV4MPEG2 W%u H%u F%u:1 Ip A1:1 Cmono\n", scene->width, scene->height, scene->rate);
	for (uint32_t moment = 0; moment < scene->frames; moment++) {
		if (is_left_out(scene, moment))
			continue;
		if (write_moment(scene, moment, random) < 0)
			return -1;
		if (truth)
			write_truth(scene, truth, ++number, moment);
	}
	return fflush(stdout) == 0 ? 0 : complain("cannot write", "standard output");
}

/* --- what is asked for -------------------------------------------------------------------------------------------- */

static int read_number(const char *name, const char *text, double min, double max, double *ret_value)
{
	char *end;
	const double value = strtod(text, &end);

	if (end == text || *end || !(value >= min && value <= max)) {
		fprintf(stderr, "scene: --%s is a number, %g to %g, and not \"%s\"\n", name, min, max, text);
		return -1;
	}
	*ret_value = value;
	return 0;
}

static int read_script(const char *text, enum script *ret_script)
{
	for (unsigned i = 0; i < SCRIPTS; i++)
		if (strcmp(text, script_names[i]) == 0) {
			*ret_script = (enum script)i;
			return 0;
		}
	return complain("there is no script", text);
}

static int read_option(struct scene *scene, int code, const char *name, const char *text)
{
	double value = 0;
	char end;
	int r = 0;

	switch (code) {
	case 's':
		if (sscanf(text, "%5ux%5u%c", &scene->width, &scene->height, &end) != 2 || scene->width < 32 ||
		    scene->height < 32 || scene->width > SIDE_MAX || scene->height > SIDE_MAX)
			r = complain("--size is WxH, each 32 to 16384, and not", text);
		return r;
	case 'c':
		return read_script(text, &scene->script);
	case 't':
		scene->truth = text;
		return 0;
	case 'b':
		scene->over = true;
		return 0;
	case 'v':
		return read_number(name, text, 0.01, 1000, &scene->speed);
	case 'o':
		return read_number(name, text, 0.5, 30, &scene->object);
	case 'k':
		return read_number(name, text, -255, 255, &scene->contrast);
	case 'n':
		return read_number(name, text, 0, 30, &scene->noise);
	case 'f':
		r = read_number(name, text, 0, FRAMES_MAX, &value);
		scene->frames = (uint32_t)value;
		return r;
	case 'r':
		r = read_number(name, text, 1, 1000, &value);
		scene->rate = (uint32_t)value;
		return r;
	case 'e':
		r = read_number(name, text, 0, 1e9, &value);
		scene->seed = (uint64_t)value;
		return r;
	}
	return -1;
}

static int read_words(struct scene *scene, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "size", required_argument, NULL, 's' },   { "frames", required_argument, NULL, 'f' },
		{ "rate", required_argument, NULL, 'r' },   { "speed", required_argument, NULL, 'v' },
		{ "object", required_argument, NULL, 'o' }, { "contrast", required_argument, NULL, 'k' },
		{ "noise", required_argument, NULL, 'n' },  { "seed", required_argument, NULL, 'e' },
		{ "script", required_argument, NULL, 'c' }, { "truth", required_argument, NULL, 't' },
		{ "over", no_argument, NULL, 'b' },         { NULL, 0, NULL, 0 },
	};
	int code, index = 0, r = 0;

	while (r == 0 && (code = getopt_long(argc, argv, "", longs, &index)) != -1)
		r = read_option(scene, code, longs[index].name, optarg);
	if (r == 0 && optind < argc)
		r = complain("not understood:", argv[optind]);
	return r;
}

int main(int argc, char **argv)
{
	static struct scene scene = {
		.width = 2304,
		.height = 1296,
		.rate = 56,
		.speed = 20,
		.object = 6,
		.contrast = 60,
		.noise = 4,
		.seed = 1,
	};
	uint64_t random;
	FILE *truth = NULL;
	int r;

	if (read_words(&scene, argc, argv) < 0 || lay_out(&scene) < 0)
		return 2;
	random = scene.seed;
	if (make_texture(&scene, &random) < 0)
		return 1;
	make_noise(&scene, &random);
	if (scene.truth && !(truth = fopen(scene.truth, "we")))
		return complain("cannot write", scene.truth), 1;
	r = write_scene(&scene, truth, &random);
	if (truth && fclose(truth) != 0)
		r = complain("cannot write", scene.truth);
	free(scene.texture);
	free(scene.image);
	return r < 0;
}
