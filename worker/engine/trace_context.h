/* trace_context: the trace that a run is a part of (W3C Trace Context, https://www.w3.org/TR/trace-context/), so that its requests
 * and its result are found beside what its producer did.
 *
 * From the headers of its message. The run has a span of its own, whose id follows from the trace and the message's place, so
 * that it is the same wherever the run goes on; each request has a new one. A value that never changes: any thread may read it,
 * its owner frees it after the run has ended. */
#ifndef RXP_ENGINE_TRACE_CONTEXT_H
#define RXP_ENGINE_TRACE_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_PARENT_HEADER "traceparent"
#define TRACE_STATE_HEADER "tracestate"

#define TRACE_ID_DIGITS 32
#define TRACE_SPAN_DIGITS 16
#define TRACE_PARENT_BYTES 56 /* of version 00, with its NUL */
/* A longer one is left out, as the Recommendation allows: who passes on less than this must leave out whole members. */
#define TRACE_STATE_MAX_BYTES 512
#define TRACE_STATE_MAX_MEMBERS 32

struct trace_context {
    char trace_id[TRACE_ID_DIGITS + 1];  /* lower-case hex, like the next */
    char span_id[TRACE_SPAN_DIGITS + 1]; /* the run's */
    uint8_t flags;                       /* sampled (1), and of a random id (2) */
    char tracestate[];                   /* "": none */
};

/* Where the message stands in its topic. */
struct trace_source {
    const char *topic;
    int32_t partition;
    int64_t offset;
};

/* Header values, not terminated. tracestate: NULL for none, or one that cannot be passed on, is left out. *out is NULL where
 * traceparent is none that counts: then there is no trace. 0, or -1 for want of memory. */
int trace_context_read(const void *traceparent, size_t traceparent_bytes, const void *tracestate, size_t tracestate_bytes,
                       const struct trace_source *source, struct trace_context **out);
void trace_context_free(struct trace_context *context); /* NULL is harmless */

/* The traceparent of a request, whose span has this id; 0 is taken for 1. */
void trace_context_write_child(const struct trace_context *context, uint64_t span_id, char out[TRACE_PARENT_BYTES]);
/* That of what stands for the run itself: its result. */
void trace_context_write_own(const struct trace_context *context, char out[TRACE_PARENT_BYTES]);

#endif
