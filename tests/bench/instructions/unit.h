/* unit: the work that the benchmarks are about, as texts: a message, its profile, and a backend's answers. */
#ifndef RXP_BENCH_UNIT_H
#define RXP_BENCH_UNIT_H

#include "engine/transport.h"
#include "protocol/http_plan.h"

/* As load.py makes it: so many bytes, and the profile beside them. */
#define UNIT_BYTES 300
#define HEAD                                                                                                           \
    "{\"invocation_id\":\"bench-00004711\",\"runtime_name\":\"bench\",\"runtime_kind\":\"http_async\","                \
    "\"working_directory\":\"/\",\"command\":[\"none\"],\"metadata\":{"
#define URLS                                                                                                           \
    "\"http.url\":\"http://127.0.0.1:12345/runs?polls=2\","                                                           \
    "\"http.poll_url_template\":\"http://127.0.0.1:12345/runs/{run_id}\","
static const char unit[] = HEAD URLS "\"http.body\":\"{\\\"n\\\":\\\"xxxxxxxxxxxxxxxxxxx\\\"}\"}}";
_Static_assert(sizeof unit - 1 == UNIT_BYTES, "the unit of work");
static const struct rxp_pair unit_keys[] = {
    {"http.poll_run_id_path", "run_id"},
    {"http.poll_status_path", "status"},
    {"http.poll_terminal_states", "completed,failed,cancelled"},
    {"http.poll_interval_seconds", "0"},
};
static const struct rxp_defaults unit_profile = {
    .name = "bench.json", .metadata = unit_keys, .n_metadata = sizeof unit_keys / sizeof unit_keys[0]};

#define RUN_ID "0192f0c1b7d34e5f8a6b9c0d1e2f3a4"
#define UNIT_REPLY(CODE, BODY) {.sent = true, .code = (CODE), .body = (BODY), .body_bytes = sizeof(BODY) - 1}
static const struct http_reply unit_accepted = UNIT_REPLY(202, "{\"run_id\":\"" RUN_ID "\",\"status\":\"queued\"}");
static const struct http_reply unit_pending =
    UNIT_REPLY(200, "{\"run_id\":\"" RUN_ID "\",\"status\":\"running\",\"progress\":0.5}");
static const struct http_reply unit_done =
    UNIT_REPLY(200, "{\"run_id\":\"" RUN_ID "\",\"status\":\"completed\",\"result\":{\"rows\":3}}");

#endif
