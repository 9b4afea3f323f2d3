/* backend: a simulated asynchronous HTTP API, to rehearse with, for the demo, the tests and the benchmarks.
 *
 *   POST /runs            kickoff: 202 {"run_id":"…","status":"queued"}
 *   GET  /runs/ID         status:  200 {"run_id":"…","status":"running"|"completed"|"failed"|…}
 *   POST /jobs            synchronous: answers when it is done (kind http)
 *   GET  /healthz         200
 *   GET  /stats           what was seen: requests, kickoffs, kickoffs repeated with the same Idempotency-Key, …
 *   GET  /                the parameters
 *   …                     APIs of other shapes: shape.h
 *
 * The request chooses what happens: query parameters of the kickoff's URL, or the fields of the same names in a JSON
 * body under "simulate". The list stands in course.h and in `rxp-worker backend --help`. A run is remembered in its id:
 * a million of them cost no memory. Any method is taken for a kickoff or a poll. Any thread. */
#ifndef RXP_BACKEND_BACKEND_H
#define RXP_BACKEND_BACKEND_H

#include <stddef.h>
#include <stdint.h>

struct backend;

struct backend_config {
    const char *listen; /* see http_server.h */
    int threads;
    const char *record_path; /* a JSON line for each request (record.h) is appended there; NULL or "": off */
};

/* Raises the soft limit of open files to the hard one, since each connection is a file. NULL with a sentence in
 * why[why_bytes]. */
struct backend *backend_start(const struct backend_config *config, char *why, size_t why_bytes);
void backend_stop(struct backend *backend); /* NULL is harmless */
int backend_port(const struct backend *backend);

struct backend_counts {
    uint64_t requests;
    uint64_t kickoffs; /* of runs and jobs, repeated and redirected ones too */
    uint64_t polls;
};
void backend_read_counts(const struct backend *backend, struct backend_counts *out);

/* The parameters that choose a run's course, as text for --help. */
const char *backend_help(void);

#endif
