/* secrets_inside: what the files of secrets.h share. Nobody else includes it. */
#ifndef RXP_ENGINE_SECRETS_INSIDE_H
#define RXP_ENGINE_SECRETS_INSIDE_H

#include "engine/secret_bindings.h"
#include "engine/secret_store.h"
#include "engine/secrets.h"

#include <pthread.h>

struct secrets {
    struct secrets_config config;
    char *dir;
    struct secret_bindings bindings; /* never changes */
    pthread_mutex_t lock;            /* of what follows */
    struct secret_store files;
    struct secret_store variables;
    pthread_mutex_t watch_lock; /* held while `changed` runs */
    void (*changed)(void *);
    void *opaque;
};

#endif
