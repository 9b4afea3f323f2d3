#include "protocol/json.h"

#include "protocol/json_string.h"
#include "protocol/utf8.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What may stand next. One loop and a stack of container kinds instead of recursion: depth costs a byte.
 *
 *            ┌── ',' in an array ────────┐
 *            v                           │
 *   EXPECT_VALUE ──scalar, or closed──> EXPECT_MORE ──end of text──> accepted
 *            ^                           │
 *            │ ':'                       │ ',' in an object
 *   EXPECT_COLON <──string── EXPECT_KEY <┘
 *
 * '[' leads to EXPECT_FIRST_VALUE and '{' to EXPECT_FIRST_KEY, where the container may close at once. */
enum expect { EXPECT_VALUE, EXPECT_FIRST_VALUE, EXPECT_KEY, EXPECT_FIRST_KEY, EXPECT_COLON, EXPECT_MORE };

struct key {
    uint64_t hash;
    struct json_slice string;
};

#define FEW_KEYS 24

/* The keys of all objects that are open, the innermost object's last. */
struct key_stack {
    struct key few[FEW_KEYS];
    struct key *key; /* few, or allocated */
    size_t n;
    size_t room;
    size_t base[JSON_MAX_DEPTH];
};

struct scan {
    const char *text;
    const char *at;
    const char *end;
    enum expect expect;
    size_t depth;
    char open[JSON_MAX_DEPTH]; /* '{' or '[' */
    struct key_stack *keys;    /* NULL: duplicates are allowed */
    struct json_fault *fault;
};

static int fail(struct scan *scan, const char *at, const char *what)
{
    scan->fault->what = what;
    scan->fault->at_byte = (size_t)(at - scan->text);
    return -1;
}

static int fail_unexpected(struct scan *scan, const char *what)
{
    return fail(scan, scan->at, scan->at == scan->end ? "the text ends too early" : what);
}

/* NUL at the end: no token begins with it. */
static char peek(const struct scan *scan)
{
    if (scan->at == scan->end)
        return '\0';
    return *scan->at;
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
        scan->at++;
}

/* At the backslash. Leaves scan->at behind the escape. */
static int scan_escape(struct scan *scan)
{
    const char *begin = scan->at++;

    if (scan->at == scan->end)
        return fail_unexpected(scan, "");
    char c = *scan->at++;
    if (c != 'u') {
        if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
            return fail(scan, begin, "an unknown escape in a string");
        return 0;
    }
    int unit = scan->end - scan->at < 4 ? -1 : json_hex4(scan->at);
    if (unit < 0)
        return fail(scan, begin, "\\u without four hexadecimal digits");
    if (unit == 0)
        return fail(scan, begin, "a string with \\u0000");
    scan->at += 4;
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return fail(scan, begin, "half a surrogate pair in a string");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        if (scan->end - scan->at < 6 || scan->at[0] != '\\' || scan->at[1] != 'u')
            return fail(scan, begin, "half a surrogate pair in a string");
        int low = json_hex4(scan->at + 2);
        if (low < 0xDC00 || low > 0xDFFF)
            return fail(scan, begin, "half a surrogate pair in a string");
        scan->at += 6;
    }
    return 0;
}

/* At the opening quote. Leaves scan->at behind the closing one. */
static int scan_string(struct scan *scan)
{
    scan->at++;
    for (;;) {
        scan->at += json_string_run(scan->at, scan->end);
        if (scan->at == scan->end)
            return fail_unexpected(scan, "");
        unsigned char c = (unsigned char)*scan->at;
        if (c == '"') {
            scan->at++;
            return 0;
        }
        if (c == '\\') {
            if (scan_escape(scan) < 0)
                return -1;
        } else if (c < 0x20) {
            return fail(scan, scan->at, "a raw control character in a string");
        } else if (c < 0x80) {
            scan->at++;
        } else {
            size_t length = utf8_length(scan->at, (size_t)(scan->end - scan->at));
            if (length == 0)
                return fail(scan, scan->at, "bytes that are not UTF-8");
            scan->at += length;
        }
    }
}

static size_t scan_digits(struct scan *scan)
{
    const char *begin = scan->at;

    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return (size_t)(scan->at - begin);
}

static int scan_number(struct scan *scan)
{
    const char *begin = scan->at;

    if (*scan->at == '-')
        scan->at++;
    bool leading_zero = scan->at < scan->end && *scan->at == '0';
    size_t digits = scan_digits(scan);
    if (digits == 0)
        return fail(scan, begin, "a number without digits");
    if (leading_zero && digits > 1)
        return fail(scan, begin, "a number with a leading zero");
    if (scan->at < scan->end && *scan->at == '.') {
        scan->at++;
        if (scan_digits(scan) == 0)
            return fail(scan, begin, "a number without digits after the point");
    }
    if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
        scan->at++;
        if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
            scan->at++;
        if (scan_digits(scan) == 0)
            return fail(scan, begin, "a number without digits in its exponent");
    }
    return 0;
}

static int scan_literal(struct scan *scan, const char *word)
{
    size_t bytes = strlen(word);

    if ((size_t)(scan->end - scan->at) < bytes || memcmp(scan->at, word, bytes) != 0)
        return fail(scan, scan->at, "a word that is not true, false or null");
    scan->at += bytes;
    return 0;
}

static int order_keys(const void *a, const void *b)
{
    const struct key *left = a;
    const struct key *right = b;

    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    int order = json_string_compare(left->string, right->string);
    if (order != 0)
        return order;
    return left->string.at < right->string.at ? -1 : 1;
}

static bool keys_equal(const struct key *a, const struct key *b)
{
    return a->hash == b->hash && json_string_compare(a->string, b->string) == 0;
}

/* The second one of two equal keys in key[0..n), or NULL. */
static const struct key *find_duplicate(struct key *key, size_t n)
{
    if (n <= FEW_KEYS) {
        for (size_t i = 1; i < n; i++) {
            for (size_t j = 0; j < i; j++) {
                if (keys_equal(&key[i], &key[j]))
                    return &key[i];
            }
        }
        return NULL;
    }
    qsort(key, n, sizeof(*key), order_keys);
    for (size_t i = 1; i < n; i++) {
        if (keys_equal(&key[i], &key[i - 1]))
            return &key[i];
    }
    return NULL;
}

static int push_key(struct scan *scan, struct json_slice string)
{
    struct key_stack *keys = scan->keys;

    if (keys->n == keys->room) {
        size_t room = keys->room * 2;
        struct key *more = realloc(keys->key == keys->few ? NULL : keys->key, room * sizeof(*more));
        scan->fault->lacks_memory = more == NULL;
        if (more == NULL)
            return fail(scan, string.at, "more keys than there is memory to tell apart");
        if (keys->key == keys->few)
            memcpy(more, keys->few, sizeof(keys->few));
        keys->key = more;
        keys->room = room;
    }
    keys->key[keys->n++] = (struct key){.hash = json_string_hash(string), .string = string};
    return 0;
}

static int open_container(struct scan *scan)
{
    if (scan->depth == JSON_MAX_DEPTH)
        return fail(scan, scan->at, "nesting deeper than 64 levels");
    if (scan->keys != NULL)
        scan->keys->base[scan->depth] = scan->keys->n;
    scan->open[scan->depth++] = *scan->at;
    scan->expect = *scan->at == '{' ? EXPECT_FIRST_KEY : EXPECT_FIRST_VALUE;
    scan->at++;
    return 0;
}

static int close_container(struct scan *scan)
{
    scan->at++;
    scan->depth--;
    scan->expect = EXPECT_MORE;
    if (scan->keys != NULL) {
        size_t base = scan->keys->base[scan->depth];
        const struct key *twice = find_duplicate(scan->keys->key + base, scan->keys->n - base);
        scan->keys->n = base;
        if (twice != NULL) {
            scan->fault->key = twice->string;
            return fail(scan, twice->string.at, "a key that occurs twice in its object");
        }
    }
    return 0;
}

static int scan_value(struct scan *scan)
{
    char c = peek(scan);

    if (c == '{' || c == '[')
        return open_container(scan);
    if (c == ']' && scan->expect == EXPECT_FIRST_VALUE)
        return close_container(scan);
    scan->expect = EXPECT_MORE;
    if (c == '"')
        return scan_string(scan);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(scan);
    if (c == 't')
        return scan_literal(scan, "true");
    if (c == 'f')
        return scan_literal(scan, "false");
    if (c == 'n')
        return scan_literal(scan, "null");
    return fail_unexpected(scan, "no value where one is due");
}

static int scan_key(struct scan *scan)
{
    const char *begin = scan->at;

    if (begin < scan->end && *begin == '}' && scan->expect == EXPECT_FIRST_KEY)
        return close_container(scan);
    if (begin == scan->end || *begin != '"')
        return fail_unexpected(scan, "no quoted key where one is due");
    if (scan_string(scan) < 0)
        return -1;
    scan->expect = EXPECT_COLON;
    if (scan->keys == NULL)
        return 0;
    return push_key(scan, (struct json_slice){.at = begin, .bytes = (size_t)(scan->at - begin)});
}

static int scan_more(struct scan *scan)
{
    char c = peek(scan);
    bool object = scan->open[scan->depth - 1] == '{';

    if (c == (object ? '}' : ']'))
        return close_container(scan);
    if (c != ',')
        return fail_unexpected(scan, object ? "no ',' or '}' after a value" : "no ',' or ']' after a value");
    scan->at++;
    scan->expect = object ? EXPECT_KEY : EXPECT_VALUE;
    return 0;
}

static int scan_step(struct scan *scan)
{
    switch (scan->expect) {
    case EXPECT_VALUE:
    case EXPECT_FIRST_VALUE:
        return scan_value(scan);
    case EXPECT_KEY:
    case EXPECT_FIRST_KEY:
        return scan_key(scan);
    case EXPECT_COLON:
        if (scan->at == scan->end || *scan->at != ':')
            return fail_unexpected(scan, "no ':' after a key");
        scan->at++;
        scan->expect = EXPECT_VALUE;
        return 0;
    case EXPECT_MORE:
        return scan_more(scan);
    }
    return -1;
}

static int scan_document(struct scan *scan)
{
    if (scan->end - scan->at >= 3 && memcmp(scan->at, "\xEF\xBB\xBF", 3) == 0)
        return fail(scan, scan->at, "a byte order mark before the document");
    skip_space(scan);
    if (scan->at == scan->end)
        return fail(scan, scan->at, "no document at all");
    do {
        if (scan_step(scan) < 0)
            return -1;
        skip_space(scan);
    } while (scan->depth > 0 || scan->expect != EXPECT_MORE);
    if (scan->at != scan->end)
        return fail(scan, scan->at, "bytes after the document");
    return 0;
}

int json_check(const char *text, size_t bytes, enum json_keys unique, struct json_fault *fault)
{
    struct scan scan;
    struct key_stack keys;

    assert(fault != NULL && (text != NULL || bytes == 0));
    if (bytes == 0)
        text = "";
    scan.text = scan.at = text;
    scan.end = text + bytes;
    scan.expect = EXPECT_VALUE;
    scan.depth = 0;
    scan.fault = fault;
    scan.keys = NULL;
    *fault = (struct json_fault){.what = NULL};
    keys.key = keys.few;
    keys.n = 0;
    keys.room = FEW_KEYS;
    if (unique == JSON_KEYS_UNIQUE)
        scan.keys = &keys;

    int status = scan_document(&scan);
    if (keys.key != keys.few)
        free(keys.key);
    return status;
}
