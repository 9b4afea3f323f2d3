/* contract_verdict: what the C reader thinks of files, for schemas_agree.py to hold against the JSON Schemas.
 *
 *   contract_verdict invocation|result FILE...
 *
 * prints a line for each: the file, `valid` or `invalid`, and the reason, with tabs between. */
#include "protocol/invocation.h"
#include "protocol/result.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 20)

static char *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(MAX_BYTES);

    *bytes = 0;
    if (file == NULL || text == NULL) {
        if (file != NULL)
            fclose(file);
        free(text);
        return NULL;
    }
    *bytes = fread(text, 1, MAX_BYTES, file);
    fclose(file);
    return text;
}

static bool is_valid(bool invocations, const char *text, size_t bytes, struct rxp_refusal *why)
{
    struct rxp_invocation *invocation;

    if (!invocations)
        return rxp_result_parse(text, bytes, NULL, why) == 0;
    int status = rxp_invocation_parse(text, bytes, MAX_BYTES, &invocation, why);
    rxp_invocation_free(invocation);
    return status == 0;
}

int main(int argc, char **argv)
{
    bool invocations = argc > 1 && strcmp(argv[1], "invocation") == 0;

    if (argc < 3 || (!invocations && strcmp(argv[1], "result") != 0)) {
        fprintf(stderr, "usage: contract_verdict invocation|result FILE...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        struct rxp_refusal why = {.text = ""};
        size_t bytes;
        char *text = read_file(argv[i], &bytes);
        if (text == NULL) {
            fprintf(stderr, "contract_verdict: can't read %s\n", argv[i]);
            return 1;
        }
        bool valid = is_valid(invocations, text, bytes, &why);
        printf("%s\t%s\t%s\n", argv[i], valid ? "valid" : "invalid", valid ? "" : why.text);
        free(text);
    }
    return 0;
}
