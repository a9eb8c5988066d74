#include "conf/build.h"

#include <errno.h>
#include <libconfig.h>

#include "base/util.h"
#include "conf/rules.h"
#include "conf/source.h"
#include "conf/table.h"

/* libconfig's tree and the source's tokens, walked side by side: the tree says what there is, the tokens where. */
struct zip {
    const struct source *source;
    const struct source_token *at, *end;
    int error; /* 0, 1: the two don't match, or -ENOMEM; sticks */
};

static void zip_value(struct zip *z, const config_setting_t *setting, struct conf_node *ret);

static bool zip_is(const struct zip *z, enum source_kind kind, const char *one_of)
{
    return z->at < z->end && z->at->kind == kind &&
           (!one_of || strchr(one_of, source_token_text(z->source, z->at).at[0]));
}

/* The next token, which must be of that kind; the last one seen when it is not. */
static const struct source_token *zip_take(struct zip *z, enum source_kind kind, const char *one_of)
{
    if (zip_is(z, kind, one_of))
        return z->at++;
    z->error = z->error ? z->error : 1;
    return z->at < z->end ? z->at : z->end - 1;
}

static void zip_skip(struct zip *z, const char *one_of)
{
    if (zip_is(z, SOURCE_OTHER, one_of))
        z->at++;
}

/* NAME = VALUE ; */
static void zip_member(struct zip *z, const config_setting_t *setting, struct conf_node *ret)
{
    const struct source_token *name = zip_take(z, SOURCE_NAME, NULL);
    if (!span_is(source_token_text(z->source, name), config_setting_name(setting)))
        z->error = z->error ? z->error : 1;
    zip_take(z, SOURCE_OTHER, "=:");
    zip_value(z, setting, ret);
    zip_skip(z, ";,");
    ret->name = config_setting_name(setting);
    ret->place = source_token_place(z->source, name);
}

static void zip_children(struct zip *z, const config_setting_t *setting, struct conf_node *ret)
{
    size_t n = (size_t)config_setting_length(setting);
    ret->children = calloc(n + 1, sizeof *ret->children);
    if (!ret->children) {
        z->error = -ENOMEM;
        return;
    }
    ret->n_children = n;
    for (size_t i = 0; i < n && z->error == 0; i++) {
        const config_setting_t *child = config_setting_get_elem(setting, (unsigned)i);
        if (ret->kind == CONF_NODE_GROUP) {
            zip_member(z, child, &ret->children[i]);
        } else {
            zip_value(z, child, &ret->children[i]);
            zip_skip(z, ",");
        }
    }
}

static void zip_aggregate(struct zip *z, const config_setting_t *setting, enum conf_node_kind kind,
                          const char *open, const char *close, struct conf_node *ret)
{
    ret->kind = kind;
    zip_take(z, SOURCE_OTHER, open);
    zip_children(z, setting, ret);
    zip_take(z, SOURCE_OTHER, close);
}

static void zip_string(struct zip *z, const config_setting_t *setting, struct conf_node *ret)
{
    ret->kind = CONF_NODE_STRING;
    ret->text = config_setting_get_string(setting);
    ret->text = ret->text ? ret->text : "";
    ret->nul = zip_take(z, SOURCE_STRING, NULL)->nul;
    while (zip_is(z, SOURCE_STRING, NULL))
        ret->nul |= z->at++->nul;
}

/* What libconfig makes of an integer depends on its version and the machine; this is what was written. */
static void read_integer(struct span literal, struct conf_node *ret)
{
    bool is_long = literal.len && literal.at[literal.len - 1] == 'L';
    bool hex = literal.len > 2 && (literal.at[1] == 'x' || literal.at[1] == 'X');
    char *end;
    ret->kind = CONF_NODE_INTEGER;
    ret->literal = literal;
    errno = 0;
    ret->integer = strtoll(literal.at, &end, hex ? 16 : 10);
    if (errno == ERANGE)
        ret->fit = CONF_TOO_LONG;
    else if (!is_long && (ret->integer > INT32_MAX || ret->integer < INT32_MIN))
        ret->fit = CONF_NEEDS_L;
}

static void zip_number(struct zip *z, const config_setting_t *setting, struct conf_node *ret)
{
    const struct source_token *token = zip_take(z, SOURCE_NUMBER, NULL);
    if (config_setting_type(setting) == CONFIG_TYPE_FLOAT) {
        ret->kind = CONF_NODE_FLOAT;
        ret->number = config_setting_get_float(setting);
    } else {
        read_integer(source_token_text(z->source, token), ret);
    }
}

static void zip_value(struct zip *z, const config_setting_t *setting, struct conf_node *ret)
{
    if (z->at < z->end)
        ret->place = source_token_place(z->source, z->at);
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP: zip_aggregate(z, setting, CONF_NODE_GROUP, "{", "}", ret); break;
    case CONFIG_TYPE_ARRAY: zip_aggregate(z, setting, CONF_NODE_ARRAY, "[", "]", ret); break;
    case CONFIG_TYPE_LIST: zip_aggregate(z, setting, CONF_NODE_LIST, "(", ")", ret); break;
    case CONFIG_TYPE_STRING: zip_string(z, setting, ret); break;
    case CONFIG_TYPE_BOOL:
        ret->kind = CONF_NODE_BOOL;
        ret->boolean = config_setting_get_bool(setting);
        zip_take(z, SOURCE_NAME, NULL);
        break;
    default: zip_number(z, setting, ret); break;
    }
}

/* Returns 0, 1 (it is in the faults) or -ENOMEM. */
static int zip_root(const struct source *source, const config_t *tree, struct conf_node *ret,
                    struct fault_list *faults)
{
    ret->kind = CONF_NODE_GROUP;
    ret->place = (struct conf_place){.file = source->files.at[0], .line = 1};
    if (!source->n_tokens)
        return 0;
    struct zip z = {source, source->tokens, source->tokens + source->n_tokens, 0};
    zip_children(&z, config_root_setting(tree), ret);
    if (z.error == 0 && z.at < z.end)
        z.error = 1;
    if (z.error > 0)
        fault_addf(faults, source_token_place(source, z.at < z.end ? z.at : z.end - 1),
                   "this is written in a way that lsbridged and libconfig do not read alike");
    return z.error;
}

static int parse(struct source *source, config_t *tree, struct fault_list *faults)
{
    const char *text = buf_text(&source->text);
    if (buf_error(&source->text))
        return -ENOMEM;
    if (config_read_string(tree, text) == CONFIG_TRUE)
        return 0;
    int line = config_error_line(tree);
    fault_addf(faults, source_line_place(source, line > 0 ? (unsigned)line : 1), "%s",
               config_error_text(tree));
    return 1;
}

/* Settings whose default hangs on others. */
static int fill_in(struct conf *c, const struct conf_node *root)
{
    const struct conf_node *sessions = conf_node_get(root, "sessions");
    for (size_t i = 0; i < c->n_sessions; i++) {
        struct conf_session *s = &c->sessions[i];
        const struct conf_node *tables = conf_node_get(&sessions->children[i], "tables");
        for (size_t j = 0; j < s->n_tables; j++) {
            int r = table_fill_in(s, &s->tables[j], &tables->children[j]);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int build(struct source *source, config_t *tree, struct conf *c, struct fault_list *faults)
{
    CLEANUP(conf_node_done) struct conf_node root = {0};
    int r = parse(source, tree, faults);
    if (r == 0)
        r = zip_root(source, tree, &root, faults);
    if (r != 0)
        return r;
    struct conf_build b = {.faults = faults, .incomplete = source->incomplete};
    build_rows(&b, NULL, &conf_root_rows, &root, c);
    if (b.error)
        return b.error;
    rules_check(&b, c, &root);
    return b.error ? b.error : fill_in(c, &root);
}

static void free_conf(struct conf **c)
{
    conf_free(*c);
}

int conf_load(const char *path, struct conf **ret, struct conf_faults *faults)
{
    CLEANUP(free_conf) struct conf *c = calloc(1, sizeof *c);
    CLEANUP(source_done) struct source source = {0};
    CLEANUP(config_destroy) config_t tree;
    CLEANUP(fault_list_done) struct fault_list found = {0};
    config_init(&tree);
    if (!c)
        return -ENOMEM;
    c->path = span_dup(span_of(path));
    if (!c->path)
        return -ENOMEM;
    int r = source_read(&source, path, &found);
    if (r == 0)
        r = build(&source, &tree, c, &found);
    if (r < 0)
        return r;
    if (found.n)
        return fault_deliver(&found, faults) < 0 ? -ENOMEM : 1;
    c->files = source.files;
    source.files = (struct conf_strings){0};
    *ret = TAKE(c);
    return 0;
}
