/* letters: the dead letters that were not put back yet, up to the end that their topic had at the start.
 *
 * What was put back is kept as the worker keeps what is done: a group of its own has committed an offset, and which ones above
 * it are done (tracker, offset_map). So those that were passed over stay, and are offered the next time.
 *
 * One thread. */
#ifndef RXP_CLI_LETTERS_H
#define RXP_CLI_LETTERS_H

#include "kafka/client_conf.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct letters;

#define LETTERS_WHY_BYTES 512

/* settings->group_id is the group. anew: from the oldest one on, whatever was done. NULL with why, also where the topic is not
 * there. patience_ms: how long no answer is borne, here and by letters_next and letters_commit. */
struct letters *letters_new(const struct kafka_settings *settings, const char *topic, bool anew, int64_t patience_ms,
                            char why[LETTERS_WHY_BYTES]);
void letters_free(struct letters *letters);

enum letters_next {
    LETTERS_ONE,  /* in *message, the caller's to destroy: it counts as left until letters_done */
    LETTERS_WAIT, /* none within timeout_ms */
    LETTERS_FULL, /* more are left than a commit can tell apart: none comes until letters_done of some */
    LETTERS_END,
    LETTERS_FAILED, /* with why */
};
enum letters_next letters_next(struct letters *letters, int timeout_ms, rd_kafka_message_t **message,
                               char why[LETTERS_WHY_BYTES]);
/* It was put back. */
void letters_done(struct letters *letters, int32_t partition, int64_t offset);
/* Commits what is done. 0, or -1 with why. */
int letters_commit(struct letters *letters, char why[LETTERS_WHY_BYTES]);

#endif
