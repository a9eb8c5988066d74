#include "ctl/add.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "ctl/view.h"

/* A request is not longer. */
enum { TABLE_MAX_BYTES = 1 << 20 };

static void close_file(int *fd)
{
    if (*fd > STDIN_FILENO)
        close(*fd);
}

/* Returns 0 or -errno; -ENOBUFS: too long. */
static int read_all(int fd, struct buf *text)
{
    char part[4096];
    ssize_t n;
    while ((n = read(fd, part, sizeof part)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && (buf_add(text, part, (size_t)n), buf_error(text)))
            return buf_error(text);
    return n < 0 ? -errno : 0;
}

static int read_file(struct ctl *c, const char *path, struct buf *text)
{
    bool is_stdin = strcmp(path, "-") == 0;
    CLEANUP(close_file) int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : read_all(fd, text);
    if (r == 0)
        return CTL_OK;
    if (r == -ENOBUFS)
        buf_printf(&c->error, "%s: longer than a request may be, 1 MiB", is_stdin ? "standard input" : path);
    else
        buf_printf(&c->error, "%s: %s", is_stdin ? "standard input" : path, strerror(-r));
    return CTL_FAILED;
}

/* JSON, "-" or "@FILE". */
static int read_table(struct ctl *c, const char *operand, struct buf *text)
{
    int r = CTL_OK;
    if (operand[0] == '@')
        r = read_file(c, operand + 1, text);
    else if (strcmp(operand, "-") == 0)
        r = read_file(c, operand, text);
    else
        buf_add_text(text, operand);
    buf_add_char(text, '\0');
    if (r == CTL_OK && buf_error(text)) {
        buf_add_text(&c->error, "the table is longer than a request may be, 1 MiB");
        return CTL_FAILED;
    }
    return r;
}

/* Goes out as it was written: what json-c makes of a long number is another number. */
static int parse_table(struct ctl *c, struct buf *text, struct json_object **ret)
{
    int r = reply_parse(span_make(text->at, text->len - 1), ret);
    if (r == 1)
        buf_add_text(&c->error,
                     "the table is not a JSON object, as {\"name\": \"t\", \"items\": [\"item1\"], "
                     "\"fields\": [\"last_price\"]}");
    else if (r == 0)
        json_object_set_serializer(*ret, json_object_userdata_to_json_string, text->at, NULL);
    return r == 1 ? CTL_FAILED : r;
}

int add_table(struct ctl *c, const struct verb *verb)
{
    AUTO_BUF struct buf text = BUF_INIT(TABLE_MAX_BYTES);
    AUTO_JSON struct json_object *reply = NULL;
    struct json_object *table = NULL;
    int r = read_table(c, c->options->arguments[1], &text);
    if (r == CTL_OK)
        r = parse_table(c, &text, &table);
    if (r != CTL_OK)
        return r;
    struct json_object *request = ctl_request(verb->name);
    ctl_request_add(request, verb->keys[0], c->options->arguments[0]);
    if (!request || json_object_object_add(request, "table", table) < 0)
        json_object_put(table);
    r = ctl_ask(c, request, &reply);
    if (c->options->json && c->reply.len > 0)
        ctl_add_reply(c);
    else if (r == CTL_OK)
        verb->view(&c->out, reply);
    return r;
}
