#include "sim/backend.h"

#include "sim/judge.h"

#include <stdio.h>
#include <string.h>

#define RUNS_MAX 32

static struct {
    int n;
    int64_t ends_ms[RUNS_MAX];
    int64_t moved_ms[RUNS_MAX]; /* when it was told last where else it is polled; 0: never */
    int n_prepared;
    int n_put_off;
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

/* ---- prepare calls ---- */

static void ask_to_wait(struct backend_answer *answer, int64_t most_s)
{
    snprintf(answer->retry_after, sizeof answer->retry_after, "%d", (int)draw(0, most_s));
}

void backend_prepare(const char *url, struct backend_answer *answer)
{
    const char *name = strrchr(url, '/');
    int input = backend_input_of(name != NULL ? name + 1 : NULL);
    *answer = (struct backend_answer){.code = 201};
    if (input < 0 || !world->plan.input[input].prepares) {
        fail(input, "I4: a prepare call that nobody asked for: %s", url);
    } else if (likely(world->plan.http_trouble / 4)) {
        answer->code = 500;
    } else if (likely(world->plan.waits / 2)) {
        answer->code = 503;
        ask_to_wait(answer, 3);
    } else {
        snprintf(answer->body, sizeof answer->body, "{\"id\":\"prep-%d-%d\"}", input, runs_of[input].n_prepared++);
    }
}

/* Does the text hold an id that a prepare call of this input was given? */
static bool is_prepared(int input, const char *text)
{
    int of = -1;
    int number = -1;
    const char *name = text != NULL ? strstr(text, "prep-") : NULL;
    return name != NULL && sscanf(name, "prep-%d-%d", &of, &number) == 2 && of == input && number >= 0 &&
           number < runs_of[input].n_prepared;
}

/* ---- kickoffs ---- */

static void tell_begun(int input, int number, struct backend_answer *answer)
{
    const char *kind = world->plan.input[input].is_late ? "late" : "";
    if (world->plan.input[input].kind == INPUT_SYNC) {
        answer->code = 200;
        answer->after_ms = runs_of[input].ends_ms[number] - world->now_ms;
        snprintf(answer->body, sizeof answer->body, "{\"token\":\"token-%d\"}", input);
    } else if (kind[0] != '\0') {
        snprintf(answer->location, sizeof answer->location, "http://backend.example/%s/run-%d-%d", kind, input, number);
    } else {
        snprintf(answer->body, sizeof answer->body, "{\"id\":\"run-%d-%d\"}", input, number);
    }
}

void backend_kick_off(int input, int sending, const char *idempotency_key, const char *body, struct backend_answer *answer)
{
    bool is_known = runs_of[input].n > 0 && world->plan.backend_is_idempotent;
    int number = is_known ? 0 : runs_of[input].n % RUNS_MAX;
    *answer = (struct backend_answer){.code = 202};
    if (world->plan.input[input].prepares && !is_prepared(input, body))
        fail(input, "I4: a kickoff with the body '%s', in which no prepared id of its own stands", body);
    if (!is_known && runs_of[input].n_put_off < world->plan.input[input].put_offs) {
        runs_of[input].n_put_off++;
        answer->is_put_off = true;
        answer->code = likely(50) ? 503 : 429;
        ask_to_wait(answer, 4);
        judge_kickoff_arrived(input, sending, idempotency_key, -1);
        return;
    }
    judge_kickoff_arrived(input, sending, idempotency_key, number);
    if (!is_known) {
        runs_of[input].ends_ms[number] = world->now_ms + world->plan.input[input].takes_ms;
        runs_of[input].n++;
    }
    if (likely(world->plan.http_trouble / 4)) {
        answer->code = likely(50) ? 500 : 503; /* it does not ask to be asked again: the run has begun */
    } else {
        tell_begun(input, number, answer);
        if (likely(world->plan.waits / 3) && answer->code == 202)
            ask_to_wait(answer, 2);
    }
}

/* ---- runs ---- */

/* Which run is asked for? False, and an answer, where there is none. */
static bool find_run(const char *url, int *input, int *number, struct backend_answer *answer)
{
    const char *name = strstr(url, "/run-");
    bool is_named = strstr(url, "/moved-") != NULL || strstr(url, "/late/") != NULL; /* by the backend, which needs no more */
    *answer = (struct backend_answer){.code = 200};
    if (name == NULL || sscanf(name, "/run-%d-%d", input, number) != 2 || *input < 0 || *input >= world->plan.n_inputs ||
        *number < 0 || *number >= runs_of[*input].n) {
        fail(-1, "I4: there is no such run: %s", url);
        answer->code = 404;
        return false;
    }
    if (world->plan.input[*input].prepares && !is_named && !is_prepared(*input, url))
        fail(*input, "I4: no prepared id of its own stands in %s", url);
    if (likely(world->plan.http_trouble)) {
        answer->code = 503;
        return false;
    }
    return true;
}

/* Where runs outlive their workers, nobody dies and no answer is lost, whoever polls knows what the last poll said, also as an heir. */
static void check_place(const char *url, int input, int number)
{
    long long moved_ms = 0;
    const char *name = strstr(url, "/moved-");
    if (name != NULL)
        (void)sscanf(name, "/moved-%lld/", &moved_ms);
    if (world->plan.checkpoints && judge_is_orderly() && world->plan.http_trouble == 0 &&
        moved_ms != runs_of[input].moved_ms[number])
        fail(input, "I4: it is polled where it was once: %s", url);
}

void backend_poll(const char *url, struct backend_answer *answer)
{
    int input = -1;
    int number = -1;
    if (!find_run(url, &input, &number, answer))
        return;
    check_place(url, input, number);
    if (world->now_ms < runs_of[input].ends_ms[number]) {
        snprintf(answer->body, sizeof answer->body, "{\"id\":\"run-%d-%d\",\"status\":\"running\"}", input, number);
        if (likely(world->plan.moves)) {
            runs_of[input].moved_ms[number] = world->now_ms;
            snprintf(answer->location, sizeof answer->location, "http://backend.example/moved-%lld/run-%d-%d",
                     (long long)world->now_ms, input, number);
        }
        if (likely(world->plan.waits))
            ask_to_wait(answer, 4);
    } else {
        snprintf(answer->body, sizeof answer->body, "{\"id\":\"run-%d-%d\",\"status\":\"%s\",\"token\":\"token-%d\"}", input,
                 number, input % 7 == 3 ? "failed" : "completed", input);
    }
}

void backend_fetch(const char *url, struct backend_answer *answer)
{
    int input = -1;
    int number = -1;
    if (!find_run(url, &input, &number, answer))
        return;
    if (world->now_ms < runs_of[input].ends_ms[number] || !world->plan.input[input].fetches)
        fail(input, "I4: a result is fetched that is not there, or that nobody asked for: %s", url);
    snprintf(answer->body, sizeof answer->body, "{\"token\":\"fetched-%d\"}", input);
}
