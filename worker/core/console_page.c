#include "core/console_inside.h"

#include "core/page.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Is this item of Accept-Encoding, up to a comma, of that name? Its weight, 1 unless it names one; -1: another item. */
static double weight_of(const char *item, const char *name)
{
    size_t bytes = strcspn(item, " \t;,");
    if (bytes != strlen(name) || strncasecmp(item, name, bytes) != 0)
        return -1;
    item += bytes;
    item += strspn(item, " \t;");
    return strncasecmp(item, "q=", 2) == 0 ? strtod(item + 2, NULL) : 1;
}

/* RFC 9110, 12.5.3; but who names no coding is taken for one that has none, as curl is without --compressed. */
static bool takes_gzip(const char *accepted)
{
    double any = -1;
    while (accepted != NULL && *accepted != '\0') {
        accepted += strspn(accepted, " \t,");
        double gzip = weight_of(accepted, "gzip");
        if (gzip < 0)
            gzip = weight_of(accepted, "x-gzip");
        if (gzip >= 0)
            return gzip > 0;
        any = any < 0 ? weight_of(accepted, "*") : any;
        accepted += strcspn(accepted, ",");
    }
    return any > 0;
}

void console_serve_page(struct http_exchange *exchange, void *opaque)
{
    static const char sentence[] = "this page is for browsers, and packed by gzip: curl --compressed shows it; /status tells the same as "
                                   "JSON\n";
    const char *const packed[] = {"Content-Encoding", "gzip", "Vary", "Accept-Encoding", "Content-Security-Policy", page_policy, NULL};
    struct http_answer answer = {
        .code = 200,
        .content_type = "text/html; charset=utf-8",
        .body = page_bytes,
        .body_bytes = page_n_bytes,
        .headers = packed,
    };
    (void)opaque;
    if (!takes_gzip(http_exchange_header(exchange, "Accept-Encoding")))
        answer = (struct http_answer){
            .code = 406,
            .content_type = "text/plain; charset=utf-8",
            .body = sentence,
            .body_bytes = sizeof sentence - 1,
            .headers = packed + 2, /* but the encoding */
        };
    http_answer_send(exchange, &answer);
}
