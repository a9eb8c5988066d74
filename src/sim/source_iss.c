/* Telemetry of the space station, as the public feed names it. */
#include <time.h>

#include "sim/adapter.h"
#include "sim/feed.h"
#include "sim/sim.h"

/* Hours since the beginning of the year, which is how the feed tells the time. */
static double hours_of_year(void)
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    return utc.tm_yday * 24 + utc.tm_hour + utc.tm_min / 60.0 +
           (utc.tm_sec + (double)now.tv_nsec / 1e9) / 3600.0;
}

static bool is_clock(const struct item *item)
{
    return span_is(item->name, "TIME_000001");
}

static void publish(struct item *item)
{
    struct update u;

    update_begin(&u, item);
    update_set(&u, SPAN("TimeStamp"), text_printf("%.9f", hours_of_year()));
    update_set(&u, SPAN("Value"),
               is_clock(item) ? text_printf("%.0f", hours_of_year() * 3600000)
                              : text_printf("%.2f", (double)item->state[0] / 100));
    update_set_text(&u, "Status.Class", "24");
    update_set_text(&u, "Status.Indicator", "0");
    update_set_text(&u, "Status.Color", "0");
    update_set(&u, SPAN("CalibratedData"), text_printf("%.2f", (double)item->state[0] / 100));
    update_publish(&u);
}

void source_iss_begin(struct item *item)
{
    item->state[0] = rng_between(&item->sim->rng, 1000, 9000);
    publish(item);
}

uint64_t source_iss_step(struct item *item)
{
    item->state[0] += rng_between(&item->sim->rng, -30, 30);
    if (item->state[0] < 0 || item->state[0] > 10000)
        item->state[0] = 5000;
    publish(item);
    return is_clock(item) ? 1000 : 500 + rng_below(&item->sim->rng, 4000);
}
