/* way: the Kafka of the libcurl loop: inputs in, results out, offsets committed, by librdkafka as its documentation has it, with
 * the settings that the worker has. The messages are not read, and all results are alike: what remains is what Kafka costs.
 *
 * One thread beside librdkafka's own. Any failure ends the program. */
#ifndef RXP_BENCH_WAY_H
#define RXP_BENCH_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct way;

#define KEY_BYTES 16

struct input {
    bool done;
    uint8_t key_bytes;
    char key[KEY_BYTES]; /* the result's, too */
    int32_t partition;
    int64_t offset;
};

struct way *way_open(const char *bootstrap, const char *inputs, const char *results, const char *group);
void way_close(struct way *way);
/* Readable when there may be something to do. */
int way_fd(const struct way *way);
/* After a wake by it. */
void way_wake(struct way *way);
/* The next input, or NULL. It lasts until its result was acknowledged. */
struct input *way_take(struct way *way);
/* Sends its result. */
void way_answer(struct way *way, struct input *input);
/* To be called often: takes acknowledgements, commits each COMMIT_MS. */
void way_turn(struct way *way, int64_t now_ms);

#endif
