#include "sim/pace.h"

#include <stdio.h>

#include "sim/memory.h"
#include "sim/session.h"
#include "sim/sim.h"

/* What is sent at once is at most worth this much time, so that a limit is kept over any second. */
#define SLICE_MS 100

void pace_init(struct pace *p)
{
    *p = (struct pace){.text = memory_dup(SPAN("unlimited"))};
}

void pace_done(struct pace *p)
{
    sd_event_source_disable_unref(p->timer);
    free(p->text);
    *p = (struct pace){0};
}

void pace_grant(struct session *s, struct span asked)
{
    const char *most = s->sim->faults.grant_bandwidth;
    AUTO_FREE char *text = memory_dup(asked.len > 0 ? asked : span_of(s->pace.text));
    double wanted = strtod(text, NULL);

    if (most && (strcmp(most, "unmanaged") == 0 || wanted <= 0 || wanted > strtod(most, NULL))) {
        free(text);
        text = memory_dup(span_of(most));
        wanted = strtod(text, NULL);
    }
    free(s->pace.text);
    s->pace.text = TAKE(text);
    s->pace.kbps = wanted > 0 ? wanted : 0;
    s->pace.free_us = 0;
    session_wake(s);
}

static int on_free(sd_event_source *source, uint64_t now, void *data)
{
    (void)source;
    (void)now;
    session_wake(data);
    return 0;
}

size_t pace_room(struct session *s)
{
    struct pace *p = &s->pace;
    double slice = p->kbps * SLICE_MS / 8;

    if (p->kbps <= 0)
        return SIZE_MAX;
    if (p->free_us <= sim_now_us(s->sim))
        return slice >= 1 ? (size_t)slice : 1;
    sim_timer(s->sim, &p->timer, p->free_us, on_free, s);
    return 0;
}

void pace_spend(struct session *s, size_t bytes)
{
    struct pace *p = &s->pace;
    uint64_t now = sim_now_us(s->sim);

    if (p->kbps <= 0)
        return;
    p->free_us = p->free_us > now ? p->free_us : now;
    p->free_us += (uint64_t)((double)bytes * 8000 / p->kbps);
}
