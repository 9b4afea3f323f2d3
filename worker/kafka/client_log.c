#include "kafka/client_log.h"

#include "base/clock.h"
#include "base/hash.h"
#include "ops/log.h"

#include <pthread.h>
#include <string.h>

/* syslog(3)'s numbers, by which librdkafka grades its log lines (<syslog.h> has names that ops/log.h has, too). */
enum { GRADE_CRITICAL = 2, GRADE_WARNING = 4, GRADE_INFO = 6 };

/* Clients of a process have nothing else in common; librdkafka's threads come here. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct client_log_memory told;

/* "[thrd:NAME]: NAME#producer-1: TEXT (after 12ms in state CONNECT, 1 identical error(s) suppressed)": the hash of TEXT. */
static uint64_t hash_of(const char *text)
{
    if (strncmp(text, "[thrd:", 6) == 0 && strstr(text, "]: ") != NULL)
        text = strstr(text, "]: ") + 3;
    const char *client_end = strstr(text, ": ");
    const char *mark = strchr(text, '#');
    if (client_end != NULL && mark != NULL && mark < client_end && memchr(text, ' ', (size_t)(client_end - text)) == NULL)
        text = client_end + 2;
    const char *times = strstr(text, " (after ");
    return hash_put(HASH_START, text, times != NULL ? (size_t)(times - text) : strlen(text));
}

bool client_log_is_news(struct client_log_memory *memory, const char *text, int64_t now_ms, int *alike)
{
    uint64_t hash = hash_of(text);
    struct client_log_text *row = &memory->texts[0];
    *alike = 0;
    for (size_t i = 0; i < CLIENT_LOG_TEXTS; i++) {
        struct client_log_text *other = &memory->texts[i];
        if (other->until_ms != 0 && other->hash == hash) {
            row = other;
            break;
        }
        if (other->until_ms < row->until_ms)
            row = other;
    }
    if (row->until_ms != 0 && row->hash == hash) {
        if (now_ms < row->until_ms) {
            row->alike++;
            return false;
        }
        *alike = row->alike;
    }
    *row = (struct client_log_text){.hash = hash, .until_ms = now_ms + CLIENT_LOG_AGAIN_MS};
    return true;
}

/* Who unsubscribes as no member of the group, as claims.c does on purpose, gets the first: librdkafka thinks of a mistake of its
 * own, and then does what was asked for. The second ("1/1 brokers are down") comes after the reason for each of them. */
static bool is_expected(const char *text)
{
    return strstr(text, "unexpected instruction to revoke current assignment") != NULL || strstr(text, "brokers are down") != NULL;
}

/* What librdkafka calls an error it mostly gets over by itself (a broker that is away): a warning. What it does not get over
 * comes as a fatal error, by another way. */
void client_log_line(const rd_kafka_t *rk, int grade, const char *facility, const char *text)
{
    enum log_level level = grade <= GRADE_CRITICAL  ? LOG_ERROR
                           : grade <= GRADE_WARNING ? LOG_WARN
                           : grade <= GRADE_INFO    ? LOG_INFO
                                                    : LOG_DEBUG;
    int alike = 0;
    (void)rk;
    if (is_expected(text))
        level = LOG_DEBUG;
    if (level == LOG_WARN) {
        pthread_mutex_lock(&lock);
        if (!client_log_is_news(&told, text, clock_mono_ms(), &alike))
            level = LOG_DEBUG;
        pthread_mutex_unlock(&lock);
    }
    if (alike > 0)
        log_event(level, "kafka_client", "%s: %s; it was said %d times more since it stood here last", facility, text, alike);
    else
        log_event(level, "kafka_client", "%s: %s", facility, text);
}
