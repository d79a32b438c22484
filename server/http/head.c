/* The head of a request, copied out of libmicrohttpd into the request's own memory: a thread that answers late may read it when the
 * connection, and all that libmicrohttpd held for it, is gone. Also refuses heads that two servers in a row could cut differently
 * (request smuggling, RFC 9112 §6.3, §11.2): libmicrohttpd 0.9.75 is lenient there. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/base/utf8.h"
#include "server/http/private.h"

enum { CLIENT_ID_MAX = 128 };

struct text_block {
    struct text_block *next;
    _Alignas(16) char bytes[];
};

void *request_alloc(struct request *rq, size_t len, size_t align)
{
    size_t at = (rq->n_text + align - 1) & ~(align - 1);
    struct text_block *block;

    if (at <= sizeof rq->text && len <= sizeof rq->text - at) {
        rq->n_text = at + len;
        return rq->text + at;
    }
    block = mem_alloc(sizeof *block + len);
    block->next = rq->blocks;
    rq->blocks = block;
    return block->bytes;
}

void request_free_texts(struct request *rq)
{
    while (rq->blocks) {
        struct text_block *block = rq->blocks;

        rq->blocks = block->next;
        free(block);
    }
}

static const char *keep(struct request *rq, const char *text, size_t len)
{
    char *copy = request_alloc(rq, len + 1, 1);

    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

/* --- The request line --- */

/* Appends a decoded piece and its NUL. What is no UTF-8, and NUL, becomes U+FFFD, as for JSON: the rest of the program, and
 * PostgreSQL, see texts only. */
static char *add_decoded(char *out, const char *piece, size_t len, char *scratch)
{
    bool bad;
    size_t n = percent_decode(piece, len, true, scratch, &bad);
    const char *end = scratch + n;

    for (const char *at = scratch; at < end;) {
        size_t step = *at ? utf8_char(at, end) : 0;

        memcpy(out, step ? at : "\xef\xbf\xbd", step ? step : 3);
        out += step ? step : 3;
        at += step ? step : 1;
    }
    *out = '\0';
    return out + 1;
}

static void decode_query(struct request *rq)
{
    const char *at = rq->query_string;
    size_t len = strlen(at);
    char *scratch, *out;

    rq->query = "";
    if (!len)
        return;
    scratch = mem_alloc(len);
    out = request_alloc(rq, 3 * len + 3, 1); /* a bad byte becomes three; "a" becomes "a", "" */
    rq->query = out;
    while (*at) {
        size_t piece = strcspn(at, "&");
        size_t name = piece ? strcspn(at, "=&") : 0;

        if (name) {
            out = add_decoded(out, at, name, scratch);
            out = name < piece ? add_decoded(out, at + name + 1, piece - name - 1, scratch) : add_decoded(out, at, 0, scratch);
        }
        at += piece + (at[piece] == '&');
    }
    *out = '\0';
    free(scratch);
}

void head_take_uri(struct request *rq, const char *uri)
{
    size_t len;

    if (!strncasecmp(uri, "http://", 7) || !strncasecmp(uri, "https://", 8)) { /* the absolute form: RFC 9112 §3.2.2 */
        uri = strstr(uri, "://") + 3;
        uri += strcspn(uri, "/?");
    }
    rq->head_bytes = strlen(uri);
    len = strcspn(uri, "?");
    rq->path = len ? keep(rq, uri, len) : "/";
    rq->query_string = uri[len] ? keep(rq, uri + len + 1, strlen(uri + len + 1)) : "";
    decode_query(rq);
}

static const char *next_text(const char *text)
{
    return text + strlen(text) + 1;
}

const char *request_query(const struct request *rq, const char *name)
{
    for (const char *at = rq->query; *at; at = next_text(next_text(at)))
        if (!strcmp(at, name))
            return next_text(at);
    return NULL;
}

void request_each_query(const struct request *rq, bool (*fn)(void *context, const char *name, const char *value), void *context)
{
    for (const char *at = rq->query; *at; at = next_text(next_text(at)))
        if (!fn(context, at, next_text(at)))
            return;
}

/* --- The headers --- */

/* What decides where a request ends, counted while its headers are copied. */
struct framing {
    struct request *rq;
    unsigned n_lengths, n_encodings, n_hosts;
    const char *length, *encoding;
    bool bad_name;
};

static enum MHD_Result take_header(void *closure, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                                   size_t value_len)
{
    struct framing *framing = closure;
    struct request *rq = framing->rq;
    struct pair *pair = &rq->headers[rq->n_headers++];

    (void)kind;
    rq->head_bytes += name_len + (value ? value_len : 0);
    pair->name = keep(rq, name, name_len);
    pair->value = keep(rq, value ? value : "", value ? value_len : 0);
    framing->bad_name |= !name_len || name[strcspn(name, " \t")];
    if (name_len == 14 && !strcasecmp(pair->name, "Content-Length")) {
        framing->n_lengths++;
        framing->length = pair->value;
    } else if (name_len == 17 && !strcasecmp(pair->name, "Transfer-Encoding")) {
        framing->n_encodings++;
        framing->encoding = pair->value;
    } else if (name_len == 4 && !strcasecmp(pair->name, "Host")) {
        framing->n_hosts++;
    }
    return MHD_YES;
}

static bool framing_ok(const struct framing *framing, const char *version)
{
    unsigned least_hosts = strcmp(version, "HTTP/1.0") ? 1 : 0;

    if (framing->bad_name || framing->n_hosts > 1 || framing->n_hosts < least_hosts || framing->n_lengths + framing->n_encodings > 1)
        return false;
    return !framing->n_encodings || !strcasecmp(framing->encoding, "chunked");
}

static bool client_id_ok(const char *id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = id ? strspn(id, allowed) : 0;

    return len && !id[len] && len <= CLIENT_ID_MAX;
}

static const char *make_id(struct request *rq)
{
    enum { PREFIX = sizeof rq->loop->id_prefix - 1, DIGITS = 8 };
    char *id = request_alloc(rq, PREFIX + DIGITS + 1, 1);
    uint64_t n = rq->loop->n_ids++;

    memcpy(id, rq->loop->id_prefix, PREFIX);
    for (unsigned i = 0; i < DIGITS; i++, n >>= 4)
        id[PREFIX + DIGITS - 1 - i] = "0123456789abcdef"[n & 15];
    id[PREFIX + DIGITS] = '\0';
    return id;
}

/* Does the weight after a coding's name, such as ";q=0.5", allow it? RFC 9110 §12.4.2: only zero forbids. */
static bool weight_allows(const char *params, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++)
        if ((params[i] == 'q' || params[i] == 'Q') && params[i + 1] == '=')
            return strcspn(params + i + 2, "123456789,") < len - i - 2;
    return true;
}

static bool gzip_accepted(const char *accept)
{
    bool any = false;

    while (accept && *accept) {
        size_t len, name;

        accept += strspn(accept, ", \t");
        len = strcspn(accept, ",");
        name = strcspn(accept, ";, \t");
        if ((name == 4 && !strncasecmp(accept, "gzip", 4)) || (name == 6 && !strncasecmp(accept, "x-gzip", 6)))
            return weight_allows(accept + name, len - name);
        if (name == 1 && *accept == '*')
            any = weight_allows(accept + name, len - name);
        accept += len;
    }
    return any;
}

/* Several headers of one name are one list, the last at its right end. */
static void take_address(struct request *rq)
{
    const struct proxies *proxies = &rq->loop->config.proxies;
    char address[PROXY_ADDRESS_MAX];

    (void)snprintf(address, sizeof address, "%s", rq->conn->address);
    for (size_t i = rq->n_headers; i-- > 0;)
        if (!strcasecmp(rq->headers[i].name, "X-Forwarded-For") &&
            !proxies_unwind(proxies, rq->headers[i].value, strlen(rq->headers[i].value), address))
            break;
    rq->address = keep(rq, address, strlen(address));
}

bool head_take(struct request *rq, const char *method, const char *version, uint64_t *ret_length)
{
    struct framing framing = {.rq = rq};
    int n = MHD_get_connection_values(rq->connection, MHD_HEADER_KIND, NULL, NULL);
    const char *client_id;

    rq->started_us = clock_wall_us();
    rq->begun_us = clock_mono_us();
    rq->method = keep(rq, method, strlen(method));
    rq->headers = request_alloc(rq, (size_t)(n > 0 ? n : 0) * sizeof *rq->headers, _Alignof(struct pair));
    (void)MHD_get_connection_values_n(rq->connection, MHD_HEADER_KIND, take_header, &framing);
    take_address(rq);
    client_id = request_header(rq, "X-Request-Id");
    rq->id = client_id_ok(client_id) ? client_id : make_id(rq);
    rq->accepts_gzip = gzip_accepted(request_header(rq, "Accept-Encoding"));
    *ret_length = framing.n_encodings ? LENGTH_UNKNOWN : framing.n_lengths ? strtoull(framing.length, NULL, 10) : 0;
    return framing_ok(&framing, version);
}

const char *request_header(const struct request *rq, const char *name)
{
    for (size_t i = 0; i < rq->n_headers; i++)
        if (!strcasecmp(rq->headers[i].name, name))
            return rq->headers[i].value;
    return NULL;
}

const char *request_method(const struct request *rq)
{
    return rq->method;
}

const char *request_path(const struct request *rq)
{
    return rq->path;
}

const char *request_query_string(const struct request *rq)
{
    return rq->query_string;
}

const char *request_id(const struct request *rq)
{
    return rq->id;
}

const char *request_address(const struct request *rq)
{
    return rq->address;
}

int64_t request_started_us(const struct request *rq)
{
    return rq->started_us;
}
