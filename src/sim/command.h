/* The commands of the script that act at once; those that wait are in script.c. lsbridge-sim(1) says what each does. */
#pragma once

#include <stdint.h>

#include "sim/word.h"

struct sim;

/* Which sessions a command means. */
struct target {
    bool last;
    unsigned number; /* 0: all */
};

struct call {
    struct sim *sim;
    const struct words *words; /* the command is the first */
    struct target *target;
};

/* Whether NAME is a command that takes so many words after it. Returns NULL, or what is wrong. */
const char *command_check(struct span name, size_t n_arguments);

/* Runs it. Returns NULL, or what is wrong. */
const char *command_run(const struct call *call);
