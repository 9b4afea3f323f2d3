#include "cli/doings.h"

#include "protocol/refusal.h"
#include "protocol/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_STATE "accepted"

static struct doing *find(struct doings *doings, uint64_t place)
{
    for (size_t i = 0; i < doings->n; i++) {
        if (doings->doing[i].place == place) {
            return &doings->doing[i];
        }
    }
    return NULL;
}

static const char *state_of(const struct rxp_result *result)
{
    for (size_t i = 0; i < result->n_metadata; i++) {
        if (strcmp(result->metadata[i].key, "http.status") == 0) {
            return result->metadata[i].value;
        }
    }
    return DEFAULT_STATE;
}

static void copy_shown(char *out, size_t room, const char *text)
{
    struct rxp_shown shown = rxp_show(text, strlen(text));
    snprintf(out, room, "%s", shown.text);
}

void doings_note(struct doings *doings, uint64_t place, const struct rxp_result *result)
{
    struct doing *doing = find(doings, place);
    if (doing == NULL && doings->n == DOINGS_SHOWN) {
        return;
    }
    if (doing == NULL) {
        doing = &doings->doing[doings->n++];
        doing->place = place;
        copy_shown(doing->id, sizeof doing->id, result->invocation_id);
    }
    copy_shown(doing->state, sizeof doing->state, state_of(result));
    doing->started_at_ms = result->started_at_ms;
}

void doings_end(struct doings *doings, uint64_t place)
{
    struct doing *doing = find(doings, place);
    if (doing == NULL) {
        return;
    }
    size_t behind = (size_t)(&doings->doing[doings->n] - (doing + 1));
    memmove(doing, doing + 1, behind * sizeof *doing);
    doings->n--;
}

/* In so many columns, with blanks to fill them. What is not ASCII may be two columns wide. */
static void put_cell(struct buf *out, const char *text, size_t columns)
{
    size_t used = 0;
    size_t bytes = strlen(text);
    for (size_t at = 0; at < bytes;) {
        size_t length = utf8_length(text + at, bytes - at);
        size_t width = length > 1 ? 2 : 1;
        if (length == 0 || used + width > columns) {
            break;
        }
        buf_putf(out, "%.*s", (int)length, text + at);
        at += length;
        used += width;
    }
    buf_putf(out, "%*s", (int)(columns - used), "");
}

static void age_write(int64_t age_ms, char *out, size_t room)
{
    int64_t seconds = age_ms > 0 ? age_ms / 1000 : 0;
    if (seconds < 100) {
        snprintf(out, room, "%" PRId64 " s", seconds);
    } else if (seconds < 6000) {
        snprintf(out, room, "%" PRId64 " min", seconds / 60);
    } else {
        snprintf(out, room, "%" PRId64 " h", seconds / 3600);
    }
}

static size_t widest_id(const struct doings *doings)
{
    size_t widest = 1;
    for (size_t i = 0; i < doings->n; i++) {
        size_t bytes = strlen(doings->doing[i].id); /* never less than its columns */
        widest = bytes > widest ? bytes : widest;
    }
    return widest < DOINGS_ID_COLUMNS ? widest : DOINGS_ID_COLUMNS;
}

void doings_draw(const struct doings *doings, int64_t now_wall_ms, size_t columns, struct buf *out)
{
    static const size_t frame = 2 + 2 + 2 + 8; /* blanks, and the age */
    size_t id_columns = widest_id(doings);
    if (columns < frame + 2) {
        return;
    }
    id_columns = id_columns < columns - frame - 1 ? id_columns : columns - frame - 1;
    size_t left = columns - frame - id_columns;
    for (size_t i = 0; i < doings->n; i++) {
        const struct doing *doing = &doings->doing[i];
        char age[32];
        age_write(now_wall_ms - doing->started_at_ms, age, sizeof age);
        buf_puts(out, "\n  ");
        put_cell(out, doing->id, id_columns);
        buf_puts(out, "  ");
        put_cell(out, doing->state, left < DOINGS_STATE_COLUMNS ? left : DOINGS_STATE_COLUMNS);
        buf_putf(out, "  %7.7s\033[K", age);
    }
}
