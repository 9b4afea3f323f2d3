#include "protocol/token.h"

#include <string.h>

bool token_is(const char *text, size_t max_bytes)
{
    size_t bytes = strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return bytes > 0 && bytes <= max_bytes && text[bytes] == '\0';
}
