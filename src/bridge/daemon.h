/* The daemon: puts the bridge's parts together, and runs the loop that they live in. */
#pragma once

#include "bridge/log.h"
#include "conf/conf.h"

struct daemon;

/* Takes CONF and LOG. On failure says why in the log, returns -errno, and nothing is left. */
int daemon_new(struct conf *taken_conf, struct log *taken_log, struct daemon **ret);
/* Until SIGTERM, SIGINT, or trouble of our own. Returns 0 or -errno. */
int daemon_run(struct daemon *d);
/* Takes NULL. */
void daemon_free(struct daemon *d);
