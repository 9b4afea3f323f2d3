#include "cli/reload.h"

#include "ops/log.h"
#include "ops/options.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int wake_fd = -1; /* counts the signals */
static atomic_bool stopping;
static bool started;
static pthread_t thread;

struct sources {
    struct profiles *profiles;
    const struct options *options;
    enum log_level level;
};
static struct sources sources; /* the thread's, once it runs */

static void on_signal(int number)
{
    (void)number;
    uint64_t one = 1;
    int kept = errno;
    ssize_t written = write(wake_fd, &one, sizeof one);
    (void)written;
    errno = kept;
}

void reload_catch(void)
{
    wake_fd = eventfd(0, EFD_CLOEXEC);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGHUP, &action, NULL);
}

static void reload_profiles(struct profiles *profiles)
{
    char why[PROFILES_WHY_BYTES];
    struct profile_set *set = profiles_hold(profiles);
    if (set == NULL) {
        log_event(LOG_INFO, "profiles_none", "SIGHUP: there is no profiles-dir to read again");
        return;
    }
    profile_set_release(set);
    if (profiles_reload(profiles, why) != 0) {
        log_event(LOG_ERROR, "profiles_refused", "the profiles stay as they were: %s", why);
        return;
    }
    size_t n = 0;
    set = profiles_hold(profiles);
    profile_set_all(set, &n);
    profile_set_release(set);
    log_event(LOG_INFO, "profiles_read", "the profiles were read again: %zu; they hold for what is begun from now on", n);
}

static void reload_log_level(struct sources *from)
{
    char why[OPTIONS_WHY_BYTES];
    struct options *again;
    if (options_read_again(from->options, &again, why) != 0) {
        log_event(LOG_ERROR, "reload_refused", "the log level stays %s: %s", log_level_word(from->level), why);
        return;
    }
    enum log_level level = from->level;
    log_level_parse(options_text(again, "log-level"), &level);
    const char *origin = options_origin(again, "log-level");
    enum option_source source = options_source(again, "log-level");
    if (level != from->level) {
        log_event(LOG_WARN, "log_level", "the log level is %s now, it was %s (%s)", log_level_word(level),
                  log_level_word(from->level), origin);
    } else {
        log_event(LOG_INFO, "log_level", "the log level stays %s (%s)%s", log_level_word(level), origin,
                  source == OPTION_FLAG_GIVEN || source == OPTION_ENVIRONMENT
                      ? ": flags and the environment win over the file, and do not change while it runs"
                      : "");
    }
    from->level = level;
    options_free(again);
}

static void *serve(void *opaque)
{
    struct sources *from = opaque;
    uint64_t signals;
    while (read(wake_fd, &signals, sizeof signals) == (ssize_t)sizeof signals || errno == EINTR) {
        if (atomic_load(&stopping)) {
            break;
        }
        reload_log_level(from);
        reload_profiles(from->profiles);
    }
    return NULL;
}

int reload_start(struct profiles *profiles, const struct options *options)
{
    sources = (struct sources){.profiles = profiles, .options = options, .level = LOG_INFO};
    log_level_parse(options_text(options, "log-level"), &sources.level);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = wake_fd >= 0 && pthread_create(&thread, NULL, serve, &sources) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started ? 0 : -1;
}

void reload_stop(void)
{
    if (!started) {
        return;
    }
    atomic_store(&stopping, true);
    uint64_t one = 1;
    ssize_t written = write(wake_fd, &one, sizeof one);
    (void)written;
    pthread_join(thread, NULL);
    started = false;
}
