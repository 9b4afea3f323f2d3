#include "protocol/refusal.h"

#include "protocol/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_LISTED 8
#define ELLIPSIS "\xE2\x80\xA6"

int rxp_refuse(struct rxp_refusal *why, enum rxp_error error, const char *format, ...)
{
    va_list arguments;

    why->error = error;
    va_start(arguments, format);
    int n = vsnprintf(why->text, sizeof(why->text), format, arguments);
    va_end(arguments);
    if (n < 0)
        why->text[0] = '\0';
    if (n >= (int)sizeof(why->text)) {
        /* The cut may have gone through a character. */
        size_t good = 0;
        size_t length;
        while ((length = utf8_length(why->text + good, sizeof(why->text) - 1 - good)) > 0)
            good += length;
        why->text[good] = '\0';
    }
    return -1;
}

int rxp_refuse_unknown(struct rxp_refusal *why, enum rxp_error error, const char *what, const char *word,
                       const char *const *words, size_t n)
{
    struct rxp_shown shown = rxp_show(word, strlen(word));
    const char *nearest = rxp_nearest(word, words, n);

    if (nearest != NULL)
        return rxp_refuse(why, error, "unknown %s '%s': did you mean '%s'?", what, shown.text, nearest);
    rxp_refuse(why, error, "unknown %s '%s'%s", what, shown.text, n > 0 && n <= MAX_LISTED ? "; known are " : "");
    for (size_t i = 0; i < n && n <= MAX_LISTED; i++) {
        size_t bytes = strlen(why->text);
        snprintf(why->text + bytes, sizeof(why->text) - bytes, "%s%s", i == 0 ? "" : ", ", words[i]);
    }
    return -1;
}

struct rxp_shown rxp_show(const char *text, size_t bytes)
{
    struct rxp_shown shown;
    const size_t room = sizeof(shown.text) - sizeof(ELLIPSIS); /* the ellipsis and the NUL always fit */
    size_t n = 0;

    for (size_t i = 0; i < bytes;) {
        size_t length = utf8_length(text + i, bytes - i);
        unsigned char c = (unsigned char)text[i];
        bool is_c1 = length == 2 && c == 0xC2 && (unsigned char)text[i + 1] < 0xA0; /* its second byte alone is no UTF-8 */
        bool escape = length == 0 || c < 0x20 || c == 0x7F || is_c1;
        if (n + (escape ? 4 : length) > room) {
            memcpy(shown.text + n, ELLIPSIS, sizeof(ELLIPSIS));
            return shown;
        }
        if (escape) {
            snprintf(shown.text + n, 5, "\\x%02x", c);
            n += 4;
            i++;
        } else {
            memcpy(shown.text + n, text + i, length);
            n += length;
            i += length;
        }
    }
    shown.text[n] = '\0';
    return shown;
}
