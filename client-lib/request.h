/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * request.h - the text of a question's parameters, JSON, grown as it takes.
 */
#ifndef LUMARING_CLIENT_REQUEST_H
#define LUMARING_CLIENT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lr_request {
	char *text;
	size_t bytes, room;
	bool failed; /* no memory: what follows is dropped */
};

/* Begin an object or an array; `key` NULL: as an element. The first call begins the text. */
void lr_request_open(struct lr_request *request, const char *key, char bracket);
void lr_request_close(struct lr_request *request, char bracket);

void lr_request_integer(struct lr_request *request, const char *key, int64_t value);
void lr_request_bool(struct lr_request *request, const char *key, bool value);
void lr_request_text(struct lr_request *request, const char *key, const char *value);

/* Also of one that failed. */
void lr_request_finish(struct lr_request *request);

#endif
