#include "engine/run_headers.h"

#include "base/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One block: the headers, then their values. */
struct run_headers {
    struct http_headers list;
    struct http_header header[1];
    char *value; /* owned */
};

static char *write_id(const char *id)
{
    struct buf value;
    buf_init(&value, 3 * strlen(id));
    for (const char *at = id; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c > 0x20 && c < 0x7f && c != '%') {
            buf_put(&value, at, 1);
        } else {
            buf_putf(&value, "%%%02X", c);
        }
    }
    return buf_take(&value);
}

int run_headers_make(struct run *run)
{
    assert(run->headers == NULL);
    const char *name = run->plan->idempotency_header;
    if (run->cycle.state != CYCLE_KICKOFF || name == NULL) {
        return 0;
    }
    struct run_headers *headers = calloc(1, sizeof *headers);
    if (headers == NULL) {
        return -1;
    }
    headers->value = write_id(run->invocation->invocation_id);
    if (headers->value == NULL) {
        free(headers);
        return -1;
    }
    headers->header[0] = (struct http_header){.name = name, .value = headers->value};
    headers->list = (struct http_headers){.header = headers->header, .n = 1};
    run->headers = headers;
    return 0;
}

struct http_headers run_headers_list(const struct run *run)
{
    return run->headers != NULL ? run->headers->list : (struct http_headers){0};
}

void run_headers_drop(struct run *run)
{
    if (run->headers != NULL) {
        explicit_bzero(run->headers->value, strlen(run->headers->value));
        free(run->headers->value);
        free(run->headers);
        run->headers = NULL;
    }
}
