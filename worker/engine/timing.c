#include "engine/timing.h"

static int64_t read_us(CURL *easy, CURLINFO what)
{
    curl_off_t us = 0;
    return curl_easy_getinfo(easy, what, &us) == CURLE_OK && us > 0 ? (int64_t)us : 0;
}

/* curl counts each moment from the beginning; what did not happen has the moment before, or 0. */
static int64_t part_us(int64_t from_us, int64_t to_us)
{
    return to_us > from_us ? to_us - from_us : 0;
}

void timing_read(CURL *easy, struct http_timing *out)
{
    long connects = 0;
    int64_t resolved_us = read_us(easy, CURLINFO_NAMELOOKUP_TIME_T);
    int64_t connected_us = read_us(easy, CURLINFO_CONNECT_TIME_T);
    int64_t secured_us = read_us(easy, CURLINFO_APPCONNECT_TIME_T);
    int64_t sent_us = read_us(easy, CURLINFO_PRETRANSFER_TIME_T);
    (void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    *out = (struct http_timing){
        .is_reused = connects == 0 && sent_us > 0,
        .resolve_us = resolved_us,
        .connect_us = part_us(resolved_us, connected_us),
        .secure_us = part_us(connected_us, secured_us),
        .first_byte_us = part_us(sent_us, read_us(easy, CURLINFO_STARTTRANSFER_TIME_T)),
        .total_us = read_us(easy, CURLINFO_TOTAL_TIME_T),
    };
}
