/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * footage.c - see footage.h. Opening looks at the file in the owner's thread; everything else is the feeder's thread,
 * which reads plainly from the first byte to the last and waits only where the feeder or the input can be interrupted.
 *
 * A frame is read into its buffer before it is due, as a camera would have it complete by then: the copy finds it
 * cold in the caches, and it is published in time also when the disk was slow.
 */
#include "source/footage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static struct footage *footage_of(struct source *source)
{
	return (struct footage *)source;
}

uint64_t footage_frame_bytes(const struct footage *footage)
{
	return (uint64_t)footage->row_bytes * footage->rows + footage->rest_bytes;
}

bool footage_expects_more(const struct footage *footage)
{
	return footage->fifo && footage->loop;
}

int footage_unreadable(struct footage *footage, int error)
{
	if (error == -ECANCELED)
		return error;
	return feeder_fail(&footage->feeder, error, "%s: byte %llu: cannot read: %s", footage->name,
			   (unsigned long long)footage->input.offset, strerror(-error));
}

int footage_cut_off(struct footage *footage, uint64_t offset, uint64_t bytes)
{
	if (footage_expects_more(footage)) {
		footage->camera_sequence++;
		footage->lost++;
		return FOOTAGE_OVER;
	}
	return feeder_fail(&footage->feeder, -ENODATA,
			   "%s: frame %llu, at byte %llu, is cut off: %llu of its %llu bytes are there", footage->name,
			   (unsigned long long)footage->frames + 1, (unsigned long long)offset,
			   (unsigned long long)bytes, (unsigned long long)footage_frame_bytes(footage));
}

static int footage_read(struct footage *footage, unsigned buffer, uint64_t offset, bool begun)
{
	uint64_t kept = (uint64_t)footage->row_bytes * footage->rows, read = 0, skipped = 0;
	int rc;

	rc = input_rows(&footage->input, footage->feeder.buffers[buffer].pixels, footage->feeder.format.stride,
			footage->row_bytes, footage->rows, &read);
	if (!rc && read == kept)
		rc = input_skip(&footage->input, footage->rest_bytes, &skipped);
	if (rc)
		return footage_unreadable(footage, rc);
	if (!read && !begun)
		return FOOTAGE_OVER;
	return read + skipped < footage_frame_bytes(footage) ? footage_cut_off(footage, offset, read + skipped) : 0;
}

static int footage_deliver(struct footage *footage, unsigned buffer, uint64_t begin_ns)
{
	struct source_frame frame = { 0 };
	uint64_t due_ns;
	int rc = feeder_wait_due(&footage->feeder, &due_ns);

	if (rc)
		return rc;
	frame.sensor_ns = due_ns ? due_ns : begin_ns;
	frame.ready_ns = clock_monotonic_ns();
	frame.camera_sequence = ++footage->camera_sequence;
	frame.lost[LUMARING_LOST_SENSOR] = footage->lost;
	footage->lost = 0;
	footage->frames++;
	return feeder_deliver(&footage->feeder, buffer, frame);
}

int footage_frame(struct footage *footage, uint64_t offset, bool begun)
{
	uint64_t begin_ns;
	unsigned buffer;
	int rc = feeder_wait_start(&footage->feeder);

	if (!rc)
		rc = feeder_take(&footage->feeder, &buffer);
	if (rc)
		return rc;
	begin_ns = clock_monotonic_ns();
	rc = footage_read(footage, buffer, offset, begun);
	if (rc) {
		feeder_put_back(&footage->feeder, buffer);
		return rc;
	}
	return footage_deliver(footage, buffer, begin_ns);
}

/* Wait for a writer, and say so, also when the one before had nothing to say. */
static int footage_await(struct footage *footage)
{
	int rc = 0;

	if (input_would_wait(&footage->input))
		rc = feeder_pause(&footage->feeder, 0);
	return rc ? rc : input_wait(&footage->input);
}

/* The new descriptor is opened before the old one is closed, so nothing that the next writer wrote already is lost. */
static int footage_reopen(struct footage *footage)
{
	int fd = open(footage->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), old = footage->input.fd;
	struct stat status;

	if (fd >= 0 && !fstat(fd, &status) && S_ISFIFO(status.st_mode)) {
		close(old);
		return input_begin(&footage->input, fd, 0);
	}
	if (fd < 0)
		return feeder_fail(&footage->feeder, -errno, "%s: cannot be opened again: %s", footage->name,
				   strerror(errno));
	close(fd);
	return feeder_fail(&footage->feeder, -EINVAL, "%s: is no longer a FIFO", footage->name);
}

static int footage_again(struct footage *footage)
{
	if (footage->fifo)
		return footage_reopen(footage);
	if (!footage->frames)
		return feeder_fail(&footage->feeder, -EINVAL, "%s: holds no frame to repeat", footage->name);
	return input_begin(&footage->input, footage->input.fd, footage->start);
}

static int footage_run(struct feeder *feeder)
{
	struct footage *footage = footage_of(&feeder->source);

	for (;;) {
		int rc = footage_await(footage);

		footage->frames = 0;
		feeder_expect(feeder);
		if (!rc)
			rc = footage->kind->stream(footage);
		if (rc == FOOTAGE_OVER && footage->loop)
			rc = footage_again(footage);
		if (rc)
			return rc == FOOTAGE_OVER ? 0 : rc;
	}
}

/* --- what can change ---------------------------------------------------------------------------------------- */

/* Size and pixel format of the frames that come: false, and those that must come, as long as no header was read. */
static bool recorded(const struct footage *footage, struct source_settings *ret_settings)
{
	uint32_t width, height;
	enum pixels pixels;

	*ret_settings = (struct source_settings){
		.width = footage->width,
		.height = footage->height,
		.layout = footage->layout,
	};
	if (!feeder_announced(&footage->feeder, &width, &height, &pixels))
		return false;
	ret_settings->width = width;
	ret_settings->height = height;
	if (!footage->layout.name)
		ret_settings->layout = (struct pixels_layout){ pixels_facts(pixels)->name, pixels, PIXELS_CHROMA_NONE };
	return true;
}

void footage_capabilities(const struct source *source, struct source_capabilities *ret_capabilities)
{
	const struct footage *footage = (const struct footage *)source;
	struct source_mode *mode = &ret_capabilities->modes[0];
	struct source_settings settings;

	snprintf(ret_capabilities->id, sizeof(ret_capabilities->id), "%s:%s", footage->kind->name, footage->name);
	ret_capabilities->paces = !footage->feeder.unpaced;
	if (!recorded(footage, &settings))
		return;
	*mode = (struct source_mode){
		.width_min = settings.width,
		.width_max = settings.width,
		.width_step = 1,
		.height_min = settings.height,
		.height_max = settings.height,
		.height_step = 1,
		.format_count = 1,
		.formats = { settings.layout.name },
	};
	if (!footage->feeder.unpaced) {
		mode->frame_duration_min_ns = FEEDER_PERIOD_MIN_NS;
		mode->frame_duration_max_ns = FEEDER_PERIOD_MAX_NS;
	}
	ret_capabilities->mode_count = 1;
}

static bool is_another_format(const struct source_settings *wanted, const struct source_settings *settings)
{
	return wanted->layout.name && (!settings->layout.name || strcmp(wanted->layout.name, settings->layout.name));
}

int footage_check(const struct source *source, const struct source_settings *wanted,
		  struct source_settings *ret_settings, struct source_fault *ret_fault)
{
	const struct footage *footage = (const struct footage *)source;
	struct source_settings settings;
	int rc;

	if (!recorded(footage, &settings) &&
	    (is_another_format(wanted, &settings) || (wanted->width && wanted->width != settings.width) ||
	     (wanted->height && wanted->height != settings.height)))
		return source_refuse(ret_fault, -ENOTSUP,
				     is_another_format(wanted, &settings) ? "pixel_format" : "size",
				     "%s: nothing has come yet that says what the footage is, and nothing but its rate "
				     "can change",
				     footage->name);
	if ((wanted->width && wanted->width != settings.width) || (wanted->height && wanted->height != settings.height))
		return source_refuse(ret_fault, -ENOTSUP, "size",
				     "%s: the footage has %ux%u pixels, and the source %s does not scale",
				     footage->name, settings.width, settings.height, footage->kind->name);
	if (is_another_format(wanted, &settings))
		return source_refuse(ret_fault, -ENOTSUP, "pixel_format",
				     "%s: the footage is %s, and the source %s does not convert it", footage->name,
				     settings.layout.name, footage->kind->name);
	rc = feeder_check_rate(&footage->feeder, wanted, &settings, ret_fault);
	if (!rc)
		*ret_settings = settings;
	return rc;
}

/* --- opening ------------------------------------------------------------------------------------------------ */

int footage_check_size(struct footage *footage, const char *what, uint64_t bytes_needed)
{
	struct stat status;

	if (fstat(footage->input.fd, &status))
		return footage_unreadable(footage, -errno);
	if ((uint64_t)status.st_size >= footage->start + bytes_needed)
		return 0;
	return feeder_fail(&footage->feeder, -ENODATA, "%s: holds %llu bytes, and %s of %ux%u pixels takes %llu",
			   footage->name, (unsigned long long)status.st_size, what, footage->feeder.format.width,
			   footage->feeder.format.height, (unsigned long long)footage->start + bytes_needed);
}

static void footage_set_name(struct footage *footage)
{
	size_t length = strlen(footage->path);

	if (strcmp(footage->path, "-") == 0)
		snprintf(footage->name, sizeof(footage->name), "standard input");
	else if (length < sizeof(footage->name))
		memcpy(footage->name, footage->path, length + 1);
	else
		snprintf(footage->name, sizeof(footage->name), "...%s",
			 footage->path + length - (sizeof(footage->name) - sizeof("...")));
}

static int footage_open_file(struct footage *footage)
{
	bool standard = strcmp(footage->path, "-") == 0;
	struct input *input = &footage->input;
	struct stat status;

	/* Standard input is shared with others, so it is left as it is; its copy closes with the source. */
	if (standard)
		input->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		input->fd = open(footage->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (input->fd < 0 || fstat(input->fd, &status))
		return feeder_fail(&footage->feeder, -errno, "%s: cannot be opened: %s", footage->name,
				   strerror(errno));
	if (S_ISDIR(status.st_mode))
		return feeder_fail(&footage->feeder, -EISDIR, "%s: is a directory; name %s", footage->name,
				   footage->kind->file);
	input->seekable = S_ISREG(status.st_mode);
	input->nonblocking = footage->fifo = S_ISFIFO(status.st_mode) && !standard;
	if (footage->loop && !input->seekable && !footage->fifo)
		return feeder_fail(&footage->feeder, -EINVAL,
				   "%s: cannot be read again; --loop is for files and named pipes", footage->name);
	if (input->seekable && standard) {
		off_t at = lseek(input->fd, 0, SEEK_CUR);

		footage->start = at > 0 ? (uint64_t)at : 0;
	}
	return 0;
}

static int footage_prepare(struct footage *footage, const struct source_config *config)
{
	const char *name = footage->kind->name;
	int rc = feeder_init(&footage->feeder, footage->kind->operations, config);

	if (rc)
		return rc;
	if (!config->path || !config->path[0])
		return feeder_fail(&footage->feeder, -EINVAL, "%s needs %s, a FIFO or -: --source %s:FILE", name,
				   footage->kind->file, name);
	footage->path = strdup(config->path);
	if (!footage->path)
		return feeder_fail(&footage->feeder, -ENOMEM, "no memory for the %s source", name);
	footage_set_name(footage);
	footage->input.feeder = &footage->feeder;
	footage->width = config->settings.width;
	footage->height = config->settings.height;
	footage->loop = config->loop;
	rc = footage_open_file(footage);
	if (!rc)
		rc = input_begin(&footage->input, footage->input.fd, footage->start);
	if (!rc)
		rc = footage->kind->opened(footage, config);
	return rc ? rc : feeder_launch(&footage->feeder, name, footage_run);
}

void footage_destroy(struct source *source)
{
	struct footage *footage = footage_of(source);

	feeder_finish(&footage->feeder);
	if (footage->input.fd >= 0)
		close(footage->input.fd);
	free(footage->path);
	memory_unmap(footage, sizeof(*footage));
}

int footage_open(const struct footage_kind *kind, const struct source_config *config, struct source **ret_source,
		 char *text, size_t text_bytes)
{
	/* What is read ahead are pixels, too. */
	struct footage *footage = memory_map(sizeof(*footage));
	int rc;

	if (!footage) {
		snprintf(text, text_bytes, "no memory for the %s source", kind->name);
		return -ENOMEM;
	}
	footage->kind = kind;
	footage->input.fd = -1;
	rc = footage_prepare(footage, config);
	if (rc) {
		snprintf(text, text_bytes, "%s", footage->feeder.text);
		footage_destroy(&footage->feeder.source);
		return rc;
	}
	*ret_source = &footage->feeder.source;
	return 0;
}

bool footage_is_live(const struct source *source)
{
	(void)source;
	return false;
}
