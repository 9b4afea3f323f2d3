#include "fuzz/fuzz.h"

#include "protocol/utf8.h"

#include <string.h>

#define DIVIDER "\n--\n"

struct fuzz_part fuzz_next(struct fuzz_part *rest)
{
    struct fuzz_part part = *rest;
    const char *divider = part.bytes > 0 ? memmem(part.at, part.bytes, DIVIDER, strlen(DIVIDER)) : NULL;
    if (divider == NULL) {
        *rest = (struct fuzz_part){part.at + part.bytes, 0};
        /* Editors end a file with a line feed. */
        if (part.bytes > 0 && part.at[part.bytes - 1] == '\n')
            part.bytes--;
        return part;
    }
    part.bytes = (size_t)(divider - part.at);
    size_t taken = part.bytes + strlen(DIVIDER);
    *rest = (struct fuzz_part){rest->at + taken, rest->bytes - taken};
    return part;
}

char *fuzz_bytes(struct fuzz_part part)
{
    char *copy = malloc(part.bytes > 0 ? part.bytes : 1);
    must(copy != NULL);
    if (part.bytes > 0)
        memcpy(copy, part.at, part.bytes);
    return copy;
}

char *fuzz_text(struct fuzz_part part)
{
    size_t bytes = part.bytes > 0 ? strnlen(part.at, part.bytes) : 0;
    char *copy = malloc(bytes + 1);
    must(copy != NULL);
    if (bytes > 0)
        memcpy(copy, part.at, bytes);
    copy[bytes] = '\0';
    return copy;
}

int fuzz_number(struct fuzz_part part)
{
    int number = 0;
    for (size_t i = 0; i < part.bytes && part.at[i] >= '0' && part.at[i] <= '9' && number < 1000000; i++)
        number = number * 10 + (part.at[i] - '0');
    return number < 1000000 ? number : 1000000;
}

static bool is_sentence(const char *text)
{
    size_t room = strlen(text);
    bool is_fit = room > 0;
    for (size_t i = 0, n; i < room && is_fit; i += n) {
        const unsigned char *at = (const unsigned char *)text + i;
        n = utf8_length(text + i, room - i);
        is_fit = n > 0 && *at >= ' ' && *at != 0x7f && !(*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0 /* C1 */);
    }
    return is_fit;
}

void must_be_sentence(const char *text)
{
    if (!is_sentence(text))
        fprintf(stderr, "no sentence: '%s'\n", text);
    must(is_sentence(text));
}

bool fuzz_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}
