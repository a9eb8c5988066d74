/* What every fuzz target uses. The input is arbitrary bytes; what must hold for any of them stands in MUST(). */
#pragma once

#include "../lib/must.h"
#include "base/span.h"

/* The target: libFuzzer calls it, or replay.c does. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes a byte off the front of *INPUT, 0 once it is empty: for choices that the input makes. */
static inline unsigned char fuzz_byte(struct span *input)
{
    unsigned char byte = input->len ? (unsigned char)input->at[0] : 0;
    *input = span_from(*input, 1);
    return byte;
}

static inline struct span fuzz_input(const uint8_t *data, size_t size)
{
    return span_make((const char *)data, size);
}
