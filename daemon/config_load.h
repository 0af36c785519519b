/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_load.h - reads all that says how the daemon is to work, each over what came before: the vendor's file,
 * CONFIG_DIR/CAMERA.json, the drop-ins CONFIG_DIR/CAMERA.json.d/NAME.json in the order of their bytes, the command
 * line. With --config FILE, that file instead of all others. CAMERA is what --camera says. Main thread; at start, and
 * again whenever the files may have changed.
 */
#ifndef LUMARING_CONFIG_LOAD_H
#define LUMARING_CONFIG_LOAD_H

#include "config.h"
#include "options.h"

#define CONFIG_DIR_DEFAULT "/etc/lumaring"

extern const char config_vendor_file[];

/*
 * Make *ret_config, to be ended with config_clear() whatever comes of it. -EINVAL: sentences about all that is wrong
 * have been added to `faults`, and *ret_config holds what is right: not to work with, but to know the camera's name.
 */
int config_load(int argc, char **argv, struct config *ret_config, struct config_faults *faults);

#endif
