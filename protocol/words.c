#include "protocol/http_plan.h"

#include <string.h>

bool rxp_words_has(const struct rxp_words *words, const char *word)
{
    for (size_t i = 0; i < words->n; i++) {
        if (strcmp(words->word[i], word) == 0)
            return true;
    }
    return false;
}

bool rxp_codes_has(const struct rxp_codes *codes, int code)
{
    for (size_t i = 0; i < codes->n; i++) {
        if (codes->code[i] == code)
            return true;
    }
    return false;
}
