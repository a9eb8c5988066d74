#include "conf/schema.h"

#include "base/util.h"
#include "conf/check.h"

/* Longer waits make no sense, and microseconds of them stay far from the end of 64 bits. */
#define MS_MAX INT32_MAX

/* A row of the struct HERE. The setting has its member's name, and the member the type of its kind, or this does not
 * compile. */
#define TYPE_BOOL         bool
#define TYPE_INT          int
#define TYPE_INT64        int64_t
#define TYPE_MODE_BITS    unsigned
#define TYPE_STRING       char *
#define TYPE_NUMBER       char *
#define TYPE_STRINGS      struct conf_strings
#define TYPE_SNAPSHOT     bool
#define AT(kind_, member) _Generic(((struct HERE *)0)->member, TYPE_##kind_ : offsetof(struct HERE, member))
#define ROW_NAMED(kind_, name_, member, ...)                                                                 \
    {                                                                                                        \
        .name = (name_), .kind = CONF_##kind_, .offset = AT(kind_, member), __VA_ARGS__                      \
    }
#define ROW(kind_, member, ...) ROW_NAMED(kind_, #member, member, __VA_ARGS__)

/* A time in ms, from LEAST on. */
#define MS(member, least, preset_, ...)                                                                      \
    ROW(INT64, member, .min = (least), .max = MS_MAX, .preset = (preset_), __VA_ARGS__)

/* Kinds whose type differs from row to row. */
#define CHOICE(member, words, ...)                                                                           \
    {                                                                                                        \
        .name = #member, .kind = CONF_CHOICE, .offset = offsetof(struct HERE, member), .choices = (words),   \
        __VA_ARGS__                                                                                          \
    }
#define GROUP(member, inner_, ...)                                                                           \
    {                                                                                                        \
        .name = #member, .kind = CONF_GROUP, .offset = offsetof(struct HERE, member), .inner = &(inner_),    \
        __VA_ARGS__                                                                                          \
    }
#define LIST(member, count, inner_, element_, ...)                                                           \
    {                                                                                                        \
        .name = #member, .kind = CONF_LIST, .offset = offsetof(struct HERE, member),                         \
        .more = offsetof(struct HERE, count), .inner = &(inner_), .element = (element_), __VA_ARGS__         \
    }

#define ROWS(array, ...)                                                                                     \
    {                                                                                                        \
        .at = (array), .n = ARRAY_LENGTH(array), .size = sizeof(struct HERE), __VA_ARGS__                    \
    }

static const char *const encodings[] = {"json", "msgpack", NULL};
static const char *const row_fields[] = {"all", "changed", NULL};
static const char *const slow_consumers[] = {"drop", "wait", NULL};
static const char *const protocols[] = {"tlcp", "text", NULL};
static const char *const transports[] = {"auto",           "ws",         "http",         "ws-streaming",
                                         "http-streaming", "ws-polling", "http-polling", NULL};
static const char *const modes[] = {"MERGE", "DISTINCT", "COMMAND", "RAW", NULL};
static const char *const unlimited[] = {"unlimited", NULL};
static const char *const frequencies[] = {"unlimited", "unfiltered", NULL};

const char *const conf_type_words[5] = {NULL, "number", "integer", "boolean", "json"};

#define ENDPOINTS                                                                                            \
    .min = 1, .max = CONF_MAX_ENDPOINTS, .unique = true, .check = check_endpoint,                            \
    .expected = "\"tcp://ADDRESS:PORT\" or \"ipc://PATH\" (a path of at most 107 bytes)"
#define IPC_MODE                                                                                             \
    .preset = "0660", .check = check_mode_bits, .expected = "permissions as octal digits, as \"0660\""
#define TOPIC       .check = check_topic, .expected = CHECK_TOPIC_EXPECTED, .empty_ok = true
#define NAME        .check = check_name, .expected = CHECK_NAME_EXPECTED, .required = true
#define NAMES       .min = 1, .unique = true
#define UP_TO(max_) .max = (max_)
#define LIVE        .change = CONF_CHANGE_LIVE
#define NOT_YET     .not_yet = true

#define HERE conf_publisher
static const struct conf_row publisher_rows[] = {
    ROW_NAMED(STRINGS, "endpoints", socket.endpoints, ENDPOINTS, .preset = "tcp://127.0.0.1:5556"),
    CHOICE(encoding, encodings, .preset = "json"),
    {.name = "fields",
     .kind = CONF_CHOICE_BOOL,
     .offset = AT(BOOL, changed_only),
     .choices = row_fields,
     .preset = "all"},
    ROW(STRING, topic, TOPIC, .preset = "{item}"),
    ROW(BOOL, replay, .preset = "true"),
    ROW(INT64, replay_limit, UP_TO(INT32_MAX), .preset = "10000"),
    ROW(INT, high_water_mark, .min = 1, UP_TO(INT32_MAX), .preset = "10000"),
    CHOICE(slow_consumer, slow_consumers, .preset = "drop"),
    MS(slow_consumer_wait_ms, 0, "500"),
    ROW(INT, linger_ms, UP_TO(MS_MAX), .preset = "1000"),
    ROW_NAMED(MODE_BITS, "ipc_mode", socket.ipc_mode, IPC_MODE),
    ROW_NAMED(STRING, "ipc_group", socket.ipc_group),
};
static const struct conf_rows publisher = ROWS(publisher_rows);
#undef HERE

#define HERE conf_status
static const struct conf_row status_rows[] = {
    ROW_NAMED(STRINGS, "endpoints", socket.endpoints, ENDPOINTS, .preset = "tcp://127.0.0.1:5557"),
    MS(stats_interval_ms, 10, "5000"),
    ROW_NAMED(MODE_BITS, "ipc_mode", socket.ipc_mode, IPC_MODE),
    ROW_NAMED(STRING, "ipc_group", socket.ipc_group),
};
static const struct conf_rows status = ROWS(status_rows);
#undef HERE

#define HERE conf_socket
static const struct conf_row control_rows[] = {
    ROW(STRINGS, endpoints, ENDPOINTS, .preset = "ipc:///run/lsbridge/control.sock"),
    ROW(MODE_BITS, ipc_mode, IPC_MODE),
    ROW(STRING, ipc_group),
};
static const struct conf_rows control = ROWS(control_rows);
#undef HERE

#define HERE conf_metrics
static const struct conf_row metrics_rows[] = {
    ROW(STRING, listen, .check = check_listen, .expected = "\"ADDRESS:PORT\"", .required = true),
};
static const struct conf_rows metrics = ROWS(metrics_rows);
#undef HERE

#define HERE conf_curve
static const struct conf_row curve_rows[] = {
    ROW(STRING, server_secret_key_file, .file = true, .required = true),
    ROW(STRING, clients_file, .file = true, .required = true),
    ROW(STRING, admin_clients_file, .file = true, .required = true),
};
static const struct conf_rows curve = ROWS(curve_rows);
#undef HERE

#define HERE conf_second_level
static const struct conf_row second_level_rows[] = {
    ROW(STRINGS, fields, NAMES, .required = true),
    ROW(STRING, data_adapter),
};
static const struct conf_rows second_level = ROWS(second_level_rows);
#undef HERE

#define HERE conf_table
static const struct conf_row table_rows[] = {
    ROW(STRING, name, NAME),
    CHOICE(mode, modes, .preset = "MERGE"),
    ROW(STRING, data_adapter),
    ROW(STRINGS, items, NAMES),
    ROW(STRING, group),
    ROW(STRINGS, fields, NAMES),
    ROW(STRING, schema),
    ROW(SNAPSHOT, snapshot, .more = AT(INT64, snapshot_length), .min = 1, UP_TO(INT32_MAX), .preset = "true"),
    ROW(STRING, selector),
    ROW(NUMBER, buffer_size, .choices = unlimited, .whole = true, UP_TO(INT32_MAX)),
    ROW(NUMBER, max_frequency, .choices = frequencies, UP_TO(1000000000), .preset = "unlimited",
        .change = CONF_CHANGE_RECONF),
    ROW(BOOL, silent, .preset = "false"),
    ROW(BOOL, split_on_error, .preset = "false"),
    MS(retry_failed_ms, 0, "60000"),
    MS(stale_ms, 0, "0", LIVE),
    ROW(STRING, key_field),
    ROW(STRING, command_field),
    GROUP(second_level, second_level, .present = AT(BOOL, second_level.enabled)),
    {.name = "types",
     .kind = CONF_TYPES,
     .offset = offsetof(struct conf_table, types),
     .more = offsetof(struct conf_table, n_types),
     .expected = "a string with a field's name or position",
     LIVE},
    ROW(STRING, topic, TOPIC, LIVE),
    CHOICE(encoding, encodings, .present = AT(BOOL, has_encoding), LIVE),
};
const struct conf_rows conf_table_rows =
    ROWS(table_rows, .change = CONF_CHANGE_RESUBSCRIBE, .file = offsetof(struct conf_table, file),
         .line = offsetof(struct conf_table, line));
#undef HERE

#define HERE conf_header
static const struct conf_row header_rows[] = {
    ROW(STRING, name, .check = check_header_name, .required = true,
        .expected =
            "a header's name, of letters, digits and !#$%&'*+-.^_`|~, which is not one that frames requests "
            "(Connection, Content-Length, Upgrade, Sec-WebSocket-Key…)"),
    ROW(STRING, value, .check = check_header_value, .required = true, .secrecy = CONF_SECRET,
        .empty_ok = true, .expected = "a header's value, in one line of at most 8192 bytes"),
};
static const struct conf_rows headers = ROWS(header_rows);
#undef HERE

#define HERE conf_session
static const struct conf_row session_rows[] = {
    ROW(STRING, name, NAME),
    ROW(STRING, url, .check = check_url, .normalise = normalise_url, .required = true,
        .secrecy = CONF_ADDRESS,
        .expected =
            "the server's address, \"http://HOST\" or \"https://HOST\", with :PORT and path if need be"),
    CHOICE(protocol, protocols, .preset = "tlcp"),
    CHOICE(transport, transports, .preset = "auto"),
    ROW(STRING, adapter_set),
    ROW(STRING, user, .empty_ok = true),
    ROW(STRING, password, .secrecy = CONF_SECRET, .empty_ok = true),
    ROW(STRING, password_file, .normalise = normalise_credential, .file = true),
    ROW(STRING, credentials_command),
    ROW(STRING, separator, .preset = " "),
    ROW(STRING, adapter_parameter, .check = check_parameter, .preset = "LS_data_adapter",
        .expected = "the name of a parameter, as \"LS_adapter\""),
    MS(keepalive_ms, 0, "0"),
    MS(idle_ms, 0, "19000"),
    MS(polling_ms, 0, "0"),
    MS(stalled_ms, 0, "2000"),
    MS(reconnect_ms, 1, "3000"),
    MS(recovery_ms, 1, "15000"),
    MS(connect_ms, 1, "4000"),
    MS(retry_ms, 1, "125"),
    MS(retry_max_ms, 1, "30000"),
    MS(retry_refused_ms, 0, "300000"),
    MS(reverse_heartbeat_ms, 0, "0"),
    ROW(INT64, content_length_bytes, .min = 1, UP_TO(INT64_MAX), .preset = "50000000"),
    ROW(NUMBER, max_bandwidth_kbps, .choices = unlimited, UP_TO(1000000000)),
    ROW(STRINGS, supported_diffs, .unique = true, .check = check_diff, .preset = "P T",
        .expected = "\"P\" or \"T\""),
    ROW(BOOL, slowing, .preset = "false"),
    ROW(BOOL, ignore_control_link, .preset = "false"),
    ROW(BOOL, tls_verify, .preset = "true"),
    LIST(headers, n_headers, headers, "header"),
    ROW(STRING, proxy, .check = check_proxy, .secrecy = CONF_ADDRESS,
        .expected = "a proxy's address, as \"http://HOST:PORT\" or \"socks5h://HOST:PORT\""),
    ROW(STRING, ca_file, .file = true),
    ROW(STRING, cert_file, .file = true),
    ROW(STRING, key_file, .file = true),
    LIST(tables, n_tables, conf_table_rows, "table"),
};
const struct conf_rows conf_session_rows =
    ROWS(session_rows, .change = CONF_CHANGE_SESSION, .file = offsetof(struct conf_session, file),
         .line = offsetof(struct conf_session, line));
#undef HERE

#define HERE conf
static const struct conf_row root_rows[] = {
    GROUP(publisher, publisher),
    GROUP(status, status),
    GROUP(control, control),
    GROUP(metrics, metrics, NOT_YET),
    GROUP(curve, curve, .present = AT(BOOL, curve.enabled), NOT_YET),
    LIST(sessions, n_sessions, conf_session_rows, "session", .min = 1, .required = true),
};
const struct conf_rows conf_root_rows = ROWS(root_rows);
#undef HERE

const struct conf_row *conf_rows_find(const struct conf_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->n; i++)
        if (strcmp(rows->at[i].name, name) == 0)
            return &rows->at[i];
    return NULL;
}
