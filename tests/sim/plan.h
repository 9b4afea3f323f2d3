/* plan: what a world is like: drawn from its seed before anything happens. */
#ifndef RXP_SIM_PLAN_H
#define RXP_SIM_PLAN_H

#include "core/lanes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARTITIONS_MAX 3
#define INPUTS_MAX 40
#define FAULTS_MAX 8
#define INSTANCES_MAX 3 /* at a time */

enum input_kind { INPUT_ASYNC, INPUT_SYNC, INPUT_REJECTED };

/* One message of the input topic. */
struct input {
    int number;
    enum input_kind kind;
    int32_t partition;
    int64_t offset;
    int64_t at_ms;    /* when it is produced */
    int64_t takes_ms; /* its run, at the backend */
    bool prepares;    /* a call goes before its kickoff */
    bool fetches;     /* its result, by a call behind its end */
    bool is_late;     /* its run's id is told by polls alone */
    int put_offs;     /* so many kickoffs are answered: not now, but later */
    char id[24];
    char key[8]; /* "": none */
    const char *reply; /* the topic that it asks to be answered on; NULL: none */
    char *value;
};

enum fault_kind {
    FAULT_CRASH,       /* of one instance; another starts after a while */
    FAULT_FREEZE,      /* an instance gets no turns for a while */
    FAULT_CUT,         /* an instance reaches no broker for a while */
    FAULT_OUTAGE,      /* nobody does */
    FAULT_COORDINATOR, /* the group's coordinator cannot be reached for a while */
    FAULT_RESULTS,     /* nobody can write results, though the group goes on */
    FAULT_NOTES,       /* nobody can write checkpoints, though results and the group go on */
    FAULT_STOP,        /* one drains and ends; another starts after a while */
    FAULT_JOIN,        /* one more starts */
    FAULT_KINDS,
};

/* When a fault may be provoked: something is half done. */
enum moment {
    MOMENT_PRODUCE,     /* a message waits to be sent */
    MOMENT_SENT,        /* it is sent */
    MOMENT_APPENDED,    /* it is appended, and not acknowledged */
    MOMENT_COMMIT,      /* a commit is sent */
    MOMENT_COMMITTED,   /* it is judged, and not answered */
    MOMENT_REQUEST,     /* to the backend: sent */
    MOMENT_ANSWERED,    /* it has arrived, and is not answered */
    MOMENT_TRANSACTION, /* its offsets are sent, and not committed */
    MOMENT_TRANSACTED,  /* it is committed, and nobody told */
    MOMENT_RESTORE,     /* checkpoints are read */
    MOMENT_REBALANCE,   /* joined, and not synced */
    MOMENT_ASSIGN,      /* partitions come */
    MOMENT_REVOKE,      /* partitions go */
    MOMENTS,
};

struct fault {
    enum fault_kind kind;
    int64_t at_ms;
    int64_t lasts_ms;
};

struct plan {
    int32_t n_partitions;
    int n_inputs;
    struct input input[INPUTS_MAX];
    int n_instances;
    int n_faults;
    struct fault fault[FAULTS_MAX];
    int n_provoked;      /* faults that strike at a moment of their own choice: fault.h */
    enum moment provoked_at; /* MOMENTS: any */
    int provoked_chance;     /* of each such moment: one in so many */
    int64_t healed_ms; /* no fault begins, or lasts, later */
    /* The workers. */
    bool checkpoints;
    bool at_most_once;
    bool exactly_once;
    bool dead_letters;
    bool replies;
    int64_t skew_ms; /* of their clocks on the wall: at most */
    enum lanes_mode ordering;
    size_t max_in_flight;
    int64_t commit_interval_ms;
    int64_t transaction_ms;
    int64_t drain_ms;
    /* The others. */
    int64_t session_ms;
    int64_t heartbeat_ms;
    bool loses_on_refusal;    /* librdkafka before 2.10: a refused commit costs the assignment */
    bool backend_is_idempotent;
    int http_trouble; /* percent of requests */
    int waits;        /* percent of polls, and of prepare calls, that are answered with Retry-After */
    int moves;        /* percent of polls that say where the run is polled from now on */
    int64_t nap_least_ms; /* see pool.h */
    size_t line_seats;    /* the same */
    size_t begins;        /* requests that leave the queue in one turn of the loop */
    int slow;         /* percent of what goes over the network that takes long */
    size_t result_max_bytes; /* of the results topic; 0: none is refused */
};

/* Draws from the world's chance. */
void plan_make(struct plan *plan);
/* NULL: there is none. */
struct input *plan_input_at(struct plan *plan, int32_t partition, int64_t offset);
void plan_free(struct plan *plan);
const char *fault_name(enum fault_kind kind);

#endif
