/* The main() of a fuzz target without a fuzzer: runs it over files, and over every start of the small ones, for what
 * breaks in the middle. Arguments: files and directories; without any, the target's corpus in $srcdir. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/util.h"
#include "fuzz.h"

enum { PREFIXES_MAX_BYTES = 512 };

/* From a copy of just that size, so that a read past its end is seen. */
static void run(const char *bytes, size_t size)
{
    AUTO_FREE char *copy = malloc(size ? size : 1);
    MUST(copy);
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput((const uint8_t *)copy, size);
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -errno;
    AUTO_FREE char *bytes = NULL;
    size_t size = 0, got, room = 1 << 16;
    do {
        char *grown = realloc(bytes, size + room);
        MUST(grown);
        bytes = grown;
        got = fread(bytes + size, 1, room, file);
        size += got;
    } while (got);
    int r = ferror(file) ? -EIO : 0;
    fclose(file);
    if (r < 0)
        return r;
    run(bytes, size);
    for (size_t prefix = 0; size <= PREFIXES_MAX_BYTES && prefix < size; prefix++)
        run(bytes, prefix);
    return 0;
}

static int replay(const char *path, size_t *n_files);

static int replay_directory(DIR *directory, const char *path, size_t *n_files)
{
    int r = 0;
    const struct dirent *entry;
    while (r == 0 && (entry = readdir(directory))) {
        char below[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        int n = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        r = n < 0 || (size_t)n >= sizeof below ? -ENAMETOOLONG : replay(below, n_files);
    }
    return r;
}

static int replay(const char *path, size_t *n_files)
{
    DIR *directory = opendir(path);
    int r;
    if (directory) {
        r = replay_directory(directory, path, n_files);
        closedir(directory);
        return r;
    }
    r = replay_file(path);
    if (r < 0)
        fprintf(stderr, "%s: %s\n", path, strerror(-r));
    else
        ++*n_files;
    return r;
}

/* The corpus of …/fuzz_NAME. */
static int replay_own(const char *program, size_t *n_files)
{
    const char *source = getenv("srcdir"), *slash = strrchr(program, '/');
    const char *name = strstr(slash ? slash : program, "fuzz_");
    char path[PATH_MAX];
    int n =
        snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", source ? source : ".", name ? name + 5 : "");
    return n < 0 || (size_t)n >= sizeof path ? -ENAMETOOLONG : replay(path, n_files);
}

int main(int argc, char **argv)
{
    size_t n_files = 0;
    int r = argc > 1 ? 0 : replay_own(argv[0], &n_files);
    for (int i = 1; i < argc && r == 0; i++)
        r = replay(argv[i], &n_files);
    printf("%zu inputs\n", n_files);
    /* An empty corpus would prove nothing. */
    return r < 0 || n_files == 0;
}
