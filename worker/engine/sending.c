#include "engine/sending.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

struct sending *sending_new(void)
{
    return calloc(1, sizeof(struct sending));
}

static void wipe(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

void sending_free(struct sending *sending)
{
    if (sending == NULL) {
        return;
    }
    for (size_t i = 0; i < sending->n_headers; i++) {
        wipe((char *)(uintptr_t)sending->header[i].value);
    }
    free(sending->header);
    wipe(sending->url);
    wipe(sending->body);
    free(sending);
}

/* Takes the value, also where it fails. */
static int put(struct sending *sending, const char *name, char *value)
{
    if (value != NULL && sending->n_headers == sending->room) {
        size_t room = sending->room > 0 ? 2 * sending->room : 4;
        struct http_header *more = realloc(sending->header, room * sizeof *more);
        if (more == NULL) {
            wipe(value);
            value = NULL;
        } else {
            sending->header = more;
            sending->room = room;
        }
    }
    if (value == NULL) {
        return -1;
    }
    sending->header[sending->n_headers++] = (struct http_header){.name = name, .value = value};
    return 0;
}

int sending_put(struct sending *sending, const char *name, const char *value)
{
    return put(sending, name, strdup(value));
}

int sending_put_id(struct sending *sending, const char *name, const char *invocation_id)
{
    struct buf value;
    buf_init(&value, 3 * strlen(invocation_id));
    for (const char *at = invocation_id; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c > 0x20 && c < 0x7f && c != '%') {
            buf_put(&value, at, 1);
        } else {
            buf_putf(&value, "%%%02X", c);
        }
    }
    return put(sending, name, buf_take(&value));
}

struct http_headers sending_headers(const struct sending *sending)
{
    return sending != NULL ? (struct http_headers){.header = sending->header, .n = sending->n_headers}
                           : (struct http_headers){0};
}
