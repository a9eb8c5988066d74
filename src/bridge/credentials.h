/* What a new session logs in with: as configured, from a file, or from a command that is run beside the loop (INTERFACE.md, password_file and
 * credentials_command). What they say is in no message: reasons name the setting and what is wrong with it. */
#pragma once

#include <systemd/sd-event.h>

#include "base/span.h"

struct credentials_source {
    const char *user, *password; /* NULL: none */
    const char *password_file;   /* instead of the password: its first line */
    const char *command;         /* instead of all: run by /bin/sh -c, prints {"user":…,"password":…} */
};

struct credentials_handlers {
    /* One of these two is called, once; what it is given is borrowed for the call. NULL: none. */
    void (*given)(void *userdata, const char *user, const char *password);
    void (*failed)(void *userdata, const char *why);
    /* A line that the command wrote to its stderr: without control characters, well-formed, of a bounded length. */
    void (*said)(void *userdata, struct span line);
    void *userdata;
};

/* A command that runs. */
struct credentials;

/* Reads SOURCE, which is borrowed for the call. Either it is done at once (a handler was called, *RET is NULL), or a command runs: then
 * *RET is to be freed, at the latest by the handler that is called when it ended, and needs SIGCHLD blocked. */
void credentials_ask(sd_event *event, const struct credentials_source *source,
                     const struct credentials_handlers *handlers, struct credentials **ret);
/* A command that still runs is killed, with all that it started. Takes NULL. */
void credentials_free(struct credentials *c);
