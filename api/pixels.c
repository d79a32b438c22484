/* Pixels: events of a mail or a page without scripts, by the URL of an image. The one idea: the query becomes the text of a message and goes the way of all
 * messages, commit included; but what comes back is always the image (answer.c sees to that), for nobody reads anything else there. A HEAD has no image and
 * counts nothing: mail gateways probe links with it. */
#include <stdlib.h>
#include <string.h>

#include "api/collect/flat.h"
#include "api/collect_endpoints.h"
#include "api/handlers.h"
#include "server/base/alloc.h"

enum { FLAT_BYTES_MAX = 1 << 20 /* of JSON: a head has 32 KiB, and a byte becomes at most six */ };

static const char *const types[] = {"track", "identify", "page", "screen", "group", "alias"};

struct flat {
    struct flat_pair pairs[FLAT_PAIRS_MAX];
    size_t n;
};

static bool take_pair(void *context, const char *name, const char *value)
{
    struct flat *flat = context;

    if (flat->n == FLAT_PAIRS_MAX)
        return false;
    flat->pairs[flat->n] = (struct flat_pair){.name = name, .value = value, .order = flat->n};
    flat->n++;
    return true;
}

/* NULL: ?data= is no base64. */
static char *query_text(const struct call *c, size_t *ret_len)
{
    const char *data = request_query(c->rq, "data");
    struct buf json = BUF_INIT(FLAT_BYTES_MAX);
    struct flat *flat AUTO_FREE = NULL;

    if (data)
        return flat_data(data, ret_len);
    flat = mem_zalloc(sizeof *flat);
    request_each_query(c->rq, take_pair, flat);
    flat_write(flat->pairs, flat->n, &json);
    *ret_len = json.len;
    return buf_take(&json);
}

static enum handled pixel(struct call *c)
{
    const char *type = NULL;
    size_t len;
    char *text;

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcmp(call_param(c, 0), types[i]) == 0)
            type = types[i];
    if (!type || strcmp(request_method(c->rq), "HEAD") == 0)
        return answer_pixel(c);
    if (c->collect)
        return collect_go_on(c, type);
    text = query_text(c, &len);
    return text ? collect_text(c, type, text, len) : answer_pixel(c);
}

enum handled api_pixel(struct call *c)
{
    return pixel(c);
}

enum handled api_pixel_rudder(struct call *c)
{
    return pixel(c);
}
