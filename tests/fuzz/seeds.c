/* seeds: a fuzz target as an ordinary test: its seeds, and mutations of them, which are the same each time. What it dies of is
 * kept in fuzz-NOUN-died beside the logs, and as it dies it says so. */
#include "fuzz/fuzz.h"
#include "support/check_main.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SEEDS_MAX 64
#define INPUT_MAX_BYTES ((size_t)8192)
/* Whichever comes first. RXP_TEST_MUTATIONS is another number. */
#define MUTATIONS 60000
#define MUTATING_MS 6000

struct input {
    char *at;
    size_t bytes;
};

static struct input seeds[SEEDS_MAX];
static size_t n_seeds;
static struct input current;
static char died_path[PATH_MAX];

/* splitmix64 */
static uint64_t chance_state = 4711;
static size_t chance(size_t below)
{
    uint64_t z = (chance_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return below > 0 ? (size_t)((z ^ z >> 31) % below) : 0;
}

/* ---- what is left behind ---- */

static void keep_current(void)
{
    int fd = open(died_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0 && write(fd, current.at, current.bytes) == (ssize_t)current.bytes) {
        static const char text[] = "the input is in ";
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        (void)!write(STDERR_FILENO, died_path, strlen(died_path));
        (void)!write(STDERR_FILENO, "\n", 1);
    }
}

static void die(int signal_number)
{
    keep_current();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void feed(const char *at, size_t bytes)
{
    /* A copy of its own size, so that a sanitizer sees who reads beyond it. */
    current.at = realloc(current.at, bytes > 0 ? bytes : 1);
    must(current.at != NULL);
    memcpy(current.at, at, bytes);
    current.bytes = bytes;
    must(LLVMFuzzerTestOneInput((const uint8_t *)current.at, bytes) == 0);
}

/* ---- seeds ---- */

static int is_no_dot(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void load(const char *folder, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    must(file != NULL && n_seeds < SEEDS_MAX);
    struct input *seed = &seeds[n_seeds++];
    seed->at = malloc(INPUT_MAX_BYTES);
    must(seed->at != NULL);
    seed->bytes = fread(seed->at, 1, INPUT_MAX_BYTES, file);
    must(seed->bytes < INPUT_MAX_BYTES && ferror(file) == 0);
    (void)fclose(file);
}

static void setup(void)
{
    struct dirent **entry;
    int n = scandir(FUZZ_SEEDS, &entry, is_no_dot, alphasort);
    must(n > 0);
    for (int i = 0; i < n; i++) {
        load(FUZZ_SEEDS, entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
    const char *logs = getenv("RXP_TEST_LOGS");
    snprintf(died_path, sizeof died_path, "%s/fuzz-%s-died", logs != NULL ? logs : "/tmp", strrchr(FUZZ_SEEDS, '/') + 1);
    signal(SIGABRT, die);
    signal(SIGSEGV, die);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(keep_current);
}

static void teardown(void)
{
    while (n_seeds > 0)
        free(seeds[--n_seeds].at);
    free(current.at);
    current = (struct input){NULL, 0};
}

START_TEST(seeds_hold)
{
    for (size_t i = 0; i < n_seeds; i++)
        feed(seeds[i].at, seeds[i].bytes);
    feed("", 0);
}
END_TEST

/* ---- mutations ---- */

static const char *const tokens[] = {
    "\n--\n", "{run_id}", "{prepared_id}", "{invocation_id}", "{var.x}", "{+run_id}", "{+prepared_id}", "{+var.x}", "{+", "a/b", "..", "%2e", "%00", "%", "/", "//", "\\", "?", "#", "@", ":",
    "[::1]", "http://", "\\u0000", "\\ud800", "\\\"", "\"", "{", "}", "[", "]", ",", "null", "1e400", "-0", "9007199254740993",
    "99999999999999999999", "\r\n", "\t", "\x7f", "\xc0\x80", "\xed\xa0\x80", "\xef\xbb\xbf", "\xff", ".", "=", " ", "${secret:X}", "*", "0"};

/* Replaces gone bytes at `at` by what[0..bytes). */
static void replace(struct input *input, size_t at, size_t gone, const char *what, size_t bytes)
{
    if (input->bytes - gone + bytes > INPUT_MAX_BYTES)
        return;
    memmove(input->at + at + bytes, input->at + at + gone, input->bytes - at - gone);
    memmove(input->at + at, what, bytes);
    input->bytes += bytes - gone;
}

static void mutate(struct input *input)
{
    char room[INPUT_MAX_BYTES];
    size_t at = chance(input->bytes + 1);
    size_t left = input->bytes - at;
    size_t few = chance(left < 16 ? left + 1 : 17);
    const char *token = tokens[chance(sizeof tokens / sizeof tokens[0])];
    const struct input *other = &seeds[chance(n_seeds)];
    size_t from = chance(other->bytes + 1);
    size_t part = chance(chance(2) != 0 ? other->bytes - from + 1 : (other->bytes - from < 16 ? other->bytes - from + 1 : 17));
    switch (chance(8)) {
    case 0:
        if (left > 0)
            input->at[at] = (char)(input->at[at] ^ 1 << chance(8));
        break;
    case 1:
        if (left > 0)
            input->at[at] = (char)chance(256);
        break;
    case 2: replace(input, at, few, "", 0); break;
    case 3: replace(input, at, chance(left + 1), "", 0); break;
    case 4: replace(input, at, chance(2) != 0 ? few : 0, token, strlen(token)); break;
    case 5: replace(input, at, few, other->at + from, part); break;
    case 6: /* once more what stands there */
        memcpy(room, input->at + at, few);
        for (size_t n = chance(64); n > 0; n--)
            replace(input, at, 0, room, few);
        break;
    case 7: /* another digit */
        for (; at < input->bytes; at++)
            if (input->at[at] >= '0' && input->at[at] <= '9') {
                input->at[at] = (char)('0' + chance(10));
                break;
            }
        break;
    }
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

START_TEST(mutated_seeds_hold)
{
    char room[INPUT_MAX_BYTES];
    const char *asked = getenv("RXP_TEST_MUTATIONS");
    long most = asked != NULL ? strtol(asked, NULL, 10) : MUTATIONS;
    int64_t until_ms = now_ms() + MUTATING_MS;
    long done = 0;
    for (; done < most && (asked != NULL || done % 64 != 0 || now_ms() < until_ms); done++) {
        const struct input *seed = &seeds[chance(n_seeds)];
        struct input input = {room, seed->bytes};
        memcpy(room, seed->at, seed->bytes);
        for (size_t n = 1 + chance(4); n > 0; n--)
            mutate(&input);
        feed(input.at, input.bytes);
    }
    printf("%ld mutations of %zu seeds\n", done, n_seeds);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("fuzz");
    TCase *tcase = tcase_create("seeds");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, seeds_hold);
    tcase_add_test(tcase, mutated_seeds_hold);
    suite_add_tcase(suite, tcase);
    return suite;
}
