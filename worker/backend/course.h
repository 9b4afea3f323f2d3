/* course: what a simulated run shall do: read from the kickoff's parameters, carried in the run's id.
 *
 * Owned by one thread; course_nearest and the names are constants. A run's id holds when it began and every parameter
 * that matters after the kickoff, where it is not the default: "mhd3k2v1-3f7q.rw2000.rofailed". So a poll needs no
 * memory of its run. */
#ifndef RXP_BACKEND_COURSE_H
#define RXP_BACKEND_COURSE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum course_value {
    VALUE_SECONDS, /* decimal; kept as milliseconds */
    VALUE_SPAN,    /* "2" or "1-5" seconds: one of them for each run */
    VALUE_HTTP,    /* an HTTP status code */
    VALUE_NUMBER,
    VALUE_RATE,  /* 0 to 1; kept in thousandths */
    VALUE_SWITCH, /* 1, true, 0, false */
    VALUE_PHASE, /* kickoff, poll or both; kept as bits */
    VALUE_KIND,  /* enum course_id_kind */
    VALUE_TEXT,
    VALUE_JSON, /* a JSON text */
};

enum course_phase { PHASE_KICKOFF = 1, PHASE_POLL = 2 };
enum course_id_kind { ID_STRING, ID_NUMBER, ID_BOOL, ID_NULL, ID_OBJECT, ID_ARRAY, ID_MISSING };

/* X(member, key in the id ("" where only the kickoff needs it), name, type, min, max, default, value, meaning) */
#define COURSE_PARAMETERS(X)                                                                                           \
    X(CODE, "", "code", VALUE_HTTP, 200, 599, 0, "CODE",                                                              \
      "answer the kickoff with this code (202; a job: 200); one that is not 2xx starts no run")                        \
    X(INSTANT, "", "instant", VALUE_SWITCH, 0, 1, 0, "1", "the kickoff's answer already bears the outcome")           \
    X(KICKOFF_DELAY, "", "kickoff_delay", VALUE_SECONDS, 0, 86400000, 0, "SECONDS", "answer the kickoff so late")     \
    X(SECONDS, "rw", "seconds", VALUE_SPAN, 0, 31536000000, 1000, "S or S-S",                                         \
      "how long the run takes (1); of a range, each run takes its own part")                                           \
    X(POLLS, "np", "polls", VALUE_NUMBER, 0, 1000000, 0, "N",                                                         \
      "the run ends with its Nth poll instead, whenever that comes")                                                   \
    X(OUTCOME, "ro", "outcome", VALUE_TEXT, 0, 200, 0, "WORD", "status at the end (completed): failed, cancelled, …") \
    X(RUNNING, "rr", "running", VALUE_TEXT, 0, 200, 0, "WORD", "status until then (running)")                         \
    X(BARE, "rb", "bare", VALUE_SWITCH, 0, 1, 0, "1",                                                                 \
      "outcome and running are JSON as they stand: outcome=true, running=0, outcome=null")                             \
    X(STATUS_FIELD, "sf", "status_field", VALUE_TEXT, 1, 200, 0, "PATH",                                              \
      "dotted path of the status in the answers (status): data.state")                                                 \
    X(STATUS_LATE, "sl", "status_late", VALUE_SWITCH, 0, 1, 0, "1", "there is no status before the end")               \
    X(RESULT, "re", "result", VALUE_JSON, 0, 65536, 0, "JSON", "\"result\" of the finished run")                      \
    X(RESULT_BYTES, "rz", "result_bytes", VALUE_NUMBER, 0, 16777216, 0, "N", "or a string of so many bytes")          \
    X(RESULT_FIELD, "xf", "result_field", VALUE_TEXT, 1, 200, 0, "PATH", "dotted path of the result (result)")        \
    X(MESSAGE, "ms", "message", VALUE_TEXT, 0, 1000, 0, "TEXT",                                                       \
      "\"error\" of the finished run; the whole body where a code is not 2xx")                                         \
    X(MESSAGE_FIELD, "mf", "message_field", VALUE_TEXT, 1, 200, 0, "PATH", "dotted path of the message (error)")      \
    X(RUN_ID, "", "run_id", VALUE_TEXT, 0, 2000, 0, "TEXT",                                                           \
      "the run's id, as hostile as you like (made up); the newest 4,096 of such runs are remembered")                  \
    X(RUN_ID_TYPE, "", "run_id_type", VALUE_KIND, 0, 6, 0, "TYPE",                                                    \
      "JSON type of the id: string, number, bool, null, object, array, missing")                                       \
    X(RUN_ID_FIELD, "rf", "run_id_field", VALUE_TEXT, 1, 200, 0, "PATH",                                               \
      "dotted path of the id (run_id): data.run.id")                                                                   \
    X(RUN_ID_PREFIX, "ip", "run_id_prefix", VALUE_TEXT, 0, 200, 0, "TEXT", "what the answers put before the id")      \
    X(LOCATION, "", "location", VALUE_TEXT, 1, 100, 0, "HEADER",                                                      \
      "the kickoff's answer names the status URL in this header, and has no body")                                    \
    X(POLL_DELAY, "pd", "poll_delay", VALUE_SECONDS, 0, 86400000, 0, "SECONDS", "answer polls so late")               \
    X(PENDING, "pc", "pending", VALUE_HTTP, 200, 599, 0, "CODE", "answer polls of the unfinished run with this code") \
    X(PENDING_SECONDS, "ps", "pending_seconds", VALUE_SECONDS, 0, 86400000, 0, "SECONDS",                             \
      "but only in the run's first seconds")                                                                           \
    X(POLL_FAIL, "pf", "poll_fail", VALUE_HTTP, 300, 599, 0, "CODE", "polls fail with this code")                     \
    X(DROP, "fd", "drop", VALUE_PHASE, 1, 3, 0, "PHASE", "close the connection without an answer")                    \
    X(STALL, "fs", "stall", VALUE_PHASE, 1, 3, 0, "PHASE", "never answer")                                            \
    X(GARBAGE, "fg", "garbage", VALUE_PHASE, 1, 3, 0, "PHASE", "answer with what is not JSON")                        \
    X(ENDLESS, "fe", "endless", VALUE_PHASE, 1, 3, 0, "PHASE", "answer with a body that never ends")                  \
    X(SLOW, "fw", "slow", VALUE_PHASE, 1, 3, 0, "PHASE", "answer with a byte a second")                               \
    X(HEADERS, "fh", "headers", VALUE_NUMBER, 0, 100000, 0, "BYTES", "so many bytes of headers more in every answer") \
    X(POLL_FAIL_COUNT, "nc", "poll_fail_count", VALUE_NUMBER, 0, 1000000, 0, "N",                                     \
      "only the first N polls go wrong (poll_fail, or drop … slow at polls)")                                          \
    X(POLL_FAIL_RATE, "nr", "poll_fail_rate", VALUE_RATE, 0, 1000, 0, "0…1", "only this part of them, by chance")  \
    X(POLL_FAIL_SECONDS, "ns", "poll_fail_seconds", VALUE_SECONDS, 0, 86400000, 0, "SECONDS",                         \
      "only those in the run's first seconds")                                                                         \
    X(RETRY_AFTER, "ra", "retry_after", VALUE_NUMBER, 0, 86400, 0, "SECONDS",                                         \
      "Retry-After of every answer but the 200 of a run that has ended")                                                                           \
    X(REDIRECTS, "", "redirects", VALUE_NUMBER, 0, 100, 0, "N", "redirect the kickoff N times first")                 \
    X(POLL_REDIRECTS, "rp", "poll_redirects", VALUE_NUMBER, 0, 100, 0, "N", "redirect each poll N times first")       \
    X(REDIRECT_TO, "", "redirect_to", VALUE_TEXT, 1, 2000, 0, "URL", "redirect the kickoff there instead")            \
    X(REDIRECT_CODE, "rc", "redirect_code", VALUE_HTTP, 300, 399, 307, "CODE", "with this code (307)")

#define COURSE_MEMBER(member, ...) COURSE_##member,
enum course_parameter { COURSE_PARAMETERS(COURSE_MEMBER) COURSE_N };
#undef COURSE_MEMBER

/* The parameters as text for people. */
#define COURSE_HELP_LINE(member, key, name, type, min, max, fallback, value, meaning)                                  \
    "  " name "=" value "\n      " meaning "\n"
#define COURSE_HELP                                                                                                    \
    "POST /runs begins a run and names its id; GET /runs/ID tells its status; POST /jobs answers when it is done; any\n"\
    "method will do. GET /stats counts what was seen, GET /healthz answers.\n"                                         \
    "\n"                                                                                                               \
    "The kickoff's URL says what shall happen, POST /runs?seconds=5&outcome=failed, or its JSON body does, in\n"       \
    "{\"simulate\":{\"seconds\":5,\"outcome\":\"failed\"}}; the URL wins. PHASE is kickoff, poll or both.\n"           \
    "\n"                                                                                                               \
    COURSE_PARAMETERS(COURSE_HELP_LINE)                                                                                \
    "\n"                                                                                                               \
    "A run's id holds its course, so a million runs cost no memory, and a restarted backend knows them still. Only\n"  \
    "runs whose id was chosen or would be over 300 bytes, that were cancelled or are found by a conversation are\n"    \
    "remembered, the newest 4,096; polls and poll_fail_count keep a counter for the newest 65,536 or so.\n"

struct course {
    int64_t start_ms; /* Unix time of the kickoff */
    uint64_t serial;  /* tells runs of the same millisecond apart */
    int64_t span_ms;  /* upper end of a range of seconds, until course_settle */
    unsigned shape;   /* of the answers; 0: as they are (shape.h) */
    int64_t number[COURSE_N];
    char *text[COURSE_N]; /* NULL: not given */
};

void course_init(struct course *course);
void course_deinit(struct course *course);

#define COURSE_WHY_BYTES 512

/* Sets a parameter by its name. 0, or -1 with a sentence in why that names it, the value, and the nearest known
 * name. */
int course_set(struct course *course, const char *name, const char *value, char why[COURSE_WHY_BYTES]);

/* The same of what the program lays down, where it was not set: it is valid. */
void course_default(struct course *course, const char *name, const char *value);

/* Begins the run: now, and of a range of seconds the part that `seed` chooses. */
void course_settle(struct course *course, int64_t now_ms, uint64_t serial, uint64_t seed);

/* The run's id; only RFC 3986 unreserved characters. */
void course_write(const struct course *course, struct buf *out);
/* The reverse, into an initialised course. False where it is no such id. */
bool course_read(struct course *course, const char *id);

#endif
