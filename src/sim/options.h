/* The command line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct sim_options {
    const char *listen_address;
    uint16_t port;      /* 0: any free one */
    const char *script; /* a file, "-", or NULL */
    bool interactive;   /* standard input, and its end ends the simulator */
    bool events, strict, lenient, still, diffs;
    uint64_t seed, rate;
    struct span user, password; /* of --user; user.at is NULL when anybody may come */
    uint64_t keepalive_ms, session_timeout_ms, sync_ms, request_limit_bytes, content_length_bytes, keep,
        preamble_lines;
    const char *control_link, *server_name;
    uint64_t version;              /* newest TLCP known, as 250 for 2.5.0 */
    bool no_text, no_tlcp;         /* --protocol */
    const char *adapter_parameter; /* text mode: what names the data adapter; NULL: either name */
    char separator;                /* between names in a group or schema */
    uint64_t split_bytes;          /* at most so many in one write; 0: any number */
    bool split_random;
    uint64_t fragment_bytes; /* WebSocket frames of at most so many; 0: one frame a message */
    uint64_t cut_every, cut_bytes, cut_ms, loop_every, drop_every;
    uint64_t late_ms;
};

/* What options_parse() may return beside 0: the caller ends with that exit status. */
enum { OPTIONS_DONE = 1, OPTIONS_BAD = 2 };

/* Fills *RET from the command line; texts are borrowed from ARGV. Prints help, version and faults itself. */
int options_parse(struct sim_options *ret, int argc, char **argv);
