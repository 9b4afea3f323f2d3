/* client_log: what librdkafka logs, as the worker tells it.
 *
 * Each client of a process says of a broker that is away what the others say, and says it again for as long as it is: that is
 * told once a minute, and with log-level=debug all of it. Any thread. */
#ifndef RXP_KAFKA_CLIENT_LOG_H
#define RXP_KAFKA_CLIENT_LOG_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

/* For rd_kafka_conf_set_log_cb. `grade` is syslog's. */
void client_log_line(const rd_kafka_t *rk, int grade, const char *facility, const char *text);

#define CLIENT_LOG_AGAIN_MS 60000
#define CLIENT_LOG_TEXTS 32 /* with more of them the one that was told first is forgotten, and told again */

struct client_log_memory {
    struct client_log_text {
        uint64_t hash;
        int64_t until_ms; /* monotonic; 0: free */
        int alike;        /* that were not told since */
    } texts[CLIENT_LOG_TEXTS];
};

/* Was nothing like it told in the last minute? Alike are texts of different clients and threads, and after different times.
 * *alike gets how many were not told before it. Pure. */
bool client_log_is_news(struct client_log_memory *memory, const char *text, int64_t now_ms, int *alike);

#endif
