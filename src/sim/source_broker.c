/* Items as a broker's feed has them: markets, charts, accounts and trades. */
#include <time.h>

#include "sim/adapter.h"
#include "sim/feed.h"
#include "sim/sim.h"

enum { BID, OPEN, LOW, HIGH }; /* of item->state, in tenths of a point */

#define SPREAD 8

static void set_points(struct update *u, const char *field, int64_t tenths)
{
    update_set(u, span_of(field), text_printf("%.1f", (double)tenths / 10));
}

static void set_clock(struct update *u, const char *field)
{
    struct timespec now;
    struct tm local;
    char text[16];

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(text, sizeof(text), "%H:%M:%S", &local);
    update_set_text(u, field, text);
}

static void set_millis(struct update *u, const char *field)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    update_set(u, span_of(field),
               text_printf("%lld", (long long)now.tv_sec * 1000 + (long long)now.tv_nsec / 1000000));
}

static void walk(struct item *item)
{
    int64_t *state = item->state;

    if (state[OPEN] == 0)
        state[BID] = state[OPEN] = state[LOW] = state[HIGH] = rng_between(&item->sim->rng, 10000, 90000);
    else
        state[BID] += rng_between(&item->sim->rng, -15, 15);
    state[LOW] = state[BID] < state[LOW] ? state[BID] : state[LOW];
    state[HIGH] = state[BID] > state[HIGH] ? state[BID] : state[HIGH];
}

static void publish_market(struct item *item)
{
    const int64_t *state = item->state;
    struct update u;

    walk(item);
    update_begin(&u, item);
    set_points(&u, "BID", state[BID]);
    set_points(&u, "OFFER", state[BID] + SPREAD);
    set_clock(&u, "UPDATE_TIME");
    update_set_text(&u, "MARKET_STATE", "TRADEABLE");
    update_set_text(&u, "MARKET_DELAY", "0");
    set_points(&u, "HIGH", state[HIGH]);
    set_points(&u, "LOW", state[LOW]);
    set_points(&u, "MID_OPEN", state[OPEN] + SPREAD / 2);
    set_points(&u, "CHANGE", state[BID] - state[OPEN]);
    update_set(&u, SPAN("CHANGE_PCT"),
               text_printf("%.2f", 100.0 * (double)(state[BID] - state[OPEN]) / (double)state[OPEN]));
    update_publish(&u);
}

void source_market_begin(struct item *item)
{
    publish_market(item);
}

uint64_t source_market_step(struct item *item)
{
    publish_market(item);
    return 100 + rng_below(&item->sim->rng, 1500);
}

uint64_t source_chart_step(struct item *item)
{
    const int64_t *state = item->state;
    struct update u;

    walk(item);
    update_begin(&u, item);
    set_points(&u, "BID", state[BID]);
    set_points(&u, "OFR", state[BID] + SPREAD);
    set_points(&u, "LTP", state[BID] + SPREAD / 2);
    update_set(&u, SPAN("LTV"), text_printf("%lld", (long long)rng_between(&item->sim->rng, 1, 20)));
    update_set(&u, SPAN("TTV"), text_printf("%lld", (long long)item->serial));
    set_millis(&u, "UTM");
    set_points(&u, "DAY_OPEN_MID", state[OPEN]);
    set_points(&u, "DAY_HIGH", state[HIGH]);
    set_points(&u, "DAY_LOW", state[LOW]);
    update_publish(&u);
    return 100 + rng_below(&item->sim->rng, 900);
}

static void publish_account(struct item *item)
{
    int64_t profit = rng_between(&item->sim->rng, -50000, 50000), funds = 10000000, margin = 250000;
    struct update u;

    update_begin(&u, item);
    set_points(&u, "PNL", profit);
    set_points(&u, "DEPOSIT", margin);
    set_points(&u, "AVAILABLE_CASH", funds - margin + profit);
    set_points(&u, "FUNDS", funds);
    set_points(&u, "MARGIN", margin);
    set_points(&u, "EQUITY", funds + profit);
    set_points(&u, "AVAILABLE_TO_DEAL", funds - margin + profit);
    update_publish(&u);
}

void source_account_begin(struct item *item)
{
    publish_account(item);
}

uint64_t source_account_step(struct item *item)
{
    publish_account(item);
    return 1000 + rng_below(&item->sim->rng, 4000);
}

uint64_t source_trade_step(struct item *item)
{
    struct update u;

    update_begin(&u, item);
    update_set(&u, SPAN("CONFIRMS"),
               text_printf("{\"dealId\":\"SIM%06lld\",\"status\":\"OPEN\",\"dealStatus\":\"ACCEPTED\"}",
                           (long long)item->serial + 1));
    update_publish(&u);
    return 5000 + rng_below(&item->sim->rng, 10000);
}
