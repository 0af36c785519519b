/* SPDX-License-Identifier: BSD-2-Clause */
/* config_vendor.c - where `make install` puts the defaults of whoever builds lumaring; alone here, for tests to have
 * another. */
#include "config_load.h"

const char config_vendor_file[] = LUMARING_VENDORDIR "/lumaringd.json";
