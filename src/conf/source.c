#include "config.h"

#include "conf/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* One file while it is scanned. */
struct scan {
    struct source *source;
    struct fault_list *faults;
    int dir;          /* of the main file: what every @include is relative to */
    struct span path; /* its name with the slash, empty for the working directory */
    unsigned depth;   /* of includes */
    unsigned nesting; /* of braces */
    unsigned file, line;
    const char *at, *end;
    bool line_start; /* only blanks since the line began */
};

static int scan_file(struct scan *outer, const char *name, struct conf_place place);

static int grow(void **array, size_t n, size_t *cap, size_t element)
{
    if (n < *cap)
        return 0;
    size_t new_cap = *cap ? *cap * 2 : 64;
    void *grown = realloc(*array, new_cap * element);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *cap = new_cap;
    return 0;
}

/* From here on the last line of the text is LINE of FILE. */
static int source_begin_line(struct source *s, size_t index, unsigned file, unsigned line)
{
    void *array = s->lines;
    int r = grow(&array, index, &s->cap_lines, sizeof *s->lines);
    s->lines = array;
    if (r < 0)
        return r;
    s->lines[index] = (struct source_line){file, line};
    s->n_lines = index + 1;
    return 0;
}

/* Takes N bytes over into the text. */
static int scan_copy(struct scan *c, size_t n)
{
    struct source *s = c->source;
    buf_add(&s->text, c->at, n);
    int r = buf_error(&s->text);
    for (size_t i = 0; i < n && r == 0; i++)
        if (c->at[i] == '\n')
            r = source_begin_line(s, s->n_lines, c->file, ++c->line);
    c->at += n;
    return r;
}

static int scan_token(struct scan *c, enum source_kind kind, size_t n, bool nul)
{
    struct source *s = c->source;
    void *array = s->tokens;
    int r = grow(&array, s->n_tokens, &s->cap_tokens, sizeof *s->tokens);
    s->tokens = array;
    if (r < 0)
        return r;
    s->tokens[s->n_tokens++] = (struct source_token){
        .kind = kind,
        .nul = nul,
        .file = c->file,
        .line = c->line,
        .at = s->text.len,
        .len = n,
    };
    return scan_copy(c, n);
}

static struct conf_place scan_place(const struct scan *c)
{
    return (struct conf_place){c->source->files.at[c->file], c->line, c->source->text.len};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static size_t digits(const char *at, const char *end)
{
    const char *p = at;
    while (p < end && is_digit(*p))
        p++;
    return (size_t)(p - at);
}

static size_t long_suffix(const char *at, const char *end)
{
    size_t n = 0;
    while (n < 2 && at + n < end && at[n] == 'L')
        n++;
    return n;
}

static size_t exponent(const char *at, const char *end)
{
    const char *p = at;
    if (p == end || (*p != 'e' && *p != 'E'))
        return 0;
    p++;
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    size_t n = digits(p, end);
    return n ? (size_t)(p - at) + n : 0;
}

/* libconfig's numbers, the longest that fits: 12 -12L 0x1f 0x1fL 1.5 .5 1e3; 0 when there is none. */
static size_t number_length(const char *at, const char *end)
{
    const char *p = at;
    if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && is_hex(p[2])) {
        for (p += 2; p < end && is_hex(*p);)
            p++;
        return (size_t)(p - at) + long_suffix(p, end);
    }
    if (*p == '+' || *p == '-')
        p++;
    size_t whole = digits(p, end);
    p += whole;
    if (p < end && *p == '.') {
        p++;
        p += digits(p, end);
        return (size_t)(p - at) + exponent(p, end);
    }
    if (!whole)
        return 0;
    size_t power = exponent(p, end);
    return (size_t)(p - at) + (power ? power : long_suffix(p, end));
}

static size_t name_length(const char *at, const char *end)
{
    if (!is_letter(*at) && *at != '*')
        return 0;
    const char *p = at;
    while (p < end && (is_letter(*p) || is_digit(*p) || *p == '-' || *p == '_' || *p == '*'))
        p++;
    return (size_t)(p - at);
}

/* With both quotes; 0 when it has no end. */
static size_t string_length(const char *at, const char *end, bool *ret_nul)
{
    for (const char *p = at + 1; p < end; p++) {
        if (*p == '"')
            return (size_t)(p - at) + 1;
        if (*p != '\\' || end - p < 2)
            continue;
        if ((p[1] == 'x' || p[1] == 'X') && end - p > 3 && p[2] == '0' && p[3] == '0')
            *ret_nul = true;
        if (p[1] == '"' || p[1] == '\\')
            p++;
    }
    return 0;
}

/* A comment without its newline, or with its end; 0 when this is none, SIZE_MAX when it has no end. */
static size_t comment_length(const char *at, const char *end)
{
    bool slash = *at == '/' && end - at > 1;
    if (*at == '#' || (slash && at[1] == '/')) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        return (size_t)((newline ? newline : end) - at);
    }
    if (!slash || at[1] != '*')
        return 0;
    const char *found = end - at > 3 ? memmem(at + 2, (size_t)(end - at - 2), "*/", 2) : NULL;
    return found ? (size_t)(found - at) + 2 : SIZE_MAX;
}

/* The opening of `@include "`, up to and with its quote; 0 when this is none. */
static size_t include_length(const char *at, const char *end)
{
    static const char word[] = "@include";
    size_t n = sizeof word - 1;
    if ((size_t)(end - at) <= n || memcmp(at, word, n) != 0)
        return 0;
    const char *p = at + n;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p > at + n && p < end && *p == '"' ? (size_t)(p - at) + 1 : 0;
}

/* The included text stands on lines of its own; what follows the directive goes on in this file's line. */
static int scan_include(struct scan *c, size_t opening)
{
    struct conf_place place = scan_place(c);
    const char *close = memchr(c->at + opening, '"', (size_t)(c->end - c->at) - opening);
    if (!close) {
        fault_addf(c->faults, place, "@include: the name of the file is not ended");
        return 1;
    }
    AUTO_FREE char *name = span_dup(span_make(c->at + opening, (size_t)(close - c->at) - opening));
    if (!name)
        return -ENOMEM;
    c->at = close + 1;
    buf_add_char(&c->source->text, '\n');
    int r = scan_file(c, name, place);
    if (r != 0)
        return r;
    return source_begin_line(c->source, c->source->n_lines - 1, c->file, c->line);
}

static int scan_nesting(struct scan *c, char brace)
{
    if (strchr("{[(", brace))
        c->nesting++;
    else if (strchr("}])", brace) && c->nesting > 0)
        c->nesting--;
    if (c->nesting <= SOURCE_MAX_NESTING)
        return 0;
    fault_addf(c->faults, scan_place(c), "more than %d levels of braces", SOURCE_MAX_NESTING);
    return 1;
}

static int scan_unended(struct scan *c, const char *what)
{
    fault_addf(c->faults, scan_place(c), "the %s that begins here is not ended in this file", what);
    return 1;
}

static int scan_string(struct scan *c)
{
    bool nul = false;
    size_t n = string_length(c->at, c->end, &nul);
    if (n)
        return scan_token(c, SOURCE_STRING, n, nul);
    if (c->depth > 0)
        return scan_unended(c, "string");
    return scan_copy(c, (size_t)(c->end - c->at)); /* libconfig will say so */
}

static int scan_one(struct scan *c)
{
    char first = *c->at;
    size_t n;
    if (first == ' ' || first == '\t')
        return scan_copy(c, 1);
    if (first == '\n' || first == '\r' || first == '\f') {
        c->line_start = c->line_start || first == '\n';
        return scan_copy(c, 1);
    }
    if (c->line_start && (n = include_length(c->at, c->end)))
        return scan_include(c, n);
    c->line_start = false;
    if (first == '"')
        return scan_string(c);
    if ((n = comment_length(c->at, c->end)))
        return n == SIZE_MAX ? scan_unended(c, "comment") : scan_copy(c, n);
    if ((n = name_length(c->at, c->end)))
        return scan_token(c, SOURCE_NAME, n, false);
    if ((n = number_length(c->at, c->end)))
        return scan_token(c, SOURCE_NUMBER, n, false);
    int r = scan_nesting(c, first);
    return r != 0 ? r : scan_token(c, SOURCE_OTHER, 1, false);
}

/* Returns 0, 1 (it is in the faults), or -ENOMEM. */
static int read_file(int dir, const char *name, bool main_file, struct buf *ret, struct fault_list *faults,
                     struct conf_place place)
{
    const char *what = main_file ? "" : "@include: ";
    struct stat info;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | (main_file ? 0 : O_NONBLOCK));
    int error = fd < 0 ? errno : fstat(fd, &info) < 0 ? errno : 0;
    if (!error && !main_file && S_ISDIR(info.st_mode))
        error = EISDIR;
    else if (!error && !main_file && !S_ISREG(info.st_mode))
        error = EINVAL;
    while (!error && buf_reserve(ret, 4096) == 0) {
        ssize_t n = read(fd, ret->at + ret->len, 4096);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            error = errno;
        else if (n > 0)
            ret->len += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    if (buf_error(ret) == -ENOMEM)
        return -ENOMEM;
    if (error)
        fault_addf(faults, place, "%scannot read \"%s\": %s", what, name, strerror(error));
    else if (buf_error(ret))
        fault_addf(faults, place, "%s\"%s\": more than %d bytes", what, name, SOURCE_MAX_BYTES);
    else if (ret->len && memchr(ret->at, '\0', ret->len))
        fault_addf(faults, place, "%s\"%s\" holds a NUL byte: not a text file", what, name);
    else
        return 0;
    return 1;
}

static int source_add_file(struct source *s, struct span path, const char *name)
{
    void *array = s->files.at;
    int r = grow(&array, s->files.n, &s->cap_files, sizeof *s->files.at);
    s->files.at = array;
    char *full = NULL;
    if (r < 0 || asprintf(&full, "%.*s%s", SPAN_ARG(name[0] == '/' ? SPAN_EMPTY : path), name) < 0)
        return -ENOMEM;
    s->files.at[s->files.n++] = full;
    return 0;
}

/* A file's own text: into the source, token by token. */
static int scan_text(struct scan *c)
{
    struct source *s = c->source;
    int r = source_begin_line(s, s->n_lines, c->file, c->line);
    while (r == 0 && c->at < c->end)
        r = scan_one(c);
    if (r == 0 && s->text.len && s->text.at[s->text.len - 1] != '\n') {
        buf_add_char(&s->text, '\n');
        r = source_begin_line(s, s->n_lines, c->file, c->line);
    }
    return r;
}

/* Faults of a file that is included go to PLACE, where the @include is. */
static int scan_file(struct scan *outer, const char *name, struct conf_place place)
{
    if (outer->depth + 1 > SOURCE_MAX_INCLUDES) {
        fault_addf(outer->faults, place, "@include: more than %d files, one inside the other",
                   SOURCE_MAX_INCLUDES);
        return 1;
    }
    AUTO_BUF struct buf text = BUF_INIT(SOURCE_MAX_BYTES);
    int r = read_file(outer->dir, name, false, &text, outer->faults, place);
    if (r > 0) {
        /* One place to go on from: an empty file, so that the rest is looked at as well. */
        outer->source->incomplete = true;
        buf_done(&text);
    }
    if (r >= 0)
        r = source_add_file(outer->source, outer->path, name);
    if (r < 0)
        return r;
    struct scan inner = *outer;
    inner.depth++;
    inner.file = (unsigned)outer->source->files.n - 1;
    inner.line = 1;
    inner.at = text.at;
    inner.end = text.at ? text.at + text.len : NULL;
    inner.line_start = true;
    r = scan_text(&inner);
    outer->nesting = inner.nesting;
    return r;
}

static int scan_main(struct scan *c, const char *path, struct span text)
{
    const char *slash = strrchr(path, '/');
    c->path = slash ? span_make(path, (size_t)(slash - path) + 1) : SPAN_EMPTY;
    AUTO_FREE char *dir = slash ? span_dup(c->path) : span_dup(SPAN("."));
    if (!dir)
        return -ENOMEM;
    c->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    c->at = text.at;
    c->end = text.at ? text.at + text.len : NULL;
    int r = scan_text(c);
    if (c->dir >= 0)
        close(c->dir);
    if (r != 0)
        return r;
    buf_text(&c->source->text);
    return buf_error(&c->source->text);
}

int source_read(struct source *ret, const char *path, struct fault_list *faults)
{
    buf_init(&ret->text, SOURCE_MAX_BYTES);
    int r = source_add_file(ret, SPAN_EMPTY, path);
    if (r < 0)
        return r;
    struct conf_place place = {.file = ret->files.at[0]};
    AUTO_BUF struct buf text = BUF_INIT(SOURCE_MAX_BYTES);
    r = read_file(AT_FDCWD, path, true, &text, faults, place);
    if (r != 0)
        return r;
    struct scan scan = {.source = ret, .faults = faults, .line = 1, .line_start = true};
    r = scan_main(&scan, path, buf_span(&text));
    if (r == -ENOBUFS) {
        fault_addf(faults, place, "more than %d bytes with what it includes", SOURCE_MAX_BYTES);
        return 1;
    }
    return r;
}

void source_done(struct source *s)
{
    buf_done(&s->text);
    free(s->tokens);
    free(s->lines);
    for (size_t i = 0; i < s->files.n; i++)
        free(s->files.at[i]);
    free(s->files.at);
    *s = (struct source){0};
}

struct conf_place source_token_place(const struct source *s, const struct source_token *token)
{
    return (struct conf_place){s->files.at[token->file], token->line, token->at};
}

struct conf_place source_line_place(const struct source *s, unsigned line)
{
    if (s->n_lines == 0)
        return (struct conf_place){.file = s->files.at[0]};
    size_t index = line == 0 ? 0 : line - 1;
    const struct source_line *found = &s->lines[index < s->n_lines ? index : s->n_lines - 1];
    return (struct conf_place){s->files.at[found->file], found->line, 0};
}
