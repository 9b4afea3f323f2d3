/* The records of the checkpoints topic, "key" "--" "value": what is read is written and read as the same. */
#include "fuzz/fuzz.h"

#include "core/checkpoint.h"
#include "kafka/checkpoint_key.h"
#include "protocol/json.h"

#include <string.h>

static void try_key(struct fuzz_part part)
{
    char *text = fuzz_bytes(part);
    struct checkpoint_key key;
    if (checkpoint_key_parse(text, part.bytes, &key)) {
        size_t room = key.group_bytes + CHECKPOINT_KEY_TAIL_BYTES;
        char *again = malloc(room);
        must(again != NULL);
        must(key.group_bytes > 0 && key.partition >= 0 && key.offset >= 0);
        must(key.topic_bytes > 0 && key.topic_bytes <= 249 && memchr(key.topic, '/', key.topic_bytes) == NULL);
        int bytes = checkpoint_key_write(&key, again, room);
        must(bytes >= 0 && (size_t)bytes == part.bytes && memcmp(again, text, part.bytes) == 0);
        must(checkpoint_key_write(&key, again, part.bytes) == -1);
        free(again);
    }
    free(text);
}

static void must_be_same(const struct checkpoint *a, const struct checkpoint *b)
{
    must(a->kind == b->kind && !a->unreadable && !b->unreadable && a->input_hash == b->input_hash && a->polls == b->polls);
    must(a->started_at_ms == b->started_at_ms && a->deadline_ms == b->deadline_ms);
    must(fuzz_same(a->run_id, b->run_id) && fuzz_same(a->prepared_id, b->prepared_id));
    must(fuzz_same(a->poll_url, b->poll_url));
    /* Longer ones are left out, or cut off. */
    must(a->invocation_id == NULL || strlen(a->invocation_id) > CHECKPOINT_ID_MAX_BYTES ||
         fuzz_same(a->invocation_id, b->invocation_id));
    must(a->worker_id == NULL || strlen(a->worker_id) > CHECKPOINT_WORKER_ID_MAX_BYTES ||
         fuzz_same(a->worker_id, b->worker_id));
    must(!checkpoint_yields_to(a, b) || !checkpoint_yields_to(b, a));
}

static void must_round_trip(const struct checkpoint *checkpoint)
{
    char why[CHECKPOINT_WHY_BYTES];
    struct json_fault fault;
    struct checkpoint *again = NULL;
    size_t bytes;
    char *text = checkpoint_write(checkpoint, &bytes);
    must(text != NULL && json_check(text, bytes, JSON_KEYS_UNIQUE, &fault) == 0);
    must(checkpoint_read(text, bytes, &again, why) == CHECKPOINT_READ);
    must_be_same(checkpoint, again);
    free(again);
    free(text);
}

static void try_value(struct fuzz_part part)
{
    char *text = fuzz_bytes(part);
    char why[CHECKPOINT_WHY_BYTES] = "";
    struct checkpoint *checkpoint = NULL;
    enum checkpoint_reading reading = checkpoint_read(text, part.bytes, &checkpoint, why);
    free(text); /* nothing may point into it */
    must((reading == CHECKPOINT_READ) == (checkpoint != NULL));
    if (reading != CHECKPOINT_READ) {
        must_be_sentence(why);
        return;
    }
    must(checkpoint->started_at_ms >= 0 && checkpoint->started_at_ms <= CHECKPOINT_MAX_MS);
    must(checkpoint->deadline_ms >= 0 && checkpoint->deadline_ms <= CHECKPOINT_MAX_MS);
    must(checkpoint->polls >= 0);
    must(checkpoint->kind == CHECKPOINT_INTENT || checkpoint->poll_url != NULL);
    must(checkpoint_matches(checkpoint, checkpoint->invocation_id, checkpoint->input_hash));
    must(!checkpoint_matches(checkpoint, checkpoint->invocation_id, checkpoint->input_hash + 1));
    must_round_trip(checkpoint);
    free(checkpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_part rest = {(const char *)data, bytes};
    try_key(fuzz_next(&rest));
    try_value(rest);
    return 0;
}
