/* The streams beside the results: progress, before the flight that uses it, and control, after the flight that it asks. */
#include "core/worker_inside.h"

int streams_open_progress(struct worker *worker, char why[WORKER_WHY_BYTES])
{
    if (worker->config.progress_topic == NULL) {
        return 0;
    }
    const struct progress_config config = {
        .kafka = worker->config.kafka,
        .topic = worker->config.progress_topic,
        .settle = &worker->config.settle,
        .metrics = worker->config.metrics,
    };
    worker->progress = progress_new(&config, why, WORKER_WHY_BYTES);
    return worker->progress != NULL ? 0 : -1;
}

int streams_open_control(struct worker *worker, char why[WORKER_WHY_BYTES])
{
    if (worker->config.control_topic == NULL || worker->config.cancels == NULL) {
        return 0;
    }
    const struct control_config config = {
        .kafka = worker->config.kafka,
        .topic = worker->config.control_topic,
        .cancels = worker->config.cancels,
        .pool = flight_pool(worker->flight),
        .metrics = worker->config.metrics,
        .event_fd = worker->event_fd,
    };
    worker->control = control_new(&config, why, WORKER_WHY_BYTES);
    return worker->control != NULL ? 0 : -1;
}
