/* The status socket: the latest message of every topic, told when it changes and repeated for a new subscription
 * (INTERFACE.md, "Status socket"). Never holds anything back. */
#pragma once

#include <systemd/sd-event.h>

#include "base/buf.h"
#include "bus/sink.h"

struct status;

/* Takes the sink, also on failure. RUN is copied. Returns 0 or -errno. */
int status_new(sd_event *event, struct sink *taken_sink, const char *run, struct status **ret);
/* Closes the sink. Takes NULL. */
void status_free(struct status *s);

const char *status_endpoint(const struct status *s, size_t index);

/* Begins a message under the topic KIND, KIND/SESSION or KIND/SESSION/TABLE (NULL: not given): returns the buffer to which members are added with bridge/json.h (v, run, time, seq are there
 * already); borrowed until status_end(). */
struct buf *status_begin(struct status *s, const char *kind, const char *session, const char *table);
/* Sends it. KEEP: it is the topic's latest, to be repeated for new subscriptions. */
void status_end(struct status *s, bool keep);
