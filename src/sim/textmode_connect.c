#include "sim/textmode_connect.h"

#include "sim/connect.h"
#include "sim/dialect.h"
#include "sim/param.h"
#include "sim/session.h"
#include "sim/sim.h"
#include "sim/textmode_rule.h"

/* Why a create is refused: a code, with its *RET_TEXT; 0 when it is not. */
static int fault_of_create(struct conn *c, const struct params *p, const char **ret_text)
{
    struct sim *sim = c->sim;
    const char *fault = textmode_check(c, RULES_CREATE, p);
    const struct refusal *refusal = faults_refuse(&sim->faults, REQUEST_CREATE);

    if (refusal) {
        *ret_text = refusal->text ? refusal->text : "Refused by the script";
        return refusal->code;
    }
    *ret_text = fault;
    if (fault)
        return 65;
    *ret_text = "Client version not supported";
    if (sim->options.no_text)
        return 60;
    /* The oldest clients have none. */
    *ret_text = "Client type not supported";
    if (!sim->options.lenient && params_get(p, "LS_cid") && !params_is(p, "LS_cid", CONNECT_CID))
        return 71;
    return connect_admit(c, p, ret_text);
}

void textmode_create(struct conn *c, struct span lines)
{
    CLEANUP(params_done) struct params p = {0};
    const char *text = NULL;
    struct binding binding;
    struct session *s;
    int code;

    params_parse_form(&p, connect_only_line(c, lines));
    code = fault_of_create(c, &p, &text);
    if (code != 0) {
        connect_refuse(c, &dialect_text, "create_session", code, text);
        return;
    }
    connect_read_binding(c, &p, &binding);
    s = connect_new_session(c, &dialect_text, &p);
    session_constrain(s, textmode_bandwidth(&p));
    session_bind(s, c, &binding);
}

/* The same for a bind of S, which may be NULL. */
static int fault_of_bind(struct conn *c, const struct session *s, const char **ret_text)
{
    const struct refusal *refusal = faults_refuse(&c->sim->faults, REQUEST_BIND);

    if (refusal) {
        *ret_text = refusal->text ? refusal->text : "Refused by the script";
        return refusal->code;
    }
    *ret_text = "Specified session not found";
    if (!s)
        return 20;
    *ret_text = "The session speaks another protocol";
    return s->dialect != &dialect_text ? 3 : 0;
}

void textmode_bind(struct conn *c, struct span lines)
{
    CLEANUP(params_done) struct params p = {0};
    const char *text = NULL, *fault;
    struct binding binding;
    struct session *s;
    int code;

    params_parse_form(&p, connect_only_line(c, lines));
    fault = textmode_check(c, RULES_BIND, &p);
    if (fault) {
        connect_refuse(c, &dialect_text, "bind_session", 65, fault);
        return;
    }
    s = session_find(c->sim, params_text(&p, "LS_session"));
    if (!s)
        connect_note_unknown(c, params_text(&p, "LS_session"));
    code = fault_of_bind(c, s, &text);
    if (code != 0) {
        connect_refuse(c, &dialect_text, "bind_session", code, text);
        return;
    }
    connect_read_binding(c, &p, &binding);
    session_constrain(s, textmode_bandwidth(&p));
    session_bind(s, c, &binding);
}
