#include "engine/run_request.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

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

int run_request_kickoff(struct run_request *made, const struct run *run, const struct pool_config *config)
{
    const struct rxp_http_plan *plan = run->plan;
    *made = (struct run_request){.request = {
                                     .method = plan->method,
                                     .url = plan->url,
                                     .body = plan->body,
                                     .body_bytes = plan->body_bytes,
                                     .content_type = plan->content_type,
                                     .connect_timeout_ms = config->connect_timeout_ms,
                                     .once = true,
                                 }};
    if (plan->idempotency_header != NULL) {
        made->header_value = write_id(run->invocation->invocation_id);
        if (made->header_value == NULL) {
            return -1;
        }
        made->header = (struct http_header){.name = plan->idempotency_header, .value = made->header_value};
        made->request.headers = &made->header;
        made->request.n_headers = 1;
    }
    return 0;
}

int run_request_address(struct run *run)
{
    const struct run_resume *resume = run->resume;
    if (run->run_id == NULL && resume != NULL && resume->run_id != NULL) {
        run->run_id = strdup(resume->run_id);
        if (run->run_id == NULL) {
            return -1;
        }
    }
    if (run->poll_url == NULL) {
        run->poll_url = resume != NULL ? strdup(resume->poll_url)
                                       : rxp_url_expand(run->plan->poll_url_template, run->run_id,
                                                        run->invocation->invocation_id);
    }
    return run->poll_url != NULL ? 0 : -1;
}

int run_request_poll(struct run_request *made, struct run *run, const struct pool_config *config, int64_t now_ms)
{
    *made = (struct run_request){0};
    if (run_request_address(run) != 0) {
        return -1;
    }
    int64_t left_ms = cycle_until_ms(&run->cycle) - now_ms;
    made->request = (struct http_request){
        .method = "GET",
        .url = run->poll_url,
        .connect_timeout_ms = config->connect_timeout_ms,
        .timeout_ms = config->poll_timeout_ms < left_ms ? config->poll_timeout_ms : left_ms,
    };
    return 0;
}

void run_request_deinit(struct run_request *made)
{
    free(made->header_value);
    made->header_value = NULL;
}
