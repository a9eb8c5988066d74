/* The stock list of the public demo: item1 … item30, with invented companies. */
#include <stdio.h>
#include <time.h>

#include "sim/adapter.h"
#include "sim/feed.h"
#include "sim/sim.h"

static const char *const names[30] = {
    "Alder & Finch",    "Brightwater",     "Cobalt Ferry",    "Dunmore Glass",    "Eastlake Tea",
    "Foxglove Systems", "Granite Harbour", "Hollis Optics",   "Ironbark Timber",  "Juniper Rail",
    "Kestrel Foods",    "Lantern Bay",     "Mistral Cables",  "Northgate Salt",   "Ostrich Paper",
    "Pebble Brook",     "Quillwork Press", "Redfern Pumps",   "Silverthorn",      "Tidewater Mills",
    "Umber Clay",       "Vellum Partners", "Whitcombe Steel", "Xylo Instruments", "Yarrow Chemists",
    "Zephyr Kites",     "Amberley Locks",  "Birchgate",       "Calder Springs",   "Dovetail Joiners",
};

enum { PRICE, MIN, MAX, REFERENCE }; /* of item->state, in cents */

static void set_cents(struct update *u, const char *field, int64_t cents)
{
    update_set(u, span_of(field),
               text_printf("%lld.%02lld", (long long)(cents / 100), (long long)(cents % 100)));
}

static void set_time(struct update *u, const char *field)
{
    struct timespec now;
    struct tm local;
    char text[16];

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(text, sizeof(text), "%H:%M:%S", &local);
    update_set_text(u, field, text);
}

static void set_quotes(struct update *u)
{
    int64_t *state = u->item->state, change;
    struct rng *rng = &u->item->sim->rng;

    change = (state[PRICE] - state[REFERENCE]) * 10000 / state[REFERENCE];
    set_cents(u, "last_price", state[PRICE]);
    set_time(u, "time");
    update_set(u, SPAN("pct_change"),
               text_printf("%s%lld.%02lld", change < 0 ? "-" : "", (long long)(llabs(change) / 100),
                           (long long)(llabs(change) % 100)));
    update_set(u, SPAN("bid_quantity"), text_printf("%lld", (long long)rng_between(rng, 1, 200) * 500));
    set_cents(u, "bid", state[PRICE] - rng_between(rng, 1, 3));
    set_cents(u, "ask", state[PRICE] + rng_between(rng, 1, 3));
    update_set(u, SPAN("ask_quantity"), text_printf("%lld", (long long)rng_between(rng, 1, 200) * 500));
    set_cents(u, "min", state[MIN]);
    set_cents(u, "max", state[MAX]);
}

void source_stock_begin(struct item *item)
{
    uint64_t number = 1;
    struct update u;

    span_to_u64(span_from(item->name, strlen("item")), 30, &number);
    item->state[REFERENCE] = rng_between(&item->sim->rng, 200, 9000);
    item->state[PRICE] = item->state[MIN] = item->state[MAX] = item->state[REFERENCE];
    update_begin(&u, item);
    set_quotes(&u);
    set_cents(&u, "ref_price", item->state[REFERENCE]);
    set_cents(&u, "open_price", item->state[REFERENCE] + rng_between(&item->sim->rng, -20, 20));
    update_set_text(&u, "stock_name", names[(number - 1) % ARRAY_LENGTH(names)]);
    update_set_text(&u, "item_status", "active");
    update_publish(&u);
}

uint64_t source_stock_step(struct item *item)
{
    int64_t *state = item->state, step = state[REFERENCE] / 100 + 1;
    struct update u;

    state[PRICE] += rng_between(&item->sim->rng, -step, step);
    if (state[PRICE] < state[REFERENCE] / 2 || state[PRICE] > 2 * state[REFERENCE])
        state[PRICE] = state[REFERENCE];
    state[MIN] = state[PRICE] < state[MIN] ? state[PRICE] : state[MIN];
    state[MAX] = state[PRICE] > state[MAX] ? state[PRICE] : state[MAX];
    update_begin(&u, item);
    set_quotes(&u);
    update_publish(&u);
    return 200 + rng_below(&item->sim->rng, 1800);
}
