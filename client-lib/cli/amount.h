/* SPDX-License-Identifier: BSD-2-Clause */
/* amount.h - amounts for people: three digits or so, and the unit that suits. */
#ifndef LUMARING_CLI_AMOUNT_H
#define LUMARING_CLI_AMOUNT_H

struct amount {
	char text[64];
};

/* What a noun ends with after a number: "" after 1, else "s". */
const char *amount_plural(double count);

/* "512 B", "1.5 MiB". */
struct amount amount_bytes(double bytes);

/* A time of microseconds: "412 us", "1.50 ms", "12.0 s". */
struct amount amount_time(double us);

/* How long something has been going on: "59 s", "3 min 20 s", "2 h 5 min", "12 d 3 h". */
struct amount amount_age(double us);

/* So many a second: "56.0", "0.250", "1200". No decimals that nobody measured. */
struct amount amount_rate(double hertz);

#endif
