#include "core/name_set.h"

#include "base/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct name_set {
    pthread_mutex_t lock;
    char **name; /* open addressing: NULL, or a name of its own */
    size_t n_places; /* a power of two, twice the limit at least */
    size_t n;
    size_t limit;
};

struct name_set *name_set_new(size_t limit)
{
    struct name_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return NULL;
    }
    set->limit = limit;
    set->n_places = 1;
    while (set->n_places < 2 * limit) {
        set->n_places *= 2;
    }
    set->name = calloc(set->n_places, sizeof *set->name);
    if (set->name == NULL) {
        free(set);
        return NULL;
    }
    pthread_mutex_init(&set->lock, NULL);
    return set;
}

void name_set_free(struct name_set *set)
{
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->n_places; i++) {
        free(set->name[i]);
    }
    free(set->name);
    pthread_mutex_destroy(&set->lock);
    free(set);
}

static bool admit(struct name_set *set, const char *name)
{
    uint64_t hash = hash_put(HASH_START, name, strlen(name));
    size_t place = (size_t)(hash ^ hash >> 32) & (set->n_places - 1);
    while (set->name[place] != NULL) {
        if (strcmp(set->name[place], name) == 0) {
            return true;
        }
        place = (place + 1) & (set->n_places - 1);
    }
    if (set->n == set->limit) {
        return false;
    }
    set->name[place] = strdup(name);
    set->n += set->name[place] != NULL;
    return set->name[place] != NULL;
}

bool name_set_admit(struct name_set *set, const char *name)
{
    pthread_mutex_lock(&set->lock);
    bool admitted = admit(set, name);
    pthread_mutex_unlock(&set->lock);
    return admitted;
}
