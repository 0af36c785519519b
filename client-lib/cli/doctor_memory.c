/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_memory.c - memory that frames pass through: dma-heaps, CMA, /dev/shm, and what may be locked: see doctor.h.
 */
#include <stdlib.h>
#include <string.h>

#include "amount.h"
#include "doctor.h"

#define HEAPS "/dev/dma_heap"
#define CMA_MIN_BYTES (64.0 * 1024 * 1024) /* less is too little for full frames of a Camera Module 3 */
#define CMA_ADVICE_MIB 256
#define SLOTS 8.0    /* of a ring, */
#define WIDTH 2304.0 /* and an image, where nobody says */
#define HEIGHT 1296.0
#define SHM_SPARE_BYTES (1024.0 * 1024)

/* --- dma-heaps --------------------------------------------------------------------------------------------------- */

/* "linux,cma, system, vidbuf_cached -> system" */
static void list_heaps(const struct doctor *doctor, const struct host_names *heaps, char *text, size_t text_bytes)
{
	for (unsigned i = 0; i < heaps->count; i++) {
		char path[128], word[2 * HOST_NAME_BYTES + 8];
		struct host_name target;

		snprintf(path, sizeof(path), HEAPS "/%s", heaps->names[i]);
		target = host_link(&doctor->host, path);
		snprintf(word, sizeof(word), "%s%s%s", heaps->names[i], target.text[0] ? " = " : "", target.text);
		host_join(text, text_bytes, word);
	}
}

/* The one that the daemon may not open, as whom it runs or would. */
static bool find_forbidden(const struct doctor *doctor, const struct host_names *heaps, char *path, size_t path_bytes)
{
	for (unsigned i = 0; i < heaps->count; i++) {
		snprintf(path, path_bytes, HEAPS "/%s", heaps->names[i]);
		if (!host_may(&doctor->host, path))
			return true;
	}
	return false;
}

static void say_forbidden(struct doctor *doctor, const char *path)
{
	struct stat status = { .st_gid = 0 };

	host_stat(&doctor->host, path, &status);
	doctor_add(doctor, "heaps", DOCTOR_PROBLEM, "%s is for root%s%s, and a daemon of yours could not open it", path,
		   status.st_gid ? " and group " : "", status.st_gid ? host_group_name(status.st_gid).text : "");
	if (status.st_gid)
		doctor_command(doctor, "sudo usermod -aG %s %s  # then log in again",
			       host_group_name(status.st_gid).text, host_user_name(doctor->host.uid).text);
	else
		doctor_command(doctor, "echo 'SUBSYSTEM==\"dma_heap\", GROUP=\"video\", MODE=\"0660\"' | sudo tee "
				       "/etc/udev/rules.d/60-dma-heap.rules && sudo udevadm trigger -s dma_heap");
}

/* A camera runs: where its frames lie, and why there. */
static void say_used(struct doctor *doctor, const char *list)
{
	const cJSON *device = doctor_device(doctor);
	const char *cached = json_text(json_get(doctor->status, "source"), "memory");
	const char *reason = json_text(device, "memory_reason");
	const bool is_slow = strcmp(cached, "uncached") == 0;

	doctor_add(doctor, "heaps", is_slow ? DOCTOR_NOTE : DOCTOR_OK, "%s; used: %s, %s%s%s", list[0] ? list : "none",
		   json_text(device, "memory"), cached, reason[0] ? ": " : "", reason);
	if (is_slow)
		doctor_advise(doctor, "uncached memory is slow to read: lumaring bench --camera says how slow");
}

/* The rule of Raspberry Pi OS: system, where there is an IOMMU. */
static bool is_wrong_link(const struct doctor *doctor, const struct host_name *cached)
{
	return doctor->host.is_pi5 && cached->text[0] && strcmp(cached->text, "system") != 0;
}

static void say_there(struct doctor *doctor, const char *list)
{
	const struct host_name cached = host_link(&doctor->host, HEAPS "/vidbuf_cached");
	const bool is_wrong = is_wrong_link(doctor, &cached);

	if (doctor->host.is_pi && (!cached.text[0] || is_wrong)) {
		doctor_add(doctor, "heaps", DOCTOR_NOTE, "%s: vidbuf_cached %s", list,
			   is_wrong ? "should be system on this board" : "is missing, which Raspberry Pi OS has");
		doctor_command(doctor,
			       "sudo apt install --reinstall raspberrypi-sys-mods && sudo udevadm trigger -s dma_heap");
	} else {
		doctor_add(doctor, "heaps", DOCTOR_OK, "%s", list);
	}
}

void doctor_check_heaps(struct doctor *doctor)
{
	static struct host_names heaps;
	char list[200] = "", path[128];

	host_list(&doctor->host, HEAPS, "", &heaps);
	list_heaps(doctor, &heaps, list, sizeof(list));
	if (json_number(doctor_device(doctor), "buffer_count") > 0) {
		say_used(doctor, list);
	} else if (heaps.count == 0 && doctor->host.is_pi && doctor_wants_camera(doctor)) {
		doctor_add(doctor, "heaps", DOCTOR_PROBLEM,
			   "there is no " HEAPS ", which libcamera needs on this board");
		doctor_command(doctor,
			       "sudo apt install --reinstall raspberrypi-sys-mods linux-image-rpi-v8  # then reboot");
	} else if (heaps.count == 0) {
		doctor_add(doctor, "heaps", DOCTOR_OK, "none: frames are captured into buffers of the driver's own");
	} else if (doctor_wants_camera(doctor) && !doctor_is_opened_by_root(doctor) &&
		   find_forbidden(doctor, &heaps, path, sizeof(path))) {
		say_forbidden(doctor, path);
	} else {
		say_there(doctor, list);
	}
}

/* --- contiguous memory ------------------------------------------------------------------------------------------- */

/* A line of /proc/meminfo in bytes; below 0: there is none. */
static double meminfo(const struct doctor *doctor, const char *key)
{
	char text[8192];
	const char *at;

	host_read(&doctor->host, "/proc/meminfo", text, sizeof(text));
	at = strstr(text, key);
	return at ? strtod(at + strlen(key), NULL) * 1024 : -1;
}

static void advise_cma(struct doctor *doctor)
{
	if (doctor->host.is_pi)
		doctor_advise(doctor,
			      "write dtoverlay=vc4-kms-v3d,cma-%u into /boot/firmware/config.txt, in the place of "
			      "that without cma, and reboot; or fewer or smaller buffers (--buffer-count, --size)",
			      CMA_ADVICE_MIB);
	else
		doctor_advise(doctor,
			      "add cma=%uM to the kernel's command line and reboot, or use fewer or smaller "
			      "buffers (--buffer-count, --size)",
			      CMA_ADVICE_MIB);
}

/* Do the frames of a Raspberry Pi's camera lie there? The fifth has an IOMMU, other boards may. */
static bool needs_cma(const struct doctor *doctor)
{
	const char *memory = json_text(doctor_device(doctor), "memory");

	return strstr(memory, "cma") || strstr(memory, "reserved") ||
	       (doctor->host.is_pi && !doctor->host.is_pi5 && doctor_wants_camera(doctor));
}

void doctor_check_cma(struct doctor *doctor)
{
	const double total = meminfo(doctor, "CmaTotal:"), free_bytes = meminfo(doctor, "CmaFree:");
	const cJSON *device = doctor_device(doctor);
	const double buffers = json_number(device, "buffer_count"), buffer = json_number(device, "buffer_bytes");
	const bool is_needed = needs_cma(doctor);
	const struct host_name left = host_bytes(free_bytes), all = host_bytes(total);

	if (total <= 0 && !is_needed) {
		doctor_add(doctor, "cma", DOCTOR_OK, "none, and none is needed here");
	} else if (total <= 0) {
		doctor_add(doctor, "cma", DOCTOR_PROBLEM, "there is none, and this board's cameras capture into it");
		advise_cma(doctor);
	} else if (is_needed && !buffers && free_bytes < CMA_MIN_BYTES) {
		doctor_add(doctor, "cma", DOCTOR_PROBLEM, "%s of %s are free: too little to capture full frames into",
			   left.text, all.text);
		advise_cma(doctor);
	} else if (is_needed && free_bytes < buffer) {
		doctor_add(doctor, "cma", DOCTOR_NOTE, "%s of %s are free, less than one buffer more", left.text,
			   all.text);
		advise_cma(doctor);
	} else if (buffers && is_needed) {
		doctor_add(doctor, "cma", DOCTOR_OK, "%s of %s free; %.0f buffer%s of %s %s used", left.text,
			   all.text, buffers, amount_plural(buffers), host_bytes(buffer).text,
			   buffers == 1 ? "is" : "are");
	} else {
		doctor_add(doctor, "cma", DOCTOR_OK, "%s of %s free", left.text, all.text);
	}
}

/* --- shared memory ----------------------------------------------------------------------------------------------- */

/* Of the rings as the settings have them; as large as they are when it runs. */
static double ring_bytes(const struct doctor *doctor)
{
	const cJSON *settings = doctor->program.settings, *stream = json_first(settings, "streams");
	double width = WIDTH, height = HEIGHT, slots = json_number(settings, "slots");
	unsigned streams = 0;

	if (doctor->status)
		return json_number(json_get(doctor->status, "bytes"), "rings");
	if (sscanf(json_text(settings, "size"), "%lfx%lf", &width, &height) < 2) {
		width = WIDTH;
		height = HEIGHT;
	}
	for (; stream; stream = stream->next)
		streams++;
	return width * height * (slots > 0 ? slots : SLOTS) * (streams > 1 ? streams : 1);
}

/* Where a whole tmpfs is to grow, to what a power of two is. */
static void advise_shm(struct doctor *doctor, double needed)
{
	unsigned mib = 64;

	while (mib < 1u << 20 && mib * 1024.0 * 1024 < (double)doctor->host.shm_bytes + 2 * needed)
		mib *= 2;
	doctor_command(doctor, "sudo mount -o remount,size=%uM /dev/shm  # in a container: --shm-size=%um", mib, mib);
}

void doctor_check_shm(struct doctor *doctor)
{
	const struct host *host = &doctor->host;
	const double needed = ring_bytes(doctor), left = (double)host->shm_free_bytes;
	const struct host_name free_text = host_bytes(left), all = host_bytes((double)host->shm_bytes),
			       rings = host_bytes(needed);

	if (host->shm_error || host->shm_bytes == 0) {
		doctor_add(doctor, "shm", DOCTOR_PROBLEM, "/dev/shm, where rings are, is no file system with room: %s",
			   host->shm_error ? strerror(host->shm_error) : "nothing is mounted there");
		doctor_command(doctor, "sudo mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm");
	} else if (!doctor->status && left < needed) {
		doctor_add(doctor, "shm", DOCTOR_PROBLEM,
			   "%s of %s are free in /dev/shm, where rings of about %s are to be", free_text.text, all.text,
			   rings.text);
		advise_shm(doctor, needed);
	} else if (doctor->status && left < SHM_SPARE_BYTES) {
		doctor_add(doctor, "shm", DOCTOR_PROBLEM,
			   "%s of %s are free in /dev/shm: no private stream, no larger size", free_text.text,
			   all.text);
		advise_shm(doctor, needed);
	} else if (doctor->status && left < needed) {
		doctor_add(doctor, "shm", DOCTOR_NOTE,
			   "%s of %s are free in /dev/shm: no room to replace the rings (%s) while clients hold them",
			   free_text.text, all.text, rings.text);
		advise_shm(doctor, needed);
	} else {
		doctor_add(doctor, "shm", DOCTOR_OK, "%s of %s free; rings %s %s", free_text.text, all.text,
			   doctor->status ? "have" : "will take about", rings.text);
	}
}

/* --- locked memory ----------------------------------------------------------------------------------------------- */

void doctor_check_memlock(struct doctor *doctor)
{
	const cJSON *memory = json_get(doctor->status, "memory");
	const double locked = json_number(memory, "locked_bytes");
	const char *reason = json_text(memory, "unlocked_reason");

	if (reason[0]) {
		doctor_add(doctor, "memlock", DOCTOR_NOTE, "%s", reason);
		if (doctor->unit.is_known)
			doctor_advise(doctor,
				      "sudo systemctl edit lumaringd@%s: LimitMEMLOCK=infinity below [Service], as it "
				      "is installed; then restart it",
				      doctor->camera);
		else
			doctor_advise(doctor, "sudo sh, ulimit -l unlimited, and start the daemon there");
	} else if (locked > 0) {
		doctor_add(doctor, "memlock", DOCTOR_OK, "%s that frames pass through are locked",
			   host_bytes(locked).text);
	} else if (doctor->host.memlock_bytes == UINT64_MAX) {
		doctor_add(doctor, "memlock", DOCTOR_OK, "no limit");
	} else {
		doctor_add(doctor, "memlock", DOCTOR_OK, "up to %s for a daemon of yours; the unit has no limit",
			   host_bytes((double)doctor->host.memlock_bytes).text);
	}
}
