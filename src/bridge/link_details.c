/* What holds between a server and us, for the control socket: what the server granted and said of itself, and the times that
 * both sides keep. */
#include "bridge/link_internal.h"

#include "bridge/json.h"
#include "conf/check.h"

static void add_url(const struct link *l, struct buf *json)
{
    AUTO_BUF struct buf url = BUF_INIT(SIZE_MAX);
    mask_address(span_of(l->conf->url), &url);
    json_span(json, "url", buf_span(&url));
    if (buf_error(&url))
        json->error = buf_error(&url);
}

static void add_times(const struct conf_session *c, const struct session_terms *terms, struct buf *json)
{
    json_u64(json, "keepalive_ms", terms->keepalive_ms);
    json_u64(json, "idle_ms", terms->idle_ms);
    json_i64(json, "polling_ms", c->polling_ms);
    json_i64(json, "reverse_heartbeat_ms", c->reverse_heartbeat_ms);
    json_i64(json, "stalled_ms", c->stalled_ms);
    json_i64(json, "reconnect_ms", c->reconnect_ms);
    json_i64(json, "recovery_ms", c->recovery_ms);
    json_i64(json, "connect_ms", c->connect_ms);
    json_i64(json, "retry_ms", c->retry_ms);
    json_i64(json, "retry_max_ms", c->retry_max_ms);
    json_i64(json, "retry_refused_ms", c->retry_refused_ms);
}

void link_add_details(const struct link *l, struct buf *json)
{
    struct session_terms terms;
    session_terms(l->session, &terms);
    json_name(json, "details");
    json_open(json, '{');
    add_url(l, json);
    json_text(json, "control_link", terms.control_link);
    json_text(json, "protocol", terms.protocol);
    json_text(json, "transport", terms.transport);
    json_text(json, "server_name", terms.server_name);
    json_text(json, "client_ip", terms.client_ip);
    if (terms.request_limit_bytes)
        json_u64(json, "request_limit_bytes", terms.request_limit_bytes);
    json_amount(json, "max_bandwidth_kbps", terms.max_bandwidth_kbps);
    if (terms.protocol && l->conf->slowing)
        json_i64(json, "late_ms", terms.late_ms);
    add_times(l->conf, &terms, json);
    json_close(json, '}');
}
