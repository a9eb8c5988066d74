/* What the files of the script's commands share: the words of a call, and the commands themselves. */
#pragma once

#include "sim/command.h"

/* What is wrong with a command that expects a number. */
extern const char *const command_not_a_number;

/* The word at AT; a NULL `at` where there is none. */
struct span command_word(const struct call *call, size_t at);
bool command_word_is(const struct call *call, size_t at, const char *text);

/* A number, or OTHERWISE where there is no word. Returns false for a word that is none. */
bool command_number(const struct call *call, size_t at, uint64_t otherwise, uint64_t *ret);

/* The words from AT on, joined by blanks; *owned* by the caller, NULL where there are none. */
char *command_joined(const struct call *call, size_t at);

/* In command_answer.c: how requests are answered. Each returns NULL, or what is wrong. */
const char *command_refuse(const struct call *call);
const char *command_late(const struct call *call);
const char *command_message(const struct call *call);
const char *command_grant(const struct call *call);
const char *command_behind(const struct call *call);
const char *command_keep(const struct call *call);
const char *command_prog(const struct call *call);
const char *command_drop(const struct call *call);
const char *command_subok(const struct call *call);
