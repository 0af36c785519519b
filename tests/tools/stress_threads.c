/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stress_threads.c - the writer and its readers as threads of one process, for ThreadSanitizer, which sees nothing
 * across processes.
 *
 *   stress_threads [--seconds N] [--slots N] [--pinned N] [--copying N] [--size WxH] [--seed N]
 *
 * The writer's thread is daemon/ring/ring.c and copy.c, driven as the capture thread drives them; the readers are the
 * client library as it is, in the manners of manners.h. Between them stands a thread that speaks protocol.h just far
 * enough: it welcomes clients, grants cursors, and takes them back when a connection ends. It sends no notices and the
 * readers never wait, so that nothing but the ring orders writer and readers. One more reader attaches and detaches all
 * the time. Exits with 0 when no frame was bad and all books balance, else with 1 (or as ThreadSanitizer says).
 */
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/names.h"
#include "copy/kernel.h"
#include "manners.h"
#include "one_mapping.h"
#include "publish/page.h"
#include "raw.h"
#include "ring/ring.h"

#define READERS_MAX 64u
#define NUMBER_MAX 3600u /* seconds, slots */
#define CLIENTS_MAX (READERS_MAX + 1u)
#define CAMERA "threads"

/* A client of the server's: its page is never freed, so that no thread can look at one that is gone. */
struct client {
	int fd;
	uint32_t cursors;
	struct lumaring_client_page *page;
};

/* What the writer works from, never changed once handed over. */
struct plan {
	uint64_t number;
	uint32_t cursor_count;
	const uint64_t *cursors[LUMARING_SLOTS_MAX];
};

struct stress {
	uint32_t width, height, slots, pinned, copying;
	uint64_t seconds, seed;
	char directory[80], path[128];
	struct ring *ring;

	/* The server's. */
	int listener;
	struct client clients[CLIENTS_MAX];
	uint32_t client_count, granted;
	uint64_t attached, plan_number;

	struct plan *handed;   /* atomic: server -> writer */
	uint64_t acknowledged; /* atomic: writer -> server */
	bool stop;             /* atomic: no more frames, the readers are to read to the end */
	bool stop_server, stop_writer; /* atomic: no more clients, no more plans, in this order */
	uint64_t takes, starved;
	bool failed; /* atomic: a thread found something wrong, so all may stop */
	unsigned ready;    /* atomic: readers that have attached */
	unsigned leaving;  /* atomic: times a reader was about to close; see leave() */
};

struct worker {
	struct stress *stress;
	pthread_t thread;
	bool copying;
	struct reader reader;
	uint64_t attached;
};

/* --- the writer --------------------------------------------------------------------------------------------------- */

static void fill(const struct stress *s, uint32_t slot, uint64_t sequence, uint8_t *scratch)
{
	const struct copy_rows rows = {
		.destination = ring_pixels(s->ring, slot),
		.destination_stride = ring_stride(s->width, 1),
		.source = scratch,
		.source_stride = s->width,
		.pixels = s->width,
		.rows = s->height,
	};

	for (uint32_t y = 0; y < s->height; y++)
		synthetic_row(scratch + (size_t)y * s->width, sequence, 0, y, s->width);
	copy_kernel_for(COPY_BYTES, true, copy_cpu())->function(&rows);
	copy_fence();
}

static void write_frame(struct stress *s, const struct plan *plan, uint64_t sequence, uint8_t *scratch)
{
	struct lumaring_descriptor d = {
		.camera_sequence = sequence,
		.fourcc = LUMARING_FORMAT_R8,
		.width = s->width,
		.height = s->height,
		.stride = ring_stride(s->width, 1),
		.bin = 1,
		.region_width = s->width,
		.region_height = s->height,
		.image_width = s->width,
		.image_height = s->height,
	};
	uint32_t slot;

	s->takes++;
	if (ring_take(s->ring, sequence, plan->cursors, plan->cursor_count, &slot) < 0) {
		s->starved++;
		__atomic_store_n(&s->failed, true, __ATOMIC_RELAXED); /* only ends the run early: relaxed */
		ring_count_lost(s->ring, LUMARING_LOST_NO_SLOT, 1);
		return;
	}
	fill(s, slot, sequence, scratch);
	ring_publish(s->ring, slot, sequence, &d);
}

static void *run_writer(void *argument)
{
	struct stress *s = argument;
	uint8_t *scratch = malloc((size_t)s->width * s->height);
	struct plan *plan = NULL, *next;
	bool stopped = false;

	ring_begin(s->ring, 1);
	for (uint64_t sequence = 0; scratch && !__atomic_load_n(&s->stop_writer, __ATOMIC_ACQUIRE);) {
		if (!stopped && __atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
			ring_set_state(s->ring, LUMARING_RING_CLOSED);
			stopped = true;
		}
		/* Pairs with hand_plan(): the plan's contents before the pointer. */
		next = __atomic_load_n(&s->handed, __ATOMIC_ACQUIRE);
		if (next != plan) {
			plan = next;
			/* Pairs with hand_plan(): the last use of the old plan before the number of the new one. */
			__atomic_store_n(&s->acknowledged, plan->number, __ATOMIC_RELEASE);
		}
		/* Relaxed: only says when to begin. */
		if (!stopped && plan && __atomic_load_n(&s->ready, __ATOMIC_RELAXED) > s->pinned + s->copying)
			write_frame(s, plan, ++sequence, scratch);
		else
			sched_yield();
	}
	free(scratch);
	return NULL;
}

/* --- the server --------------------------------------------------------------------------------------------------- */

/* Give the writer the cursors as they are granted now, and return when it uses them: the old plan is free then. */
static void hand_plan(struct stress *s)
{
	struct plan *plan = calloc(1, sizeof(*plan)), *old = s->handed;

	plan->number = ++s->plan_number;
	for (uint32_t i = 0; i < s->client_count; i++)
		for (uint32_t c = 0; c < s->clients[i].cursors; c++)
			plan->cursors[plan->cursor_count++] = &s->clients[i].page->cursors[c].sequence;
	/* These two pair with run_writer(). */
	__atomic_store_n(&s->handed, plan, __ATOMIC_RELEASE);
	while (__atomic_load_n(&s->acknowledged, __ATOMIC_ACQUIRE) != plan->number)
		sched_yield();
	free(old);
}

static int send_welcome(const struct stress *s, const struct client *client, int page_fd)
{
	struct lumaring_welcome m = {
		.message = { .type = LUMARING_MESSAGE_WELCOME, .size = sizeof(m) },
		.version = LUMARING_PROTOCOL_VERSION,
		.cursors = client->cursors,
		.epoch = ring_epoch(s->ring),
		.published = ring_published(s->ring),
		.ring_bytes = ring_bytes(s->ring),
		.page_bytes = sizeof(struct lumaring_client_page),
		.cursor_offset = offsetof(struct lumaring_client_page, cursors),
		.cursor_stride = sizeof(struct lumaring_cursor),
		.region_offset = offsetof(struct lumaring_client_page, region),
		.image_width = s->width,
		.image_height = s->height,
		.stream = "main",
	};
	int fds[2] = { ring_fd(s->ring), page_fd };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(fds)), .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	return sendmsg(client->fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void welcome(struct stress *s, int fd)
{
	struct client *client = &s->clients[s->client_count];
	uint32_t room = ring_cursors_max(s->slots) - s->granted;
	struct lumaring_hello hello;
	int page_fd;

	if (s->client_count == CLIENTS_MAX || recv(fd, &hello, sizeof(hello), 0) != sizeof(hello) ||
	    page_create(&client->page, &page_fd) < 0) {
		close(fd);
		return;
	}
	client->fd = fd;
	client->cursors = hello.cursors < room ? hello.cursors : room;
	s->granted += client->cursors;
	s->client_count++;
	hand_plan(s);
	send_welcome(s, client, page_fd);
	close(page_fd);
}

/* The connection ended: what it was granted is free once the writer does not look at it any more. */
static void dismiss(struct stress *s, uint32_t index)
{
	struct client gone = s->clients[index];

	(void)__atomic_load_n(&s->leaving, __ATOMIC_ACQUIRE); /* pairs with leave() */
	s->clients[index] = s->clients[--s->client_count];
	hand_plan(s);
	s->granted -= gone.cursors;
	close(gone.fd);
}

static void *run_server(void *argument)
{
	struct stress *s = argument;
	struct pollfd fds[CLIENTS_MAX + 1];

	while (!__atomic_load_n(&s->stop_server, __ATOMIC_ACQUIRE)) {
		fds[0] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
		for (uint32_t i = 0; i < s->client_count; i++)
			fds[i + 1] = (struct pollfd){ .fd = s->clients[i].fd, .events = POLLIN };
		if (poll(fds, s->client_count + 1, 50) <= 0)
			continue;
		for (uint32_t i = s->client_count; i-- > 0;)
			if (fds[i + 1].revents)
				dismiss(s, i);
		if (fds[0].revents)
			welcome(s, accept4(s->listener, NULL, NULL, SOCK_CLOEXEC));
	}
	return NULL;
}

/* --- the readers -------------------------------------------------------------------------------------------------- */

static int open_reader(struct worker *w, uint32_t cursors)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	int r;

	options.runtime_dir = w->stress->directory;
	options.timeout_ms = -1;
	options.frames_max = 64;
	options.cursors = cursors;
	options.flags = w->copying ? LUMARING_COPY : 0;
	r = lumaring_open(CAMERA, "main", &options, &w->reader.ring);
	if (r < 0)
		tally_fault(&w->reader.tally, "open: %s", lumaring_strerror(r));
	/* Relaxed: counts only. */
	__atomic_add_fetch(&w->stress->ready, w->attached++ == 0, __ATOMIC_RELAXED);
	return r;
}

/*
 * Closing gives back what is still pinned: the kernel orders the end of a connection after what its owner did before,
 * and ThreadSanitizer does not know that.
 */
static void leave(struct worker *w)
{
	__atomic_add_fetch(&w->stress->leaving, 1, __ATOMIC_RELEASE); /* pairs with dismiss() */
	reader_finish(&w->reader);
	if (w->reader.tally.fault[0])
		__atomic_store_n(&w->stress->failed, true, __ATOMIC_RELAXED); /* only ends the run early: relaxed */
}

static void *run_reader(void *argument)
{
	struct worker *w = argument;
	int n = open_reader(w, 1);

	while ((n >= 0 || n == -EAGAIN) && n != LUMARING_EVENT_CLOSED && !w->reader.tally.fault[0]) {
		n = reader_step(&w->reader);
		if (n == -EAGAIN)
			sched_yield();
	}
	leave(w);
	return NULL;
}

/* Attaches, reads a few frames, detaches, sometimes with a frame still pinned. */
static void *run_visitor(void *argument)
{
	struct worker *w = argument;
	struct stress *s = w->stress;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE) && open_reader(w, 2) == 0) {
		const struct lumaring_frame *f;
		int n = 0;

		tally_begin(&w->reader.tally);
		for (int i = 0; i < 20 && n != LUMARING_EVENT_CLOSED; i++) {
			n = reader_step(&w->reader);
			if (n == -EAGAIN)
				sched_yield();
		}
		if (n == 0 && lumaring_latest(w->reader.ring, 0, &f) == 0)
			tally_frame(&w->reader.tally, f);
		w->reader.kept = NULL; /* closing gives it back */
		leave(w);
	}
	return NULL;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static int set_up(struct stress *s)
{
	struct ring_config config = { .camera = CAMERA, .stream = "main", .slot_count = s->slots, .width_max = s->width,
				      .height_max = s->height, .bytes_per_pixel = 1, .group = (gid_t)-1 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char text[512] = "";
	int r = ring_create(&config, &s->ring, text, sizeof(text));

	if (r < 0)
		return fprintf(stderr, "stress_threads: %s\n", text), r;
	ring_set_state(s->ring, LUMARING_RING_LIVE);
	snprintf(s->directory, sizeof(s->directory), "%s/lumaring-threads.XXXXXX", getenv("TMPDIR") ?: "/tmp");
	if (!mkdtemp(s->directory))
		return -errno;
	snprintf(s->path, sizeof(s->path), "%s/" CAMERA, s->directory);
	if (mkdir(s->path, 0700) < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/" CAMERA "/frames", s->directory);
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(s->listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(s->listener, 64) < 0)
		return -errno;
	return 0;
}

static void tear_down(struct stress *s)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/frames", s->path);
	unlink(path);
	rmdir(s->path);
	rmdir(s->directory);
	close(s->listener);
	free(s->handed);
	ring_destroy(s->ring);
}

static void parse(int argc, char **argv, struct stress *s)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 't' }, { "slots", required_argument, NULL, 'n' },
		{ "pinned", required_argument, NULL, 'p' },  { "copying", required_argument, NULL, 'y' },
		{ "size", required_argument, NULL, 'z' },    { "seed", required_argument, NULL, 's' },
		{ 0 },
	};
	char text[256] = "an unknown option";
	uint64_t n = 0;
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			r = -EINVAL;
		else if (c == 'z')
			r = parse_size("--size", optarg, &s->width, &s->height, text, sizeof(text));
		else
			r = parse_unsigned("a number", optarg, 0, c == 's' ? UINT64_MAX : NUMBER_MAX, &n, text,
					   sizeof(text));
		if (r < 0)
			break;
		s->seconds = c == 't' ? n : s->seconds;
		s->slots = c == 'n' ? (uint32_t)n : s->slots;
		s->pinned = c == 'p' ? (uint32_t)n : s->pinned;
		s->copying = c == 'y' ? (uint32_t)n : s->copying;
		s->seed = c == 's' ? n : s->seed;
	}
	if (r < 0 || s->pinned + s->copying >= READERS_MAX) {
		fprintf(stderr, "stress_threads: %s\n", r < 0 ? text : "too many readers");
		exit(2);
	}
}

static bool judge(struct worker *w, bool visitor)
{
	struct tally *t = &w->reader.tally;

	if (t->verified == 0)
		tally_fault(t, "no frame verified");
	if (!visitor && !w->copying && t->pinned == 0)
		tally_fault(t, "no frame pinned");
	printf("%-7s %-11s: %" PRIu64 " verified, %" PRIu64 " bad, %" PRIu64 " pinned, %" PRIu64 " copied%s%s\n",
	       visitor ? "visitor" : w->copying ? "copying" : "pinned", manner_names[w->reader.manner], t->verified,
	       t->bad, t->pinned, t->copied, t->fault[0] ? ": " : "", t->fault);
	return t->bad == 0 && !t->fault[0];
}

/* Until the time is over, or something was found. */
static void wait_for_end(struct stress *s)
{
	const struct timespec step = { .tv_nsec = 10 * (long)NS_PER_MS };
	uint64_t end_ns = clock_monotonic_ns() + s->seconds * NS_PER_SECOND;

	while (clock_monotonic_ns() < end_ns && !__atomic_load_n(&s->failed, __ATOMIC_RELAXED))
		nanosleep(&step, NULL);
	__atomic_store_n(&s->stop, true, __ATOMIC_RELEASE);
}

static int run(struct stress *s, struct worker *workers, uint32_t count)
{
	pthread_t writer, server;
	uint64_t verified = 0;
	bool good = true;

	pthread_create(&server, NULL, run_server, s);
	pthread_create(&writer, NULL, run_writer, s);
	for (uint32_t i = 0; i < count; i++)
		pthread_create(&workers[i].thread, NULL, i + 1 == count ? run_visitor : run_reader, &workers[i]);
	wait_for_end(s);
	for (uint32_t i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		good &= judge(&workers[i], i + 1 == count);
		verified += workers[i].reader.tally.verified;
	}
	__atomic_store_n(&s->stop_server, true, __ATOMIC_RELEASE);
	pthread_join(server, NULL);
	__atomic_store_n(&s->stop_writer, true, __ATOMIC_RELEASE);
	pthread_join(writer, NULL);
	printf("figure: %u threads, ring of %u slots: %" PRIu64 " takes, %" PRIu64 " without a slot, %" PRIu64
	       " frames verified, %" PRIu64 " attached on the way\n",
	       count + 2, s->slots, s->takes, s->starved, verified, workers[count - 1].attached);
	return good && s->starved == 0 && s->takes > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct stress s = { .width = 120, .height = 16, .slots = 8, .pinned = 4, .copying = 2, .seconds = 5,
				   .seed = 1 };
	static struct worker workers[READERS_MAX + 1];
	uint32_t count;
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv, &s);
	count = s.pinned + s.copying + 1;
	for (uint32_t i = 0; i < count; i++)
		workers[i] = (struct worker){
			.stress = &s,
			.copying = i >= s.pinned && i + 1 < count,
			.reader = { .manner = (enum manner)((i < s.pinned ? i : i - s.pinned) % MANNERS),
				    .random = s.seed + i, .hold_us_max = 200 },
		};
	r = set_up(&s);
	if (r < 0) {
		fprintf(stderr, "stress_threads: cannot set up: %s\n", strerror(-r));
		return 1;
	}
	r = run(&s, workers, count);
	tear_down(&s);
	return r;
}
