#include "protocol/contract.h"

#include "protocol/decimal.h"
#include "protocol/json_string.h"
#include "protocol/result.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *type_name(enum json_type type)
{
    switch (type) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return "a boolean";
    case JSON_NUMBER:
        return "a number";
    case JSON_STRING:
        return "a string";
    case JSON_ARRAY:
        return "an array";
    case JSON_OBJECT:
        return "an object";
    }
    return "a value";
}

static const char *type_of(struct json_slice value)
{
    return type_name(json_type_of(value));
}

/* A value in a sentence: a string without its quotes, anything else as its JSON text. */
static struct rxp_shown show(struct json_slice value)
{
    if (json_type_of(value) == JSON_STRING && value.bytes >= 2)
        return rxp_show(value.at + 1, value.bytes - 2);
    return rxp_show(value.at, value.bytes);
}

bool contract_take_word(struct json_slice string, char word[CONTRACT_WORD_ROOM])
{
    if (json_type_of(string) != JSON_STRING || string.bytes > CONTRACT_WORD_ROOM)
        return false;
    json_string_decode(string, word);
    return true;
}

/* Again without regard for duplicates, to tell a text that only repeats a key from one that is not JSON. */
static int open_again(const char *text, size_t bytes, struct json_slice *document)
{
    struct json_fault fault;

    if (json_check(text, bytes, JSON_KEYS_ANY, &fault) < 0)
        return -1;
    struct json_slice value = json_document(text, bytes);
    if (json_type_of(value) == JSON_OBJECT)
        *document = value;
    return -1;
}

int contract_open(const struct contract *contract, const char *text, size_t bytes, struct json_slice *document,
                  struct rxp_refusal *why)
{
    struct json_fault fault;

    *document = (struct json_slice){.at = "", .bytes = 0};
    if (json_check(text, bytes, JSON_KEYS_UNIQUE, &fault) < 0) {
        if (fault.lacks_memory)
            return rxp_refuse(why, RXP_OK, "no memory to tell the keys of %s apart", contract->name);
        if (fault.key.bytes == 0)
            return rxp_refuse(why, RXP_ERROR_INVALID_JSON, "not valid JSON: %s, at byte %zu", fault.what,
                              fault.at_byte);
        rxp_refuse(why, RXP_ERROR_INVALID_JSON,
                   "the key '%s' occurs twice in its object (again at byte %zu): readers could differ on what it says",
                   show(fault.key).text, fault.at_byte);
        return open_again(text, bytes, document);
    }
    struct json_slice value = json_document(text, bytes);
    if (json_type_of(value) != JSON_OBJECT)
        return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "%s is a JSON object, not %s", contract->name,
                          type_of(value));
    *document = value;
    return 0;
}

static int refuse_unknown_field(const struct contract *contract, struct json_slice key, struct rxp_refusal *why)
{
    const char *names[CONTRACT_MAX_FIELDS];
    char word[CONTRACT_WORD_ROOM];

    if (!contract_take_word(key, word))
        return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "unknown field '%s'", show(key).text);
    for (size_t i = 0; i < contract->n; i++)
        names[i] = contract->field[i].name;
    return rxp_refuse_unknown(why, RXP_ERROR_INVALID_INVOCATION, "field", word, names, contract->n);
}

/* Looked for from `next` on, since most write the fields in the contract's order. contract->n: there is none. */
static size_t find_field(const struct contract *contract, struct json_slice key, size_t next)
{
    for (size_t tried = 0; tried < contract->n; tried++) {
        size_t i = next + tried < contract->n ? next + tried : next + tried - contract->n;
        if (json_string_is(key, contract->field[i].name, strlen(contract->field[i].name)))
            return i;
    }
    return contract->n;
}

/* Fills slot[] and finds unknown fields. */
static int collect(const struct contract *contract, struct json_slice document, struct contract_slot *slot,
                   struct rxp_refusal *why)
{
    bool twice[CONTRACT_MAX_FIELDS] = {false};
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;
    size_t next = 0;
    int status = 0;

    while (json_next(document, &cursor, &key, &value)) {
        size_t i = find_field(contract, key, next);
        if (i == contract->n) {
            if (status == 0)
                status = refuse_unknown_field(contract, key, why);
            continue;
        }
        twice[i] = twice[i] || slot[i].value.bytes > 0;
        slot[i].value = value;
        next = i + 1;
    }
    for (size_t i = 0; i < contract->n; i++) {
        if (twice[i])
            slot[i].value.bytes = 0;
    }
    return status;
}

static int refuse_type(const struct contract_field *field, struct json_slice value, const char *want,
                       struct rxp_refusal *why)
{
    return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "field '%s' must be %s, not %s", field->name, want,
                      type_of(value));
}

static int refuse_value(const struct contract_field *field, struct json_slice value, const char *want,
                        struct rxp_refusal *why)
{
    return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "field '%s' must be %s, not %s", field->name, want,
                      show(value).text);
}

/* The vocabulary of RXP_KIND_* and RXP_STATUS_*. */
static int check_vocabulary(const struct contract_field *field, struct json_slice value, struct rxp_refusal *why)
{
    const char *words[8];
    size_t n = 0;
    char word[CONTRACT_WORD_ROOM];
    bool known = false;

    if (json_type_of(value) != JSON_STRING)
        return refuse_type(field, value, "a string", why);
    if (field->rule == CONTRACT_KIND) {
        for (int kind = RXP_KIND_SUBPROCESS; kind <= (int)RXP_KIND_UNKNOWN; kind++)
            words[n++] = rxp_kind_name((enum rxp_kind)kind);
    } else {
        for (int status = RXP_STATUS_PENDING; status <= (int)RXP_STATUS_REJECTED; status++)
            words[n++] = rxp_status_name((enum rxp_status)status);
    }
    for (size_t i = 0; i < n; i++)
        known = known || json_string_is(value, words[i], strlen(words[i]));
    if (known)
        return 0;
    if (contract_take_word(value, word))
        return rxp_refuse_unknown(why, RXP_ERROR_INVALID_INVOCATION, field->name, word, words, n);
    return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "unknown %s '%s'", field->name, show(value).text);
}

static int check_texts(const struct contract_field *field, struct contract_slot *slot, struct rxp_refusal *why)
{
    struct json_slice key;
    struct json_slice item;
    size_t cursor = 0;

    if (json_type_of(slot->value) != JSON_ARRAY)
        return refuse_type(field, slot->value, "an array of strings", why);
    while (json_next(slot->value, &cursor, &key, &item)) {
        slot->n++;
        slot->text_bytes += item.bytes; /* the quotes leave room for the NUL */
        if (json_type_of(item) != JSON_STRING)
            return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "item %zu of field '%s' must be a string, not %s",
                              slot->n, field->name, type_of(item));
    }
    if (slot->n == 0)
        return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "field '%s' must hold at least one string",
                          field->name);
    return 0;
}

/* Reads on behind the first fault: the strings are counted all the same. */
static int check_pairs(const struct contract_field *field, struct contract_slot *slot, struct rxp_refusal *why)
{
    struct json_slice key;
    struct json_slice item;
    size_t cursor = 0;
    int status = 0;

    if (json_type_of(slot->value) != JSON_OBJECT)
        return refuse_type(field, slot->value, "an object of strings", why);
    while (json_next(slot->value, &cursor, &key, &item)) {
        if (json_type_of(item) == JSON_STRING) {
            slot->n++;
            slot->text_bytes += key.bytes + item.bytes;
        } else if (status == 0) {
            status = rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "'%s' in field '%s' must be a string, not %s",
                                show(key).text, field->name, type_of(item));
        }
    }
    return status;
}

static int check_number(const struct contract_field *field, struct json_slice value, struct rxp_refusal *why)
{
    bool seconds = field->rule == CONTRACT_SECONDS;
    const char *want = seconds ? "an integer above 0, or null" : "an integer, or null";
    struct decimal number;
    int64_t held;

    if (json_type_of(value) == JSON_NULL)
        return 0;
    if (json_type_of(value) != JSON_NUMBER || !decimal_parse(value.at, value.bytes, &number))
        return refuse_type(field, value, want, why);
    if (!number.integer || (seconds && (number.negative || number.zero)) ||
        (!seconds && !decimal_to_int(&number, INT_MIN, INT_MAX, &held)))
        return refuse_value(field, value, want, why);
    return 0;
}

static int check_stamp(const struct contract_field *field, struct json_slice value, struct rxp_refusal *why)
{
    const char *want = "a time in UTC such as 2026-01-31T23:59:59.000Z";
    char word[CONTRACT_WORD_ROOM];
    int64_t unix_ms;

    if (json_type_of(value) != JSON_STRING)
        return refuse_type(field, value, want, why);
    if (!contract_take_word(value, word) || !rxp_stamp_parse(word, &unix_ms))
        return refuse_value(field, value, want, why);
    return 0;
}

static int check_text(const struct contract_field *field, struct json_slice value, struct rxp_refusal *why)
{
    bool null = json_type_of(value) == JSON_NULL;

    if (field->rule == CONTRACT_TEXT_OR_NULL && null)
        return 0;
    if (json_type_of(value) != JSON_STRING)
        return refuse_type(field, value, field->rule == CONTRACT_TEXT_OR_NULL ? "a string or null" : "a string", why);
    if (field->rule == CONTRACT_TEXT && value.bytes == 2)
        return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "field '%s' must not be empty", field->name);
    if (field->rule == CONTRACT_WORD && !json_string_is(value, field->word, strlen(field->word)))
        return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "field '%s' must be '%s', not '%s'", field->name,
                          field->word, show(value).text);
    return 0;
}

static int check_nothing(const struct contract_field *field, struct json_slice value, struct rxp_refusal *why)
{
    struct json_slice key;
    struct json_slice item;
    size_t cursor = 0;

    if (field->rule == CONTRACT_NULL)
        return json_type_of(value) == JSON_NULL ? 0 : refuse_type(field, value, "null", why);
    if (json_type_of(value) != JSON_ARRAY || json_next(value, &cursor, &key, &item))
        return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "field '%s' must be an empty array", field->name);
    return 0;
}

static int check_field(const struct contract_field *field, struct contract_slot *slot, struct rxp_refusal *why)
{
    switch (field->rule) {
    case CONTRACT_WORD:
    case CONTRACT_TEXT:
    case CONTRACT_TEXT_OR_NULL:
        return check_text(field, slot->value, why);
    case CONTRACT_TEXTS:
        return check_texts(field, slot, why);
    case CONTRACT_PAIRS:
        return check_pairs(field, slot, why);
    case CONTRACT_KIND:
    case CONTRACT_STATUS:
        return check_vocabulary(field, slot->value, why);
    case CONTRACT_SECONDS:
    case CONTRACT_INT_OR_NULL:
        return check_number(field, slot->value, why);
    case CONTRACT_STAMP:
        return check_stamp(field, slot->value, why);
    case CONTRACT_NULL:
    case CONTRACT_EMPTY_ARRAY:
        return check_nothing(field, slot->value, why);
    }
    return -1;
}

int contract_read(const struct contract *contract, struct json_slice document, struct contract_slot *slot,
                  struct rxp_refusal *why)
{
    static const struct contract_slot empty = {.value = {.at = "", .bytes = 0}};
    struct rxp_refusal later; /* which nobody reads */

    later.error = RXP_OK;
    assert(contract->n <= CONTRACT_MAX_FIELDS);
    for (size_t i = 0; i < contract->n; i++)
        slot[i] = empty;
    int status = collect(contract, document, slot, why);
    for (size_t i = 0; i < contract->n; i++) {
        const struct contract_field *field = &contract->field[i];
        struct rxp_refusal *to = status == 0 ? why : &later; /* the first fault is the one that is told */
        if (slot[i].value.bytes == 0) {
            if (field->required)
                status = rxp_refuse(to, RXP_ERROR_INVALID_INVOCATION, "missing field '%s'", field->name);
        } else if (check_field(field, &slot[i], to) < 0) {
            status = -1;
            /* Of the pairs the strings can still be told. */
            if (field->rule != CONTRACT_PAIRS || json_type_of(slot[i].value) != JSON_OBJECT)
                slot[i] = empty;
        }
    }
    return status;
}

static const char *take(struct json_slice string, char **text)
{
    char *at = *text;

    *text += json_string_decode(string, at) + 1;
    return at;
}

const char *contract_take_text(const struct contract_slot *slot, char **text)
{
    return json_type_of(slot->value) == JSON_STRING ? take(slot->value, text) : NULL;
}

void contract_take_texts(const struct contract_slot *slot, const char **out, char **text)
{
    struct json_slice key;
    struct json_slice item;
    size_t cursor = 0;

    while (json_next(slot->value, &cursor, &key, &item)) {
        if (json_type_of(item) == JSON_STRING)
            *out++ = take(item, text);
    }
}

void contract_take_pairs(const struct contract_slot *slot, struct rxp_pair *out, char **text)
{
    struct json_slice key;
    struct json_slice item;
    size_t cursor = 0;

    while (json_next(slot->value, &cursor, &key, &item)) {
        if (json_type_of(item) == JSON_STRING) {
            out->key = take(key, text);
            out->value = take(item, text);
            out++;
        }
    }
}

void contract_put_pairs(struct json_writer *writer, const struct rxp_pair *pair, size_t n)
{
    json_put_char(writer, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            json_put_char(writer, ',');
        json_put_string(writer, pair[i].key);
        json_put_char(writer, ':');
        json_put_string(writer, pair[i].value);
    }
    json_put_char(writer, '}');
}
