/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_libcamera.c - which libcamera the daemon has, and whether that has what it needs to run a sensor (its IPA
 * modules): see doctor.h. This tool is not linked with it: the daemon is asked, and files are looked at.
 */
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "amount.h"
#include "doctor.h"

#define OLD_MINOR 1u /* 0.0.x, as Debian 12 has it */

/* --- its version ------------------------------------------------------------------------------------------------- */

/* "0.7.1": of the daemon that runs, else of the one that is installed; "" for none. */
static const char *version_of(const struct doctor *doctor)
{
	const char *library = json_text(doctor_device(doctor), "library");

	if (strncmp(library, "libcamera ", strlen("libcamera ")) == 0)
		return library + strlen("libcamera ");
	return doctor->program.libcamera;
}

void doctor_check_libcamera(struct doctor *doctor)
{
	const char *version = version_of(doctor);
	unsigned major = 0, minor = 0;

	if (!version[0] && !doctor->program.path[0] && !doctor->status) {
		doctor_add(doctor, "libcamera", DOCTOR_NOTE, "not known without a daemon");
	} else if (!version[0] && doctor_wants_camera(doctor) && doctor->program.path[0]) {
		doctor_add(doctor, "libcamera", DOCTOR_PROBLEM,
			   "the daemon is built without it, so without any camera");
		doctor_advise(doctor, "install one that is built with it: make deps && make deb");
	} else if (!version[0]) {
		doctor_add(doctor, "libcamera", DOCTOR_OK, "not used");
	} else if (sscanf(version, "%u.%u", &major, &minor) == 2 && major == 0 && minor < OLD_MINOR) {
		doctor_add(doctor, "libcamera", doctor->host.is_pi5 ? DOCTOR_PROBLEM : DOCTOR_NOTE, "%s is old: %s",
			   version,
			   doctor->host.is_pi5 ? "it does not know this board"
					       : "it knows no Raspberry Pi 5, and few sensors");
		doctor_advise(doctor, doctor->host.is_pi
					      ? "use Raspberry Pi OS, or Debian 13, and build lumaring there: make deb"
					      : "USB cameras work with it; for others use Debian 13 or newer");
	} else {
		doctor_add(doctor, "libcamera", DOCTOR_OK, "%s", version);
	}
}

/* --- its modules ------------------------------------------------------------------------------------------------- */

struct modules {
	unsigned count, unsigned_count;
	char directory[256], first_unsigned[HOST_NAME_BYTES];
	bool has_vc4, has_pisp; /* those of Raspberry Pis up to the fourth, and of the fifth */
};

static void add_module(struct modules *modules, const char *path, size_t root_length)
{
	const char *name = strrchr(path, '/') + 1;
	char sign[1024];

	if (modules->count++ == 0)
		snprintf(modules->directory, sizeof(modules->directory), "%.*s",
			 (int)(strrchr(path, '/') - path - (long)root_length), path + root_length);
	modules->has_pisp |= strstr(name, "pisp") != NULL;
	modules->has_vc4 |= strcmp(name, "ipa_rpi.so") == 0 || strstr(name, "vc4") || strstr(name, "raspberrypi");
	snprintf(sign, sizeof(sign), "%.1000s.sign", path);
	if (access(sign, F_OK) == 0)
		return;
	if (modules->unsigned_count++ == 0)
		snprintf(modules->first_unsigned, sizeof(modules->first_unsigned), "%.63s", name);
}

/* 0.0.x has them in libcamera/, later ones in libcamera/ipa/. */
static void find_modules(const struct doctor *doctor, struct modules *ret_modules)
{
	static const char *const places[] = { "/usr/lib/*/libcamera", "/usr/lib/libcamera", "/usr/lib64/libcamera",
					      "/usr/local/lib/*/libcamera", "/usr/local/lib/libcamera" };

	*ret_modules = (struct modules){ 0 };
	for (size_t i = 0; i < 2 * sizeof(places) / sizeof(places[0]); i++) {
		const struct host_path pattern =
			host_path(&doctor->host, "%s/%sipa_*.so", places[i / 2], i % 2 ? "ipa/" : "");
		glob_t found;

		if (glob(pattern.text, GLOB_NOSORT, NULL, &found) == 0)
			for (size_t j = 0; j < found.gl_pathc; j++)
				add_module(ret_modules, found.gl_pathv[j], strlen(doctor->host.root));
		globfree(&found);
	}
}

/* What libcamera has told the daemon of them, "": nothing, or you may not see it. */
static void find_complaint(const struct doctor *doctor, char *text, size_t text_bytes)
{
	char unit[128];
	const char *const words[] = { "journalctl", "--no-pager", "-q", "-o",  "cat",
				      "-n",         "1",          "-b", "-p",  "warning",
				      "-u",         unit,         "-g", "IPA", "LUMARING_EVENT=LIBCAMERA",
				      NULL };

	text[0] = '\0';
	if (!doctor->unit.is_known)
		return;
	snprintf(unit, sizeof(unit), "lumaringd@%s.service", doctor->camera);
	if (doctor->host.run(words, text, text_bytes) != 0)
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static void say_missing(struct doctor *doctor, const struct modules *modules)
{
	const bool is_bad = doctor->host.is_pi && doctor_wants_camera(doctor);

	if (modules->count)
		doctor_add(doctor, "ipa", is_bad ? DOCTOR_PROBLEM : DOCTOR_NOTE, "%s has no module for this board (%s)",
			   modules->directory, doctor->host.is_pi5 ? "ipa_rpi_pisp.so" : "ipa_rpi_vc4.so");
	else
		doctor_add(doctor, "ipa", is_bad ? DOCTOR_PROBLEM : DOCTOR_NOTE,
			   "libcamera's modules are not installed: only USB cameras work");
	doctor_command(doctor, "sudo apt install %slibcamera-ipa", modules->count ? "--reinstall " : "");
}

void doctor_check_ipa(struct doctor *doctor)
{
	struct modules modules;
	char complaint[300];
	bool is_complete;

	find_modules(doctor, &modules);
	find_complaint(doctor, complaint, sizeof(complaint));
	is_complete =
		modules.count && (!doctor->host.is_pi || (doctor->host.is_pi5 ? modules.has_pisp : modules.has_vc4));
	if (!is_complete) {
		say_missing(doctor, &modules);
	} else if (modules.unsigned_count) {
		doctor_add(doctor, "ipa", DOCTOR_NOTE,
			   "%s has no signature (%u of %u have none): it runs in a process apart",
			   modules.first_unsigned, modules.unsigned_count, modules.count);
		doctor_command(doctor, "sudo apt install --reinstall libcamera-ipa");
	} else if (complaint[0]) {
		doctor_add(doctor, "ipa", DOCTOR_NOTE, "libcamera says: %s", complaint);
		doctor_command(doctor, "sudo apt install --reinstall libcamera-ipa");
	} else {
		doctor_add(doctor, "ipa", DOCTOR_OK, "%u module%s, signed: %s", modules.count,
			   amount_plural(modules.count), modules.directory);
	}
}
