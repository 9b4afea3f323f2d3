#include "protocol/json_string.h"
#include "protocol/json_writer.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static bool stands_for_itself(unsigned c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

/* Of every length and at every place, so at each of a word's eight and behind the last whole word. */
START_TEST(a_run_ends_at_each_byte_that_needs_a_look)
{
    for (size_t bytes = 0; bytes <= 26; bytes++) {
        char *text = malloc(bytes + 1); /* what is behind the end is not its business */
        memset(text, 'a', bytes);
        text[bytes] = 'a';
        ck_assert_uint_eq(json_string_run(text, text + bytes), bytes);
        for (size_t at = 0; at < bytes; at++) {
            for (unsigned c = 0; c < 256; c++) {
                text[at] = (char)c;
                ck_assert_uint_eq(json_string_run(text, text + bytes), stands_for_itself(c) ? bytes : at);
            }
            text[at] = 'a';
        }
        free(text);
    }
}
END_TEST

/* The arithmetic of a word may be wrong about what stands behind a stop, never about the stop, nor before it. */
START_TEST(a_run_ends_at_the_first_of_two)
{
    static const char neighbours[] = {0, 1, 0x1F, 0x20, 0x21, '"', '#', '\\', ']', 0x7E, 0x7F, (char)0x80, (char)0xFF};

    for (size_t at = 0; at + 1 < 16; at++) {
        for (size_t i = 0; i < sizeof(neighbours) * sizeof(neighbours); i++) {
            char text[16];
            memset(text, ' ', sizeof(text));
            text[at] = neighbours[i / sizeof(neighbours)];
            text[at + 1] = neighbours[i % sizeof(neighbours)];
            size_t first = 0;
            while (first < sizeof(text) && stands_for_itself((unsigned char)text[first]))
                first++;
            ck_assert_uint_eq(json_string_run(text, text + sizeof(text)), first);
        }
    }
}
END_TEST

/* text with the byte at `at` written as \u00XX, or as it is where there is none there, in quotes. */
static struct json_slice quoted(char out[128], const char *text, size_t at)
{
    size_t n = 0;

    out[n++] = '"';
    for (size_t i = 0; text[i] != '\0'; i++)
        n += (size_t)sprintf(out + n, i == at ? "\\u%04x" : "%c", text[i]);
    out[n++] = '"';
    return (struct json_slice){.at = out, .bytes = n};
}

START_TEST(a_string_hashes_alike_however_it_is_escaped)
{
    char plain[128];
    char escaped[128];
    char text[41] = "";
    uint64_t seen[41];

    for (size_t bytes = 0; bytes <= 40; bytes++) {
        uint64_t hash = json_string_hash(quoted(plain, text, SIZE_MAX));
        for (size_t at = 0; at < bytes; at++)
            ck_assert(json_string_hash(quoted(escaped, text, at)) == hash);
        seen[bytes] = hash;
        for (size_t other = 0; other < bytes; other++)
            ck_assert(seen[other] != hash);
        if (bytes < 40)
            strcpy(text + bytes, bytes % 3 == 0 ? "a" : "b");
    }
}
END_TEST

START_TEST(each_byte_of_a_string_counts_for_its_hash)
{
    char plain[128];
    char text[] = "http.poll_interval_seconds";
    uint64_t hash = json_string_hash(quoted(plain, text, SIZE_MAX));

    for (size_t at = 0; text[at] != '\0'; at++) {
        text[at]++;
        ck_assert(json_string_hash(quoted(plain, text, SIZE_MAX)) != hash);
        text[at]--;
    }
}
END_TEST

static const struct {
    const char *string;
    const char *word;
    bool same;
} words[] = {
    {"\"\"", "", true},
    {"\"a\"", "", false},
    {"\"\"", "a", false},
    {"\"abc\"", "abc", true},
    {"\"abd\"", "abc", false},
    {"\"abcd\"", "abc", false},
    {"\"ab\"", "abc", false},
    {"\"\\u0061bc\"", "abc", true},
    {"\"ab\\u0063\"", "abc", true},
    {"\"ab\\u0064\"", "abc", false},
    {"\"\\n\"", "\n", true},
    {"\"\\n\"", "n", false},
    {"\"\\n\"", "\\n", false},
    {"\"\\\\n\"", "\\n", true},
    {"\"\\\\n\"", "\\\\n", false},
    {"\"\\u00e4\"", "\xC3\xA4", true},
    {"\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80", true},
    {"\"\\/\"", "/", true},
};

START_TEST(a_string_is_the_word_that_it_decodes_to)
{
    const struct json_slice string = {.at = words[_i].string, .bytes = strlen(words[_i].string)};

    ck_assert_msg(json_string_is(string, words[_i].word, strlen(words[_i].word)) == words[_i].same, "%s %s",
                  words[_i].string, words[_i].word);
}
END_TEST

/* A quote ends its string behind an even number of backslashes, and at no other. */
START_TEST(a_string_ends_where_its_quote_is_not_escaped)
{
    for (size_t pairs = 0; pairs < 12; pairs++) {
        for (size_t quotes = 0; quotes < 4; quotes++) {
            char text[128] = "{\"a\":\"";
            struct json_fault fault;
            struct json_slice value;
            for (size_t i = 0; i < quotes; i++)
                strcat(text, "x\\\"");
            for (size_t i = 0; i < pairs; i++)
                strcat(text, "\\\\");
            strcat(text, "\",\"b\":7}");
            ck_assert_int_eq(json_check(text, strlen(text), JSON_KEYS_UNIQUE, &fault), 0);
            ck_assert(json_find(json_document(text, strlen(text)), "a", &value));
            ck_assert_uint_eq(value.bytes, 2 + 3 * quotes + 2 * pairs);
            ck_assert(json_find(json_document(text, strlen(text)), "b", &value));
            ck_assert(value.bytes == 1 && value.at[0] == '7');
        }
    }
}
END_TEST

/* What is written is what was said, whatever stands where; and one byte that is no UTF-8 is all that changes. */
START_TEST(what_is_written_is_read_as_the_same)
{
    for (size_t bytes = 1; bytes <= 20; bytes++) {
        for (size_t at = 0; at < bytes; at++) {
            for (unsigned c = 1; c < 256; c++) {
                struct json_writer writer;
                struct json_fault fault;
                char text[24];
                char decoded[200];
                memset(text, 'a', bytes);
                text[at] = (char)c;
                text[bytes] = '\0';
                json_writer_init(&writer, at);
                json_put_string(&writer, text);
                size_t written;
                char *json = json_writer_take(&writer, &written);
                ck_assert_int_eq(json_check(json, written, JSON_KEYS_ANY, &fault), 0);
                ck_assert_uint_lt(written, sizeof(decoded));
                size_t n = json_string_decode((struct json_slice){json, written}, decoded);
                const char *mended = c < 0x80 ? &text[at] : "\xEF\xBF\xBD";
                size_t mended_bytes = c < 0x80 ? 1 : 3;
                ck_assert(n == bytes - 1 + mended_bytes && memcmp(decoded, text, at) == 0 &&
                          memcmp(decoded + at, mended, mended_bytes) == 0 &&
                          memcmp(decoded + at + mended_bytes, text + at + 1, bytes - at - 1) == 0);
                free(json);
            }
        }
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("json_string");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, a_run_ends_at_each_byte_that_needs_a_look);
    tcase_add_test(tcase, a_run_ends_at_the_first_of_two);
    tcase_add_test(tcase, a_string_hashes_alike_however_it_is_escaped);
    tcase_add_test(tcase, each_byte_of_a_string_counts_for_its_hash);
    tcase_add_loop_test(tcase, a_string_is_the_word_that_it_decodes_to, 0, ROWS(words));
    tcase_add_test(tcase, a_string_ends_where_its_quote_is_not_escaped);
    tcase_add_test(tcase, what_is_written_is_read_as_the_same);
    suite_add_tcase(suite, tcase);
    return suite;
}
