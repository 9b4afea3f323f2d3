/* secrets_inside: what the files of secrets.h share. Nobody else includes it. */
#ifndef RXP_ENGINE_SECRETS_INSIDE_H
#define RXP_ENGINE_SECRETS_INSIDE_H

#include "engine/secret_bindings.h"
#include "engine/secret_store.h"
#include "engine/secrets.h"
#include "engine/token.h"

#include <pthread.h>
#include <stdatomic.h>

struct secrets {
    struct secrets_config config;
    char *dir; /* NULL: no files */
    struct secret_bindings bindings; /* never changes */
    pthread_mutex_t lock;            /* of what follows */
    struct secret_store files;
    struct secret_store variables;
    struct token *tokens; /* one for each sound grant among the files */
    pthread_mutex_t watch_lock; /* held while `changed` runs */
    void (*changed)(void *);
    void *opaque;
    /* The keeper's. */
    void *multi; /* NULL: it was not started */
    pthread_t thread;
    atomic_bool stopping;
    int64_t look_at_ms;
};

/* What the directory holds now; what that changes goes to the log, but for the first time. True where something was
 * changed. Tokens whose grant is as before stay. `drop` is called, under the lock, for each that goes, which has a
 * request under way. The keeper's thread, or the only one. */
bool secrets_read_files(struct secrets *secrets, bool is_first, void (*drop)(void *request));

/* The keeper's thread: wake and stop are harmless where it was not started. */
void secret_keeper_wake(const struct secrets *secrets);
int secret_keeper_start(struct secrets *secrets, char why[SECRETS_WHY_BYTES]);
void secret_keeper_stop(struct secrets *secrets);

#endif
