/* backend: what the workers' requests reach: an API that begins runs and tells how they do. */
#ifndef RXP_SIM_BACKEND_H
#define RXP_SIM_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backend_answer {
    int code;
    char body[160];
    char location[96]; /* where it is polled from now on; "": as before */
    char retry_after[8]; /* "": it does not say */
    bool is_put_off;   /* a kickoff that has begun nothing */
    int64_t after_ms; /* it is given so much later */
};

void backend_init(void);
/* Whose kickoff is this, by its idempotency key? -1: nobody's. */
int backend_input_of(const char *idempotency_key);
void backend_prepare(const char *url, struct backend_answer *answer);
/* A kickoff has arrived, as the judge has numbered it. */
void backend_kick_off(int input, int sending, const char *idempotency_key, const char *body, struct backend_answer *answer);
void backend_poll(const char *url, struct backend_answer *answer);
void backend_fetch(const char *url, struct backend_answer *answer);

#endif
