/* reply: whether an input asks for its result to be sent to it as well, and where to (request-reply).
 *
 * Reads headers and allocates nothing; any thread. The asking is by Spring's convention, so that an unchanged ReplyingKafkaTemplate
 * works: header kafka_replyTopic, the topic's name in UTF-8, and beside it kafka_replyPartition, four bytes big-endian
 * (java.nio.ByteBuffer.putInt). Header rxp-reply-topic asks the same without a partition, and wins where both are there: it
 * is meant for this worker. Of several headers of one name the last counts, as with Kafka's own Headers.lastHeader.
 *
 * A message names the topic that is written to, so the operator says which may be named: reply-topics. */
#ifndef RXP_CORE_REPLY_H
#define RXP_CORE_REPLY_H

#include "core/envelope.h"
#include "core/name_set.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All strings must outlive it. All zero: off, and the headers ask for nothing. */
struct reply_policy {
    const char *const *patterns; /* a topic's name each, '*' standing for any part of it */
    size_t n_patterns;
    /* The worker's own, which no pattern allows: a reply there would come back as an input, be taken for a checkpoint, or
     * be redriven. NULL: there is none. */
    const char *const *input_topics;
    size_t n_input_topics;
    const char *dead_letter_topic;
    const char *checkpoints_topic;
    const char *progress_topic;
    const char *control_topic;
    /* Not written to twice: the result itself is the reply there, with the input's headers. */
    const char *results_topic;
    struct name_set *seen; /* the topics that replies were sent to: so many there may be. NULL: no limit */
};

enum reply_refusal {
    REPLY_TAKEN, /* or not asked for */
    REPLY_NOT_A_TOPIC,
    REPLY_NOT_ALLOWED,
    REPLY_OWN_TOPIC,
    REPLY_ONE_TOPIC_TOO_MANY,
    REPLY_UNREACHABLE, /* the broker: there is no such topic or partition, or it is closed to this worker */
    REPLY_TOO_LARGE,   /* the broker: even in its smallest form */
};

struct reply {
    const char *topic; /* NULL: none goes out. A part of the envelope */
    int32_t partition; /* -1: by key */
    enum reply_refusal refusal;
    bool partition_ignored; /* kafka_replyPartition was there and could not be followed */
};

void reply_find(const struct reply_policy *policy, struct envelope envelope, struct reply *out);

/* An input, dead-letter, checkpoints, progress or control topic of this worker, or Kafka's own: no reply goes there, whatever the patterns say. */
bool reply_is_own_topic(const struct reply_policy *policy, const char *topic);

/* A phrase that says why: "the topic is not among --reply-topics". Constant. */
const char *reply_refusal_text(enum reply_refusal refusal);

/* Headers that are not copied from a request to its reply: what was said to this worker alone (the address: a reply that
 * bore it, read by another that answers, would be answered to the same place, for ever), and Spring's names of the
 * value's class, since the reply's value is another. */
const char *const *reply_dropped_headers(size_t *n);
/* A header by which requesters find the request that a reply belongs to. Kept where the other headers can't be. */
bool reply_is_correlation(const char *header_name);

/* Could a topic's name match it: letters, digits, '.', '_', '-' and '*', 249 at most? */
bool reply_pattern_is_valid(const char *pattern);

#endif
