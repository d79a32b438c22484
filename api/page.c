/* Cursors. The one idea: a cursor is a place and a digest of (path, parameters, place), in base64url; so it needs no memory of ours, lives as long as the
 * list, and one of another query, or one that was tampered with, is told as such. It is no secret and no signature: whoever may read the list may read any
 * place of it. Absolute URLs come from the public URL that is set, or from the request's Host. */
#include "api/page.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/text.h"
#include "server/base/alloc.h"
#include "server/base/base64.h"
#include "server/base/id.h"
#include "server/base/utf8.h"

enum { DIGEST_SIZE = 9 /* 72 bits: no padding in base64 */, CURSOR_BYTES = DIGEST_SIZE + CURSOR_PLACE_MAX, URL_MAX = 64 << 10 };

struct digest {
    uint8_t bytes[KEY_HASH_SIZE];
};

/* Order of parameters does not count: each adds its own hash by XOR. */
static void mix(struct digest *digest, const char *kind, const char *value)
{
    AUTO_BUF struct buf text = BUF_INIT(URL_MAX);
    uint8_t hash[KEY_HASH_SIZE];

    buf_add(&text, kind, strlen(kind) + 1);
    buf_add_text(&text, value);
    sha256(buf_text(&text), text.len, hash);
    for (size_t i = 0; i < sizeof hash; i++)
        digest->bytes[i] ^= hash[i];
}

static bool mix_parameter(void *context, const char *name, const char *value)
{
    if (strcmp(name, "cursor") != 0 && strcmp(name, "limit") != 0)
        mix(context, name, value);
    return true;
}

static struct digest digest_of(const struct call *c, const char *place)
{
    struct digest digest = {{0}};

    mix(&digest, "/", request_path(c->rq));
    mix(&digest, " ", place);
    request_each_query(c->rq, mix_parameter, &digest);
    return digest;
}

bool page_limit(struct call *c, int32_t *ret_limit)
{
    const char *text = request_query(c->rq, "limit");
    char *end;
    long limit;

    *ret_limit = PAGE_DEFAULT;
    if (!text)
        return true;
    limit = strtol(text, &end, 10);
    if (*text >= '1' && *text <= '9' && *end == '\0' && limit <= PAGE_MAX) {
        *ret_limit = (int32_t)limit;
        return true;
    }
    (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "limit must be a whole number from 1 to 1000");
    return false;
}

bool page_read(struct call *c, struct page *ret_page)
{
    const char *cursor = request_query(c->rq, "cursor");
    char bytes[CURSOR_BYTES];
    struct digest digest;
    size_t len;

    *ret_page = (struct page){.first = !cursor};
    if (!page_limit(c, &ret_page->limit))
        return false;
    if (!cursor)
        return true;
    len = base64_bytes(cursor, bytes, sizeof bytes);
    if (len > DIGEST_SIZE && !memchr(bytes + DIGEST_SIZE, '\0', len - DIGEST_SIZE) && utf8_ok(bytes + DIGEST_SIZE, len - DIGEST_SIZE)) {
        memcpy(ret_page->place, bytes + DIGEST_SIZE, len - DIGEST_SIZE);
        digest = digest_of(c, ret_page->place);
        if (memcmp(digest.bytes, bytes, DIGEST_SIZE) == 0)
            return true;
    }
    (void)answer_problem(c, PROBLEM_BAD_CURSOR, NULL);
    return false;
}

void page_base(const struct call *c, struct buf *url)
{
    const char *public_url = c->api->config.public_url;
    const char *proto = request_header(c->rq, "X-Forwarded-Proto"), *host = request_header(c->rq, "Host");

    if (public_url && *public_url) {
        size_t len = strlen(public_url);

        buf_add(url, public_url, len - (public_url[len - 1] == '/'));
        return;
    }
    buf_add_text(url, proto && strcasecmp(proto, "https") == 0 ? "https://" : "http://");
    if (!host || !*host || host[strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]")])
        host = "localhost";
    buf_add_text(url, host);
}

struct url {
    struct buf *text;
    const char *without;
    char glue;
};

static void add_parameter(struct url *url, const char *name, const char *value)
{
    buf_add_char(url->text, url->glue);
    text_percent(url->text, name);
    buf_add_char(url->text, '=');
    text_percent(url->text, value);
    url->glue = '&';
}

static bool add_other(void *context, const char *name, const char *value)
{
    struct url *url = context;

    if (strcmp(name, url->without) != 0)
        add_parameter(url, name, value);
    return true;
}

char *page_url(const struct call *c, const char *parameter, const char *value)
{
    struct buf text = BUF_INIT(URL_MAX);
    struct url url = {.text = &text, .without = parameter, .glue = '?'};

    page_base(c, &text);
    buf_add_text(&text, request_path(c->rq));
    request_each_query(c->rq, add_other, &url);
    add_parameter(&url, parameter, value);
    return buf_take(&text);
}

void page_go_on(struct call *c, struct json_out *out, const char *parameter, const char *value)
{
    AUTO_BUF struct buf link = BUF_INIT(URL_MAX);
    char *url AUTO_FREE = page_url(c, parameter, value);

    json_add_text(out, "next", url);
    json_add_text(out, "next_cursor", value);
    buf_addf(&link, "<%s>; rel=\"next\"", url);
    reply_header(c->rq, "Link", buf_text(&link));
}

void page_begin(struct json_out *out)
{
    json_open(out, '{');
    json_key(out, "data");
}

void page_next(struct call *c, struct json_out *out, const char *place)
{
    char cursor[4 * (CURSOR_BYTES + 2) / 3 + 1];
    uint8_t bytes[CURSOR_BYTES];
    struct digest digest;

    if (!place) {
        json_add_null(out, "next");
        json_add_null(out, "next_cursor");
        return;
    }
    ASSERT(*place && strlen(place) <= CURSOR_PLACE_MAX);
    digest = digest_of(c, place);
    memcpy(bytes, digest.bytes, DIGEST_SIZE);
    memcpy(bytes + DIGEST_SIZE, place, strlen(place));
    base64url(bytes, DIGEST_SIZE + strlen(place), cursor);
    page_go_on(c, out, "cursor", cursor);
}

enum handled page_end(struct call *c, struct json_out *out, const char *place)
{
    page_next(c, out, place);
    json_close(out, '}');
    return answer_json(c, 200, out->buf);
}
