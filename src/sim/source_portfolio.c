/* The demo's portfolio: some stocks, of which quantities are bought and sold; once as rows, once as a document. */
#include "sim/adapter.h"
#include "sim/feed.h"
#include "sim/memory.h"
#include "sim/sim.h"

#define STOCKS 30
/* Of this many stocks something is held at first. */
#define AT_FIRST 8

static void publish(struct item *item, uint64_t stock, const char *command, int64_t quantity)
{
    struct update u;

    update_begin(&u, item);
    update_set(&u, SPAN("key"), text_printf("item%d", (int)stock));
    update_set_text(&u, "command", command);
    if (quantity > 0)
        update_set(&u, SPAN("qty"), text_printf("%lld", (long long)quantity));
    update_publish(&u);
}

/* The quantity held of a stock, 0 for none. */
static int64_t held(const struct item *item, uint64_t stock)
{
    struct text *name = text_printf("item%d", (int)stock);
    uint64_t quantity = 0;

    LIST_EACH(link, &item->keys) {
        const struct key_row *row = CONTAINER_OF(link, struct key_row, link);

        if (text_equal(row->key, name))
            span_to_u64(text_span(row_get(&row->row, 2)), INT64_MAX, &quantity);
    }
    text_unref(name);
    return (int64_t)quantity;
}

void source_portfolio_begin(struct item *item)
{
    for (uint64_t i = 0; i < AT_FIRST; i++)
        publish(item, 1 + i * 3, "ADD", rng_between(&item->sim->rng, 1, 90) * 100);
}

uint64_t source_portfolio_step(struct item *item)
{
    struct rng *rng = &item->sim->rng;
    uint64_t stock = 1 + rng_below(rng, STOCKS);
    int64_t quantity = held(item, stock);

    if (quantity == 0)
        publish(item, stock, "ADD", rng_between(rng, 1, 90) * 100);
    else if (rng_below(rng, 3) == 0)
        publish(item, stock, "DELETE", 0);
    else
        publish(item, stock, "UPDATE", rng_between(rng, 1, 90) * 100);
    return 500 + rng_below(rng, 2500);
}

static void publish_json(struct item *item)
{
    AUTO_BUF struct buf json = BUF_INIT(65536);
    struct update u;

    buf_add_text(&json, "{\"portfolio\":\"portfolio1\"");
    for (int i = 0; i < 4; i++)
        buf_printf(&json, ",\"item%d\":%lld", i + 1, (long long)item->state[i]);
    buf_add_char(&json, '}');
    update_begin(&u, item);
    update_set(&u, SPAN("json"), text_new(buf_span(&json)));
    update_publish(&u);
}

void source_portfolio_json_begin(struct item *item)
{
    for (int i = 0; i < 4; i++)
        item->state[i] = rng_between(&item->sim->rng, 1, 90) * 100;
    publish_json(item);
}

uint64_t source_portfolio_json_step(struct item *item)
{
    item->state[rng_below(&item->sim->rng, 4)] = rng_between(&item->sim->rng, 1, 90) * 100;
    publish_json(item);
    return 500 + rng_below(&item->sim->rng, 2500);
}
