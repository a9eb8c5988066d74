/* send-message: a message to a Lightstreamer server, and its outcome. */
#pragma once

#include "ctl/verbs.h"

int send_message(struct ctl *c, const struct verb *verb);
