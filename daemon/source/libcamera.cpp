/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libcamera.cpp - see libcamera.h; for libcamera 0.0.3 to 0.7.
 *
 * A struct libcamera_camera is a place for one acquired camera. It outlives the Camera object that its handlers are
 * connected to, and is used again when the same is acquired again: nobody may disconnect a handler while libcamera's
 * thread, which copies the list of them, could just be calling it. So handlers stay, and find no listener.
 */
extern "C" { /* what it includes is C's alone */
#include "source/libcamera.h"
}

#include <dirent.h>
#include <linux/netlink.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <streambuf>
#include <string>
#include <vector>

#include <libcamera/libcamera.h>
#include <libcamera/logging.h>

#define AT_LEAST(major, minor, patch)                                                                                  \
	(LIBCAMERA_VERSION_MAJOR * 1000000 + LIBCAMERA_VERSION_MINOR * 1000 + LIBCAMERA_VERSION_PATCH >=               \
	 (major)*1000000 + (minor)*1000 + (patch))

namespace lc = libcamera;
namespace controls = libcamera::controls;

namespace
{

/* A rate from which on noise reduction costs the ISP more time than a frame has. */
constexpr uint64_t noise_limit_ns = 20000000;
/* How long udev may take to say that a device is gone that is. */
constexpr unsigned gone_patience_ms = 2000;
/* Of all devices of video4linux. */
constexpr unsigned video_major = 81;
/* Of a sensor's mode whose depth was not asked for, tried in this order. */
constexpr std::array<unsigned, 5> sensor_depths = { 10, 12, 8, 14, 16 };

uint64_t now_ns() noexcept
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

__attribute__((format(printf, 3, 4))) void say(char *text, size_t text_bytes, const char *format, ...) noexcept
{
	va_list arguments;

	if (!text)
		return;
	va_start(arguments, format);
	vsnprintf(text, text_bytes, format, arguments);
	va_end(arguments);
}

/* What `body` returns; what it throws as an errno. */
template <typename Body> int guarded(char *text, size_t text_bytes, Body &&body) noexcept
{
	try {
		return body();
	} catch (const std::bad_alloc &) {
		say(text, text_bytes, "no memory for what libcamera does");
		return -ENOMEM;
	} catch (const std::exception &e) {
		say(text, text_bytes, "libcamera failed: %s", e.what());
	} catch (...) {
		say(text, text_bytes, "libcamera failed");
	}
	return -EIO;
}

template <size_t bytes> bool copy_text(char (&ret_text)[bytes], const std::string &text) noexcept
{
	return snprintf(ret_text, bytes, "%s", text.c_str()) < static_cast<int>(bytes);
}

/* --- devices ------------------------------------------------------------------------------------------------ */

/* Netlink may be out of reach (a unit without AF_NETLINK), and without udev nobody speaks there. */
bool udev_tells() noexcept
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return false;
	close(fd);
	return access("/run/udev/control", F_OK) == 0;
}

/* A device of the kernel's. Its number may be the next one's when it is gone; the inode of its directory is not. */
struct kernel_device {
	dev_t number;
	ino_t inode;
};

/* 0: there is none, or /sys is not to be seen. */
ino_t find_inode(dev_t number) noexcept
{
	struct stat status;
	char path[64];

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/", major(number), minor(number));
	return stat(path, &status) < 0 ? 0 : status.st_ino;
}

/* For a libcamera that does not tell which devices are the camera's: all that it has open, which are those of others of
 * the same pipeline, too. */
std::vector<dev_t> list_open_devices()
{
	std::vector<dev_t> numbers;
	DIR *directory = opendir("/proc/self/fd");
	struct stat status;

	for (const dirent *entry; directory && (entry = readdir(directory));)
		if (fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 && S_ISCHR(status.st_mode) &&
		    major(status.st_rdev) == video_major)
			numbers.push_back(status.st_rdev);
	if (directory)
		closedir(directory);
	return numbers;
}

std::vector<dev_t> list_devices(const lc::Camera &camera)
{
	std::vector<dev_t> numbers;

#if AT_LEAST(0, 2, 0)
	const auto devices = camera.properties().get(lc::properties::SystemDevices);

	for (size_t i = 0; devices && i < devices->size(); i++)
		numbers.push_back(static_cast<dev_t>((*devices)[i]));
#else
	static_cast<void>(camera);
#endif
	return numbers.empty() ? list_open_devices() : numbers;
}

/* --- log ---------------------------------------------------------------------------------------------------- */

/* Errors are expected just now, such as a role that a pipeline lacks. */
std::atomic<bool> log_expects_errors{ false };

/* libcamera writes a message, one line or more, in one piece, from any of its threads. */
class log_buffer : public std::streambuf
{
public:
	void set(void (*line)(enum log_level, const char *))
	{
		std::lock_guard<std::mutex> lock(mutex_);

		line_ = line;
		used_ = 0;
	}

private:
	std::streamsize xsputn(const char *text, std::streamsize count) override
	{
		std::lock_guard<std::mutex> lock(mutex_);

		for (std::streamsize i = 0; i < count; i++)
			put(text[i]);
		return count;
	}

	/* A line that is too long loses its end. */
	void put(char character)
	{
		if (character != '\n') {
			if (used_ < sizeof(text_) - 1)
				text_[used_++] = character;
			return;
		}
		text_[used_] = '\0';
		if (used_ > 0 && line_)
			tell();
		used_ = 0;
	}

	/* "[0:01:02.345678901] [1234]  WARN Camera camera.cpp:1005 ..."; what lacks that goes on with the line before.
	 */
	void tell()
	{
		static const struct {
			const char *name;
			enum log_level level;
		} levels[] = {
			{ "DEBUG ", LOG_LEVEL_INFO },  { "INFO ", LOG_LEVEL_INFO },   { "WARN ", LOG_LEVEL_WARNING },
			{ "ERROR ", LOG_LEVEL_ERROR }, { "FATAL ", LOG_LEVEL_ERROR },
		};
		const char *text = text_;

		for (int i = 0; i < 2 && *text == '['; i++) {
			const char *end = strchr(text, ']');

			text = end ? end + 1 : text + strlen(text);
			text += strspn(text, " ");
		}
		/* It ends the process next, perhaps before who is told has written it. */
		if (strncmp(text, "FATAL ", 6) == 0)
			dprintf(STDERR_FILENO, "lumaringd: libcamera: %s\n", text);
		for (const auto &level : levels) {
			if (strncmp(text, level.name, strlen(level.name)) != 0)
				continue;
			level_ = level.level;
			text += strlen(level.name);
			break;
		}
		/* L1 pairs with L2 in look(), L3 in libcamera_close(): libcamera speaks before it returns. */
		line_(log_expects_errors.load(std::memory_order_relaxed) ? LOG_LEVEL_INFO : level_, text);
	}

	std::mutex mutex_;
	void (*line_)(enum log_level, const char *) = nullptr;
	enum log_level level_ = LOG_LEVEL_INFO;
	char text_[1024];
	size_t used_ = 0;
};

/* --- formats ------------------------------------------------------------------------------------------------ */

/* Those with luma and colour have the same names here and in pixels.h. */
bool find_yuv(const lc::PixelFormat &format, struct pixels_layout *ret_layout)
{
	return pixels_find_layout(format.toString().c_str(), ret_layout) &&
	       (ret_layout->chroma != PIXELS_CHROMA_NONE ||
		(ret_layout->pixels >= PIXELS_YUYV && ret_layout->pixels <= PIXELS_VYUY));
}

/* NULL: the pipeline has nothing for this role. */
std::unique_ptr<lc::CameraConfiguration> generate(lc::Camera &camera, bool raw)
{
	std::unique_ptr<lc::CameraConfiguration> configuration;

	if (raw)
		configuration = camera.generateConfiguration({ lc::StreamRole::Raw });
	else
		configuration = camera.generateConfiguration({ lc::StreamRole::VideoRecording });
	if (!raw && (!configuration || configuration->empty()))
		configuration = camera.generateConfiguration({ lc::StreamRole::Viewfinder });
	return configuration && !configuration->empty() ? std::move(configuration) : nullptr;
}

bool fill_format(const lc::StreamFormats &formats, const lc::PixelFormat &pixels, bool raw,
		 libcamera_format *ret_format)
{
	std::vector<lc::Size> sizes = formats.sizes(pixels);
	lc::SizeRange range = formats.range(pixels);
	libcamera_format format = {};
	size_t first;

	if (!copy_text(format.name, pixels.toString()) || (sizes.empty() && range.max.isNull()))
		return false;
	/* Of a range, sizes() names some that people use. */
	if (range.hStep > 0 && range.vStep > 0 && range.min != range.max)
		sizes.clear();
	std::sort(sizes.begin(), sizes.end(), [](const lc::Size &a, const lc::Size &b) {
		return uint64_t(a.width) * a.height < uint64_t(b.width) * b.height;
	});
	first = sizes.size() - std::min<size_t>(sizes.size(), LIBCAMERA_SIZES_MAX);
	format.raw = raw;
	format.minimum = { range.min.width, range.min.height };
	format.maximum = { range.max.width, range.max.height };
	format.step = { range.hStep, range.vStep };
	for (size_t i = first; i < sizes.size(); i++)
		format.sizes[format.size_count++] = { sizes[i].width, sizes[i].height };
	*ret_format = format;
	return true;
}

enum lumaring_luma_range luma_range(const lc::StreamConfiguration &stream)
{
	struct pixels_layout layout;

	if (!find_yuv(stream.pixelFormat, &layout))
		return LUMARING_RANGE_FULL;
	if (!stream.colorSpace)
		return LUMARING_RANGE_UNKNOWN;
	return stream.colorSpace->range == lc::ColorSpace::Range::Full ? LUMARING_RANGE_FULL : LUMARING_RANGE_LIMITED;
}

void fill_identity(const lc::Camera &camera, struct source_identity *ret_identity)
{
	const auto model = camera.properties().get(lc::properties::Model);
	const auto location = camera.properties().get(lc::properties::Location);
	struct source_identity identity = {};

	copy_text(identity.id, camera.id());
	if (model)
		copy_text(identity.model, std::string(*model));
	if (location && *location == lc::properties::CameraLocationFront)
		copy_text(identity.location, "front");
	else if (location && *location == lc::properties::CameraLocationBack)
		copy_text(identity.location, "back");
	else if (location && *location == lc::properties::CameraLocationExternal)
		copy_text(identity.location, "external");
	*ret_identity = identity;
}

/* --- controls ----------------------------------------------------------------------------------------------- */

/* Those with a number, in source.h's unit libcamera's times `scale`. `initial` is for pipelines that do not say. */
const struct number_control {
	enum source_control control;
	const lc::ControlId *id;
	double scale, initial;
} number_controls[] = {
	{ SOURCE_EXPOSURE_US, &controls::ExposureTime, 1, 0 },
	{ SOURCE_ANALOGUE_GAIN_MILLI, &controls::AnalogueGain, 1000, 1 },
	{ SOURCE_AUTO_EXPOSURE, &controls::AeEnable, 1, 1 },
	{ SOURCE_EXPOSURE_VALUE_MILLI, &controls::ExposureValue, 1000, 0 },
	{ SOURCE_BRIGHTNESS_MILLI, &controls::Brightness, 1000, 0 },
	{ SOURCE_CONTRAST_MILLI, &controls::Contrast, 1000, 1 },
	{ SOURCE_SHARPNESS_MILLI, &controls::Sharpness, 1000, 1 },
};

const lc::ControlInfo *find_info(const lc::Camera &camera, const lc::ControlId &id)
{
	const auto found = camera.controls().find(&id);

	return found == camera.controls().end() ? nullptr : &found->second;
}

/* Pipelines are free in what type they give for limits, and may give none. Of several the first counts. */
bool read_number(const lc::ControlValue &value, double *ret_number)
{
	const void *data = value.data().data();

	if (value.numElements() == 0)
		return false;
	switch (value.type()) {
	case lc::ControlTypeBool:
	case lc::ControlTypeByte:
		*ret_number = *static_cast<const uint8_t *>(data);
		return true;
	case lc::ControlTypeInteger32:
		*ret_number = *static_cast<const int32_t *>(data);
		return true;
	case lc::ControlTypeInteger64:
		*ret_number = static_cast<double>(*static_cast<const int64_t *>(data));
		return true;
	case lc::ControlTypeFloat:
		*ret_number = *static_cast<const float *>(data);
		return std::isfinite(*ret_number);
	default:
		return false;
	}
}

/* Numbers far out mean "no limit", and must not overflow what is computed with them. */
int64_t scaled(double number, double scale) noexcept
{
	const double whole = std::clamp(number * scale, -1e15, 1e15);

	return static_cast<int64_t>(whole < 0 ? whole - 0.5 : whole + 0.5);
}

bool read_range(const lc::ControlInfo &info, double scale, double initial, struct source_range *ret_range)
{
	double minimum, maximum;

	if (!read_number(info.min(), &minimum) || !read_number(info.max(), &maximum) || minimum > maximum)
		return false;
	read_number(info.def(), &initial);
	*ret_range = { scaled(minimum, scale), scaled(maximum, scale),
		       scaled(std::clamp(initial, minimum, maximum), scale) };
	return true;
}

const lc::Rectangle *rectangle(const lc::ControlValue &value, lc::Rectangle *ret_rectangle)
{
	if (value.type() != lc::ControlTypeRectangle || value.isArray())
		return nullptr;
	*ret_rectangle = value.get<lc::Rectangle>();
	return ret_rectangle->isNull() ? nullptr : ret_rectangle;
}

struct source_range clamped(int64_t minimum, int64_t maximum, int64_t initial) noexcept
{
	return { minimum, maximum, std::clamp(initial, minimum, maximum) };
}

/* A rectangle's limits are the largest one and, by its size, the smallest. */
bool read_crop(const lc::ControlInfo &info, struct source_range *ranges, lc::Rectangle *ret_initial)
{
	lc::Rectangle least(0, 0, 1, 1), most;

	if (!rectangle(info.max(), &most))
		return false;
	rectangle(info.min(), &least);
	if (!rectangle(info.def(), ret_initial))
		*ret_initial = most;
	const int64_t width = std::clamp(least.width, 1u, most.width),
		      height = std::clamp(least.height, 1u, most.height);
	ranges[SOURCE_SCALER_CROP_X] = clamped(most.x, most.x + most.width - width, ret_initial->x);
	ranges[SOURCE_SCALER_CROP_Y] = clamped(most.y, most.y + most.height - height, ret_initial->y);
	ranges[SOURCE_SCALER_CROP_WIDTH] = clamped(width, most.width, ret_initial->width);
	ranges[SOURCE_SCALER_CROP_HEIGHT] = clamped(height, most.height, ret_initial->height);
	return true;
}

constexpr uint32_t crop_bits = SOURCE_BIT(SOURCE_SCALER_CROP_X) | SOURCE_BIT(SOURCE_SCALER_CROP_Y) |
			       SOURCE_BIT(SOURCE_SCALER_CROP_WIDTH) | SOURCE_BIT(SOURCE_SCALER_CROP_HEIGHT);

} /* namespace */

/* Lives in libcamera's thread, where it does one thing after the other, and each whole. */
class courier : public lc::Object
{
public:
	void queue(libcamera_camera *camera, lc::Request *request) noexcept;
	void meet() noexcept
	{
	}
};

struct libcamera_library {
	explicit libcamera_library(int fd) : life_fd(fd)
	{
	}

	void ring() const noexcept
	{
		/* R1 pairs with R2, R3 in libcamera_open(), _close(): what these two meet is no news. */
		if (is_open.load(std::memory_order_relaxed))
			eventfd_write(life_fd, 1);
	}
	void on_change(std::shared_ptr<lc::Camera>) noexcept
	{
		ring();
	}

	const int life_fd;
	const bool is_told = udev_tells();
	std::atomic<bool> is_open{ false };
	bool is_left = false; /* a camera that is gone runs on: see libcamera_stop() */
	std::list<std::unique_ptr<libcamera_camera>> places;
	lc::CameraManager manager;         /* ended before what it calls */
	std::unique_ptr<courier> messages; /* from the first camera on, until libcamera's thread has ended */
};

struct libcamera_camera {
	explicit libcamera_camera(libcamera_library *its_library) : library(its_library)
	{
	}

	void on_completed(lc::Request *request) noexcept;
	void on_disconnected() noexcept;
	void queue(lc::Request *request) noexcept;
	void note_time(uint64_t began_ns) noexcept;
	bool is_unplugged() const noexcept;

	void look(lc::Camera &its_camera);
	void add_formats(lc::Camera &its_camera, bool raw);
	void look_at_controls(const lc::Camera &its_camera);
	int make_request(lc::FrameBuffer *buffer);
	void forget() noexcept;
	int settle(const libcamera_wish &wish, std::unique_ptr<lc::CameraConfiguration> *ret_configuration, char *text,
		   size_t text_bytes) const;
	void apply(const libcamera_change &change, lc::ControlList &list);
	void apply_exposure(const struct source_controls &wanted, uint32_t given, lc::ControlList &list);
	void apply_rate(const libcamera_change &change, lc::ControlList &list);

	libcamera_library *const library;
	std::weak_ptr<lc::Camera> connected; /* whose handlers these are */
	std::shared_ptr<lc::Camera> camera;  /* while acquired */
	std::vector<kernel_device> devices;  /* that it had then */

	/* libcamera's thread has it for the time of a handler, release() to take the listener away. */
	std::mutex telling;
	libcamera_listener listener{};
	std::atomic<uint64_t> longest_ns{ 0 };   /* T1: a figure on its own, written by libcamera's thread alone */
	std::atomic<bool> gone{ false };         /* G1: set once; what it hints at, libcamera refuses by itself */
	std::atomic<bool> disconnected{ false }; /* G2: so does libcamera know it */

	/* What the camera has, in the configuration in force; constant while it runs. */
	libcamera_description description{};
	bool has_rate = false, has_exposure_mode = false, has_gain_mode = false;
	int noise_normal = 0; /* off: leave it alone */
	/* What was set last. Start, or the capture thread while it runs. */
	lc::Rectangle crop;
	int64_t rate_us[2] = { 0, 0 };
	bool noise_touched = false, exposure_touched = false;

	std::unique_ptr<lc::CameraConfiguration> configuration; /* in force */
	lc::Stream *stream = nullptr;
	/* Q1, Q3 pair with Q2 in start(), stop(): requests that are still on their way then come back. */
	std::atomic<bool> running{ false };
	/* A request lets go of its buffers when it ends, so they are ended in the opposite order. */
	std::unique_ptr<lc::FrameBufferAllocator> allocator;
	std::vector<std::unique_ptr<lc::FrameBuffer>> imported;
	std::vector<std::unique_ptr<lc::Request>> requests;
};

/* --- in libcamera's thread ---------------------------------------------------------------------------------- */

namespace
{

uint32_t unsigned_of(double number) noexcept
{
	return static_cast<uint32_t>(std::clamp(number, 0.0, 4e9));
}

void fill_status(const lc::Request &request, const lc::FrameMetadata &frame, libcamera_completion *completion) noexcept
{
	completion->status = LIBCAMERA_CANCELLED;
	if (request.status() == lc::Request::RequestCancelled)
		return;
	if (frame.status == lc::FrameMetadata::FrameSuccess)
		completion->status = LIBCAMERA_FRAME;
	else if (frame.status == lc::FrameMetadata::FrameError)
		completion->status = LIBCAMERA_DAMAGED;
#if AT_LEAST(0, 5, 2)
	else if (frame.status == lc::FrameMetadata::FrameStartup)
		completion->status = LIBCAMERA_STARTUP;
#endif
}

void fill_metadata(const lc::ControlList &metadata, libcamera_completion *completion) noexcept
{
	const auto sensor = metadata.get(controls::SensorTimestamp);
	const auto duration = metadata.get(controls::FrameDuration);
	const auto exposure = metadata.get(controls::ExposureTime);
	const auto gain = metadata.get(controls::AnalogueGain);

	if (sensor && *sensor > 0)
		completion->sensor_ns = static_cast<uint64_t>(*sensor);
	if (duration)
		completion->frame_duration_us = unsigned_of(static_cast<double>(*duration));
	if (exposure)
		completion->exposure_us = unsigned_of(*exposure);
	if (gain)
		completion->analogue_gain_milli = unsigned_of(static_cast<double>(*gain) * 1000.0 + 0.5);
}

} /* namespace */

void libcamera_camera::note_time(uint64_t began_ns) noexcept
{
	uint64_t spent_ns = now_ns() - began_ns;

	if (spent_ns > longest_ns.load(std::memory_order_relaxed))
		longest_ns.store(spent_ns, std::memory_order_relaxed); /* T1 */
}

void libcamera_camera::on_completed(lc::Request *request) noexcept
{
	const uint64_t began_ns = now_ns();
	std::lock_guard<std::mutex> lock(telling);

	if (listener.completed) {
		libcamera_completion completion = {};
		const lc::FrameMetadata &frame = request->findBuffer(stream)->metadata();

		completion.buffer = static_cast<unsigned>(request->cookie());
		completion.ready_ns = began_ns;
		fill_status(*request, frame, &completion);
		if (completion.status != LIBCAMERA_CANCELLED) {
			completion.sensor_ns = frame.timestamp;
			completion.camera_sequence = frame.sequence;
			for (const auto &plane : frame.planes())
				completion.bytes_used += plane.bytesused;
			fill_metadata(request->metadata(), &completion);
		}
		listener.completed(listener.owner, &completion);
	}
	note_time(began_ns);
}

void libcamera_camera::on_disconnected() noexcept
{
	const uint64_t began_ns = now_ns();

	disconnected.store(true, std::memory_order_release); /* G2 */
	gone.store(true, std::memory_order_release);         /* G1 */
	library->ring();
	note_time(began_ns);
}

/*
 * A camera that was unplugged refuses a request, which comes back then, also when libcamera knows already that the
 * camera is gone: and for that it ends the process (Camera::requestComplete(), "when stopped"). So none may be on its
 * way when it learns. Here it does not learn between the look at `gone` and the driver's answer: what queueRequest()
 * posts is done before anything else of this thread.
 */
void libcamera_camera::queue(lc::Request *request) noexcept
{
	const uint64_t began_ns = now_ns();
	int r = -EACCES;

	if (gone.load(std::memory_order_acquire)) /* G1 */
		return;
	if (running.load(std::memory_order_acquire)) /* Q3 */
		r = guarded(nullptr, 0, [this, request] { return camera->queueRequest(request); });
	std::lock_guard<std::mutex> lock(telling);
	if (r < 0 && listener.completed) {
		libcamera_completion completion = {};

		completion.buffer = static_cast<unsigned>(request->cookie());
		completion.status = LIBCAMERA_CANCELLED;
		completion.ready_ns = began_ns;
		listener.completed(listener.owner, &completion);
	}
	note_time(began_ns);
}

void courier::queue(libcamera_camera *camera, lc::Request *request) noexcept
{
	camera->queue(request);
}

/* --- the library -------------------------------------------------------------------------------------------- */

const char *libcamera_version(void)
{
	/* "v0.7.1+..." */
	static const auto text = []() noexcept {
		std::array<char, 24> number{};
		const char *version = lc::CameraManager::version().c_str();

		version += strcspn(version, "0123456789");
		snprintf(number.data(), number.size(), "%.*s", static_cast<int>(strspn(version, "0123456789.")),
			 version);
		return number;
	}();

	return text.data();
}

void libcamera_set_log(void (*line)(enum log_level level, const char *text))
{
	guarded(nullptr, 0, [line] {
		/* Never ended: libcamera writes to it up to the end of the process. */
		static log_buffer &buffer = *new log_buffer;
		static std::ostream &stream = *new std::ostream(&buffer);

		buffer.set(line);
		return lc::logSetStream(line ? &stream : &std::cerr);
	});
}

int libcamera_open(int life_fd, struct libcamera_library **ret_library, char *text, size_t text_bytes)
{
	return guarded(text, text_bytes, [=] {
		auto library = std::make_unique<libcamera_library>(life_fd);
		int r;

		library->manager.cameraAdded.connect(library.get(), &libcamera_library::on_change);
		library->manager.cameraRemoved.connect(library.get(), &libcamera_library::on_change);
		r = library->manager.start();
		if (r < 0) {
			say(text, text_bytes, "libcamera cannot look for cameras: %s", strerror(-r));
			return r;
		}
		library->is_open.store(true, std::memory_order_relaxed); /* R2 */
		*ret_library = library.release();
		return 0;
	});
}

bool libcamera_is_told(void)
{
	return udev_tells();
}

void libcamera_close(struct libcamera_library *library)
{
	if (!library)
		return;
	library->is_open.store(false, std::memory_order_relaxed); /* R3 */
	guarded(nullptr, 0, [library] {
		/* L3 pairs with L1, as L2: a camera that was left is in use, it says, and nothing of it works. */
		log_expects_errors.store(library->is_left, std::memory_order_relaxed);
		library->manager.stop();
		library->messages.reset();
		delete library;
		log_expects_errors.store(false, std::memory_order_relaxed);
		return 0;
	});
}

unsigned libcamera_list(const struct libcamera_library *library, struct source_identity *ret_cameras, unsigned max)
{
	int count = guarded(nullptr, 0, [=] {
		std::vector<std::shared_ptr<lc::Camera>> cameras = library->manager.cameras();
		unsigned n = 0;

		std::sort(cameras.begin(), cameras.end(),
			  [](const auto &a, const auto &b) { return a->id() < b->id(); });
		for (; n < max && n < cameras.size(); n++)
			fill_identity(*cameras[n], &ret_cameras[n]);
		return static_cast<int>(n);
	});

	return count < 0 ? 0 : static_cast<unsigned>(count);
}

/* --- a camera ----------------------------------------------------------------------------------------------- */

/* A pipeline without roles offers the same again for another. */
void libcamera_camera::add_formats(lc::Camera &its_camera, bool raw)
{
	const std::unique_ptr<lc::CameraConfiguration> offer = generate(its_camera, raw);
	libcamera_format format;

	if (!offer)
		return;
	for (const lc::PixelFormat &pixels : offer->at(0).formats().pixelformats()) {
		unsigned &count = description.format_count;
		bool is_new =
			fill_format(offer->at(0).formats(), pixels, raw, &format) && count < LIBCAMERA_FORMATS_MAX;

		for (unsigned i = 0; is_new && i < count; i++)
			is_new = strcmp(description.formats[i].name, format.name) != 0;
		if (is_new)
			description.formats[count++] = format;
	}
}

/* Of NoiseReductionMode: what it is by itself. Some call "off" their default because it comes first: then the least. */
static int find_noise_normal(const lc::ControlInfo *info)
{
	double number;
	int normal = controls::draft::NoiseReductionModeOff;

	if (!info)
		return normal;
	if (read_number(info->def(), &number) && static_cast<int>(number) != normal)
		return static_cast<int>(number);
	for (const lc::ControlValue &value : info->values()) {
		const int mode = read_number(value, &number) ? static_cast<int>(number) : normal;

		if (mode == controls::draft::NoiseReductionModeMinimal)
			return mode;
		if (mode == controls::draft::NoiseReductionModeFast)
			normal = mode;
	}
	return normal;
}

/* A pipeline may have others, or other ranges, in another configuration. */
void libcamera_camera::look_at_controls(const lc::Camera &its_camera)
{
	struct source_range *ranges = description.ranges, rate = {};
	const lc::ControlInfo *info;

	description.controls = 0;
#if AT_LEAST(0, 5, 0)
	has_exposure_mode = find_info(its_camera, controls::ExposureTimeMode);
	has_gain_mode = find_info(its_camera, controls::AnalogueGainMode);
#endif
	if (has_exposure_mode) {
		ranges[SOURCE_AUTO_EXPOSURE] = { 0, 1, 1 };
		description.controls |= SOURCE_BIT(SOURCE_AUTO_EXPOSURE);
	}
	for (const number_control &row : number_controls)
		if ((info = find_info(its_camera, *row.id)) &&
		    read_range(*info, row.scale, row.initial, &ranges[row.control]))
			description.controls |= SOURCE_BIT(row.control);
	info = find_info(its_camera, controls::ScalerCrop);
	if (info && read_crop(*info, ranges, &crop))
		description.controls |= crop_bits;
	info = find_info(its_camera, controls::FrameDurationLimits);
	has_rate = info && read_range(*info, 1, 0, &rate) && rate.maximum > 0;
	rate_us[0] = has_rate ? std::max<int64_t>(rate.minimum, 1) : 0;
	rate_us[1] = has_rate ? rate.maximum : 0;
	description.frame_duration_min_ns = static_cast<uint64_t>(rate_us[0]) * 1000u;
	description.frame_duration_max_ns = static_cast<uint64_t>(rate_us[1]) * 1000u;
	noise_normal = find_noise_normal(find_info(its_camera, controls::draft::NoiseReductionMode));
}

void libcamera_camera::look(lc::Camera &its_camera)
{
	description = {};
	fill_identity(its_camera, &description.identity);
	add_formats(its_camera, false);
	log_expects_errors.store(true, std::memory_order_relaxed); /* L2 */
	add_formats(its_camera, true);
	log_expects_errors.store(false, std::memory_order_relaxed); /* L2 */
	look_at_controls(its_camera);
}

/* Where a camera is acquired: its own place from the time before, or a new one. */
static libcamera_camera &find_place(libcamera_library &library, const std::shared_ptr<lc::Camera> &camera)
{
	library.places.remove_if([](const auto &place) { return !place->camera && place->connected.expired(); });
	for (const auto &place : library.places)
		if (place->connected.lock() == camera)
			return *place;
	library.places.push_back(std::make_unique<libcamera_camera>(&library));
	libcamera_camera &place = *library.places.back();
	camera->requestCompleted.connect(&place, &libcamera_camera::on_completed);
	camera->disconnected.connect(&place, &libcamera_camera::on_disconnected);
	place.connected = camera;
	return place;
}

int libcamera_acquire(struct libcamera_library *library, const char *id, const struct libcamera_listener *listener,
		      struct libcamera_camera **ret_camera, char *text, size_t text_bytes)
{
	return guarded(text, text_bytes, [=] {
		std::shared_ptr<lc::Camera> camera = library->manager.get(std::string(id));
		if (!camera)
			return say(text, text_bytes, "there is no camera \"%s\"", id), -ENODEV;

		libcamera_camera &place = find_place(*library, camera);
		place.look(*camera);
		int r = camera->acquire();
		if (r == -EBUSY)
			say(text, text_bytes, "camera \"%s\" is in use by another program", id);
		else if (r < 0)
			say(text, text_bytes, "camera \"%s\" cannot be had: %s", id, strerror(-r));
		if (r < 0)
			return r;
		if (!library->messages) {
			library->messages = std::make_unique<courier>();
			library->messages->moveToThread(camera->thread());
		}
		place.devices.clear();
		for (const dev_t number : list_devices(*camera))
			if (const ino_t inode = find_inode(number))
				place.devices.push_back({ number, inode });
		place.camera = std::move(camera);
		place.noise_touched = place.exposure_touched = false;
		place.longest_ns.store(0, std::memory_order_relaxed); /* T1 */
		std::lock_guard<std::mutex> lock(place.telling);
		place.listener = *listener;
		*ret_camera = &place;
		return 0;
	});
}

void libcamera_release(struct libcamera_camera *camera)
{
	if (!camera)
		return;
	libcamera_stop(camera);
	guarded(nullptr, 0, [camera] {
		{
			std::lock_guard<std::mutex> lock(camera->telling);
			camera->listener = {};
		}
		camera->forget();
		camera->configuration.reset();
		if (!camera->library->is_left)
			camera->camera->release();
		camera->camera.reset();
		return 0;
	});
}

bool libcamera_is_gone(const struct libcamera_camera *camera)
{
	return camera->gone.load(std::memory_order_acquire); /* G1 */
}

bool libcamera_camera::is_unplugged() const noexcept
{
	return std::any_of(devices.begin(), devices.end(),
			   [](const kernel_device &device) { return find_inode(device.number) != device.inode; });
}

bool libcamera_find_gone(struct libcamera_camera *camera)
{
	if (camera->is_unplugged())
		camera->gone.store(true, std::memory_order_release); /* G1 */
	return libcamera_is_gone(camera);
}

uint64_t libcamera_longest_ns(const struct libcamera_camera *camera)
{
	return camera->longest_ns.load(std::memory_order_relaxed); /* T1 */
}

void libcamera_describe(const struct libcamera_camera *camera, struct libcamera_description *ret_description)
{
	*ret_description = camera->description;
}

int libcamera_look_at(struct libcamera_library *library, const char *id, struct libcamera_description *ret_description)
{
	return guarded(nullptr, 0, [=] {
		const std::shared_ptr<lc::Camera> camera = library->manager.get(std::string(id));

		if (!camera)
			return -ENODEV;
		libcamera_camera visitor(library);
		visitor.look(*camera);
		*ret_description = visitor.description;
		return 0;
	});
}

/* --- configuration ------------------------------------------------------------------------------------------ */

namespace
{

/* NULL: nothing like it is possible. */
std::unique_ptr<lc::CameraConfiguration> attempt(lc::Camera &camera, const libcamera_wish &wish,
						 const lc::PixelFormat &pixels, bool full_range, unsigned depth)
{
	std::unique_ptr<lc::CameraConfiguration> configuration = generate(camera, wish.raw);

	if (!configuration)
		return nullptr;
	lc::StreamConfiguration &stream = configuration->at(0);
	stream.pixelFormat = pixels;
	stream.size = { wish.width, wish.height };
	if (wish.buffer_count > 0)
		stream.bufferCount = wish.buffer_count;
	if (full_range)
		stream.colorSpace = lc::ColorSpace::Sycc;
#if AT_LEAST(0, 2, 0)
	if (depth > 0) {
		lc::SensorConfiguration sensor;

		sensor.bitDepth = depth;
		sensor.outputSize = { wish.sensor_width, wish.sensor_height };
		configuration->sensorConfig = sensor;
	}
#else
	static_cast<void>(depth);
#endif
	return configuration->validate() == lc::CameraConfiguration::Invalid ? nullptr : std::move(configuration);
}

void fill_configuration(const lc::StreamConfiguration &stream, struct libcamera_configuration *ret_configuration)
{
	copy_text(ret_configuration->format, stream.pixelFormat.toString());
	ret_configuration->width = stream.size.width;
	ret_configuration->height = stream.size.height;
	ret_configuration->stride = stream.stride;
	ret_configuration->frame_bytes = stream.frameSize;
	ret_configuration->buffer_count = stream.bufferCount;
	ret_configuration->luma_range = luma_range(stream);
}

} /* namespace */

int libcamera_camera::settle(const libcamera_wish &wish, std::unique_ptr<lc::CameraConfiguration> *ret_configuration,
			     char *text, size_t text_bytes) const
{
	const lc::PixelFormat pixels = lc::PixelFormat::fromString(std::string(wish.format));
	struct pixels_layout layout;
	const bool full_range = wish.full_range && find_yuv(pixels, &layout);
	std::vector<unsigned> depths{ wish.sensor_depth };

	if (gone.load(std::memory_order_acquire)) { /* G1 */
		say(text, text_bytes, "camera \"%s\" is gone", camera->id().c_str());
		return -ENODEV;
	}
	if (!pixels.isValid()) {
		say(text, text_bytes, "libcamera %s knows no pixel format \"%s\"", libcamera_version(), wish.format);
		return -EINVAL;
	}
	if (wish.sensor_width == 0 || wish.sensor_height == 0)
		depths = { 0 };
	else if (!AT_LEAST(0, 2, 0))
		return say(text, text_bytes, "libcamera %s cannot choose a mode of the sensor; 0.2 and later can",
			   libcamera_version()),
		       -ENOTSUP;
	else if (wish.sensor_depth == 0)
		depths.assign(sensor_depths.begin(), sensor_depths.end());
	for (unsigned depth : depths) {
		*ret_configuration = attempt(*camera, wish, pixels, full_range, depth);
		/* A pipeline may refuse a colour space instead of adjusting it. */
		if (!*ret_configuration && full_range)
			*ret_configuration = attempt(*camera, wish, pixels, false, depth);
		if (*ret_configuration)
			return 0;
	}
	if (depths[0] > 0)
		say(text, text_bytes, "camera \"%s\" has no %s of %ux%u with a sensor mode of %ux%u",
		    camera->id().c_str(), wish.format, wish.width, wish.height, wish.sensor_width, wish.sensor_height);
	else
		say(text, text_bytes, "camera \"%s\" has no %s of %ux%u", camera->id().c_str(), wish.format, wish.width,
		    wish.height);
	return -EINVAL;
}

int libcamera_validate(const struct libcamera_camera *camera, const struct libcamera_wish *wish,
		       struct libcamera_configuration *ret_configuration, char *text, size_t text_bytes)
{
	return guarded(text, text_bytes, [=] {
		std::unique_ptr<lc::CameraConfiguration> configuration;
		int r = camera->settle(*wish, &configuration, text, text_bytes);

		if (r == 0)
			fill_configuration(configuration->at(0), ret_configuration);
		return r;
	});
}

int libcamera_configure(struct libcamera_camera *camera, const struct libcamera_wish *wish,
			struct libcamera_configuration *ret_configuration, char *text, size_t text_bytes)
{
	return guarded(text, text_bytes, [=] {
		std::unique_ptr<lc::CameraConfiguration> configuration;
		int r = camera->settle(*wish, &configuration, text, text_bytes);

		if (r < 0)
			return r;
		camera->forget();
		camera->stream = nullptr;
		r = camera->camera->configure(configuration.get());
		if (r < 0) {
			say(text, text_bytes, "camera \"%s\" cannot be configured to %s of %ux%u: %s",
			    camera->camera->id().c_str(), wish->format, wish->width, wish->height, strerror(-r));
			return r;
		}
		camera->configuration = std::move(configuration);
		camera->stream = camera->configuration->at(0).stream();
		camera->look_at_controls(*camera->camera);
		fill_configuration(camera->configuration->at(0), ret_configuration);
		return 0;
	});
}

/* --- buffers ------------------------------------------------------------------------------------------------ */

namespace
{

/*
 * One plane of libcamera for each plane of colour, one behind the other without a gap, the last up to the end. The
 * `virtual` pipeline (0.7.1) writes each through its own, and reads none beyond. Pipelines on V4L2 hand the driver one
 * piece: libcamera adds up planes that lie in one buffer from offset 0 on without a gap, and the sum is frame_bytes, so
 * that a driver may place colour elsewhere (padding of rows) without harm. V4L2 itself knows no offset: memory with one
 * is for pipelines without a driver.
 */
std::vector<lc::FrameBuffer::Plane> lay_out(const lc::StreamConfiguration &stream, const libcamera_memory &memory)
{
	const uint64_t luma_bytes = uint64_t(stream.stride) * stream.size.height;
	std::vector<lc::FrameBuffer::Plane> planes(1);
	struct pixels_layout layout;
	uint64_t sizes[3] = { stream.frameSize, 0, 0 }, used = 0;
	size_t count = 1;

	if (find_yuv(stream.pixelFormat, &layout) && layout.chroma != PIXELS_CHROMA_NONE) {
		/* Rows of one of the two samples of colour, half as long as luma's but for 4:4:4. */
		const unsigned stride = layout.chroma == PIXELS_CHROMA_444 ? stream.stride : stream.stride / 2;
		const unsigned rows = (stream.size.height + (layout.chroma == PIXELS_CHROMA_420)) >>
				      (layout.chroma == PIXELS_CHROMA_420);

		if (luma_bytes + 2 * uint64_t(stride) * rows <= stream.frameSize)
			count = layout.name[0] == 'N' ? 2 : 3;
		if (count > 1)
			sizes[0] = luma_bytes;
		sizes[1] = uint64_t(stride) * rows;
	}
	planes.resize(count);
	for (size_t i = 0; i < count; i++) {
		planes[i].fd = i == 0 ? lc::SharedFD(memory.fd) : planes[0].fd;
		planes[i].offset = static_cast<unsigned>(memory.offset + used);
		planes[i].length = static_cast<unsigned>(i + 1 < count ? sizes[i] : stream.frameSize - used);
		used += planes[i].length;
	}
	return planes;
}

/* Descriptors of one buffer have different numbers when they were duplicated. */
bool is_same_buffer(int a, int b) noexcept
{
	struct stat one, other;

	return a == b || (fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
			  one.st_ino == other.st_ino);
}

/* Luma first, then what lies in the same buffer; colour in another one is nobody's concern. */
libcamera_memory measure(const lc::FrameBuffer &buffer)
{
	const auto &planes = buffer.planes();
	libcamera_memory memory = { planes[0].fd.get(), planes[0].offset, planes[0].length };
	size_t end = memory.offset + memory.bytes;

	for (const auto &plane : planes) {
		if (!is_same_buffer(memory.fd, plane.fd.get()))
			return memory;
		end = std::max<size_t>(end, size_t(plane.offset) + plane.length);
	}
	memory.bytes = end - memory.offset;
	return memory;
}

} /* namespace */

int libcamera_camera::make_request(lc::FrameBuffer *buffer)
{
	std::unique_ptr<lc::Request> request = camera->createRequest(requests.size());
	int r = request ? request->addBuffer(stream, buffer) : gone.load(std::memory_order_acquire) ? -ENODEV : -ENOMEM;

	if (r == 0)
		requests.push_back(std::move(request));
	return r;
}

void libcamera_camera::forget() noexcept
{
	requests.clear();
	imported.clear();
	allocator.reset();
}

int libcamera_import(struct libcamera_camera *camera, const struct libcamera_memory *memories, unsigned count,
		     char *text, size_t text_bytes)
{
	camera->forget();
	int r = guarded(text, text_bytes, [=] {
		const lc::StreamConfiguration &stream = camera->configuration->at(0);

		for (unsigned i = 0; i < count; i++) {
			if (memories[i].bytes < stream.frameSize || memories[i].offset > UINT32_MAX - stream.frameSize)
				return say(text, text_bytes, "a buffer of %zu bytes is too small for a frame of %u",
					   memories[i].bytes, stream.frameSize),
				       -EINVAL;
			std::vector<lc::FrameBuffer::Plane> planes = lay_out(stream, memories[i]);
			if (!planes[0].fd.isValid())
				return say(text, text_bytes, "no descriptor left for a buffer"), -EMFILE;
			camera->imported.push_back(std::make_unique<lc::FrameBuffer>(planes));
			int made = camera->make_request(camera->imported.back().get());
			if (made < 0)
				return say(text, text_bytes, "libcamera takes no buffer: %s", strerror(-made)), made;
		}
		return 0;
	});

	if (r < 0)
		camera->forget();
	return r;
}

int libcamera_export(struct libcamera_camera *camera, struct libcamera_memory *ret_memories, unsigned max,
		     unsigned *ret_count, char *text, size_t text_bytes)
{
	camera->forget();
	int r = guarded(text, text_bytes, [=] {
		camera->allocator = std::make_unique<lc::FrameBufferAllocator>(camera->camera);
		int got = camera->allocator->allocate(camera->stream);

		if (got < 0)
			return say(text, text_bytes, "the driver has no buffers for us: %s", strerror(-got)), got;
		const auto &buffers = camera->allocator->buffers(camera->stream);
		for (unsigned i = 0; i < max && i < buffers.size(); i++) {
			ret_memories[i] = measure(*buffers[i]);
			got = camera->make_request(buffers[i].get());
			if (got < 0)
				return say(text, text_bytes, "libcamera takes no buffer: %s", strerror(-got)), got;
		}
		*ret_count = static_cast<unsigned>(camera->requests.size());
		return 0;
	});

	if (r < 0)
		camera->forget();
	return r;
}

void libcamera_forget(struct libcamera_camera *camera)
{
	camera->forget();
}

/* --- capture ------------------------------------------------------------------------------------------------ */

/*
 * Since 0.5 exposure and gain each are automatic or not, and a value counts only where it is not; AeEnable stands for
 * both. Before, a value fixes its quantity by itself, and for pipelines with an ISP zero gives it back.
 */
void libcamera_camera::apply_exposure(const struct source_controls &wanted, uint32_t given, lc::ControlList &list)
{
	const int64_t *values = wanted.values;
	const bool is_told = given & SOURCE_BIT(SOURCE_AUTO_EXPOSURE);
	const bool automatic = is_told && values[SOURCE_AUTO_EXPOSURE];
	const bool exposure = !automatic && (given & SOURCE_BIT(SOURCE_EXPOSURE_US));
	const bool has_isp = description.controls & crop_bits;
	const bool gain = !automatic && (given & SOURCE_BIT(SOURCE_ANALOGUE_GAIN_MILLI));

#if AT_LEAST(0, 5, 0)
	if (has_exposure_mode && (is_told || exposure))
		list.set(controls::ExposureTimeMode,
			 automatic ? controls::ExposureTimeModeAuto : controls::ExposureTimeModeManual);
	if (has_gain_mode && (is_told || gain))
		list.set(controls::AnalogueGainMode,
			 automatic ? controls::AnalogueGainModeAuto : controls::AnalogueGainModeManual);
#endif
	/* A driver of V4L2 takes no exposure while that is automatic. */
	if (!has_exposure_mode &&
	    (is_told || (exposure && !has_isp && (description.controls & SOURCE_BIT(SOURCE_AUTO_EXPOSURE)))))
		list.set(controls::AeEnable, automatic);
	if (automatic && exposure_touched && !has_exposure_mode && has_isp) {
		list.set(controls::ExposureTime, 0);
		list.set(controls::AnalogueGain, 0.0f);
	}
	if (exposure)
		list.set(controls::ExposureTime,
			 static_cast<int32_t>(std::clamp<int64_t>(values[SOURCE_EXPOSURE_US], 0, INT32_MAX)));
	if (gain)
		list.set(controls::AnalogueGain, static_cast<float>(values[SOURCE_ANALOGUE_GAIN_MILLI]) / 1000.0f);
	exposure_touched = !automatic && (exposure_touched || exposure || gain);
}

void libcamera_camera::apply_rate(const libcamera_change &change, lc::ControlList &list)
{
	if (change.frame_duration_min_ns > 0)
		rate_us[0] = std::max<int64_t>(1, static_cast<int64_t>((change.frame_duration_min_ns + 500) / 1000));
	if (change.frame_duration_max_ns > 0)
		rate_us[1] = std::max<int64_t>(1, static_cast<int64_t>((change.frame_duration_max_ns + 500) / 1000));
	if (has_rate)
		list.set(controls::FrameDurationLimits,
			 lc::Span<const int64_t, 2>({ rate_us[0], std::max(rate_us[0], rate_us[1]) }));
	if (noise_normal == controls::draft::NoiseReductionModeOff || change.frame_duration_min_ns == 0)
		return;
	if (change.frame_duration_min_ns < noise_limit_ns)
		list.set(controls::draft::NoiseReductionMode, controls::draft::NoiseReductionModeOff);
	else if (noise_touched)
		list.set(controls::draft::NoiseReductionMode, noise_normal);
	noise_touched = noise_touched || change.frame_duration_min_ns < noise_limit_ns;
}

void libcamera_camera::apply(const libcamera_change &change, lc::ControlList &list)
{
	const struct source_controls &wanted = change.controls;
	const uint32_t given = wanted.given & description.controls;

	if (change.frame_duration_min_ns > 0 || change.frame_duration_max_ns > 0)
		apply_rate(change, list);
	apply_exposure(wanted, given, list);
	for (const number_control &row : number_controls)
		if (row.control >= SOURCE_EXPOSURE_VALUE_MILLI && (given & SOURCE_BIT(row.control)))
			list.set(row.id->id(), lc::ControlValue(static_cast<float>(
						       static_cast<double>(wanted.values[row.control]) / row.scale)));
	if (!(given & crop_bits))
		return;
	if (given & SOURCE_BIT(SOURCE_SCALER_CROP_X))
		crop.x = static_cast<int>(wanted.values[SOURCE_SCALER_CROP_X]);
	if (given & SOURCE_BIT(SOURCE_SCALER_CROP_Y))
		crop.y = static_cast<int>(wanted.values[SOURCE_SCALER_CROP_Y]);
	if (given & SOURCE_BIT(SOURCE_SCALER_CROP_WIDTH))
		crop.width = static_cast<unsigned>(wanted.values[SOURCE_SCALER_CROP_WIDTH]);
	if (given & SOURCE_BIT(SOURCE_SCALER_CROP_HEIGHT))
		crop.height = static_cast<unsigned>(wanted.values[SOURCE_SCALER_CROP_HEIGHT]);
	list.set(controls::ScalerCrop, crop);
}

int libcamera_start(struct libcamera_camera *camera, const struct libcamera_change *change, char *text,
		    size_t text_bytes)
{
	return guarded(text, text_bytes, [=] {
		lc::ControlList list(camera->camera->controls());
		int r;

		if (change)
			camera->apply(*change, list);
		r = camera->camera->start(&list);
		if (r < 0)
			say(text, text_bytes, "camera \"%s\" cannot start: %s", camera->camera->id().c_str(),
			    strerror(-r));
		else
			camera->running.store(true, std::memory_order_release); /* Q2 */
		return r < 0 ? r : 0;
	});
}

/* udev says that a device is gone only some time after it is. */
static void await_disconnected(const libcamera_camera &camera) noexcept
{
	const struct timespec a_while = { 0, 10000000 };

	for (unsigned ms = 0; camera.library->is_told && ms < gone_patience_ms; ms += 10) {
		if (camera.disconnected.load(std::memory_order_acquire)) /* G2 */
			return;
		nanosleep(&a_while, nullptr);
	}
}

static void leave(libcamera_camera &camera) noexcept
{
	camera.library->is_left = true;
	camera.gone.store(true, std::memory_order_release); /* G1 */
}

/*
 * A device that is unplugged does not stop, and libcamera, as long as udev has not told it, ends the process over that
 * (PipelineHandler::stop() has no requests left, it asserts). So that is waited for, and if it does not come, the
 * camera is left as it is, running, until the library is closed.
 */
int libcamera_stop(struct libcamera_camera *camera)
{
	if (!camera->running.exchange(false, std::memory_order_acq_rel)) /* Q2 */
		return 0;
	return guarded(nullptr, 0, [camera] {
		const bool unplugged = camera->is_unplugged();
		int r = 0;

		if (unplugged)
			await_disconnected(*camera);
		if (!unplugged || camera->disconnected.load(std::memory_order_acquire)) /* G2 */
			r = camera->camera->stop();
		else
			leave(*camera);
		if (r < 0 && !libcamera_is_gone(camera))
			camera->running.store(true, std::memory_order_release); /* Q2 */
		/* What is still on its way when a camera is gone, and needs its requests. */
		camera->library->messages->invokeMethod(&courier::meet, lc::ConnectionTypeBlocking);
		return r;
	});
}

int libcamera_queue(struct libcamera_camera *camera, unsigned buffer, const struct libcamera_change *change)
{
	if (camera->gone.load(std::memory_order_acquire)) /* G1 */
		return -ENODEV;
	if (!camera->running.load(std::memory_order_acquire)) /* Q1 */
		return -EACCES;
	return guarded(nullptr, 0, [=] {
		lc::Request *request = buffer < camera->requests.size() ? camera->requests[buffer].get() : nullptr;

		if (!request)
			return -EINVAL;
		request->reuse(lc::Request::ReuseBuffers);
		if (change)
			camera->apply(*change, request->controls());
		camera->library->messages->invokeMethod(&courier::queue, lc::ConnectionTypeQueued, camera, request);
		return 0;
	});
}
