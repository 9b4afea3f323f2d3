#include "cli/demo_load.h"

#include "base/buf.h"

#include <stdio.h>

#define INVOCATION_MAX_BYTES 4096

struct course {
    const char *simulate;   /* parameters for the simulated backend */
    double timeout_seconds; /* of the invocation */
};

/* Out of a hundred, so many take each course, in this order; the rest takes the last one. */
static const struct {
    int of_hundred;
    struct course course;
} mixture[] = {
    {3, {"seconds=1&outcome=failed", 20}},
    {2, {"seconds=60", 3}},                                     /* longer than its timeout */
    {10, {"seconds=2&poll_fail=503&poll_fail_seconds=0.7", 20}},    /* its status API has a bad moment */
    {5, {"code=200&instant=1", 20}},                            /* done at once, in the kickoff's answer */
    {20, {"seconds=4-6", 20}},
    {60, {"seconds=0.5-3", 20}},
};

static const struct course *course_of(size_t i)
{
    /* 37 and 100 have no common divisor: each hundred holds the whole mixture, well shuffled. */
    int place = (int)(i * 37 % 100);
    size_t n = sizeof mixture / sizeof mixture[0];
    for (size_t c = 0; c < n; c++) {
        if (place < mixture[c].of_hundred) {
            return &mixture[c].course;
        }
        place -= mixture[c].of_hundred;
    }
    return &mixture[n - 1].course;
}

void demo_load_id(size_t i, char out[DEMO_LOAD_ID_BYTES])
{
    snprintf(out, DEMO_LOAD_ID_BYTES, "demo-%06zu", i);
}

char *demo_load_invocation(size_t i, int backend_port, size_t *bytes)
{
    char id[DEMO_LOAD_ID_BYTES];
    demo_load_id(i, id);
    const struct course *course = course_of(i);
    struct buf buf;
    buf_init(&buf, INVOCATION_MAX_BYTES);
    buf_putf(&buf,
             "{\"invocation_id\":\"%s\",\"runtime_name\":\"demo\",\"runtime_kind\":\"http_async\","
             "\"working_directory\":\"/\",\"command\":[\"demo\"],\"timeout_seconds\":%g,\"metadata\":{"
             "\"http.url\":\"http://127.0.0.1:%d/runs?%s\",\"http.body\":\"{\\\"n\\\":%zu}\",",
             id, course->timeout_seconds, backend_port, course->simulate, i);
    if (i % 100 != 99) {
        buf_putf(&buf, "\"http.poll_url_template\":\"http://127.0.0.1:%d/runs/{run_id}\",", backend_port);
    }
    buf_puts(&buf, "\"http.poll_run_id_path\":\"run_id\",\"http.poll_status_path\":\"status\","
                   "\"http.poll_terminal_states\":\"completed, failed, cancelled\","
                   "\"http.poll_interval_seconds\":\"0.5\"}}");
    *bytes = buf.bytes;
    char *text = buf_take(&buf);
    buf_deinit(&buf);
    return text;
}
