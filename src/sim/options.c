#include "config.h"

#include "sim/options.h"

#include <getopt.h>
#include <stdio.h>

#define HELP                                                                                                 \
    "Usage: lsbridge-sim [OPTION]...\n"                                                                      \
    "A Lightstreamer server simulator (TLCP 2.5.0, and the older text mode), for demos and tests.\n\n"       \
    "Server\n"                                                                                               \
    "  --listen ADDRESS          address to listen at (127.0.0.1)\n"                                         \
    "  --port PORT               port; 0 takes a free one, see --events (8080)\n"                            \
    "  --user NAME:PASSWORD      refuse everybody else\n"                                                    \
    "  --keepalive-ms N          longest silence while streaming (5000)\n"                                   \
    "  --session-timeout-ms N    life of a session without a connection (10000)\n"                           \
    "  --sync-ms N               time between SYNCs; 0 sends none (20000)\n"                                 \
    "  --request-limit N         longest request, in bytes (50000)\n"                                        \
    "  --content-length N        length of an HTTP stream, in bytes (50000000)\n"                            \
    "  --keep N                  data notifications kept for a recovery (10000)\n"                           \
    "  --preamble N              NOOP lines at the start of a stream (2)\n"                                  \
    "  --control-link ADDRESS    control link to announce (*)\n"                                             \
    "  --server-name NAME        name to announce\n"                                                         \
    "  --tlcp-version X.Y.Z      newest protocol version it knows (2.5.0)\n"                                 \
    "  --separator C             between names in a group or schema (a blank)\n"                             \
    "  --protocol text|tlcp|both  what it speaks (both)\n"                                                   \
    "  --adapter-parameter NAME  text mode: LS_data_adapter, or LS_adapter as before 4.1 (either)\n"         \
    "  --lenient                 take the official clients' own LS_cid and habits\n"                         \
    "Data\n"                                                                                                 \
    "  --still                   no updates but the script's\n"                                              \
    "  --rate N                  N updates a second in all, over the subscribed items\n"                     \
    "  --seed N                  seed of everything random (1)\n"                                            \
    "  --diffs                   send JSON Patch and TLCP-diff to clients that take them\n"                  \
    "Tests\n"                                                                                                \
    "  --script FILE             run the commands in FILE; - is standard input\n"                            \
    "  --interactive             commands on standard input, whose end ends the simulator\n"                 \
    "  --events                  what happens, one JSON object a line, on standard output\n"                 \
    "  --strict                  exit status 3 if a client broke the protocol\n"                             \
    "Misbehaviour (the script can do more)\n"                                                                \
    "  --split N|random          write at most N bytes at a time\n"                                          \
    "  --fragment N              WebSocket messages in frames of N bytes\n"                                  \
    "  --cut-every N             reset the stream after every N data notifications\n"                        \
    "  --cut-bytes N             reset every stream after N bytes\n"                                         \
    "  --cut-ms N                reset every stream after N ms\n"                                            \
    "  --loop-every N            LOOP after every N data notifications\n"                                    \
    "  --drop-every N            drop every Nth update and send OV\n"                                        \
    "  --late-ms N               answer control requests N ms late\n\n"                                      \
    "  --help, --version\n"                                                                                  \
    "The manual page lsbridge-sim(1) has the adapters and the script language.\n"

enum option_code {
    OPTION_LISTEN = 256,
    OPTION_PORT,
    OPTION_USER,
    OPTION_KEEPALIVE,
    OPTION_TIMEOUT,
    OPTION_SYNC,
    OPTION_REQUEST_LIMIT,
    OPTION_CONTENT_LENGTH,
    OPTION_KEEP,
    OPTION_PREAMBLE,
    OPTION_CONTROL_LINK,
    OPTION_SERVER_NAME,
    OPTION_TLCP_VERSION,
    OPTION_SEPARATOR,
    OPTION_PROTOCOL,
    OPTION_ADAPTER_PARAMETER,
    OPTION_LENIENT,
    OPTION_STILL,
    OPTION_RATE,
    OPTION_SEED,
    OPTION_DIFFS,
    OPTION_SCRIPT,
    OPTION_INTERACTIVE,
    OPTION_EVENTS,
    OPTION_STRICT,
    OPTION_SPLIT,
    OPTION_FRAGMENT,
    OPTION_CUT_EVERY,
    OPTION_CUT_BYTES,
    OPTION_CUT_MS,
    OPTION_LOOP_EVERY,
    OPTION_DROP_EVERY,
    OPTION_LATE,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"port", required_argument, NULL, OPTION_PORT},
    {"user", required_argument, NULL, OPTION_USER},
    {"keepalive-ms", required_argument, NULL, OPTION_KEEPALIVE},
    {"session-timeout-ms", required_argument, NULL, OPTION_TIMEOUT},
    {"sync-ms", required_argument, NULL, OPTION_SYNC},
    {"request-limit", required_argument, NULL, OPTION_REQUEST_LIMIT},
    {"content-length", required_argument, NULL, OPTION_CONTENT_LENGTH},
    {"keep", required_argument, NULL, OPTION_KEEP},
    {"preamble", required_argument, NULL, OPTION_PREAMBLE},
    {"control-link", required_argument, NULL, OPTION_CONTROL_LINK},
    {"server-name", required_argument, NULL, OPTION_SERVER_NAME},
    {"tlcp-version", required_argument, NULL, OPTION_TLCP_VERSION},
    {"separator", required_argument, NULL, OPTION_SEPARATOR},
    {"protocol", required_argument, NULL, OPTION_PROTOCOL},
    {"adapter-parameter", required_argument, NULL, OPTION_ADAPTER_PARAMETER},
    {"lenient", no_argument, NULL, OPTION_LENIENT},
    {"still", no_argument, NULL, OPTION_STILL},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"diffs", no_argument, NULL, OPTION_DIFFS},
    {"script", required_argument, NULL, OPTION_SCRIPT},
    {"interactive", no_argument, NULL, OPTION_INTERACTIVE},
    {"events", no_argument, NULL, OPTION_EVENTS},
    {"strict", no_argument, NULL, OPTION_STRICT},
    {"split", required_argument, NULL, OPTION_SPLIT},
    {"fragment", required_argument, NULL, OPTION_FRAGMENT},
    {"cut-every", required_argument, NULL, OPTION_CUT_EVERY},
    {"cut-bytes", required_argument, NULL, OPTION_CUT_BYTES},
    {"cut-ms", required_argument, NULL, OPTION_CUT_MS},
    {"loop-every", required_argument, NULL, OPTION_LOOP_EVERY},
    {"drop-every", required_argument, NULL, OPTION_DROP_EVERY},
    {"late-ms", required_argument, NULL, OPTION_LATE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {0},
};

/* Where the number of a plain numeric option goes; NULL for every other option. */
static uint64_t *number_of(struct sim_options *o, enum option_code code)
{
    static const struct {
        enum option_code code;
        size_t offset;
    } numbers[] = {
        {OPTION_KEEPALIVE, offsetof(struct sim_options, keepalive_ms)},
        {OPTION_TIMEOUT, offsetof(struct sim_options, session_timeout_ms)},
        {OPTION_SYNC, offsetof(struct sim_options, sync_ms)},
        {OPTION_REQUEST_LIMIT, offsetof(struct sim_options, request_limit_bytes)},
        {OPTION_CONTENT_LENGTH, offsetof(struct sim_options, content_length_bytes)},
        {OPTION_KEEP, offsetof(struct sim_options, keep)},
        {OPTION_PREAMBLE, offsetof(struct sim_options, preamble_lines)},
        {OPTION_RATE, offsetof(struct sim_options, rate)},
        {OPTION_SEED, offsetof(struct sim_options, seed)},
        {OPTION_FRAGMENT, offsetof(struct sim_options, fragment_bytes)},
        {OPTION_CUT_EVERY, offsetof(struct sim_options, cut_every)},
        {OPTION_CUT_BYTES, offsetof(struct sim_options, cut_bytes)},
        {OPTION_CUT_MS, offsetof(struct sim_options, cut_ms)},
        {OPTION_LOOP_EVERY, offsetof(struct sim_options, loop_every)},
        {OPTION_DROP_EVERY, offsetof(struct sim_options, drop_every)},
        {OPTION_LATE, offsetof(struct sim_options, late_ms)},
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (numbers[i].code == code)
            return (uint64_t *)(void *)((char *)o + numbers[i].offset);
    }
    return NULL;
}

static bool *flag_of(struct sim_options *o, enum option_code code)
{
    if (code == OPTION_LENIENT)
        return &o->lenient;
    if (code == OPTION_STILL)
        return &o->still;
    if (code == OPTION_DIFFS)
        return &o->diffs;
    if (code == OPTION_INTERACTIVE)
        return &o->interactive;
    if (code == OPTION_EVENTS)
        return &o->events;
    return code == OPTION_STRICT ? &o->strict : NULL;
}

static const char **text_of(struct sim_options *o, enum option_code code)
{
    if (code == OPTION_LISTEN)
        return &o->listen_address;
    if (code == OPTION_CONTROL_LINK)
        return &o->control_link;
    if (code == OPTION_SERVER_NAME)
        return &o->server_name;
    return code == OPTION_SCRIPT ? &o->script : NULL;
}

static bool take_user(struct sim_options *o, struct span value)
{
    struct span rest = value;

    return span_cut(&rest, ':', &o->user) && rest.at && (o->password = rest, true);
}

static bool take_version(struct sim_options *o, struct span value)
{
    uint64_t digit;

    o->version = 0;
    for (struct span part; span_cut(&value, '.', &part);) {
        if (!span_to_u64(part, 9, &digit))
            return false;
        o->version = 10 * o->version + digit;
    }
    return o->version >= 200 && o->version <= 250;
}

static bool take_protocol(struct sim_options *o, struct span value)
{
    o->no_text = span_is(value, "tlcp");
    o->no_tlcp = span_is(value, "text");
    return o->no_text || o->no_tlcp || span_is(value, "both");
}

static bool take_adapter_parameter(struct sim_options *o, struct span value)
{
    o->adapter_parameter = value.at;
    return span_is(value, "LS_data_adapter") || span_is(value, "LS_adapter");
}

/* The options with a form of their own. */
static bool take_special(struct sim_options *o, int code, struct span value)
{
    uint64_t number;

    if (code == OPTION_USER)
        return take_user(o, value);
    if (code == OPTION_TLCP_VERSION)
        return take_version(o, value);
    if (code == OPTION_PROTOCOL)
        return take_protocol(o, value);
    if (code == OPTION_ADAPTER_PARAMETER)
        return take_adapter_parameter(o, value);
    if (code == OPTION_SEPARATOR)
        return value.len == 1 && (o->separator = value.at[0], true);
    if (code == OPTION_PORT)
        return span_to_u64(value, UINT16_MAX, &number) && (o->port = (uint16_t)number, true);
    if (code == OPTION_SPLIT) {
        o->split_random = span_is(value, "random");
        o->split_bytes = 64;
        return o->split_random || (span_to_u64(value, UINT32_MAX, &o->split_bytes) && o->split_bytes > 0);
    }
    return false;
}

static bool take(struct sim_options *o, int code, const char *value)
{
    uint64_t *number = number_of(o, (enum option_code)code);
    bool *flag = flag_of(o, (enum option_code)code);
    const char **text = text_of(o, (enum option_code)code);

    if (number)
        return span_to_u64(span_of(value), INT64_MAX, number);
    if (flag)
        return *flag = true;
    if (text)
        return *text = value, true;
    return take_special(o, code, span_of(value));
}

static int bad(void)
{
    fputs("Try 'lsbridge-sim --help'.\n", stderr);
    return OPTIONS_BAD;
}

int options_parse(struct sim_options *ret, int argc, char **argv)
{
    int code, index = 0;

    *ret = (struct sim_options){.listen_address = "127.0.0.1", .port = 8080, .seed = 1, .keepalive_ms = 5000};
    ret->session_timeout_ms = 10000;
    ret->sync_ms = 20000;
    ret->request_limit_bytes = 50000;
    ret->content_length_bytes = 50000000;
    ret->keep = 10000;
    ret->preamble_lines = 2;
    ret->control_link = "*";
    ret->server_name = "lsbridge-sim";
    ret->version = 250;
    ret->separator = ' ';
    while ((code = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (code == OPTION_HELP || code == OPTION_VERSION) {
            fputs(code == OPTION_HELP ? HELP : "lsbridge-sim " PACKAGE_VERSION "\n", stdout);
            return OPTIONS_DONE;
        }
        if (code == '?')
            return bad();
        if (!take(ret, code, optarg)) {
            fprintf(stderr, "lsbridge-sim: --%s cannot be '%s'\n", long_options[index].name, optarg);
            return bad();
        }
    }
    if (optind < argc) {
        fprintf(stderr, "lsbridge-sim: '%s' is not understood\n", argv[optind]);
        return bad();
    }
    return 0;
}
