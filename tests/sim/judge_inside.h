/* judge_inside: what the judge has seen, for the files that it is made of. */
#ifndef RXP_SIM_JUDGE_INSIDE_H
#define RXP_SIM_JUDGE_INSIDE_H

#include "sim/instance.h"
#include "sim/judge.h"

#define KICKOFFS_MAX 32

struct kickoff {
    int by;
    int64_t sent_ms;
    int run_number;
    bool has_arrived;
    bool is_put_off; /* and its sender was told: it may send another */
};

struct verdict_on_input {
    int results;
    int dead_letters;
    int replies;
    int by; /* whose the last result is */
    int n_kickoffs;
    struct kickoff kickoff[KICKOFFS_MAX];
};

struct judge {
    struct verdict_on_input input[INPUTS_MAX];
    int64_t excused_ms[INSTANCES_EVER + 1];
    bool is_disorderly; /* somebody was excused */
    size_t restored[INSTANCES_EVER + 1][PARTITIONS_MAX];
    int64_t restored_ms[INSTANCES_EVER + 1][PARTITIONS_MAX];
};

extern struct judge judge;

/* judge_results.c: what is seen of results, replies and dead letters. */
void judge_result(const struct record *record);
void judge_reply(const struct record *record);
void judge_dead_letter(const struct record *record);

#endif
