#include "sim/adapter.h"

#include <fnmatch.h>
#include <stdio.h>

#include "base/util.h"

#define STOCK_FIELDS                                                                                         \
    "last_price time pct_change bid_quantity bid ask ask_quantity min max ref_price open_price stock_name "  \
    "item_status"
#define ISS_FIELDS    "TimeStamp Value Status.Class Status.Indicator Status.Color CalibratedData"
#define MARKET_FIELDS "BID OFFER UPDATE_TIME MARKET_STATE MARKET_DELAY HIGH LOW MID_OPEN CHANGE CHANGE_PCT"
#define CHART_FIELDS  "BID OFR LTP LTV TTV UTM DAY_OPEN_MID DAY_HIGH DAY_LOW DAY_NET_CHG_MID DAY_PERC_CHG_MID"
#define ACCOUNT_FIELDS                                                                                       \
    "PNL DEPOSIT AVAILABLE_CASH FUNDS MARGIN EQUITY PNL_LR PNL_NLR MARGIN_LR MARGIN_NLR AVAILABLE_TO_DEAL "  \
    "EQUITY_USED"

#define MERGE    (1U << MODE_MERGE)
#define DISTINCT (1U << MODE_DISTINCT)
#define COMMAND  (1U << MODE_COMMAND)
#define RAW      (1U << MODE_RAW)
#define ANY      (MERGE | DISTINCT | COMMAND | RAW)

static const struct adapter adapters[] = {
    {"DEMO", "QUOTE_ADAPTER", "item[1-9]", STOCK_FIELDS, MERGE | DISTINCT | RAW, source_stock_begin,
     source_stock_step},
    {"DEMO", "QUOTE_ADAPTER", "item[12][0-9]", STOCK_FIELDS, MERGE | DISTINCT | RAW, source_stock_begin,
     source_stock_step},
    {"DEMO", "QUOTE_ADAPTER", "item30", STOCK_FIELDS, MERGE | DISTINCT | RAW, source_stock_begin,
     source_stock_step},
    {"DEMO", "PORTFOLIO_ADAPTER", "portfolio1", "key command qty", COMMAND, source_portfolio_begin,
     source_portfolio_step},
    {"DEMO", "PORTFOLIO_JSON_ADAPTER", "portfolio1", "json", MERGE, source_portfolio_json_begin,
     source_portfolio_json_step},
    {"DEMO", "CHAT_ROOM", "chat_room", "raw_timestamp IP message", DISTINCT, NULL, NULL},
    {"WELCOME", "STOCKS", "item[1-9]", STOCK_FIELDS, MERGE | DISTINCT | RAW, source_stock_begin,
     source_stock_step},
    {"WELCOME", "STOCKS", "item[12][0-9]", STOCK_FIELDS, MERGE | DISTINCT | RAW, source_stock_begin,
     source_stock_step},
    {"WELCOME", "STOCKS", "item30", STOCK_FIELDS, MERGE | DISTINCT | RAW, source_stock_begin,
     source_stock_step},
    {"WELCOME", "CHAT", "chat_room", "raw_timestamp IP message", DISTINCT, NULL, NULL},
    {"ISSLIVE", "DEFAULT", "*[0-9]", ISS_FIELDS, MERGE, source_iss_begin, source_iss_step},
    {"DEFAULT", "DEFAULT", "MARKET:*", MARKET_FIELDS, MERGE, source_market_begin, source_market_step},
    {"DEFAULT", "DEFAULT", "CHART:*:TICK", CHART_FIELDS, DISTINCT, NULL, source_chart_step},
    {"DEFAULT", "DEFAULT", "ACCOUNT:*", ACCOUNT_FIELDS, MERGE, source_account_begin, source_account_step},
    {"DEFAULT", "DEFAULT", "TRADE:*", "CONFIRMS OPU WOU", DISTINCT, NULL, source_trade_step},
    {"LOAD_TESTS", NULL, "*", NULL, ANY, source_load_begin, source_load_step},
    {"TEST", NULL, "*", NULL, ANY, NULL, NULL},
};

static bool matches(const struct adapter *a, struct span item)
{
    char name[256];

    if (item.len >= sizeof(name))
        return span_starts(span_of(a->item), SPAN("*")) && strlen(a->item) == 1;
    snprintf(name, sizeof(name), "%.*s", SPAN_ARG(item));
    return fnmatch(a->item, name, 0) == 0 && !span_starts(item, SPAN("no-such"));
}

bool adapter_set_known(struct span set)
{
    for (size_t i = 0; i < ARRAY_LENGTH(adapters); i++) {
        if (span_is(set, adapters[i].set))
            return true;
    }
    return false;
}

static bool has_name(const struct adapter *a, struct span name)
{
    return a->name ? span_is(name.len > 0 ? name : SPAN("DEFAULT"), a->name)
                   : !span_starts(name, SPAN("NO_SUCH"));
}

const struct adapter *adapter_find(struct span set, struct span name, struct span item, int *ret_code)
{
    *ret_code = 17;
    for (size_t i = 0; i < ARRAY_LENGTH(adapters); i++) {
        if (!span_is(set, adapters[i].set) || !has_name(&adapters[i], name))
            continue;
        *ret_code = 21;
        if (matches(&adapters[i], item))
            return &adapters[i];
    }
    return NULL;
}

const struct adapter *adapter_of_item(struct span set, struct span name, struct span item)
{
    for (size_t i = 0; i < ARRAY_LENGTH(adapters); i++) {
        if (span_is(set, adapters[i].set) && (!name.at || has_name(&adapters[i], name)) &&
            matches(&adapters[i], item))
            return &adapters[i];
    }
    return NULL;
}

size_t adapter_index(const struct adapter *adapter)
{
    return (size_t)(adapter - adapters);
}
