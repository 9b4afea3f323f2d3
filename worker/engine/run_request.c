#include "engine/run_request.h"

#include <stdlib.h>
#include <string.h>

void run_request_kickoff(struct http_request *request, const struct run *run, const struct pool_config *config)
{
    const struct rxp_http_plan *plan = run->plan;
    *request = (struct http_request){
        .method = plan->kickoff.method,
        .url = plan->kickoff.url,
        .body = plan->kickoff.body,
        .body_bytes = plan->kickoff.body_bytes,
        .content_type = rxp_http_call_content_type(&plan->kickoff),
        .connect_timeout_ms = config->connect_timeout_ms,
        .once = true,
        .is_kickoff = true,
    };
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
        struct rxp_refusal why;
        const struct rxp_fills fills = {.run_id = run->run_id};
        run->poll_url = resume != NULL ? strdup(resume->poll_url)
                                       : rxp_http_call_url(&run->plan->poll, &fills, &why);
    }
    return run->poll_url != NULL ? 0 : -1;
}

int run_request_poll(struct http_request *request, struct run *run, const struct pool_config *config, int64_t now_ms)
{
    if (run_request_address(run) != 0) {
        return -1;
    }
    int64_t left_ms = cycle_until_ms(&run->cycle) - now_ms;
    *request = (struct http_request){
        .method = "GET",
        .url = run->poll_url,
        .connect_timeout_ms = config->connect_timeout_ms,
        .timeout_ms = config->poll_timeout_ms < left_ms ? config->poll_timeout_ms : left_ms,
    };
    return 0;
}
