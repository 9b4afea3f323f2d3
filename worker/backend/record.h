/* record: a file with a JSON line for each request that the simulated backend saw.
 *
 *   {"ms":1700000000000,"us":1700000000000123,"method":"POST","path":"/runs","query":"seconds=1","key":"inv-1",
 *    "run_id":"mhd3k2v1-3f7q","bytes":2,"code":202,"headers":["Host: 127.0.0.1:8080"],"body":"{}"}
 *
 * ms and us are when it had come, in both. path and query as they were sent; run_id is what the run that a kickoff
 * began is called. query, key, run_id and (where the body is over RECORD_BODY_BYTES) headers and body may be missing; a
 * body that is not UTF-8 text stands as body_base64. code is 0 for a connection closed without an answer.
 * Any thread; lines wait in a bounded buffer and are written each second, and at the end. */
#ifndef RXP_BACKEND_RECORD_H
#define RXP_BACKEND_RECORD_H

#include "ops/http_server.h"

#include <stdint.h>

#define RECORD_BODY_BYTES 4096

struct record;

/* Appends to the file. NULL with a sentence in why. */
struct record *record_open(const char *path, char *why, size_t why_bytes);
void record_close(struct record *record);

/* Before the exchange is answered. run_id: of the run that it began, NULL for none. */
void record_request(struct record *record, const struct http_exchange *exchange, int64_t wall_us, int code,
                    const char *run_id);

#endif
