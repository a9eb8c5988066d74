/* Load without meaning: the load test's items, and what --rate and the script's "burst" make of items of TEST. */
#include "sim/adapter.h"
#include "sim/feed.h"
#include "sim/sim.h"

/* The load test updates every item this often, with values of ten bytes. */
#define LOAD_PERIOD_MS 3000
/* Rows that a COMMAND item of TEST has at most. */
#define TEST_KEYS 20

static void publish(struct item *item)
{
    struct update u;

    update_begin(&u, item);
    for (size_t i = 0; i < item->n_fields; i++)
        update_set(&u, text_span(item->fields[i]),
                   text_printf("%010u", (unsigned)(rng_next(&item->sim->rng) % 1000000000)));
    update_publish(&u);
}

void source_load_begin(struct item *item)
{
    (void)item; /* its fields are not known yet */
}

uint64_t source_load_step(struct item *item)
{
    publish(item);
    return LOAD_PERIOD_MS;
}

static bool is_held(const struct item *item, const struct text *key)
{
    LIST_EACH(link, &item->keys) {
        if (text_equal(CONTAINER_OF(link, struct key_row, link)->key, key))
            return true;
    }
    return false;
}

/* The command for KEY that makes sense now. */
static const char *next_command(struct item *item, const struct text *key)
{
    if (!is_held(item, key))
        return "ADD";
    return rng_below(&item->sim->rng, 8) == 0 ? "DELETE" : "UPDATE";
}

/* Each field gets its name and the number of the update, and now and then a null or nothing at all. */
static struct text *next_value(struct item *item, struct span field)
{
    uint64_t dice = rng_below(&item->sim->rng, 20);

    if (dice == 0)
        return NULL;
    if (dice == 1)
        return text_new(SPAN_EMPTY);
    return text_printf("%.*s-%llu", SPAN_ARG(field), (unsigned long long)item->serial + 1);
}

uint64_t source_test_step(struct item *item)
{
    struct text *key = text_printf("k%llu", (unsigned long long)rng_below(&item->sim->rng, TEST_KEYS) + 1);
    const char *command = next_command(item, key);
    struct update u;

    update_begin(&u, item);
    for (size_t i = 0; i < item->n_fields; i++) {
        struct span name = text_span(item->fields[i]);

        if (span_is(name, "key"))
            update_set(&u, name, text_ref(key));
        else if (span_is(name, "command"))
            update_set_text(&u, "command", command);
        else if (rng_below(&item->sim->rng, 3) > 0)
            update_set(&u, name, next_value(item, name));
    }
    update_publish(&u);
    text_unref(key);
    return 0;
}
