/* fuzz: what the fuzz targets share. A target test_NOUN.c takes bytes and asserts what must hold of them, whatever they are;
 * its seeds are the files of NOUN/.
 *
 * Built with clang (preset fuzz) it is searched by libFuzzer; built otherwise it is an ordinary test, which feeds it its seeds
 * and mutations of them, the same ones each time (seeds.c). One thread. */
#ifndef RXP_TESTS_FUZZ_H
#define RXP_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The target; always returns 0. The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition);                                 \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Bytes of the input. */
struct fuzz_part {
    const char *at;
    size_t bytes;
};

/* The parts of an input are divided by lines that are "--", so that people can read and write seeds: the next one; empty
 * where there are no more. *rest is the whole input at first. */
struct fuzz_part fuzz_next(struct fuzz_part *rest);
/* A copy with nothing behind it, so that AddressSanitizer sees who reads further. The caller frees it. */
char *fuzz_bytes(struct fuzz_part part);
/* A copy that ends with a NUL; what stands behind the part's own first NUL, if any, nobody will see. The caller frees it. */
char *fuzz_text(struct fuzz_part part);
/* The number that it begins with, 0 where it does not, at most 1,000,000. */
int fuzz_number(struct fuzz_part part);

/* A sentence for people: not empty, UTF-8, without control characters. */
void must_be_sentence(const char *text);
/* Both NULL, or equal. */
bool fuzz_same(const char *a, const char *b);

#endif
