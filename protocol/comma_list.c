#include "protocol/comma_list.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool comma_list_next(const char **list, const char **item, size_t *bytes)
{
    while (**list != '\0') {
        const char *begin = *list;
        const char *end = begin + strcspn(begin, ",");
        *list = *end == ',' ? end + 1 : end;
        while (begin < end && is_space(*begin))
            begin++;
        while (end > begin && is_space(end[-1]))
            end--;
        if (end > begin) {
            *item = begin;
            *bytes = (size_t)(end - begin);
            return true;
        }
    }
    return false;
}

size_t comma_list_count(const char *list)
{
    const char *item;
    size_t bytes;
    size_t n = 0;

    while (comma_list_next(&list, &item, &bytes))
        n++;
    return n;
}
