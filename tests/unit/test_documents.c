#include "support/check_main.h"

#include "cli/documents.h"

#include <string.h>

/* What a text is split into: the line and the first bytes of each document. */
struct row {
    const char *text;
    size_t n;
    struct {
        size_t line;
        const char *begins;
    } document[3];
};

static const struct row rows[] = {
    {"", 0, {{0, NULL}}},
    {" \n\t\n", 0, {{0, NULL}}},
    {"{}", 1, {{1, "{}"}}},
    {"\n\n{\n \"a\": 1\n}\n", 1, {{3, "{\n \"a\": 1\n}"}}},
    {"{}\n{}\n", 2, {{1, "{}"}, {2, "{}"}}},
    {"{}\n\n  \n{\"b\":1}", 2, {{1, "{}"}, {4, "{\"b\":1}"}}},
    {"{}\r\n[]\r\n", 2, {{1, "{}"}, {2, "[]"}}},
    /* One document with a mistake stays one. */
    {"{\n \"a\": oops\n}\n", 1, {{1, "{\n \"a\": oops"}}},
    /* Lines, of which one is wrong. */
    {"{}\n{\"a\":oops}\n{}\n", 3, {{1, "{}"}, {2, "{\"a\":oops}"}, {3, "{}"}}},
    {"nonsense\n{}\n", 2, {{1, "nonsense"}, {2, "{}"}}},
    {"{\n{}\n", 2, {{1, "{"}, {2, "{}"}}},
};

START_TEST(splits_a_text_into_its_documents)
{
    const struct row *row = &rows[_i];
    struct documents documents;
    struct document document;
    documents_init(&documents, row->text, strlen(row->text));
    for (size_t i = 0; i < row->n; i++) {
        ck_assert_msg(documents_next(&documents, &document), "document %zu of '%s' is missing", i, row->text);
        ck_assert_uint_eq(document.line, row->document[i].line);
        ck_assert_uint_ge(document.bytes, strlen(row->document[i].begins));
        ck_assert_int_eq(strncmp(document.at, row->document[i].begins, strlen(row->document[i].begins)), 0);
    }
    ck_assert_msg(!documents_next(&documents, &document), "'%s' has more than %zu documents", row->text, row->n);
}
END_TEST

START_TEST(a_nul_byte_is_no_blank)
{
    struct documents documents;
    struct document document;
    documents_init(&documents, "\0", 1);
    ck_assert(documents_next(&documents, &document));
    ck_assert_uint_eq(document.bytes, 1);
}
END_TEST

START_TEST(counts_line_feeds)
{
    ck_assert_uint_eq(documents_count_lines("a\nb\n\nc", 6), 3);
    ck_assert_uint_eq(documents_count_lines("a\nb", 1), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("documents");
    TCase *tcase = tcase_create("documents");
    tcase_add_loop_test(tcase, splits_a_text_into_its_documents, 0, sizeof rows / sizeof rows[0]);
    tcase_add_test(tcase, a_nul_byte_is_no_blank);
    tcase_add_test(tcase, counts_line_feeds);
    suite_add_tcase(suite, tcase);
    return suite;
}
