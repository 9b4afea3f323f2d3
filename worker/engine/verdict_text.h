/* verdict_text: the sentences of verdicts, put together piece by piece in verdict->text. Part of verdict.c alone.
 *
 * Pure. What a peer wrote is escaped on its way (excerpt.h); a sentence that is full stays as it is. */
#ifndef RXP_ENGINE_VERDICT_TEXT_H
#define RXP_ENGINE_VERDICT_TEXT_H

#include "engine/transport.h"
#include "engine/verdict.h"

/* Which of the run's requests a reply belongs to, and what its troubles are called. */
struct phase {
    bool is_repeated; /* a failure that may pass is TRANSIENT; of the others RETRY, where nothing was started */
    bool is_first;    /* nothing of the run has left before it: where it may not leave, the run is rejected */
    const char *name;    /* "kickoff" */
    const char *request; /* "kickoff to", "poll of": the URL follows */
    const char *asked;   /* "polled": the URL follows, in sentences about an answer; NULL: it is not named there */
    const char *url;
    const char *expected;          /* "2xx", or NULL: */
    const struct rxp_codes *codes; /* the codes that would be right */
    enum rxp_error network;
    enum rxp_error status;
    enum rxp_error not_json;
    enum rxp_error bad_url; /* that of the request itself */
};

struct phase phase_of_prepare(const char *url);
struct phase phase_of_kickoff(const struct rxp_http_plan *plan, const char *url);
struct phase phase_of_poll(const char *url);
struct phase phase_of_fetch(const char *url);

void verdict_say(struct verdict *verdict, const char *text);
/* At most the first 200 bytes. */
void verdict_say_bytes(struct verdict *verdict, const char *at, size_t bytes);
/* The same of a string, in quotes. */
void verdict_say_quoted(struct verdict *verdict, const char *text);
void verdict_say_number(struct verdict *verdict, long long number);
void verdict_say_url(struct verdict *verdict, const char *url);
/* ": <body>", or nothing where it is empty. */
void verdict_say_body(struct verdict *verdict, const struct http_reply *reply);

/* "kickoff expected HTTP 200 or 202, got 500: boom". The URLs of polls and fetches are made of templates and ids, or
 * chosen by the backend, so they are named as well; those of prepare call and kickoff stand in the invocation. */
void verdict_say_status(struct verdict *verdict, const struct phase *phase, const struct http_reply *reply);
/* "kickoff to http://h/p failed: connection refused". */
void verdict_say_failure(struct verdict *verdict, const struct phase *phase, const struct http_reply *reply);

#endif
