#include "engine/line.h"

#include "base/key_table.h"
#include "base/list.h"
#include "engine/aim.h"
#include "engine/runner.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16

struct line {
    struct key_node node;
    struct list ready_node; /* in `ready` while there is a seat, and somebody for it */
    struct list waiting;    /* of runs, but those in the walk */
    size_t n_waiting;       /* those, too */
    size_t n_seated;
    uint16_t number; /* run->line of those in it */
    char origin[];
};

struct lines {
    struct key_table table;
    struct list ready;
    struct line **at; /* by their numbers less one; NULL: such a number is free */
    size_t room;
    size_t lowest; /* no number below it is free */
};

/* ---- which there are ---- */

static struct lines *lines_new(void)
{
    struct lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL || key_table_init(&lines->table) != 0) {
        free(lines);
        return NULL;
    }
    list_init(&lines->ready);
    return lines;
}

void lines_free(struct lines *lines)
{
    if (lines != NULL) {
        key_table_deinit(&lines->table);
        free(lines->at);
        free(lines);
    }
}

/* A free number less one. -1: there is none, or no memory. */
static int find_number(struct lines *lines)
{
    while (lines->lowest < lines->room && lines->at[lines->lowest] != NULL) {
        lines->lowest++;
    }
    if (lines->lowest >= UINT16_MAX) {
        return -1;
    }
    if (lines->lowest == lines->room) {
        size_t room = lines->room > 0 ? 2 * lines->room : FIRST_ROOM;
        struct line **at = realloc(lines->at, room * sizeof(struct line *));
        if (at == NULL) {
            return -1;
        }
        memset(at + lines->room, 0, (room - lines->room) * sizeof(struct line *));
        lines->at = at;
        lines->room = room;
    }
    return (int)lines->lowest;
}

static struct line *make(struct lines *lines, const char *origin)
{
    size_t bytes = strlen(origin) + 1;
    int number = find_number(lines);
    struct line *line = number >= 0 ? calloc(1, sizeof *line + bytes) : NULL;
    if (line == NULL) {
        return NULL;
    }
    memcpy(line->origin, origin, bytes);
    line->number = (uint16_t)(number + 1);
    lines->at[number] = line;
    list_init(&line->ready_node);
    list_init(&line->waiting);
    key_table_add(&lines->table, &line->node, line->origin);
    return line;
}

/* It changed: who is next there, or nobody is in it any more. */
static void refresh(const struct runner *runner, struct line *line)
{
    struct lines *lines = runner->lines;
    list_remove(&line->ready_node);
    if (line->n_waiting + line->n_seated == 0) {
        size_t number = (size_t)line->number - 1;
        key_table_remove(&lines->table, &line->node);
        lines->at[number] = NULL;
        lines->lowest = number < lines->lowest ? number : lines->lowest;
        free(line);
    } else if (line->n_seated < runner->config->line_seats && !list_is_empty(&line->waiting)) {
        list_push(&lines->ready, &line->ready_node);
    }
}

/* NULL: it needs none, or it lacks memory for it or an address. */
static struct line *find_or_make(struct runner *runner, const struct run *run)
{
    size_t seats = runner->config->line_seats;
    bool has_lines = runner->lines != NULL && runner->lines->table.n > 0;
    char room[RUN_POLL_URL_BYTES];
    char why[64];
    struct target target;
    if (seats == 0 || (!has_lines && runner->n_requests < seats)) {
        return NULL;
    }
    if (runner->lines == NULL) {
        runner->lines = lines_new();
    }
    const char *url = run_poll_url(run, room);
    if (runner->lines == NULL || url == NULL || aims_take(&runner->aims, url, &target, why, sizeof why) != TARGET_OK) {
        return NULL;
    }
    struct key_node *node = key_table_find(&runner->lines->table, target.origin);
    struct line *line = node != NULL ? list_entry(node, struct line, node) : make(runner->lines, target.origin);
    target_deinit(&target);
    return line;
}

static struct line *line_of(const struct run *run)
{
    return run->runner->lines->at[run->line - 1];
}

/* ---- those in it ---- */

bool line_has_waiting(const struct run *run)
{
    return run->line != 0 && !run->is_seated;
}

static void take_seat(struct line *line, struct run *run)
{
    run->is_seated = true;
    line->n_seated++;
}

bool line_enter(struct run *run)
{
    struct runner *runner = run->runner;
    if (run->line != 0) {
        return run->is_seated;
    }
    struct line *line = find_or_make(runner, run);
    if (line == NULL) {
        return true;
    }
    run->line = line->number;
    if (line->n_waiting == 0 && line->n_seated < runner->config->line_seats) {
        take_seat(line, run);
        return true;
    }
    line->n_waiting++;
    if (list_is_empty(&runner->walk)) {
        line_take_back(run);
    } else { /* which has not come to it yet, maybe, and takes it back */
        list_remove(&run->node);
        list_push(&runner->walk, &run->node);
    }
    return false;
}

void line_leave(struct run *run)
{
    if (run->line == 0) {
        return;
    }
    struct line *line = line_of(run);
    if (run->is_seated) {
        line->n_seated--;
    } else {
        line->n_waiting--;
        list_remove(&run->node);
        list_push(&run->runner->runs, &run->node);
    }
    run->is_seated = false;
    run->line = 0;
    refresh(run->runner, line);
}

bool lines_have_next(const struct lines *lines)
{
    return lines != NULL && !list_is_empty(&lines->ready);
}

struct run *lines_next(struct runner *runner)
{
    if (!lines_have_next(runner->lines)) {
        return NULL;
    }
    struct line *line = list_entry(runner->lines->ready.next, struct line, ready_node);
    struct run *run = list_entry(list_shift(&line->waiting), struct run, node);
    list_push(&runner->runs, &run->node);
    line->n_waiting--;
    take_seat(line, run);
    refresh(runner, line);
    return run;
}

/* ---- walks ---- */

void lines_walk(struct runner *runner)
{
    struct lines *lines = runner->lines;
    for (size_t i = 0; lines != NULL && i < lines->room; i++) {
        if (lines->at[i] != NULL) {
            list_splice(&runner->walk, &lines->at[i]->waiting);
            list_remove(&lines->at[i]->ready_node);
        }
    }
}

void line_take_back(struct run *run)
{
    struct line *line = line_of(run);
    bool was_empty = list_is_empty(&line->waiting);
    list_remove(&run->node);
    list_push(&line->waiting, &run->node);
    if (was_empty) {
        refresh(run->runner, line);
    }
}
