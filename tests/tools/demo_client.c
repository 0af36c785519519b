/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo_client.c - four clients of different manners, for tests/demo: each is a process of its own that knows the daemon
 * through liblumaring only. The parent shows their figures while they run, kills one with a frame in its hand, starts
 * it again, has a source that can make another size change to it, and says at the end whether every account adds up.
 *
 *     demo_client CAMERA RUNTIME_DIR DAEMON_PID SECONDS synthetic|replay
 *
 * Exit code 0: every client saw frames, of the other size at last, frames seen + missed = published for each, and no
 * frame was bad. The parent
 * never opens the stream itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lumaring/control.h>
#include <lumaring/lumaring.h>

#include "demo_life.h"
#include "measure.h"

#define SECONDS_MAX 3600u
#define SMALL_WIDTH 1280u /* what the size is changed to: the ring has room for it */
#define SMALL_HEIGHT 720u
#define TICK_NS UINT64_C(5000000) /* how often the parent looks for what has no event */

static const char *const manner_names[MANNERS] = {
	"every frame, in order",        "newest only, holds each 0.5 s", "a region that moves",
	"killed -9 half way, in order", "... and started again",
};

struct child {
	pid_t pid; /* 0: not running */
	bool failed;
	struct figures *figures;
	uint64_t frames_shown;
	uint32_t samples_shown;
};

struct moment {
	uint64_t now_ns, cpu_ns, cpu_source_ns, captured;
};

struct demo {
	const char *camera, *runtime_dir;
	pid_t daemon_pid;
	unsigned seconds;
	const char *source;
	bool synthetic;
	struct child children[MANNERS];
	struct moment begin, end;
	int64_t gap_us; /* of the change of size, -1: not known */
	uint32_t frame_duration_us;
	uint64_t shown_ns;
};

static int start_client(struct demo *demo, enum manner manner)
{
	struct life life = {
		.camera = demo->camera,
		.runtime_dir = demo->runtime_dir,
		.synthetic = demo->synthetic,
		.manner = manner,
		.figures = demo->children[manner].figures,
	};
	pid_t parent = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return fprintf(stderr, "demo: cannot start a client: %s\n", strerror(errno)), -1;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() != parent || live(&life) < 0);
	}
	demo->children[manner].pid = pid;
	return 0;
}

/* Note a client that ended; with WNOHANG in `options` only if it has. */
static void reap(struct demo *demo, enum manner manner, int options)
{
	struct child *child = &demo->children[manner];
	int status;

	if (!child->pid || waitpid(child->pid, &status, options) != child->pid)
		return;
	child->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	if (manner == KILLED && child->figures->holding && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	child->failed = true;
	fprintf(stderr, "demo: client \"%s\" failed: %s\n", manner_names[manner],
		WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : child->figures->text);
}

/* True when a client failed, or ended before it was told to. */
static bool any_failed(struct demo *demo)
{
	bool failed = false;

	for (int m = 0; m < MANNERS; m++) {
		reap(demo, (enum manner)m, WNOHANG);
		failed = failed || demo->children[m].failed;
	}
	return failed;
}

static int wait_for_frames(struct demo *demo, enum manner first, enum manner last)
{
	uint64_t deadline_ns = measure_now_ns() + FIRST_FRAME_MS * UINT64_C(1000000);

	for (int m = first; m <= (int)last; m++)
		/* Relaxed: as in count_frame(). */
		while (!__atomic_load_n(&demo->children[m].figures->frames, __ATOMIC_RELAXED)) {
			if (any_failed(demo))
				return -1;
			if (measure_now_ns() > deadline_ns)
				return fprintf(stderr, "demo: client \"%s\" saw no frame within %u s\n",
					       manner_names[m], FIRST_FRAME_MS / 1000),
				       -1;
			measure_sleep_ns(TICK_NS);
		}
	return 0;
}

static int kill_one(struct demo *demo)
{
	struct child *child = &demo->children[KILLED];
	uint64_t deadline_ns = measure_now_ns() + FIRST_FRAME_MS * UINT64_C(1000000);

	__atomic_store_n(&child->figures->hold, 1, __ATOMIC_RELAXED); /* see hold_if_asked() */
	/* Pairs with hold_if_asked(). */
	while (!__atomic_load_n(&child->figures->holding, __ATOMIC_ACQUIRE)) {
		if (any_failed(demo) || measure_now_ns() > deadline_ns)
			return fprintf(stderr, "demo: the client to be killed got no frame to hold\n"), -1;
		measure_sleep_ns(TICK_NS);
	}
	kill(child->pid, SIGKILL);
	reap(demo, KILLED, 0);
	return start_client(demo, RESTARTED);
}

/* As `lumaring set --width 1280 --height 720` does it, while all of them read. */
static int change_size(struct demo *demo)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;
	const struct lumaring_applied *applied;
	struct lumaring_control *control;
	char text[256] = "";
	int r;

	options.runtime_dir = demo->runtime_dir;
	options.error_text = text;
	options.error_bytes = sizeof(text);
	wanted.width = SMALL_WIDTH;
	wanted.height = SMALL_HEIGHT;
	r = lumaring_control_open(demo->camera, &options, &control);
	if (r < 0)
		return fprintf(stderr, "demo: the size cannot be changed: %s\n", text), -1;
	r = lumaring_configure(control, &wanted, LUMARING_STRICT, FIRST_FRAME_MS, &applied);
	if (r == 0) {
		demo->gap_us = applied->gap_us;
		demo->frame_duration_us = applied->frame_duration_min_us;
	} else {
		fprintf(stderr, "demo: the size cannot be changed: %s\n", lumaring_control_error_text(control));
	}
	lumaring_control_close(control);
	return r;
}

/* Until everybody who still runs has had a frame of the other size. */
static int wait_for_size(struct demo *demo)
{
	uint64_t deadline_ns = measure_now_ns() + FIRST_FRAME_MS * UINT64_C(1000000);

	for (int m = 0; m < MANNERS; m++)
		/* Relaxed: as in count_frame(). */
		while (m != KILLED &&
		       __atomic_load_n(&demo->children[m].figures->last_image_width, __ATOMIC_RELAXED) != SMALL_WIDTH) {
			if (any_failed(demo))
				return -1;
			if (measure_now_ns() > deadline_ns)
				return fprintf(stderr, "demo: client \"%s\" saw no frame of %ux%u\n", manner_names[m],
					       SMALL_WIDTH, SMALL_HEIGHT),
				       -1;
			measure_sleep_ns(TICK_NS);
		}
	return 0;
}

static void show_row(struct demo *demo, enum manner manner, unsigned second, uint64_t passed_ns)
{
	struct child *child = &demo->children[manner];
	/* Pairs with count_frame(). */
	uint32_t end = __atomic_load_n(&child->figures->sample_count, __ATOMIC_ACQUIRE);
	/* Relaxed, both: as in count_frame(). */
	uint64_t frames = __atomic_load_n(&child->figures->frames, __ATOMIC_RELAXED);
	uint64_t missed = __atomic_load_n(&child->figures->missed, __ATOMIC_RELAXED);
	uint32_t count = end - child->samples_shown;
	uint32_t *samples = malloc((count + 1) * sizeof(*samples));

	printf("%4u s  %-30s %7" PRIu64 "  %5.1f  %6" PRIu64, second, manner_names[manner], frames,
	       (double)(frames - child->frames_shown) * 1e9 / (double)passed_ns, missed);
	if (samples && count) {
		memcpy(samples, child->figures->samples_ns + child->samples_shown, count * sizeof(*samples));
		printf("  %7.0f  %7.0f\n", measure_percentile(samples, count, 50) / 1e3,
		       measure_percentile(samples, count, 99) / 1e3);
	} else {
		printf("  %7s  %7s\n", "-", "-");
	}
	free(samples);
	child->samples_shown = end;
	child->frames_shown = frames;
}

/* On a terminal the table stays where it is. */
static void show_table(struct demo *demo, unsigned second)
{
	uint64_t now_ns = measure_now_ns();

	if (second > 1 && isatty(STDOUT_FILENO))
		printf("\033[%dA", MANNERS);
	for (int m = 0; m < MANNERS; m++)
		show_row(demo, (enum manner)m, second, now_ns - demo->shown_ns);
	fflush(stdout);
	demo->shown_ns = now_ns;
}

static struct moment look(const struct demo *demo)
{
	const struct figures *f = demo->children[IN_ORDER].figures;

	return (struct moment){
		.now_ns = measure_now_ns(),
		.cpu_ns = measure_process_cpu_ns(demo->daemon_pid),
		.cpu_source_ns = measure_threads_cpu_ns(demo->daemon_pid, demo->source),
		/* As the client that reads in order counts them. Relaxed, both: as in count_frame(). */
		.captured =
			__atomic_load_n(&f->frames, __ATOMIC_RELAXED) + __atomic_load_n(&f->missed, __ATOMIC_RELAXED),
	};
}

static void begin_interval(struct demo *demo)
{
	demo->begin = look(demo);
	demo->shown_ns = demo->begin.now_ns;
	for (int m = 0; m < MANNERS; m++) {
		struct child *child = &demo->children[m];

		child->frames_shown = child->figures->frames;
		child->samples_shown = child->figures->sample_count;
	}
}

static void sleep_until(uint64_t deadline_ns)
{
	uint64_t now_ns = measure_now_ns();

	if (now_ns < deadline_ns)
		measure_sleep_ns(deadline_ns - now_ns);
}

static int show(struct demo *demo)
{
	printf("\n  time  %-30s %7s  %5s  %6s  %7s  %7s\n", "client, a process each", "frames", "fps", "missed",
	       "p50 us", "p99 us");
	begin_interval(demo);
	for (unsigned half = 1; half <= 2 * demo->seconds; half++) {
		sleep_until(demo->begin.now_ns + half * MEASURE_NS_PER_SECOND / 2);
		if (half == (demo->seconds + 1) / 2 && demo->synthetic && change_size(demo) < 0)
			return -1;
		if (half == demo->seconds && kill_one(demo) < 0)
			return -1;
		if (half % 2 == 0)
			show_table(demo, half / 2);
		if (any_failed(demo))
			return -1;
	}
	if (wait_for_frames(demo, RESTARTED, RESTARTED) < 0)
		return -1;
	return demo->synthetic ? wait_for_size(demo) : 0;
}

static void stop_clients(struct demo *demo)
{
	uint64_t deadline_ns = measure_now_ns() + FIRST_FRAME_MS * UINT64_C(1000000);
	bool running = true;

	for (int m = 0; m < MANNERS; m++)
		__atomic_store_n(&demo->children[m].figures->stop, 1, __ATOMIC_RELAXED); /* see live() */
	while (running && measure_now_ns() < deadline_ns) {
		running = false;
		any_failed(demo);
		for (int m = 0; m < MANNERS; m++)
			running = running || demo->children[m].pid;
		measure_sleep_ns(TICK_NS);
	}
	for (int m = 0; m < MANNERS; m++)
		if (demo->children[m].pid) {
			kill(demo->children[m].pid, SIGKILL);
			reap(demo, (enum manner)m, 0);
		}
}

/* --- what was seen ------------------------------------------------------------------------------------------------ */

static bool account_is_right(const struct figures *f)
{
	uint64_t skipped = f->missed_by[LUMARING_MISSED_SKIPPED];

	return f->frames > 0 && f->publication_last - f->publication_first + 1 == f->frames + skipped &&
	       f->sequence_last - f->sequence_first + 1 == f->frames + f->missed &&
	       (!f->published || f->published == f->publication_last);
}

static bool tell_account(const struct demo *demo, enum manner manner)
{
	struct figures *f = demo->children[manner].figures;
	bool right = account_is_right(f);
	bool any = false;

	printf("  %-30s %5" PRIu64 " seen + %5" PRIu64 " missed = %5" PRIu64 " captured meanwhile%s",
	       manner_names[manner], f->frames, f->missed, f->sequence_last - f->sequence_first + 1,
	       right ? "" : ": DOES NOT ADD UP");
	for (unsigned cause = 0; cause < LUMARING_MISSED_CAUSES; cause++)
		if (f->missed_by[cause]) {
			printf("%s%s %" PRIu64, any ? ", " : " (", lumaring_missed_name(cause), f->missed_by[cause]);
			any = true;
		}
	printf("%s\n", any ? ")" : "");
	return right;
}

static void tell_latency(const struct demo *demo)
{
	printf("\nLatency, from the frame complete in the capture buffer to the pointer in the client's hand\n"
	       "(the slow client takes what is newest when it asks, which may be a whole frame old):\n");
	for (int m = 0; m < MANNERS; m++) {
		struct figures *f = demo->children[m].figures;

		printf("  %-30s p50 %6.2f ms, p99 %6.2f ms, most %6.2f ms (%ux%u)\n", manner_names[m],
		       measure_percentile(f->samples_ns, f->sample_count, 50) / 1e6,
		       measure_percentile(f->samples_ns, f->sample_count, 99) / 1e6,
		       measure_percentile(f->samples_ns, f->sample_count, 100) / 1e6, f->width, f->height);
	}
}

static void tell_cpu(const struct demo *demo)
{
	const struct moment *a = &demo->begin, *b = &demo->end;
	double frames = b->captured > a->captured ? (double)(b->captured - a->captured) : 1;
	double whole_ms = (double)(b->cpu_ns - a->cpu_ns) / 1e6 / frames;
	double source_ms = (double)(b->cpu_source_ns - a->cpu_source_ns) / 1e6 / frames;

	printf("\nDaemon: %.1f frames/s, %.2f ms of CPU per frame, of which %.2f ms for what a camera does by itself\n"
	       "(thread \"%s\", which makes the picture) and %.2f ms for copies, clients and everything else.\n",
	       frames * 1e9 / (double)(b->now_ns - a->now_ns), whole_ms, source_ms, demo->source, whole_ms - source_ms);
}

static void tell_size(const struct demo *demo)
{
	printf("\nSize: changed to %ux%u while they read, as `lumaring set` does it; all of them went on with it. "
	       "There\n"
	       "was no frame for %.1f ms, where one comes every %.1f ms.\n",
	       SMALL_WIDTH, SMALL_HEIGHT, (double)demo->gap_us / 1e3, demo->frame_duration_us / 1e3);
}

/* Only what was really compared is claimed. */
static bool tell_pixels(const struct demo *demo)
{
	uint64_t bytes = 0, wrong = 0, stale = 0, copied = 0, frames = 0;

	for (int m = 0; m < MANNERS; m++) {
		const struct figures *f = demo->children[m].figures;

		frames += f->frames;
		bytes += f->bytes_checked;
		wrong += f->frames_wrong;
		stale += f->frames_stale;
		copied += f->frames_copied;
	}
	printf("\nFrames: %" PRIu64 " handed out, %" PRIu64 " of them copied for lack of a free pin; %" PRIu64
	       " changed in a client's hand.\n",
	       frames, copied, stale);
	if (demo->synthetic)
		printf("Pixels: %.1f million compared with what the source makes (every pixel of the slow and the\n"
		       "region client, one row in %u of the others), in %" PRIu64 " frames one was wrong or torn.\n",
		       (double)bytes / 1e6, ROWS_APART, wrong);
	return !wrong && !stale;
}

static int tell(const struct demo *demo)
{
	const struct figures *first = demo->children[IN_ORDER].figures;
	bool good = true;

	printf("\nWhat was seen, of an image of %ux%u at first:\n", first->image_width, first->image_height);
	for (int m = 0; m < MANNERS; m++)
		good = tell_account(demo, (enum manner)m) && good;
	tell_latency(demo);
	tell_cpu(demo);
	if (demo->synthetic)
		tell_size(demo);
	good = tell_pixels(demo) && good;
	for (int m = 0; m < MANNERS; m++)
		good = good && !demo->children[m].failed;
	return good ? 0 : -1;
}

static int run(struct demo *demo)
{
	int r = 0;

	for (int m = IN_ORDER; m <= KILLED && r == 0; m++)
		r = start_client(demo, (enum manner)m);
	if (r == 0)
		r = wait_for_frames(demo, IN_ORDER, KILLED);
	if (r == 0)
		r = show(demo);
	demo->end = look(demo);
	stop_clients(demo);
	return r < 0 ? r : tell(demo);
}

static int parse(struct demo *demo, char **argv)
{
	char *end;
	unsigned long seconds;

	demo->camera = argv[1];
	demo->runtime_dir = argv[2];
	demo->daemon_pid = (pid_t)atoi(argv[3]);
	seconds = strtoul(argv[4], &end, 10);
	if (argv[4][0] < '0' || argv[4][0] > '9' || *end || seconds < 1 || seconds > SECONDS_MAX)
		return fprintf(stderr, "demo: DEMO_SECONDS is \"%s\"; it must be a whole number, 1 to %u\n", argv[4],
			       SECONDS_MAX),
		       -1;
	demo->seconds = (unsigned)seconds;
	demo->source = argv[5];
	demo->synthetic = strcmp(argv[5], "synthetic") == 0;
	return 0;
}

int main(int argc, char **argv)
{
	static struct demo demo;

	if (argc != 6) {
		fprintf(stderr, "usage: demo_client CAMERA RUNTIME_DIR DAEMON_PID SECONDS synthetic|replay\n");
		return 2;
	}
	if (parse(&demo, argv) < 0)
		return 2;
	for (int m = 0; m < MANNERS; m++) {
		demo.children[m].figures = mmap(NULL, sizeof(struct figures), PROT_READ | PROT_WRITE,
						MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (demo.children[m].figures == MAP_FAILED) {
			fprintf(stderr, "demo: no memory for figures: %s\n", strerror(errno));
			return 1;
		}
	}
	return run(&demo) < 0;
}
