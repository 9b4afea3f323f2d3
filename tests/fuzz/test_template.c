/* Templates with whatever ids backends name: "URL template" "--" "body template" "--" "run id" "--" "prepared id" "--"
 * "var.x" "--" "invocation_id". Filled with hostile ids, a URL is the same as filled with "x": scheme, host, port, number of
 * segments and of parameters; and a body the same JSON but for its strings. Where the template lets an id keep its slashes,
 * there are as many segments more as it has slashes, and none of them is empty or a step. */
#include "fuzz/fuzz.h"
#include "fuzz/json_facts.h"
#include "fuzz/plan_facts.h"

#include "protocol/http_plan.h"
#include "protocol/json.h"
#include "protocol/json_writer.h"

#include <curl/curl.h>
#include <string.h>

/* A plan of these templates, and what fills them at run time. */
struct scene {
    struct rxp_invocation *invocation;
    struct rxp_http_plan plan;
    char *run_id;
    char *prepared_id;
};

static void put_pair(struct json_writer *writer, const char *key, const char *value)
{
    json_put(writer, ",");
    json_put_string(writer, key);
    json_put(writer, ":");
    json_put_string(writer, value);
}

static char *message_of(const char *url, const char *body, const char *var, const char *invocation_id, size_t *bytes)
{
    struct json_writer writer;
    json_writer_init(&writer, 1024);
    json_put(&writer, "{\"invocation_id\":");
    json_put_string(&writer, invocation_id);
    json_put(&writer, ",\"runtime_name\":\"n\",\"runtime_kind\":\"http_async\",\"working_directory\":\"/\",\"command\":[\"x\"],"
                      "\"metadata\":{\"http.url\":\"http://h/kick\"");
    put_pair(&writer, "http.prepare_url", "http://h/prepare");
    put_pair(&writer, "http.prepare_id_path", "id");
    put_pair(&writer, "http.poll_url_template", "http://h/runs/{run_id}");
    put_pair(&writer, "http.poll_run_id_path", "id");
    put_pair(&writer, "http.poll_status_path", "status");
    put_pair(&writer, "http.poll_terminal_states", "completed");
    put_pair(&writer, "http.after_url_template", url);
    if (body[0] != '\0')
        put_pair(&writer, "http.after_body", body);
    put_pair(&writer, "var.x", var);
    json_put(&writer, "}}");
    return json_writer_take(&writer, bytes);
}

/* An id, as it is taken from an answer. NULL: refused. */
static char *id_of(const char *id)
{
    static const struct rxp_id_source source = {"kickoff", "run id", "id"};
    struct rxp_refusal why = {RXP_OK, ""};
    struct json_writer writer;
    char *taken = NULL;
    size_t bytes;
    json_writer_init(&writer, 64);
    json_put(&writer, "{\"id\":");
    json_put_string(&writer, id);
    json_put(&writer, "}");
    char *text = json_writer_take(&writer, &bytes);
    must(text != NULL && must_be_json_or_not(text, bytes));
    if (rxp_id_take(json_document(text, bytes), &source, &taken, &why) != 0) {
        must(taken == NULL && why.error == RXP_ERROR_RUN_ID_INVALID);
        must_be_sentence(why.text);
    } else {
        must(taken[0] != '\0' && strlen(taken) <= RXP_RUN_ID_MAX_BYTES && strcmp(taken, ".") != 0 && strcmp(taken, "..") != 0);
    }
    free(text);
    return taken;
}

static bool scene_init(struct scene *scene, const char *url, const char *body, char *const fill[4])
{
    struct rxp_refusal why = {RXP_OK, ""};
    size_t bytes;
    *scene = (struct scene){0};
    char *text = message_of(url, body, fill[2], fill[3], &bytes);
    must(text != NULL);
    bool is_good = rxp_invocation_parse(text, bytes, (size_t)1 << 20, &scene->invocation, &why) == 0 &&
                   rxp_http_plan_make(scene->invocation, NULL, &scene->plan, &why) == 0;
    free(text);
    if (is_good)
        must_be_plan(&scene->plan);
    else
        must_be_refusal(&why);
    scene->run_id = id_of(fill[0]);
    scene->prepared_id = id_of(fill[1]);
    return is_good && scene->plan.after.url != NULL && scene->run_id != NULL && scene->prepared_id != NULL;
}

static void scene_deinit(struct scene *scene)
{
    free(scene->run_id);
    free(scene->prepared_id);
    rxp_http_plan_deinit(&scene->plan);
    rxp_invocation_free(scene->invocation);
}

static char *url_of(const struct scene *scene)
{
    struct rxp_refusal why = {RXP_OK, ""};
    const struct rxp_fills fills = {scene->run_id, scene->prepared_id};
    must(rxp_http_call_is_ready(&scene->plan.after, &fills));
    char *url = rxp_http_call_url(&scene->plan.after, &fills, &why);
    if (url == NULL) {
        bool has_prepared_path = strstr(scene->plan.after.url, "{+prepared_id}") != NULL;
        must(why.error == RXP_ERROR_RUN_ID_INVALID || (has_prepared_path && why.error == RXP_ERROR_PREPARE_FAILED));
        must_be_sentence(why.text);
    }
    return url;
}

/* ---- URLs ---- */

static size_t count(const char *text, char c)
{
    size_t n = 0;
    for (; text != NULL && *text != '\0'; text++)
        n += *text == c;
    return n;
}

static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    (void)curl_url_get(url, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0);
    return text;
}

/* The slashes that the template lets the values keep. */
static size_t count_kept(const char *url, char *const fill[4])
{
    static const char *const marks[] = {"{+run_id}", "{+prepared_id}", "{+var.x}"};
    size_t n = 0;
    for (int i = 0; i < 3; i++) {
        for (const char *at = url; (at = strstr(at, marks[i])) != NULL; at++)
            n += count(fill[i], '/');
    }
    return n;
}

/* Segments of the path that are empty, "." or "..", whatever parameters follow. */
static size_t count_steps(const char *url)
{
    const char *path = strstr(url, "://") + 3;
    size_t n = 0;
    path += strcspn(path, "/?#");
    while (*path == '/') {
        size_t dots = 0;
        path++;
        while (strchr(";/?#", *path) == NULL && dots < 3) {
            bool is_coded = strncasecmp(path, "%2e", 3) == 0;
            dots = is_coded || *path == '.' ? dots + 1 : 3;
            path += is_coded ? 3 : 1;
        }
        n += dots < 3;
        path += strcspn(path, "/?#");
    }
    return n;
}

static void must_be_alike(CURLU *a, CURLU *b, CURLUPart part, const char *counted, size_t n_kept)
{
    char *of_a = part_of(a, part);
    char *of_b = part_of(b, part);
    must((of_a == NULL) == (of_b == NULL));
    must(*counted != '\0' || fuzz_same(of_a, of_b));
    for (; *counted != '\0'; counted++)
        must(count(of_a, *counted) == count(of_b, *counted) + (*counted == '/' ? n_kept : 0));
    curl_free(of_a);
    curl_free(of_b);
}

/* By curl's reading of them, since curl is who will send them; but the author's own steps would count slashes away. */
static void must_be_alike_urls(const char *hostile, const char *tame, size_t n_kept)
{
    CURLU *a = curl_url();
    CURLU *b = curl_url();
    const unsigned flags = n_kept > 0 ? CURLU_PATH_AS_IS : 0;
    CURLUcode of_a = curl_url_set(a, CURLUPART_URL, hostile, flags);
    CURLUcode of_b = curl_url_set(b, CURLUPART_URL, tame, flags);
    must(of_a == of_b);
    for (const char *at = hostile; *at != '\0'; at++)
        must(*at > ' ' && *at < 0x7f);
    for (const char *at = "\\\"<>^`{|}@:/?#[]&=+;$"; *at != '\0'; at++)
        must(count(hostile, *at) == count(tame, *at) + (*at == '/' ? n_kept : 0));
    must(count_steps(hostile) == count_steps(tame));
    if (of_a == CURLUE_OK) {
        must_be_alike(a, b, CURLUPART_SCHEME, "", 0);
        must_be_alike(a, b, CURLUPART_HOST, "", 0);
        must_be_alike(a, b, CURLUPART_PORT, "", 0);
        must_be_alike(a, b, CURLUPART_USER, "", 0);
        must_be_alike(a, b, CURLUPART_PATH, "/;", n_kept);
        must_be_alike(a, b, CURLUPART_QUERY, "&=?/", 0);
        must_be_alike(a, b, CURLUPART_FRAGMENT, "#?", 0);
    }
    curl_url_cleanup(a);
    curl_url_cleanup(b);
}

/* ---- bodies ---- */

static void must_be_alike_bodies(const struct scene *hostile, const struct scene *tame)
{
    const struct scene *scene[2] = {hostile, tame};
    size_t values[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        const struct rxp_fills fills = {scene[i]->run_id, scene[i]->prepared_id};
        const char *body = NULL;
        char *owned = NULL;
        size_t bytes = 0;
        must(rxp_http_call_body(&scene[i]->plan.after, &fills, &body, &bytes, &owned) == 0);
        if (body != NULL && !scene[i]->plan.after.body_is_form) {
            must(must_be_json_or_not(body, bytes));
            values[i] = json_count_values(body, bytes);
        }
        free(owned);
    }
    must(values[0] == values[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_part rest = {(const char *)data, bytes};
    static char x[] = "x";
    char *const tame_fill[4] = {x, x, x, x};
    char *fill[4];
    struct scene hostile;
    struct scene tame;
    char *url = fuzz_text(fuzz_next(&rest));
    char *body = fuzz_text(fuzz_next(&rest));
    for (int i = 0; i < 4; i++)
        fill[i] = fuzz_text(fuzz_next(&rest));
    bool is_good = scene_init(&hostile, url, body, fill);
    /* An id may make a template too long, or be refused for what it is; a tame one is never worse. */
    bool is_tame = scene_init(&tame, url, body, tame_fill);
    must(is_tame || !is_good);
    if (is_good) {
        char *filled = url_of(&hostile);
        char *reference = url_of(&tame);
        must(reference != NULL);
        if (filled != NULL)
            must_be_alike_urls(filled, reference, count_kept(url, fill));
        must_be_alike_bodies(&hostile, &tame);
        free(filled);
        free(reference);
    }
    scene_deinit(&hostile);
    scene_deinit(&tame);
    for (int i = 0; i < 4; i++)
        free(fill[i]);
    free(body);
    free(url);
    return 0;
}
