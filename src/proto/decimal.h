/* Numbers as JSON writes them (RFC 8259, section 6), compared as what they are: text. */
#pragma once

#include "base/span.h"

/* Takes a number off the front of *REST into *RET. Returns false, with both untouched, when none stands there. */
bool decimal_cut(struct span *rest, struct span *ret);

/* Whether A and B, both such numbers, have the same value: 1 = 1.0 = 10e-1, -0 = 0, in digits of any length. Exponents
 * of up to 18 digits are computed with; of longer ones only those written alike are taken to be the same. */
bool decimal_equal(struct span a, struct span b);
