#include "sim/sim.h"

#include <time.h>

#include "sim/json.h"
#include "sim/script.h"
#include "sim/session.h"

uint64_t sim_now_us(const struct sim *sim)
{
    uint64_t now = 0;

    sd_event_now(sim->loop, CLOCK_MONOTONIC, &now);
    return now;
}

void sim_emit(struct sim *sim, struct buf *b)
{
    if (!sim->options.events || buf_error(b) != 0)
        return;
    fwrite(b->at, 1, b->len, stdout);
    putchar('\n');
}

void sim_violation(struct sim *sim, const char *who, const char *format, ...)
{
    AUTO_BUF struct buf event = BUF_INIT(65536);
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sim->violations++;
    fprintf(stderr, "VIOLATION: %s: %s\n", who, text);
    json_begin(&event, "violation");
    json_text(&event, "who", span_of(who));
    json_text(&event, "text", span_of(text));
    json_end(&event);
    sim_emit(sim, &event);
}

void sim_timer(struct sim *sim, sd_event_source **timer, uint64_t at_us, sd_event_time_handler_t handler,
               void *data)
{
    if (!*timer && sd_event_add_time(sim->loop, timer, CLOCK_MONOTONIC, at_us, 1000, handler, data) < 0)
        abort();
    sd_event_source_set_time(*timer, at_us);
    sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
}

void sim_timer_off(sd_event_source *timer)
{
    if (timer)
        sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

void sim_quit(struct sim *sim, int status)
{
    sd_event_exit(sim->loop, status);
}
