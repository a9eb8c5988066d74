/* Thousands of virtual sessions of random messages, cuts and loops (README.md): plays them, and when one fails, leaves out whatever it fails without and writes
 * it down as a transcript. Each part runs in a process of its own, so that a crash is a failure like any other. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../lib/must.h"
#include "steps.h"

enum { FIXED_SESSIONS = 1500, NEW_SESSIONS = 1500 };

/* What a child tells its parent, whatever becomes of it. */
struct progress {
    uint64_t seed;
    size_t steps;
};

/* Not 0, and nothing alike for seeds in a row. */
static uint64_t spread(uint64_t seed)
{
    seed += 0x9e3779b97f4a7c15u;
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111ebu;
    return (seed ^ seed >> 31) | 1;
}

static bool has_ended_well(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        MUST(errno == EINTR);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Plays N sessions from SEED on. Returns whether all went well; if not, progress->seed is the one that did not. */
static bool play_many(struct progress *progress, uint64_t seed, uint64_t n)
{
    fflush(NULL);
    pid_t child = fork();
    MUST(child >= 0);
    if (child)
        return has_ended_well(child);
    for (uint64_t i = 0; i < n; i++) {
        progress->seed = seed + i;
        steps_play(spread(seed + i), NULL, NULL);
    }
    exit(0);
}

/* Plays one again, quietly or not. Returns whether it went well. */
static bool play_again(struct progress *progress, const bool *without, const char *path, bool quiet)
{
    fflush(NULL);
    pid_t child = fork();
    MUST(child >= 0);
    if (child)
        return has_ended_well(child);
    if (quiet)
        MUST(freopen("/dev/null", "w", stderr));
    FILE *story = path ? fopen(path, "we") : NULL;
    if (story)
        fprintf(story, "# A random session (MODEL_SEED=%" PRIu64 ") that failed; its last line says how.\n",
                progress->seed);
    progress->steps = STEPS_MAX;
    progress->steps = steps_play(spread(progress->seed), without, story);
    exit(0);
}

/* Leaves out as many steps as it fails without: large parts first. */
static void shrink(struct progress *progress, bool without[static STEPS_MAX])
{
    for (size_t part = STEPS_MAX / 2; part; part /= 2)
        for (size_t at = 0; at < STEPS_MAX; at += part) {
            bool tried[STEPS_MAX];
            memcpy(tried, without, sizeof tried);
            for (size_t i = at; i < at + part; i++)
                tried[i] = true;
            if (memcmp(tried, without, sizeof tried) != 0 && !play_again(progress, tried, NULL, true))
                memcpy(without, tried, sizeof tried);
        }
}

/* A leak shows at the end only: then each is played by itself. */
static void find(struct progress *progress, uint64_t seed, uint64_t n)
{
    bool nothing[STEPS_MAX] = {false};
    if (!play_again(progress, nothing, NULL, true))
        return;
    for (uint64_t i = 0; i < n; i++) {
        progress->seed = seed + i;
        if (!play_again(progress, nothing, NULL, true))
            return;
    }
}

static void report(struct progress *progress)
{
    bool without[STEPS_MAX] = {false};
    AUTO_FREE char *path = NULL;
    size_t left = 0;
    MUST(asprintf(&path, "model-%" PRIu64 ".txt", progress->seed) >= 0);
    shrink(progress, without);
    play_again(progress, without, path, false);
    for (size_t i = 0; i < STEPS_MAX; i++)
        left += !without[i];
    printf("FAIL: session %" PRIu64 ", with %zu steps left; its transcript: %s\n", progress->seed, left,
           path);
    printf("To repeat: MODEL_SEED=%" PRIu64 " MODEL_SESSIONS=1 tests/model/run\n", progress->seed);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t n;
    return text && span_to_u64(span_of(text), UINT64_MAX, &n) ? n : otherwise;
}

static bool run(struct progress *progress, const char *what, uint64_t seed, uint64_t n)
{
    printf("%s: %" PRIu64 " sessions from MODEL_SEED=%" PRIu64 " on\n", what, n, seed);
    if (play_many(progress, seed, n))
        return true;
    find(progress, seed, n);
    report(progress);
    return false;
}

int main(void)
{
    struct progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(progress != MAP_FAILED);
    if (getenv("MODEL_SEED"))
        return !run(progress, "asked for", setting("MODEL_SEED", 1), setting("MODEL_SESSIONS", NEW_SESSIONS));
    bool fine = run(progress, "the same every time", 1, setting("MODEL_SESSIONS", FIXED_SESSIONS));
    uint64_t seed = spread((uint64_t)time(NULL) ^ (uint64_t)getpid() << 32) >> 24;
    return !(run(progress, "new ones", seed, setting("MODEL_SESSIONS", NEW_SESSIONS)) && fine);
}
