#include "engine/profiles.h"

#include "engine/file_text.h"
#include "engine/profile_file.h"
#include "ops/log.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES ((size_t)1024 * 1024)
#define MAX_PROFILES 10000

static const char ending[] = ".json";

struct profile_set {
    atomic_size_t holders;
    bool only;
    size_t n;
    struct rxp_defaults *profile; /* by name */
};

struct profiles {
    char *dir;
    bool only;
    pthread_mutex_t lock;
    struct profile_set *set; /* NULL: no directory */
};

/* ---- a set ---- */

void profile_set_release(struct profile_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->holders, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t i = 0; i < set->n; i++) {
        profile_file_deinit(&set->profile[i]);
    }
    free(set->profile);
    free(set);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct rxp_defaults *)a)->name, ((const struct rxp_defaults *)b)->name);
}

/* Of "archon.json", as which it is sorted; the ending is the same for all, but not behind one that another begins with. */
static int compare_name(const void *key, const void *element)
{
    const char *runtime_name = key;
    const char *file = ((const struct rxp_defaults *)element)->name;
    size_t bytes = strlen(runtime_name);
    int order = strncmp(runtime_name, file, bytes);
    return order != 0 ? order : strcmp(ending, file + bytes);
}

int profile_set_find(const struct profile_set *set, const char *runtime_name, const struct rxp_defaults **out,
                     struct rxp_refusal *why)
{
    *out = NULL;
    if (set == NULL) {
        return 0;
    }
    if (set->n > 0) {
        *out = bsearch(runtime_name, set->profile, set->n, sizeof *set->profile, compare_name);
    }
    if (*out == NULL && set->only) {
        return rxp_refuse(why, RXP_ERROR_UNKNOWN_PROFILE,
                          "runtime_name '%s' has no profile, and this worker runs what has one only (profiles=only): "
                          "profiles-dir holds no file '%s.json'",
                          rxp_show(runtime_name, strlen(runtime_name)).text,
                          rxp_show(runtime_name, strlen(runtime_name)).text);
    }
    return 0;
}

const struct rxp_defaults *profile_set_all(const struct profile_set *set, size_t *n)
{
    *n = set != NULL ? set->n : 0;
    return set != NULL ? set->profile : NULL;
}

/* ---- reading one ---- */

/* As are ".", "..", and the "..data" of volumes that Kubernetes mounts. */
static bool is_hidden(const char *name)
{
    return name[0] == '.';
}

/* "name.json". */
static bool is_profile(const char *name)
{
    size_t bytes = strlen(name);
    size_t end = sizeof ending - 1;
    return bytes > end && strcmp(name + bytes - end, ending) == 0;
}

/* Who wrote a profile into it will look for it in vain; a directory is none. */
static void tell_ignored(const struct profiles *profiles, int dir_fd, const char *name)
{
    struct stat status;
    if (fstatat(dir_fd, name, &status, 0) != 0 || !S_ISDIR(status.st_mode)) {
        log_event(LOG_WARN, "profile_ignored", "profiles-dir '%.400s': '%.255s' is no profile, since its name does not end "
                  "with %s", profiles->dir, name, ending);
    }
}

static int read_profile(const struct profiles *profiles, int dir_fd, const char *file, struct profile_set *set,
                        char why[PROFILES_WHY_BYTES])
{
    char fault[PROFILE_WHY_BYTES];
    size_t bytes = 0;
    char *text = file_text_read(dir_fd, file, FILE_MAX_BYTES, &bytes);
    int failed = -1;
    if (text == NULL) {
        snprintf(fault, sizeof fault, "%.200s: it cannot be read: %s", file,
                 errno == EINVAL ? "it is no regular file" : strerror(errno));
    } else if (bytes > FILE_MAX_BYTES) {
        snprintf(fault, sizeof fault, "%.200s: it is longer than %zu bytes", file, FILE_MAX_BYTES);
    } else {
        failed = profile_file_read(file, text, bytes, profiles->only, &set->profile[set->n], fault);
    }
    free(text);
    if (failed != 0) {
        snprintf(why, PROFILES_WHY_BYTES, "profiles-dir: %s", fault);
        return -1;
    }
    set->n++;
    return 0;
}

/* Room for one more: doubled at each power of two. */
static bool make_room(struct profile_set *set)
{
    if ((set->n & (set->n - 1)) != 0) {
        return true;
    }
    struct rxp_defaults *more = realloc(set->profile, (set->n > 0 ? 2 * set->n : 1) * sizeof *more);
    if (more != NULL) {
        set->profile = more;
    }
    return more != NULL;
}

static struct profile_set *read_files(const struct profiles *profiles, DIR *dir, char why[PROFILES_WHY_BYTES])
{
    struct profile_set *set = calloc(1, sizeof *set);
    const struct dirent *entry;
    snprintf(why, PROFILES_WHY_BYTES, "profiles-dir: out of memory");
    if (set == NULL) {
        return NULL;
    }
    atomic_init(&set->holders, 1);
    set->only = profiles->only;
    bool failed = false;
    while (!failed && (entry = readdir(dir)) != NULL) {
        if (is_hidden(entry->d_name)) {
            continue;
        }
        if (!is_profile(entry->d_name)) {
            tell_ignored(profiles, dirfd(dir), entry->d_name);
            continue;
        }
        if (set->n == MAX_PROFILES) {
            snprintf(why, PROFILES_WHY_BYTES, "profiles-dir '%.400s' holds more than %d profiles", profiles->dir,
                     MAX_PROFILES);
            failed = true;
        } else {
            failed = !make_room(set) || read_profile(profiles, dirfd(dir), entry->d_name, set, why) != 0;
        }
    }
    if (failed) {
        profile_set_release(set);
        return NULL;
    }
    if (set->n > 0) {
        qsort(set->profile, set->n, sizeof *set->profile, compare);
    }
    return set;
}

static struct profile_set *read_set(const struct profiles *profiles, char why[PROFILES_WHY_BYTES])
{
    DIR *dir = opendir(profiles->dir);
    if (dir == NULL) {
        snprintf(why, PROFILES_WHY_BYTES, "profiles-dir '%.400s' cannot be read: %s", profiles->dir, strerror(errno));
        return NULL;
    }
    struct profile_set *set = read_files(profiles, dir, why);
    closedir(dir);
    return set;
}

/* ---- the set of now ---- */

struct profiles *profiles_new(const struct profiles_config *config, char why[PROFILES_WHY_BYTES])
{
    struct profiles *profiles = calloc(1, sizeof *profiles);
    if (profiles == NULL) {
        snprintf(why, PROFILES_WHY_BYTES, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&profiles->lock, NULL);
    profiles->only = config->only;
    if (config->dir == NULL) {
        return profiles;
    }
    profiles->dir = strdup(config->dir);
    profiles->set = profiles->dir != NULL ? read_set(profiles, why) : NULL;
    if (profiles->set == NULL) {
        if (profiles->dir == NULL) {
            snprintf(why, PROFILES_WHY_BYTES, "out of memory");
        }
        profiles_free(profiles);
        return NULL;
    }
    return profiles;
}

void profiles_free(struct profiles *profiles)
{
    if (profiles == NULL) {
        return;
    }
    profile_set_release(profiles->set);
    pthread_mutex_destroy(&profiles->lock);
    free(profiles->dir);
    free(profiles);
}

int profiles_reload(struct profiles *profiles, char why[PROFILES_WHY_BYTES])
{
    if (profiles->dir == NULL) {
        return 0;
    }
    struct profile_set *fresh = read_set(profiles, why);
    if (fresh == NULL) {
        return -1;
    }
    pthread_mutex_lock(&profiles->lock);
    struct profile_set *old = profiles->set;
    profiles->set = fresh;
    pthread_mutex_unlock(&profiles->lock);
    profile_set_release(old);
    return 0;
}

struct profile_set *profiles_hold(struct profiles *profiles)
{
    if (profiles == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&profiles->lock);
    struct profile_set *set = profiles->set;
    if (set != NULL) {
        atomic_fetch_add_explicit(&set->holders, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&profiles->lock);
    return set;
}
