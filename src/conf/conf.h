/* The configuration as plain structs: what INTERFACE.md's "Configuration" means, checked, with every default filled in.
 * Nothing here knows libconfig (conf/load does), and nothing outside this folder knows how a file looks.
 * All strings are UTF-8, NUL-terminated, owned by their struct, and NULL where the setting was left out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_strings {
    char **at;
    size_t n;
};

enum conf_encoding { CONF_ENCODING_JSON, CONF_ENCODING_MSGPACK };
enum conf_slow_consumer { CONF_SLOW_DROP, CONF_SLOW_WAIT };
enum conf_protocol { CONF_PROTOCOL_TLCP, CONF_PROTOCOL_TEXT };
enum conf_transport {
    CONF_TRANSPORT_AUTO,
    CONF_TRANSPORT_WS,
    CONF_TRANSPORT_HTTP,
    CONF_TRANSPORT_WS_STREAMING,
    CONF_TRANSPORT_HTTP_STREAMING,
    CONF_TRANSPORT_WS_POLLING,
    CONF_TRANSPORT_HTTP_POLLING,
};
enum conf_mode { CONF_MODE_MERGE, CONF_MODE_DISTINCT, CONF_MODE_COMMAND, CONF_MODE_RAW };
enum conf_type { CONF_TYPE_STRING, CONF_TYPE_NUMBER, CONF_TYPE_INTEGER, CONF_TYPE_BOOLEAN, CONF_TYPE_JSON };

/* Where something is bound; status, control and publisher have each one. */
struct conf_socket {
    struct conf_strings endpoints;
    unsigned ipc_mode; /* octal mode bits, default 0660 */
    char *ipc_group;   /* NULL: the daemon's own group */
};

struct conf_publisher {
    struct conf_socket socket;
    enum conf_encoding encoding;
    bool changed_only; /* fields = "changed" */
    char *topic;
    bool replay;
    int64_t replay_limit; /* rows */
    int high_water_mark;  /* messages per consumer */
    enum conf_slow_consumer slow_consumer;
    int64_t slow_consumer_wait_ms;
    int linger_ms;
};

struct conf_status {
    struct conf_socket socket;
    int64_t stats_interval_ms;
};

struct conf_metrics {
    char *listen; /* "ADDRESS:PORT"; NULL: off */
};

struct conf_curve {
    bool enabled;
    char *server_secret_key_file, *clients_file, *admin_clients_file;
};

struct conf_field_type {
    char *field; /* a name, or a 1-based position in decimal */
    enum conf_type type;
};

struct conf_second_level {
    bool enabled;
    struct conf_strings fields;
    char *data_adapter;
};

struct conf_table {
    char *name;
    enum conf_mode mode;
    char *data_adapter;
    struct conf_strings items;  /* names; may be given beside `group`, to name its items */
    char *group;                /* sent as it is; NULL: the items joined by the session's separator */
    struct conf_strings fields; /* likewise with `schema` */
    char *schema;
    bool snapshot;
    int64_t snapshot_length; /* DISTINCT: > 0 asks for so many; 0: as `snapshot` says */
    char *selector;
    char *buffer_size;   /* NULL, a decimal number, or "unlimited": as sent */
    char *max_frequency; /* "unlimited" (the default), "unfiltered", or a decimal number: as sent */
    bool silent;
    bool split_on_error;
    int64_t retry_failed_ms;         /* 0: never */
    int64_t stale_ms;                /* 0: off */
    char *key_field, *command_field; /* text mode's COMMAND alone; else NULL */
    struct conf_second_level second_level;
    struct conf_field_type *types;
    size_t n_types;
    char *topic;       /* NULL: the publisher's */
    bool has_encoding; /* false: the publisher's */
    enum conf_encoding encoding;
    const char *file; /* where it stands, for messages; owned by the struct conf */
    unsigned line;
};

struct conf_header {
    char *name, *value;
};

struct conf_session {
    char *name;
    char *url; /* without a trailing "/lightstreamer" and without a trailing slash */
    enum conf_protocol protocol;
    enum conf_transport transport;
    char *adapter_set;
    char *user, *password, *credentials_command;
    char *password_file; /* where to open it: one that is in $CREDENTIALS_DIRECTORY has that put before it */
    char *separator;
    char *adapter_parameter;
    int64_t keepalive_ms, idle_ms, polling_ms;
    int64_t stalled_ms, reconnect_ms, recovery_ms;
    int64_t connect_ms;
    int64_t retry_ms, retry_max_ms, retry_refused_ms;
    int64_t reverse_heartbeat_ms;
    int64_t content_length_bytes;
    char *max_bandwidth_kbps;            /* NULL (not sent), "unlimited", or a decimal number: as sent */
    struct conf_strings supported_diffs; /* of "P" and "T"; n == 0 asks for none */
    bool slowing, ignore_control_link, tls_verify;
    struct conf_header *headers;
    size_t n_headers;
    char *proxy, *ca_file, *cert_file, *key_file;
    struct conf_table *tables;
    size_t n_tables;
    const char *file;
    unsigned line;
};

struct conf {
    char *path; /* the main file, as given */
    struct conf_strings
        files; /* it and all that it included, without their text; what `file` above points to */
    struct conf_publisher publisher;
    struct conf_status status;
    struct conf_socket control;
    struct conf_metrics metrics;
    struct conf_curve curve;
    struct conf_session *sessions;
    size_t n_sessions;
};

/* One thing that is wrong. LINE is 1-based, 0 where none applies. */
struct conf_fault {
    char *file;
    unsigned line;
    char
        *text; /* one sentence that names the setting, what was expected and what was found; never a secret */
};

struct conf_faults {
    struct conf_fault *at;
    size_t n;
};

void conf_faults_done(struct conf_faults *faults);

/* Reads and checks the file at PATH, with what it includes (relative to PATH's directory; the working directory is
 * neither used nor changed). Returns 0 with the *owned* configuration in *RET; 1 when it has faults: all of them are
 * in FAULTS (initialised by the caller to zero, freed by conf_faults_done) in file order and *RET is untouched;
 * -errno for our own trouble (no memory). A file that cannot be read is a fault. */
int conf_load(const char *path, struct conf **ret, struct conf_faults *faults);

/* Takes NULL. */
void conf_free(struct conf *c);

struct buf;

/* Writes the effective configuration as libconfig text that conf_load() would read to the same effect; secrets
 * (passwords, user information in url and proxy, header values) as "***". Errors stick in OUT. */
void conf_print(const struct conf *c, struct buf *out);

/* The same as a JSON object, for the control socket's `config`. */
void conf_print_json(const struct conf *c, struct buf *out);

/* The name of a value, as the configuration writes it: "ws-streaming", "MERGE"… */
const char *conf_transport_name(enum conf_transport transport);
/* The 1-based position of the field that TEXT means, a name in `fields` or a position; 0: none. */
size_t conf_field_position(const struct conf_table *table, const char *text);
/* The same for a position alone. */
size_t conf_position(const struct conf_table *table, const char *text);

const char *conf_mode_name(enum conf_mode mode);
const char *conf_encoding_name(enum conf_encoding encoding);
