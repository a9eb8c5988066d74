/* Whether one string is what its setting wants; the schema's rows name these. Pure, but for the credential's path. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

#define CHECK_NAME_EXPECTED  "a name of letters, digits and _ . -"
#define CHECK_TOPIC_EXPECTED "a text with {session} {table} {item} {pos} {key}"

enum {
    CHECK_IPC_PATH_BYTES = 107, /* of a Unix socket's address, its NUL not counted */
    CHECK_HEADER_BYTES = 8192,  /* of a header's value: what servers take */
};

bool check_name(const char *value);
bool check_endpoint(const char *value);
bool check_listen(const char *value);
bool check_mode_bits(const char *value);
bool check_topic(const char *value);
bool check_url(const char *value);
bool check_proxy(const char *value);
bool check_parameter(const char *value);
bool check_header_name(const char *value);
bool check_header_value(const char *value);
bool check_diff(const char *value);

/* What passed check_url(), without slashes and "/lightstreamer" at its end, its scheme in small letters. *RET is *owned*; false: no memory. */
bool normalise_url(const char *given, char **ret);

/* A name without a slash that is a file in $CREDENTIALS_DIRECTORY: that file; else as given. Likewise. */
bool normalise_credential(const char *given, char **ret);

/* Adds an address with its user information, if any, as "***". Works on what is no address as well: never shows what
 * stands before an '@'. */
void mask_address(struct span address, struct buf *out);

/* Whether two endpoints that pass check_endpoint() ask for the same socket: "tcp://" with one port, of one address or
 * of one and all; or one ipc path. Ports that ZeroMQ chooses never collide. */
bool endpoints_collide(const char *one, const char *other);
