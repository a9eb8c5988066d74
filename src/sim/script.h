/* The script: commands that drive the simulator, from a file or from standard input; lsbridge-sim(1) has the
 * language. */
#pragma once

#include "base/span.h"

struct sim;

/* Reads the script that the options name. Returns 0, -EINVAL for one with faults (which it prints), or -errno. */
int script_start(struct sim *sim);
void script_stop(struct sim *sim);

/* Runs commands until one has to wait, or there are no more. */
void script_run(struct sim *sim);
