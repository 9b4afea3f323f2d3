#include "protocol/plan_call.h"

#include "protocol/form.h"
#include "protocol/json.h"
#include "protocol/plan_value.h"
#include "protocol/url.h"

#include <string.h>

/* What is known only when the run is under way. */
#define LATER ((unsigned)TEMPLATE_RUN_ID | TEMPLATE_PREPARED_ID)
#define FILLED_FREE_BYTES ((size_t)64 * 1024)
#define FILLED_FACTOR 4
#define URL_VARIABLES (TEMPLATE_VAR | TEMPLATE_PATH)

static int refuse_about(struct plan_source *source, enum plan_key key, const char *what)
{
    rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA, "%s %s", plan_key_name(key), what);
    return plan_source_blame(source, key, PLAN_KEYS);
}

static int refuse_variable(struct plan_source *source, enum plan_key key, const struct template_mark *mark)
{
    bool from_defaults = source->value[key].from_defaults;
    struct rxp_shown name = rxp_show(mark->name, mark->name_bytes);

    return rxp_refuse(source->why, RXP_ERROR_MISSING_METADATA, "missing metadata 'var.%s', for %s%s%s%s", name.text,
                      plan_key_name(key), from_defaults ? " of profile '" : "",
                      from_defaults ? source->defaults->name : "", from_defaults ? "'" : "");
}

/* Every variable that is named has a value. */
static int check_variables(struct plan_source *source, enum plan_key key, unsigned marks)
{
    const char *text = source->value[key].text;
    const char *end = text + strlen(text);
    struct template_mark mark;

    for (; template_mark_next(text, (size_t)(end - text), marks, &mark); text = mark.at + mark.bytes) {
        if (plan_source_variable(source, mark.name, mark.name_bytes) == NULL)
            return refuse_variable(source, key, &mark);
    }
    return 0;
}

/* In a URL a line feed could only be an attempt at something else. The values are no longer than a URL may be. */
static int check_url_values(struct plan_source *source, enum plan_key key)
{
    const char *text = source->value[key].text;
    const char *end = text + strlen(text);
    struct template_mark mark;

    for (; template_mark_next(text, (size_t)(end - text), URL_VARIABLES, &mark); text = mark.at + mark.bytes) {
        const struct plan_variable *variable = plan_source_variable(source, mark.name, mark.name_bytes);
        for (const char *at = variable->value; *at != '\0'; at++) {
            if ((unsigned char)*at >= 0x20 && *at != 0x7F)
                continue;
            rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA,
                       "var.%s holds a control character, so it can't stand in %s", variable->name, plan_key_name(key));
            return variable->from_defaults ? plan_source_blame_defaults(source) : -1;
        }
    }
    return 0;
}

static int check_segments(struct plan_source *source, enum plan_key key, unsigned marks,
                          const struct template_fills *fills)
{
    struct template_step step;

    if (template_segments_hold(source->value[key].text, marks, fills, &step))
        return 0;
    return rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA,
                      "%s has %s'%s', which comes out %s '%s' and would name another resource", plan_key_name(key),
                      step.is_part ? "" : "the path segment ", rxp_show(step.at, step.bytes).text,
                      step.is_part ? "with the path segment" : "as", step.comes_out_as);
}

/* bytes: so many come out. NULL with *why for want of memory. */
static const char *fill(struct plan_source *source, const char *text, enum template_form form, unsigned marks,
                        const struct template_fills *fills, size_t bytes)
{
    char *filled = arena_take(&source->arena, bytes + 1);

    if (filled == NULL) {
        plan_source_no_memory(source);
        return NULL;
    }
    template_write(filled, text, strlen(text), form, marks, fills, SIZE_MAX);
    filled[bytes] = '\0';
    return filled;
}

/* A URL that has the placeholders `found`, `now` of which come out with it as so many bytes. */
static int check_fills(struct plan_source *source, const struct plan_call_rules *rules, unsigned found, unsigned now,
                       const struct template_fills *fills, size_t bytes)
{
    const char *text = source->value[rules->url].text;

    if ((found & TEMPLATE_VAR) != 0 && check_variables(source, rules->url, URL_VARIABLES) < 0)
        return -1;
    /* With ids as long as they may be. */
    bytes += template_longest(text, strlen(text), TEMPLATE_URL, rules->url_fills | TEMPLATE_PATH) - strlen(text);
    if (bytes > URL_MAX_BYTES)
        return rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA,
                          "%s could become longer than %d bytes with its placeholders filled",
                          plan_key_name(rules->url), URL_MAX_BYTES);
    if ((found & now) == 0)
        return 0;
    return check_url_values(source, rules->url) < 0 ? -1 : check_segments(source, rules->url, now, fills);
}

static int read_url(struct plan_source *source, const struct plan_call_rules *rules, struct rxp_http_call *out)
{
    const char *text = source->value[rules->url].text;
    const struct template_fills fills = plan_source_fills(source);
    const unsigned marks = rules->url_fills | TEMPLATE_PATH;
    const unsigned now = marks & ~LATER;
    size_t bytes = strlen(text);
    size_t n;

    if (!source->is_later && url_check(plan_key_name(rules->url), text, marks, source->why) < 0)
        return plan_source_blame(source, rules->url, PLAN_KEYS);
    const unsigned found = template_marks(text, bytes, marks, &n);
    /* Counted no further than where it is refused; later nothing is, and what is written was all counted. */
    const size_t most = source->is_later ? SIZE_MAX : URL_MAX_BYTES;
    if ((found & now) != 0)
        bytes = template_write(NULL, text, bytes, TEMPLATE_URL, now, &fills, most);
    if (!source->is_later && n > 0 && check_fills(source, rules, found, now, &fills, bytes) < 0)
        return -1;
    out->url_has_run_id = (found & TEMPLATE_RUN_ID) != 0;
    out->url_has_prepared_id = (found & TEMPLATE_PREPARED_ID) != 0;
    out->url = (found & now) == 0 ? text : fill(source, text, TEMPLATE_URL, now, &fills, bytes);
    return out->url == NULL ? -1 : 0;
}

static int check_body(struct plan_source *source, const struct plan_call_rules *rules)
{
    const char *text = source->value[rules->body].text;
    const char *key = plan_key_name(rules->body);
    struct json_fault fault;
    const char *at;
    size_t bytes;

    if (text[0] == '\0')
        return refuse_about(source, rules->body, "is empty, which is no JSON text: leave it out to send no body");
    /* Its own repeated keys are the backend's business: it is sent byte for byte. */
    if (json_check(text, strlen(text), JSON_KEYS_ANY, &fault) < 0) {
        rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA, "%s is not valid JSON: %s, at its byte %zu", key,
                   fault.what, fault.at_byte);
        return plan_source_blame(source, rules->body, PLAN_KEYS);
    }
    if (!rules->body_is_free && template_has_other(text, strlen(text), rules->body_fills, &at, &bytes)) {
        template_refuse(source->why, key, at, bytes, rules->body_fills);
        const struct rxp_refusal plain = *source->why;
        rxp_refuse(source->why, plain.error, "%s; a brace of the text's own is written \\u007b", plain.text);
        return plan_source_blame(source, rules->body, PLAN_KEYS);
    }
    if (rules->body_is_form && form_check(key, json_document(text, strlen(text)), source->why) < 0)
        return plan_source_blame(source, rules->body, PLAN_KEYS);
    /* A message's own kickoff body may look like a template by chance; no other can. */
    if (rules->body_is_free && !source->value[rules->body].from_defaults)
        return 0;
    return check_variables(source, rules->body, TEMPLATE_VAR);
}

static int take_form(struct plan_source *source, struct rxp_http_call *out)
{
    struct json_slice object = json_document(out->body, out->body_bytes);
    size_t bytes = form_write(object, NULL);
    char *form = arena_take(&source->arena, bytes + 1);

    if (form == NULL)
        return plan_source_no_memory(source);
    form_write(object, form);
    form[bytes] = '\0';
    out->body = form;
    out->body_bytes = bytes;
    return 0;
}

/* A small message that repeats a variable must not take much memory for as long as its run waits. (Later, what was said is
 * not all there any more; but all bodies are among those that were held against it.) */
static bool is_filled_too_often(struct plan_source *source, size_t bytes)
{
    source->filled_bytes += bytes;
    return !source->is_later && source->filled_bytes > FILLED_FREE_BYTES &&
           source->filled_bytes - FILLED_FREE_BYTES > FILLED_FACTOR * plan_source_said_bytes(source);
}

/* A body that has placeholders, `later` of those that are filled when the run is under way. */
static int fill_body(struct plan_source *source, const struct plan_call_rules *rules, unsigned later,
                     struct rxp_http_call *out)
{
    const char *text = out->body;
    const size_t text_bytes = out->body_bytes;
    const struct template_fills fills = plan_source_fills(source);
    const unsigned now = rules->body_fills & ~LATER;
    size_t n_later;
    size_t n_now;
    size_t n;

    template_marks(text, text_bytes, later, &n_later);
    template_marks(text, text_bytes, now, &n_now);
    size_t filled_bytes = template_write(NULL, text, text_bytes, TEMPLATE_JSON, now, &fills, PLAN_BODY_MAX_BYTES);
    size_t bytes = filled_bytes + template_longest(text, text_bytes, TEMPLATE_JSON, later) - text_bytes;
    /* As a form, each byte may become three. */
    if (bytes > PLAN_BODY_MAX_BYTES / (rules->body_is_form ? 3 : 1))
        return refuse_about(source, rules->body, "could become longer than 8 MiB with its placeholders filled");
    if (n_now == 0)
        return 0;
    if (is_filled_too_often(source, bytes))
        return refuse_about(source, rules->body,
                            "repeats variables too often: filled, the bodies of a run may have 64 KiB and four times "
                            "what message and profile hold");
    out->body_bytes = filled_bytes;
    out->body = fill(source, text, TEMPLATE_JSON, now, &fills, filled_bytes);
    if (out->body == NULL)
        return -1;
    /* A value can't hold one, but the text around it might close to one. */
    template_marks(out->body, out->body_bytes, later, &n);
    if (n != n_later)
        return refuse_about(source, rules->body, "has a variable within braces that would make it a placeholder");
    return 0;
}

static int read_body(struct plan_source *source, const struct plan_call_rules *rules, struct rxp_http_call *out)
{
    size_t n;

    if (!source->is_later && check_body(source, rules) < 0)
        return -1;
    out->body = source->value[rules->body].text;
    out->body_bytes = strlen(out->body);
    const unsigned found = template_marks(out->body, out->body_bytes, rules->body_fills, &n);
    if (n > 0 && fill_body(source, rules, found & LATER, out) < 0)
        return -1;
    out->body_is_form = rules->body_is_form;
    out->body_has_run_id = (found & TEMPLATE_RUN_ID) != 0;
    out->body_has_prepared_id = (found & TEMPLATE_PREPARED_ID) != 0;
    return rules->body_is_form && (found & LATER) == 0 ? take_form(source, out) : 0;
}

int plan_call_read(struct plan_source *source, const struct plan_call_rules *rules, struct rxp_http_call *out)
{
    *out = (struct rxp_http_call){.url = NULL};
    if (rules->method == PLAN_KEYS)
        out->method = rules->default_method;
    else if (plan_value_method(source, rules->method, rules->default_method, &out->method) < 0)
        return -1;
    if (plan_source_is_missing(source, rules->url))
        return 0;
    if (read_url(source, rules, out) < 0)
        return -1;
    return rules->body == PLAN_KEYS || source->value[rules->body].text == NULL ? 0 : read_body(source, rules, out);
}
