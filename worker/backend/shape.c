#include "backend/shape.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct shape shapes[] = {
    {.kickoff = "/runs", .status = "/runs/", .parameters = ""},
    {.kickoff = "/keyed/runs", .status = "/keyed/runs/", .parameters = "", .needs_key = true},
    {.kickoff = "/analyze",
     .status = "/operations/",
     .parameters = "location=Operation-Location&retry_after=1&run_id_field=id&running=Running&outcome=Succeeded&"
                   "message_field=error.message&result={\"words\":3}"},
    {.kickoff = "/exports",
     .status = "/exports/",
     .parameters = "location=Location&retry_after=1&pending=202&run_id_field=id&status_field=state&outcome=finished&"
                   "result_field=download&result=\"/files/export.csv\""},
    {.kickoff = "/v1/reports:run",
     .status = "/v1/operations/",
     .parameters = "code=200&run_id_field=name&run_id_prefix=operations/&status_field=done&status_late=1&outcome=true&"
                   "bare=1&message_field=error.message&result_field=response&result={\"rows\":3}",
     .slash_apart = true},
    {.kickoff = "/renders",
     .status = "/renders/",
     .parameters = "run_id_field=id&status_field=state&outcome=done&result={\"frames\":3}",
     .output_apart = true},
    {.kickoff = "/workflows/NAME/run",
     .status = "/runs/by-worker/",
     .parameters = "code=200&pending=404&pending_seconds=0.5&run_id_field=run.id&status_field=run.status&"
                   "result_field=events&result=[\"started\",\"ended\"]"},
};
#define SHAPES (sizeof(shapes) / sizeof(*shapes))
#define WORKFLOW (&shapes[SHAPES - 1])

const struct shape *shape_of_kickoff(const char *path)
{
    for (size_t i = 0; i < SHAPES; i++) {
        if (strcmp(path, shapes[i].kickoff) == 0) {
            return &shapes[i];
        }
    }
    return NULL;
}

const struct shape *shape_of_status(const char *path, const char *target, const char **id)
{
    for (size_t i = 0; i < SHAPES; i++) {
        size_t bytes = strlen(shapes[i].status);
        if (strncmp(path, shapes[i].status, bytes) == 0) {
            if (shapes[i].slash_apart && strncmp(target, shapes[i].status, bytes) != 0) {
                return NULL;
            }
            *id = path + bytes;
            return &shapes[i];
        }
    }
    return NULL;
}

const struct shape *shape_of_workflow(const char *path)
{
    static const char before[] = "/workflows/";
    if (strncmp(path, before, strlen(before)) != 0) {
        return NULL;
    }
    const char *name_end = strchr(path + strlen(before), '/');
    return name_end && name_end > path + strlen(before) && strcmp(name_end, "/run") == 0 ? WORKFLOW : NULL;
}

void shape_mark(const struct shape *shape, struct course *course)
{
    course->shape = *shape->parameters ? (unsigned)(shape - shapes) + 1 : 0;
}

void shape_apply(struct course *course)
{
    if (course->shape == 0 || course->shape > SHAPES) {
        return;
    }
    char *copy = strdup(shapes[course->shape - 1].parameters);
    char *rest = copy;
    char *at;
    /* A run that ends with a message has no result, unless it was asked for. */
    bool has_message = course->text[COURSE_MESSAGE] != NULL;
    while (rest && (at = strsep(&rest, "&")) && *at) {
        char *name = strsep(&at, "=");
        if (!has_message || strcmp(name, "result") != 0) {
            course_default(course, name, at);
        }
    }
    free(copy);
}
