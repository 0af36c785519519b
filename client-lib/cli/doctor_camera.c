/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_camera.c - devices of cameras, and who has them open: see doctor.h. Opens none of them: all that is told
 * stands in /sys and /proc.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "amount.h"
#include "doctor.h"

#define CONFIG_BYTES 16384u
#define PROCESSES_MAX 32768u
#define DESCRIPTORS_MAX 4096u /* of a process */

/* --- which there are --------------------------------------------------------------------------------------------- */

/* What is a video device and no camera: codecs, and image processors, which are there without a sensor as well. */
static bool is_camera(const char *name)
{
	static const char *const others[] = { "bcm2835-codec", "bcm2835-isp", "rpivid", "rpi-hevc-dec", "pispbe" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strncmp(name, others[i], strlen(others[i])) == 0)
			return false;
	return true;
}

/* The cameras' drivers in `text`, each once: how many nodes of cameras. */
static unsigned list_drivers(const struct doctor *doctor, const struct host_names *nodes, char *text, size_t text_bytes)
{
	unsigned count = 0;

	for (unsigned i = 0; i < nodes->count; i++) {
		char path[160], name[HOST_NAME_BYTES];
		struct host_name driver;

		snprintf(path, sizeof(path), "/sys/class/video4linux/%s/name", nodes->names[i]);
		host_read(&doctor->host, path, name, sizeof(name));
		if (!is_camera(name))
			continue;
		count++;
		snprintf(path, sizeof(path), "/sys/class/video4linux/%s/device/driver", nodes->names[i]);
		driver = host_link(&doctor->host, path);
		if (!driver.text[0])
			snprintf(driver.text, sizeof(driver.text), "%s", name[0] ? name : "?");
		if (!strstr(text, driver.text))
			host_join(text, text_bytes, driver.text);
	}
	return count;
}

/* "imx708 10-001a": parts on an I2C bus that are no lenses. */
static void find_sensors(const struct doctor *doctor, char *text, size_t text_bytes)
{
	static const char *const lenses[] = { "dw9", "ak73", "ad58" };
	static struct host_names nodes;

	host_list(&doctor->host, "/sys/class/video4linux", "v4l-subdev", &nodes);
	for (unsigned i = 0; i < nodes.count; i++) {
		char path[160], name[HOST_NAME_BYTES], *bus;
		unsigned number, address;
		bool is_lens = false;

		snprintf(path, sizeof(path), "/sys/class/video4linux/%s/name", nodes.names[i]);
		host_read(&doctor->host, path, name, sizeof(name));
		bus = strrchr(name, ' ');
		for (size_t j = 0; j < sizeof(lenses) / sizeof(lenses[0]); j++)
			is_lens |= strncmp(name, lenses[j], strlen(lenses[j])) == 0;
		if (is_lens || !bus || sscanf(bus, " %u-%x", &number, &address) != 2)
			continue;
		*bus = '\0';
		host_join(text, text_bytes, name);
	}
}

/* The firmware's settings: is it told to look for cameras? False: they are not there. */
static bool read_config(const struct doctor *doctor, bool *ret_looks)
{
	static const char *const paths[] = { "/boot/firmware/config.txt", "/boot/config.txt" };
	char text[CONFIG_BYTES];
	bool is_there = false;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && !is_there; i++)
		is_there = host_read(&doctor->host, paths[i], text, sizeof(text));
	*ret_looks = false;
	for (char *line = text, *end; line && *line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		*ret_looks |= strncmp(line, "camera_auto_detect=1", 20) == 0 ||
			      strncmp(line, "dtoverlay=imx", 13) == 0 || strncmp(line, "dtoverlay=ov", 12) == 0 ||
			      strncmp(line, "dtoverlay=arducam", 17) == 0;
	}
	return is_there;
}

static void say_none(struct doctor *doctor, unsigned nodes, unsigned media)
{
	const bool is_wanted = doctor_wants_camera(doctor);
	/* A daemon that does not talk to us, or whose settings cannot be read, may do without. */
	const bool is_known = doctor->status || (doctor->error != -EACCES && doctor->program.faults <= 0);
	const enum doctor_level level = is_known ? DOCTOR_PROBLEM : DOCTOR_NOTE;
	const char *source = json_text(json_get(doctor->status, "source"), "name");
	bool looks = true;

	if (!is_wanted) {
		doctor_add(doctor, "camera", DOCTOR_OK, "none, and none is needed: the source is %s",
			   source[0] ? source : json_text(doctor->program.settings, "source"));
		return;
	}
	if (nodes + media)
		doctor_add(doctor, "camera", level,
			   "no sensor was found: of %u video and %u media devices none is a camera's", nodes, media);
	else
		doctor_add(doctor, "camera", level, "there is none: neither /dev/video* nor /dev/media*");
	if (doctor->host.is_pi && read_config(doctor, &looks) && !looks)
		doctor_advise(doctor, "write camera_auto_detect=1 into /boot/firmware/config.txt, and reboot");
	else if (doctor->host.is_pi)
		doctor_advise(doctor, "switch off, seat the camera's cable at both ends, switch on; dmesg | grep -i -e "
				      "imx -e ov -e csi has what the kernel saw");
	else
		doctor_advise(doctor,
			      "plug one in; if it is, dmesg says why it has no driver (in a container or a virtual "
			      "machine: pass its devices on)");
}

/* Opened by whom they may not be: the daemon, as whom it runs or would. */
static bool find_forbidden(const struct doctor *doctor, const struct host_names *nodes, char *path, size_t path_bytes)
{
	for (unsigned i = 0; i < nodes->count; i++) {
		snprintf(path, path_bytes, "/dev/%s", nodes->names[i]);
		if (!host_may(&doctor->host, path))
			return true;
	}
	return false;
}

static void say_forbidden(struct doctor *doctor, const char *path)
{
	struct host_name group = { "video" };
	struct stat status;

	if (host_stat(&doctor->host, path, &status))
		group = host_group_name(status.st_gid);
	doctor_add(doctor, "camera", DOCTOR_PROBLEM,
		   "%s is for root and group %s, and a daemon of yours could not open it", path, group.text);
	if (strcmp(group.text, "root") == 0)
		doctor_advise(doctor,
			      "run the daemon as root, or give the device to the group video by a rule of udev");
	else
		doctor_command(doctor, "sudo usermod -aG %s %s  # then log in again", group.text,
			       host_user_name(doctor->host.uid).text);
}

/* "" or ", root:video 0660" */
static struct host_name describe_access(const struct doctor *doctor, const char *node)
{
	struct host_name text = { "" };
	struct stat status;
	char path[96];

	snprintf(path, sizeof(path), "/dev/%s", node);
	if (host_stat(&doctor->host, path, &status))
		snprintf(text.text, sizeof(text.text), ", %.20s:%.20s %04o", host_user_name(status.st_uid).text,
			 host_group_name(status.st_gid).text, status.st_mode & 0777);
	return text;
}

static void say_there(struct doctor *doctor, const char *node, unsigned count, const char *drivers)
{
	const cJSON *device = doctor_device(doctor);
	const char *state = json_text(device, "state"), *reason = json_text(device, "state_reason");
	char sensors[128] = "";

	find_sensors(doctor, sensors, sizeof(sensors));
	if (device && (strcmp(state, "absent") == 0 || strcmp(state, "stuck") == 0)) {
		doctor_add(doctor, "camera", DOCTOR_PROBLEM, "%s (%s), but the daemon's camera is %s: %s", drivers,
			   sensors[0] ? sensors : node, state, reason);
		doctor_command(doctor, "sudo lumaringd --list-cameras; journalctl -xu lumaringd@%s", doctor->camera);
		return;
	}
	doctor_add(doctor, "camera", DOCTOR_OK, "%s%s%s, %u device%s%s", sensors, sensors[0] ? " by " : "", drivers,
		   count, amount_plural(count), describe_access(doctor, node).text);
}

void doctor_check_camera(struct doctor *doctor)
{
	static struct host_names video, media;
	char drivers[128] = "", path[160];
	unsigned count;

	host_list(&doctor->host, "/dev", "video", &video);
	host_list(&doctor->host, "/dev", "media", &media);
	count = list_drivers(doctor, &video, drivers, sizeof(drivers));
	if (count == 0)
		say_none(doctor, video.count, media.count);
	else if (!doctor_is_opened_by_root(doctor) && doctor_wants_camera(doctor) &&
		 (find_forbidden(doctor, &video, path, sizeof(path)) ||
		  find_forbidden(doctor, &media, path, sizeof(path))))
		say_forbidden(doctor, path);
	else
		say_there(doctor, video.names[0], count, drivers);
}

/* --- who has them ------------------------------------------------------------------------------------------------ */

struct holders {
	char text[160];    /* "motion (pid 900), ...", without the daemon */
	unsigned long pid; /* of the first of them */
	unsigned count;
	bool has_daemon;
	bool is_part; /* some processes may not be looked at */
	bool is_cut;  /* there are more of them, or of their descriptors, than are looked at */
};

/* /dev/media0, /dev/video12; not /dev/video-codec. */
static bool is_device(const char *path)
{
	static const char *const prefixes[] = { "/dev/media", "/dev/video" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		const size_t length = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], length) == 0 && path[length] >= '0' && path[length] <= '9')
			return true;
	}
	return false;
}

/* Is one of a process's descriptors a camera? */
static bool has_device(const struct doctor *doctor, const char *pid, struct holders *holders)
{
	const struct host_path path = host_path(&doctor->host, "/proc/%s/fd", pid);
	DIR *directory = opendir(path.text);
	struct dirent *entry;
	bool found = false;
	unsigned count = 0;

	if (!directory && errno == EACCES)
		holders->is_part = true;
	while (directory && !found && (entry = readdir(directory))) {
		char target[64];
		const ssize_t n = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);

		if (entry->d_name[0] == '.')
			continue;
		if (count++ == DESCRIPTORS_MAX) {
			holders->is_cut = true;
			break;
		}
		target[n > 0 ? n : 0] = '\0';
		found = is_device(target);
	}
	if (directory)
		closedir(directory);
	return found;
}

static void add_holder(const struct doctor *doctor, const char *pid, struct holders *holders)
{
	char path[64], name[32], entry[96];

	if (doctor->status && strtod(pid, NULL) == json_number(doctor->status, "pid")) {
		holders->has_daemon = true;
		return;
	}
	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	host_read(&doctor->host, path, name, sizeof(name));
	snprintf(entry, sizeof(entry), "%s (pid %.20s)", name[0] ? name : "?", pid);
	host_join(holders->text, sizeof(holders->text), entry);
	if (holders->count++ == 0)
		holders->pid = strtoul(pid, NULL, 10);
}

static void find_holders(const struct doctor *doctor, struct holders *ret_holders)
{
	const struct host_path proc = host_path(&doctor->host, "/proc");
	DIR *directory = opendir(proc.text);
	struct dirent *entry;
	unsigned count = 0;

	*ret_holders = (struct holders){ .is_part = !directory };
	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[strspn(entry->d_name, "0123456789")])
			continue;
		if (count++ == PROCESSES_MAX) {
			ret_holders->is_cut = true;
			break;
		}
		if (has_device(doctor, entry->d_name, ret_holders))
			add_holder(doctor, entry->d_name, ret_holders);
	}
	if (directory)
		closedir(directory);
}

/* How much of all this is true of. */
static struct host_name how_far(const struct holders *holders)
{
	struct host_name text = { "" };

	if (holders->is_cut)
		snprintf(text.text, sizeof(text.text), ", of the first %u processes and %u descriptors of each",
			 PROCESSES_MAX, DESCRIPTORS_MAX);
	else if (holders->is_part)
		snprintf(text.text, sizeof(text.text), ", as far as you may see; root sees all");
	return text;
}

void doctor_check_holders(struct doctor *doctor)
{
	const cJSON *device = doctor_device(doctor);
	const bool is_running = strcmp(json_text(device, "state"), "running") == 0;
	const bool is_wanted = doctor_wants_camera(doctor);
	struct holders holders;

	find_holders(doctor, &holders);
	if (holders.count && is_wanted && !is_running) {
		doctor_add(doctor, "holders", DOCTOR_PROBLEM, "%s has a camera open: the daemon cannot have it too",
			   holders.text);
		doctor_command(doctor,
			       "sudo kill %lu  # or stop what started it; the daemon takes the camera by itself",
			       holders.pid);
	} else if (holders.count) {
		doctor_add(doctor, "holders", is_wanted ? DOCTOR_NOTE : DOCTOR_OK, "%s has a camera's device open, too",
			   holders.text);
	} else if (holders.has_daemon || is_running) {
		doctor_add(doctor, "holders", DOCTOR_OK, "only the daemon has a camera open%s", how_far(&holders).text);
	} else {
		doctor_add(doctor, "holders", DOCTOR_OK, "nobody has a camera open%s", how_far(&holders).text);
	}
}
