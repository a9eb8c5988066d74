/* The adapter sets that the simulator offers, as a table; adapter.c has the table, source_*.c what updates items. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct item;
struct sim;

enum mode { MODE_MERGE, MODE_DISTINCT, MODE_COMMAND, MODE_RAW };

struct adapter {
    const char *set;
    const char *name;   /* of the data adapter; NULL: any */
    const char *item;   /* pattern (fnmatch) of its items' names */
    const char *fields; /* their fields, joined by blanks; NULL: any */
    unsigned modes;     /* bits, 1 << enum mode */
    /* Gives a new item its first state; NULL: it has none. */
    void (*begin)(struct item *item);
    /* Updates the item once; returns the ms until the next time, 0 for never. NULL: it has no life of its own. */
    uint64_t (*step)(struct item *item);
};

bool adapter_set_known(struct span set);

/* The adapter of ITEM in that SET and data adapter (an empty NAME is "DEFAULT"); NULL with *RET_CODE the error code of
 * the specification's appendix B, 17 or 21. */
const struct adapter *adapter_find(struct span set, struct span name, struct span item, int *ret_code);

/* The adapter of ITEM in SET, whichever data adapter it is; NULL when there is none. NAME: only that one. */
const struct adapter *adapter_of_item(struct span set, struct span name, struct span item);

/* Its place in the table. */
size_t adapter_index(const struct adapter *adapter);

/* The sources: see struct adapter. */
void source_stock_begin(struct item *item);
uint64_t source_stock_step(struct item *item);
void source_portfolio_begin(struct item *item);
uint64_t source_portfolio_step(struct item *item);
void source_portfolio_json_begin(struct item *item);
uint64_t source_portfolio_json_step(struct item *item);
void source_iss_begin(struct item *item);
uint64_t source_iss_step(struct item *item);
void source_market_begin(struct item *item);
uint64_t source_market_step(struct item *item);
uint64_t source_chart_step(struct item *item);
void source_account_begin(struct item *item);
uint64_t source_account_step(struct item *item);
uint64_t source_trade_step(struct item *item);
void source_load_begin(struct item *item);
uint64_t source_load_step(struct item *item);
uint64_t source_test_step(struct item *item);
