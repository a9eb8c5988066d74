#include "conf/rules.h"

#include <errno.h>

#include "base/map.h"
#include "conf/check.h"

/* One table while it is looked at. */
struct rule {
    struct conf_build *b;
    const struct conf_scope *scope;
    const struct conf_session *session;
    const struct conf_table *table;
    const struct conf_node *node;
    const struct map *fields; /* by name, to where they stand in table->fields: lists may be long */
};

static bool given(const struct conf_node *node, const char *name)
{
    return conf_node_get(node, name) != NULL;
}

static bool faulty(const struct conf_node *node, const char *name)
{
    const struct conf_node *found = conf_node_get(node, name);
    return found && found->faulty;
}

/* The nodes of the strings that were built from ARRAY, one after the other from *AT = 0 on: faulty elements were left out. */
static const struct conf_node *next_element(const struct conf_node *array, size_t *at)
{
    while (*at < array->n_children)
        if (!array->children[(*at)++].faulty)
            return &array->children[*at - 1];
    return array;
}

/* A fault at the setting NAME, which is given. */
#define RULE_FAULT(r, name, ...)                                                                             \
    say_fault((r)->b, (r)->scope, conf_node_get((r)->node, (name))->place, (name), __VA_ARGS__)

static void not_both(struct conf_build *b, const struct conf_scope *scope, const struct conf_node *node,
                     const char *one, const char *other)
{
    const struct conf_node *a = conf_node_get(node, one), *z = conf_node_get(node, other);
    if (!a || !z)
        return;
    if (a->place.order > z->place.order)
        say_fault(b, scope, a->place, one, "expected one of %s and %s, found both", one, other);
    else
        say_fault(b, scope, z->place, other, "expected one of %s and %s, found both", one, other);
}

static void needs(struct conf_build *b, const struct conf_scope *scope, const struct conf_node *node,
                  const char *one, const char *other)
{
    if (given(node, one) && !given(node, other) && !b->incomplete)
        say_fault(b, scope, conf_node_get(node, one)->place, one, "expected %s as well, found none", other);
}

/* Names that are sent in one string must not hold what stands between them. */
static void rule_separator(const struct rule *r, const struct conf_strings *names,
                           const struct conf_node *array, const char *setting)
{
    const char *separator = r->session->separator;
    size_t at = 0;
    for (size_t i = 0; array && separator && i < names->n; i++) {
        const struct conf_node *element = next_element(array, &at);
        if (strstr(names->at[i], separator))
            say_fault(
                r->b, r->scope, element->place, setting,
                "expected a name without the session's separator \"%s\", found one that would be sent as two",
                separator);
    }
}

static void rule_names(const struct rule *r)
{
    const struct conf_node *items = conf_node_get(r->node, "items"),
                           *fields = conf_node_get(r->node, "fields");
    bool group = given(r->node, "group"), schema = given(r->node, "schema");
    if (!items && !group && !r->b->incomplete)
        say_fault(r->b, r->scope, r->node->place, NULL, "items is missing: expected items or group");
    if (!fields && !schema && !r->b->incomplete)
        say_fault(r->b, r->scope, r->node->place, NULL, "fields is missing: expected fields or schema");
    if (!group)
        rule_separator(r, &r->table->items, items, "items");
    if (!schema)
        rule_separator(r, &r->table->fields, fields, "fields");
}

/* What the server does only in some modes. */
static void rule_mode(const struct rule *r)
{
    const struct conf_table *t = r->table;
    bool raw = t->mode == CONF_MODE_RAW;
    if (given(r->node, "snapshot") && !faulty(r->node, "snapshot")) {
        if (t->snapshot_length && t->mode != CONF_MODE_DISTINCT)
            RULE_FAULT(r, "snapshot", "expected true or false, found a length, which is for mode DISTINCT");
        else if (t->snapshot && raw)
            RULE_FAULT(r, "snapshot", "expected false, found true: there is no snapshot in mode RAW");
    }
    /* "unfiltered" says what RAW is; a buffer_size that the server will not look at contradicts nothing. */
    if (raw && given(r->node, "max_frequency") && strncmp(t->max_frequency, "un", 2) != 0)
        RULE_FAULT(r, "max_frequency",
                   "expected \"unlimited\" or \"unfiltered\": updates are not filtered in mode RAW");
    if (t->mode != CONF_MODE_COMMAND && given(r->node, "second_level"))
        RULE_FAULT(r, "second_level", "is for mode COMMAND, found mode %s", conf_mode_name(t->mode));
}

static void rule_frequency(const struct rule *r)
{
    if (given(r->node, "buffer_size") && r->table->max_frequency &&
        strcmp(r->table->max_frequency, "unfiltered") == 0)
        RULE_FAULT(r, "buffer_size",
                   "expected none with max_frequency = \"unfiltered\", which makes it void");
}

/* NAMES, to where each stands; of the same ones the first. */
static void map_names(struct conf_build *b, const struct conf_strings *names, struct map *ret)
{
    for (size_t i = 0; i < names->n; i++) {
        struct span name = span_of(names->at[i]);
        if (!map_get(ret, name) && map_add(ret, name, &names->at[i]) < 0) {
            b->error = -ENOMEM;
            return;
        }
    }
}

/* Where the first level's names are not known, positions are its names. */
static bool is_position(const char *name)
{
    uint64_t position;
    return name[0] != '0' && span_to_u64(span_of(name), INT32_MAX, &position);
}

static void rule_second_level(const struct rule *r)
{
    const struct conf_node *second = conf_node_get(r->node, "second_level");
    const struct conf_node *array = conf_node_get(second, "fields");
    const struct conf_strings *names = &r->table->second_level.fields;
    size_t at = 0;
    if (!array)
        return;
    for (size_t i = 0; i < names->n; i++) {
        const struct conf_node *element = next_element(array, &at);
        if (map_get(r->fields, span_of(names->at[i])))
            say_fault(r->b, r->scope, element->place, "second_level.fields",
                      "expected a name that is not in fields, found \"%s\"", names->at[i]);
        else if (!r->table->fields.n && is_position(names->at[i]))
            say_fault(r->b, r->scope, element->place, "second_level.fields",
                      "expected a name that is no position, as those of a schema are, found \"%s\"",
                      names->at[i]);
    }
    rule_separator(r, names, array, "second_level.fields");
}

/* The 1-based position of the field that TEXT means, as conf_field_position() finds it; 0: none. */
static size_t field_position(const struct rule *r, const char *text)
{
    char **named = map_get(r->fields, span_of(text));
    return named ? (size_t)(named - r->table->fields.at) + 1 : conf_position(r->table, text);
}

static void fault_no_field(const struct rule *r, struct conf_place place, const char *setting,
                           const char *found)
{
    if (r->table->fields.n == 0)
        say_fault(r->b, r->scope, place, setting,
                  "expected a position from 1, as names are not known without fields, found \"%s\"", found);
    else
        say_fault(r->b, r->scope, place, setting,
                  "expected a name in fields or a position from 1 to %zu, found \"%s\"", r->table->fields.n,
                  found);
}

/* Whether the table's fields are known well enough to look for one. */
static bool fields_sound(const struct rule *r)
{
    return !faulty(r->node, "fields") && (given(r->node, "fields") || given(r->node, "schema"));
}

/* SECOND: the names of the second level. */
static void rule_type(const struct rule *r, const struct conf_node *node, const char *field,
                      const struct map *second, struct map *seen)
{
    const struct conf_strings *fields = &r->table->fields;
    size_t position = field_position(r, field);
    if (position == 0 && !map_get(second, span_of(field))) {
        fault_no_field(r, node->place, "types", field);
        return;
    }
    struct span name = span_of(position && position <= fields->n ? fields->at[position - 1] : field);
    if (map_get(seen, name))
        say_fault(r->b, r->scope, node->place, "types", "expected one type for a field, found \"%s\" twice",
                  field);
    else if (map_add(seen, name, r->b) < 0)
        r->b->error = -ENOMEM;
}

static bool is_type(const char *word)
{
    for (size_t i = 1; i < ARRAY_LENGTH(conf_type_words); i++)
        if (strcmp(word, conf_type_words[i]) == 0)
            return true;
    return false;
}

/* Nodes and what was built from them run in step, but for what was faulty. */
static void rule_types(const struct rule *r)
{
    const struct conf_node *types = conf_node_get(r->node, "types");
    CLEANUP(map_done) struct map seen = {0};
    CLEANUP(map_done) struct map second = {0};
    size_t at = 0;
    map_names(r->b, &r->table->second_level.fields, &second);
    for (size_t i = 0; types && fields_sound(r) && i < types->n_children; i++) {
        const struct conf_node *array = &types->children[i];
        if (!array->name || array->kind != CONF_NODE_ARRAY || !is_type(array->name))
            continue;
        for (size_t j = 0; j < array->n_children && at < r->table->n_types; j++)
            if (!array->children[j].faulty)
                rule_type(r, &array->children[j], r->table->types[at++].field, &second, &seen);
    }
}

/* One of key_field and command_field: VALUE, or by default the field called NAME. */
static void rule_place_in_row(const struct rule *r, const char *setting, const char *name, const char *value)
{
    bool text = r->session->protocol == CONF_PROTOCOL_TEXT;
    if (!given(r->node, setting)) {
        if (text && r->table->mode == CONF_MODE_COMMAND && !faulty(r->node, "mode") && fields_sound(r) &&
            field_position(r, name) == 0)
            say_fault(r->b, r->scope, r->node->place, NULL,
                      "%s is missing: expected the name or position of a field, as none is called \"%s\"",
                      setting, name);
        return;
    }
    if (!text)
        RULE_FAULT(r, setting, "is for protocol = \"text\": in TLCP the server says");
    else if (!faulty(r->node, "mode") && r->table->mode != CONF_MODE_COMMAND)
        RULE_FAULT(r, setting, "is for mode COMMAND, found mode %s", conf_mode_name(r->table->mode));
    else if (value && fields_sound(r) && field_position(r, value) == 0)
        fault_no_field(r, conf_node_get(r->node, setting)->place, setting, value);
}

static void rule_key(const struct rule *r)
{
    const struct conf_table *t = r->table;
    rule_place_in_row(r, "key_field", "key", t->key_field);
    rule_place_in_row(r, "command_field", "command", t->command_field);
    size_t key = field_position(r, t->key_field ? t->key_field : "key");
    size_t command = field_position(r, t->command_field ? t->command_field : "command");
    bool same = key && key == command;
    if (same && given(r->node, "command_field") && t->command_field)
        RULE_FAULT(r, "command_field", "expected another field than key_field, found \"%s\"",
                   t->command_field);
    else if (same && given(r->node, "key_field") && t->key_field)
        RULE_FAULT(r, "key_field", "expected another field than command_field, found \"%s\"", t->key_field);
}

void rules_table(struct conf_build *b, const struct conf_scope *scope, const struct conf_session *s,
                 const struct conf_table *t, const struct conf_node *node)
{
    CLEANUP(map_done) struct map fields = {0};
    const struct rule r = {b, scope, s, t, node, &fields};
    map_names(b, &t->fields, &fields);
    rule_names(&r);
    if (!faulty(node, "mode"))
        rule_mode(&r);
    rule_frequency(&r);
    rule_second_level(&r);
    rule_types(&r);
    rule_key(&r);
    if (t->split_on_error && given(node, "group") && !given(node, "items"))
        RULE_FAULT(&r, "split_on_error", "expected items as well, to be tried one by one, found group alone");
}

/* A name that an earlier sibling has. */
static void unique_name(struct conf_build *b, const struct conf_scope *scope, const struct conf_node *node,
                        const char *name, struct map *seen)
{
    struct conf_node *at = conf_node_get(node, "name");
    if (!name || !at)
        return;
    const struct conf_node *first = map_get(seen, span_of(name));
    if (first)
        say_fault(b, scope, at->place, "name",
                  "expected a name of its own, found \"%s\", which is taken in %s:%u", name,
                  first->place.file, first->place.line);
    else if (map_add(seen, span_of(name), at) < 0)
        b->error = -ENOMEM;
}

static void rules_credentials(struct conf_build *b, const struct conf_scope *scope,
                              const struct conf_node *node)
{
    not_both(b, scope, node, "password", "password_file");
    not_both(b, scope, node, "user", "credentials_command");
    not_both(b, scope, node, "password", "credentials_command");
    not_both(b, scope, node, "password_file", "credentials_command");
    needs(b, scope, node, "cert_file", "key_file");
    needs(b, scope, node, "key_file", "cert_file");
}

/* What only TLCP has. */
static void rules_text_session(const struct rule *r, const struct conf_session *s)
{
    if (s->slowing)
        RULE_FAULT(r, "slowing", "expected false with protocol = \"text\", which does not tell delays");
    if (s->reverse_heartbeat_ms && !faulty(r->node, "reverse_heartbeat_ms"))
        RULE_FAULT(r, "reverse_heartbeat_ms", "expected 0 with protocol = \"text\", which has none");
    if (given(r->node, "supported_diffs") && s->supported_diffs.n)
        RULE_FAULT(r, "supported_diffs", "expected none with protocol = \"text\", which has no diffs");
}

static void rules_session_own(struct conf_build *b, const struct conf_scope *scope,
                              const struct conf_session *s, const struct conf_node *node)
{
    const struct rule r = {.b = b, .scope = scope, .node = node};
    bool tlcp = s->protocol == CONF_PROTOCOL_TLCP;
    rules_credentials(b, scope, node);
    if (s->retry_max_ms < s->retry_ms && !faulty(node, "retry_ms") && !faulty(node, "retry_max_ms"))
        RULE_FAULT(&r, given(node, "retry_max_ms") ? "retry_max_ms" : "retry_ms",
                   "expected retry_ms to be at most retry_max_ms, found %lld and %lld",
                   (long long)s->retry_ms, (long long)s->retry_max_ms);
    if (tlcp && s->adapter_parameter && given(node, "adapter_parameter") && !faulty(node, "protocol") &&
        strcmp(s->adapter_parameter, "LS_data_adapter") != 0)
        RULE_FAULT(&r, "adapter_parameter",
                   "expected \"LS_data_adapter\": others are for protocol = \"text\"");
    if (!tlcp)
        rules_text_session(&r, s);
    if (!tlcp && (s->transport == CONF_TRANSPORT_WS || s->transport == CONF_TRANSPORT_WS_STREAMING ||
                  s->transport == CONF_TRANSPORT_WS_POLLING))
        RULE_FAULT(&r, "transport", "expected HTTP with protocol = \"text\", which has no WebSocket");
}

static void rules_session(struct conf_build *b, const struct conf_scope *scope, const struct conf_session *s,
                          const struct conf_node *node)
{
    const struct conf_node *tables = conf_node_get(node, "tables");
    CLEANUP(map_done) struct map names = {0};
    rules_session_own(b, scope, s, node);
    for (size_t i = 0; tables && i < s->n_tables; i++) {
        const struct conf_node *table = &tables->children[i];
        if (table->kind != CONF_NODE_GROUP)
            continue;
        struct conf_scope inner = build_scope(scope, conf_rows_find(&conf_session_rows, "tables"), table, i);
        rules_table(b, &inner, s, &s->tables[i], table);
        unique_name(b, &inner, table, s->tables[i].name, &names);
    }
}

/* Where each endpoint stands. */
struct bound {
    const char *endpoint, *setting;
    const struct conf_node *node;
};

static void rules_bound(struct conf_build *b, struct bound *bound, size_t *n, const struct bound *new)
{
    for (size_t i = 0; i < *n; i++)
        if (endpoints_collide(bound[i].endpoint, new->endpoint)) {
            if (new->node || bound[i].node)
                say_fault(b, NULL, (new->node ? new : &bound[i])->node->place,
                          (new->node ? new : &bound[i])->setting,
                          "expected endpoints of its own, found \"%s\", which %s binds as well (\"%s\")",
                          (new->node ? new : &bound[i])->endpoint, (new->node ? &bound[i] : new)->setting,
                          (new->node ? &bound[i] : new)->endpoint);
            return;
        }
    bound[(*n)++] = *new;
}

static void rules_endpoints(struct conf_build *b, const struct conf *c, const struct conf_node *root)
{
    const struct {
        const char *group, *setting;
        const struct conf_strings *endpoints;
    } sockets[] = {
        {"publisher", "publisher.endpoints", &c->publisher.socket.endpoints},
        {"status", "status.endpoints", &c->status.socket.endpoints},
        {"control", "control.endpoints", &c->control.endpoints},
    };
    struct bound bound[ARRAY_LENGTH(sockets) * CONF_MAX_ENDPOINTS];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(sockets); i++) {
        const struct conf_node *array = conf_node_get(conf_node_get(root, sockets[i].group), "endpoints");
        size_t at = 0;
        for (size_t j = 0; j < sockets[i].endpoints->n && j < CONF_MAX_ENDPOINTS; j++) {
            struct bound new = {sockets[i].endpoints->at[j], sockets[i].setting,
                                array ? next_element(array, &at) : NULL};
            rules_bound(b, bound, &n, &new);
        }
    }
}

void rules_check(struct conf_build *b, const struct conf *c, const struct conf_node *root)
{
    const struct conf_node *sessions = conf_node_get(root, "sessions");
    CLEANUP(map_done) struct map names = {0};
    rules_endpoints(b, c, root);
    for (size_t i = 0; sessions && i < c->n_sessions; i++) {
        const struct conf_node *session = &sessions->children[i];
        if (session->kind != CONF_NODE_GROUP)
            continue;
        struct conf_scope scope = build_scope(NULL, conf_rows_find(&conf_root_rows, "sessions"), session, i);
        rules_session(b, &scope, &c->sessions[i], session);
        unique_name(b, &scope, session, c->sessions[i].name, &names);
    }
}
