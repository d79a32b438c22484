/* Any path against the forms that templates have: what fits has parameters that are texts, and the path written anew from them fits with the
 * same. Also any request target: its query gives texts. The first byte chooses the template. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/base/utf8.h"
#include "server/http/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const templates[] = {
    "/", "/v1/track", "/v1/segments/{key}", "/v1/segments/{key}/members", "/v1/segments/{key}/members/{user_id}", "/{a}/{b}/{c}/{d}",
};

/* The path that the template and these parameters make, with every byte of a parameter escaped. */
static void write_path(struct buf *path, const char *template, const struct route_match *match)
{
    size_t n = 0;

    while (*template) {
        if (*template != '{') {
            buf_add_char(path, *template ++);
            continue;
        }
        for (const char *at = match->params[n++]; *at; at++)
            buf_addf(path, "%%%02x", (unsigned char)*at);
        template = strchr(template, '}') + 1;
    }
    ASSERT(n == match->n_params);
}

static void check_match(const char *template, struct route_match *match)
{
    AUTO_BUF struct buf path = BUF_INIT(1 << 20);
    struct route_match again;

    for (size_t i = 0; i < match->n_params; i++)
        ASSERT(*match->params[i] && utf8_ok(match->params[i], strlen(match->params[i])));
    write_path(&path, template, match);
    ASSERT(route_match(template, buf_text(&path), &again));
    ASSERT(again.n_params == match->n_params);
    for (size_t i = 0; i < match->n_params; i++)
        ASSERT(!strcmp(match->params[i], again.params[i]));
    route_match_release(&again);
}

static bool check_pair(void *context, const char *name, const char *value)
{
    size_t *n = context;

    ASSERT(*name && utf8_ok(name, strlen(name)) && utf8_ok(value, strlen(value)));
    (*n)++;
    return true;
}

static void check_target(const char *target)
{
    static struct request rq; /* large; nothing in it outlives the call */
    size_t n = 0;

    memset(&rq, 0, sizeof rq);
    head_take_uri(&rq, target);
    ASSERT(!strchr(request_path(&rq), '?'));
    request_each_query(&rq, check_pair, &n);
    ASSERT(n <= strlen(request_query_string(&rq)));
    request_free_texts(&rq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct route_match match;
    const char *template;
    char *path;

    if (!size)
        return 0;
    template = templates[data[0] % ARRAY_LEN(templates)];
    path = mem_strndup((const char *)data + 1, size - 1);
    if (route_match(template, path, &match)) {
        check_match(template, &match);
        route_match_release(&match);
    }
    check_target(path);
    free(path);
    return 0;
}
