#include "protocol/plan_value.h"

#include "protocol/comma_list.h"
#include "protocol/decimal.h"
#include "protocol/token.h"

#include <string.h>
#include <strings.h>

#define LOWEST_CODE 200 /* those below announce another answer */
#define METHOD_MAX_BYTES 32
/* Of a comma list: far more than any API has states, and few enough to compare each with each. */
#define LIST_MAX_ITEMS 256
#define FACTOR_LIMIT 1e6

static int count_items(struct plan_source *source, enum plan_key key, size_t *n)
{
    *n = comma_list_count(source->value[key].text);
    if (*n <= LIST_MAX_ITEMS)
        return 0;
    rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA, "%s has %zu items, more than %d", plan_key_name(key), *n,
               LIST_MAX_ITEMS);
    return plan_source_blame(source, key, PLAN_KEYS);
}

int plan_value_words(struct plan_source *source, enum plan_key key, struct rxp_words *out)
{
    const char *list = source->value[key].text;
    const char *item;
    size_t bytes;
    size_t n;

    if (count_items(source, key, &n) < 0)
        return -1;
    const char **word = arena_take(&source->arena, n * sizeof(*word));
    for (size_t i = 0; word != NULL && comma_list_next(&list, &item, &bytes); i++) {
        word[i] = arena_copy(&source->arena, item, bytes);
        if (word[i] == NULL)
            word = NULL;
    }
    if (word == NULL)
        return plan_source_no_memory(source);
    *out = (struct rxp_words){.word = word, .n = n};
    return 0;
}

static int refuse_code(struct plan_source *source, enum plan_key key, const char *item, size_t bytes)
{
    rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA, "%s has '%s', which is no HTTP status code from %d to 599",
               plan_key_name(key), rxp_show(item, bytes).text, LOWEST_CODE);
    return plan_source_blame(source, key, PLAN_KEYS);
}

int plan_value_codes(struct plan_source *source, enum plan_key key, struct rxp_codes *out)
{
    const char *list = source->value[key].text;
    const char *item;
    size_t bytes;
    size_t n;

    if (count_items(source, key, &n) < 0)
        return -1;
    int *code = arena_take(&source->arena, n * sizeof(*code));
    if (code == NULL)
        return plan_source_no_memory(source);
    for (size_t i = 0; comma_list_next(&list, &item, &bytes); i++) {
        code[i] = 0;
        for (size_t digit = 0; bytes == 3 && digit < 3; digit++)
            code[i] = item[digit] >= '0' && item[digit] <= '9' ? code[i] * 10 + (item[digit] - '0') : -1000;
        if (code[i] < LOWEST_CODE || code[i] > 599)
            return refuse_code(source, key, item, bytes);
    }
    *out = (struct rxp_codes){.code = code, .n = n};
    return 0;
}

int plan_value_seconds(struct plan_source *source, enum plan_key key, int64_t *out_ms)
{
    const char *text = source->value[key].text;
    struct decimal number;

    /* Beyond 308 powers of ten most readers would see infinity. */
    if (!decimal_parse(text, strlen(text), &number) || number.negative || number.magnitude > 308)
        return plan_source_refuse(source, key, "is no decimal number of seconds, 0 or more");
    *out_ms = decimal_to_ms(&number, RXP_MAX_MS);
    return 0;
}

int plan_value_count(struct plan_source *source, enum plan_key key, int limit, int *out)
{
    const char *text = source->value[key].text;
    struct decimal number;
    int64_t held;

    if (text[strspn(text, "0123456789")] != '\0' || !decimal_parse(text, strlen(text), &number))
        return plan_source_refuse(source, key, "is no whole number, 0 or more");
    *out = decimal_to_int(&number, 0, limit, &held) ? (int)held : limit;
    return 0;
}

int plan_value_factor(struct plan_source *source, enum plan_key key, double *out)
{
    const char *text = source->value[key].text;
    struct decimal number;

    if (!decimal_parse(text, strlen(text), &number) || number.negative || number.zero || number.magnitude < 0 ||
        number.magnitude > 308)
        return plan_source_refuse(source, key, "is no decimal number, 1 or more");
    if (number.magnitude >= 6) {
        *out = FACTOR_LIMIT;
        return 0;
    }
    double factor = (double)number.digits;
    for (int64_t i = number.exponent; i > 0; i--)
        factor *= 10;
    double divisor = 1;
    for (int64_t i = number.exponent; i < 0; i++)
        divisor *= 10;
    *out = factor / divisor;
    return 0;
}

int plan_value_method(struct plan_source *source, enum plan_key key, const char *otherwise, const char **out)
{
    const char *method = source->value[key].text;

    *out = otherwise;
    if (method == NULL)
        return 0;
    if (!token_is(method, METHOD_MAX_BYTES))
        return plan_source_refuse(source, key, "is no HTTP method");
    /* It asks for a tunnel, not for the URL. */
    if (strcasecmp(method, "CONNECT") == 0)
        return plan_source_refuse(source, key, "is answered by proxies alone: use POST, PUT, PATCH or GET");
    char *upper = arena_copy(&source->arena, method, strlen(method));
    if (upper == NULL)
        return plan_source_no_memory(source);
    for (char *at = upper; *at != '\0'; at++) {
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    }
    *out = upper;
    return 0;
}
