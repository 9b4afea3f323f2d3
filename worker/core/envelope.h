/* envelope: an input's key and headers in one run of bytes, read where they lie.
 *
 * It is the end of its job's block (job.h), from job_new to job_free, and never changes: so any thread may read it, and a lane
 * compares its keys while a loop has the job. A key takes a byte or two besides itself, a header three. A header's name ends at
 * its first NUL, since librdkafka gives names as strings. */
#ifndef RXP_CORE_ENVELOPE_H
#define RXP_CORE_ENVELOPE_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>

/* A view. n_bytes 0: neither key nor headers. */
struct envelope {
    const unsigned char *bytes;
    size_t n_bytes;
};

struct envelope_header {
    const char *name;
    const char *value; /* NULL: null, which is not "". Else a NUL follows it */
    size_t value_bytes;
};

/* key, headers: NULL for none. envelope_write writes as many bytes as envelope_measure says. */
size_t envelope_measure(const void *key, size_t key_bytes, const rd_kafka_headers_t *headers);
void envelope_write(unsigned char *out, const void *key, size_t key_bytes, const rd_kafka_headers_t *headers);

/* NULL: it has none, which is not "". */
const void *envelope_key(struct envelope envelope, size_t *bytes);

bool envelope_has_headers(struct envelope envelope);
/* The next one, in the message's order; *at begins with 0. False: there are no more. */
bool envelope_next(struct envelope envelope, size_t *at, struct envelope_header *out);
/* Of several headers of one name the last counts, as with Kafka's own Headers.lastHeader. False: there is none. */
bool envelope_find_last(struct envelope envelope, const char *name, struct envelope_header *out);

#endif
