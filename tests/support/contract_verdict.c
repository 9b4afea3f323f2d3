/* contract_verdict: what the C reader thinks of files, for schemas_agree.py to hold against the JSON Schemas.
 *
 *   contract_verdict invocation|result|control FILE...
 *
 * prints a line for each: the file, `valid` or `invalid`, and the reason, with tabs between. */
#include "protocol/control.h"
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

static bool invocation_is_valid(const char *text, size_t bytes, struct rxp_refusal *why)
{
    struct rxp_invocation *invocation;

    int status = rxp_invocation_parse(text, bytes, MAX_BYTES, &invocation, why);
    rxp_invocation_free(invocation);
    return status == 0;
}

static bool result_is_valid(const char *text, size_t bytes, struct rxp_refusal *why)
{
    return rxp_result_parse(text, bytes, NULL, why) == 0;
}

static bool control_is_valid(const char *text, size_t bytes, struct rxp_refusal *why)
{
    struct rxp_control *control;

    int status = rxp_control_parse(text, bytes, &control, why);
    rxp_control_free(control);
    return status == 0;
}

static const struct kind {
    const char *name;
    bool (*is_valid)(const char *text, size_t bytes, struct rxp_refusal *why);
} kinds[] = {{"invocation", invocation_is_valid}, {"result", result_is_valid}, {"control", control_is_valid}};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const struct kind *kind = argc > 2 ? find_kind(argv[1]) : NULL;

    if (kind == NULL) {
        fprintf(stderr, "usage: contract_verdict invocation|result|control FILE...\n");
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
        bool valid = kind->is_valid(text, bytes, &why);
        printf("%s\t%s\t%s\n", argv[i], valid ? "valid" : "invalid", valid ? "" : why.text);
        free(text);
    }
    return 0;
}
