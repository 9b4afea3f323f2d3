#include "engine/excerpt.h"

#include "protocol/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* C0 and DEL are one byte; C1 (U+0080 to U+009F) is C2 80 to C2 9F. */
static bool is_control(const unsigned char *at, size_t length)
{
    return length == 1 ? at[0] < 0x20 || at[0] == 0x7F : length == 2 && at[0] == 0xC2 && at[1] < 0xA0;
}

/* Writes the escape of one byte and returns its length. */
static size_t escape(unsigned char byte, char out[5])
{
    const char *name = byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : byte == '\t' ? "\\t" : NULL;
    if (name != NULL) {
        return (size_t)snprintf(out, 5, "%s", name);
    }
    return (size_t)snprintf(out, 5, "\\x%02x", byte);
}

void excerpt_put(char *out, size_t out_bytes, const char *text, size_t bytes, size_t max_bytes)
{
    size_t used = strlen(out);
    for (size_t i = 0; i < bytes && i < max_bytes;) {
        size_t length = utf8_length(text + i, bytes - i);
        const char *piece = text + i;
        size_t piece_bytes = length;
        char escaped[5];
        if (length == 0 || is_control((const unsigned char *)piece, length)) {
            length = 1;
            piece_bytes = escape((unsigned char)text[i], escaped);
            piece = escaped;
            /* The second byte of a C1 control is not UTF-8 by itself, so the next turn escapes it as well. */
        }
        if (i + length > max_bytes || used + piece_bytes + 1 > out_bytes) {
            break;
        }
        memcpy(out + used, piece, piece_bytes);
        used += piece_bytes;
        i += length;
    }
    out[used] = '\0';
}

static void put_word(char *out, size_t out_bytes, const char *word)
{
    excerpt_put(out, out_bytes, word, strlen(word), strlen(word));
}

void excerpt_put_url(char *out, size_t out_bytes, const char *url)
{
    size_t bytes = strcspn(url, "?#");
    /* libcurl takes any number of slashes after the scheme, so a password may stand behind one or three. */
    size_t host = strcspn(url, ":/\\?#@");
    if (url[host] == ':') {
        host++;
        host += strspn(url + host, "/\\");
    } else { /* a Location may leave the scheme out */
        host = strspn(url, "/\\");
        host = host >= 2 ? host : 0;
    }
    size_t end = host + strcspn(url + host, "/\\?#");
    size_t from = host;
    for (size_t i = host; i < end; i++) {
        if (url[i] == '@') {
            from = i + 1;
        }
    }
    if (host > 0 && from > host && url[host - 1] == ':') {
        /* `user:password@host`, without a scheme: what looks like one is the user. */
        host = 0;
    }
    size_t room = host < EXCERPT_URL_BYTES ? EXCERPT_URL_BYTES - host : 0;
    excerpt_put(out, out_bytes, url, host, EXCERPT_URL_BYTES);
    excerpt_put(out, out_bytes, url + from, bytes - from, room);
    if (bytes - from > room) {
        put_word(out, out_bytes, "...");
    }
}
