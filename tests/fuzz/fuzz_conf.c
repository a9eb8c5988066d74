/* Configurations. What loads prints as something that loads and prints the same; what does not has faults. */
#include "config.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "fuzz.h"
#include "proto/jsontext.h"

/* libconfig loses a string when the syntax error comes right after it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}

/* From a file without a name, so that nothing is left behind. */
static int load(struct span text, struct conf **ret, struct conf_faults *faults)
{
    char path[64];
    int fd = memfd_create("conf", MFD_CLOEXEC);
    MUST(fd >= 0);
    MUST(write(fd, text.at, text.len) == (ssize_t)text.len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int r = conf_load(path, ret, faults);
    close(fd);
    return r;
}

static void check_faults(const struct conf_faults *faults)
{
    MUST(faults->n > 0);
    for (size_t i = 0; i < faults->n; i++) {
        struct span text = span_of(faults->at[i].text);
        MUST(text.len > 0 && !memchr(text.at, '\n', text.len));
        MUST(faults->at[i].file);
    }
}

static void check_printed(const struct conf *c)
{
    AUTO_BUF struct buf first = BUF_INIT(64 << 20), again = BUF_INIT(64 << 20), json = BUF_INIT(64 << 20);
    struct conf_faults faults = {0};
    struct conf *reloaded = NULL;
    struct jsondoc document = {0};
    conf_print(c, &first);
    conf_print_json(c, &json);
    MUST(buf_error(&first) == 0 && buf_error(&json) == 0);
    MUST(jsontext_read(&document, buf_span(&json)));
    jsondoc_done(&document);
    MUST(load(buf_span(&first), &reloaded, &faults) == 0);
    conf_print(reloaded, &again);
    MUST(span_equal(buf_span(&first), buf_span(&again)));
    conf_free(reloaded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf *c = NULL;
    struct conf_faults faults = {0};
    int r = load(fuzz_input(data, size), &c, &faults);
    MUST(r == 0 || r == 1);
    if (r == 0) {
        MUST(c && faults.n == 0);
        check_printed(c);
    } else {
        MUST(!c);
        check_faults(&faults);
    }
    conf_free(c);
    conf_faults_done(&faults);
    return 0;
}
