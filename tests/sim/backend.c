#include "sim/backend.h"

#include "sim/judge.h"

#include <stdio.h>
#include <string.h>

#define RUNS_MAX 32

static struct {
    int n;
    int64_t ends_ms[RUNS_MAX];
} runs_of[INPUTS_MAX];

void backend_init(void)
{
    memset(runs_of, 0, sizeof runs_of);
}

int backend_input_of(const char *idempotency_key)
{
    for (int i = 0; idempotency_key != NULL && i < world->plan.n_inputs; i++) {
        if (strcmp(world->plan.input[i].id, idempotency_key) == 0)
            return i;
    }
    return -1;
}

void backend_kick_off(int input, int sending, const char *idempotency_key, bool is_sync, struct backend_answer *answer)
{
    bool is_known = runs_of[input].n > 0 && world->plan.backend_is_idempotent;
    int number = is_known ? 0 : runs_of[input].n % RUNS_MAX;
    *answer = (struct backend_answer){.code = 202};
    judge_kickoff_arrived(input, sending, idempotency_key, number);
    if (!is_known) {
        runs_of[input].ends_ms[number] = world->now_ms + world->plan.input[input].takes_ms;
        runs_of[input].n++;
    }
    if (likely(world->plan.http_trouble / 4)) {
        answer->code = 500;
    } else if (is_sync) {
        answer->code = 200;
        answer->after_ms = runs_of[input].ends_ms[number] - world->now_ms;
        snprintf(answer->body, sizeof answer->body, "{\"token\":\"token-%d\"}", input);
    } else {
        snprintf(answer->body, sizeof answer->body, "{\"id\":\"run-%d-%d\"}", input, number);
    }
}

void backend_poll(const char *url, struct backend_answer *answer)
{
    int input = -1;
    int number = -1;
    const char *name = strrchr(url, '/');
    *answer = (struct backend_answer){.code = 200};
    if (name == NULL || sscanf(name, "/run-%d-%d", &input, &number) != 2 || input < 0 || input >= world->plan.n_inputs ||
        number < 0 || number >= runs_of[input].n) {
        fail(input, "I4: a poll of a run that there is not: %s", url);
        answer->code = 404;
    } else if (likely(world->plan.http_trouble)) {
        answer->code = 503;
    } else if (world->now_ms < runs_of[input].ends_ms[number]) {
        snprintf(answer->body, sizeof answer->body, "{\"id\":\"run-%d-%d\",\"status\":\"running\"}", input, number);
        if (likely(world->plan.moves))
            snprintf(answer->location, sizeof answer->location, "http://backend.example/moved-%lld/run-%d-%d",
                     (long long)world->now_ms, input, number);
    } else {
        snprintf(answer->body, sizeof answer->body, "{\"id\":\"run-%d-%d\",\"status\":\"%s\",\"token\":\"token-%d\"}", input,
                 number, input % 7 == 3 ? "failed" : "completed", input);
    }
}
