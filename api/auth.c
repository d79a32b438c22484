/* Keys. The one idea: a key is looked up by its SHA-256, which the process keeps in memory (ports->find_key), so the loop thread can do
 * it; only a key that is not known costs a query thread, which reads the keys again. Places that SDKs use for a write key are tried in
 * protocol.md's order. What an API key's role may do is the route's business (dispatch.c). */
#include "api/auth.h"

#include <string.h>
#include <strings.h>

#include "server/base/base64.h"

enum { KEY_MAX = 256 /* bytes; ours have under 60 */ };

/* Is it this key, to the letter? */
static enum auth find(struct call *c, const char *text, size_t len)
{
    if (len == 0)
        return AUTH_NONE;
    if (len > KEY_MAX)
        return AUTH_UNKNOWN;
    sha256(text, len, c->key_hash);
    return c->ports->find_key(c->ports->app, c->key_hash, request_header(c->rq, "Origin"), &c->key) ? AUTH_OK : AUTH_UNKNOWN;
}

enum auth auth_key(struct call *c, const char *text, size_t len)
{
    const char *colon = memchr(text, ':', len);
    size_t before = colon ? (size_t)(colon - text) : len;
    enum auth auth = find(c, text, before);

    return colon && auth != AUTH_OK && len > before + 1 ? find(c, colon + 1, len - before - 1) : auth;
}

/* What follows the scheme in the Authorization header, or NULL. */
static const char *credentials(struct call *c, const char *scheme)
{
    const char *header = request_header(c->rq, "Authorization");
    size_t len = strlen(scheme);

    if (!header || strncasecmp(header, scheme, len) != 0 || header[len] != ' ')
        return NULL;
    header += len;
    return header + strspn(header, " ");
}

enum auth auth_manage(struct call *c)
{
    const char *token = credentials(c, "Bearer");

    return token ? find(c, token, strlen(token)) : AUTH_NONE;
}

enum auth auth_collect(struct call *c)
{
    const char *header = request_header(c->rq, "X-Write-Key");
    const char *basic = credentials(c, "Basic");
    const char *query = request_query(c->rq, "writeKey");
    char decoded[2 * KEY_MAX];
    enum auth auth = AUTH_NONE;

    if (header)
        auth = auth_key(c, header, strlen(header));
    if (auth == AUTH_NONE && basic)
        auth = auth_key(c, decoded, base64_bytes(basic, decoded, sizeof decoded));
    if (auth == AUTH_NONE && query)
        auth = auth_key(c, query, strlen(query));
    return auth;
}

/* The key was unknown: with fresh keys, is it still? */
static enum auth look_again(struct call *c, enum auth (*find_key)(struct call *c), bool *ret_sure)
{
    *ret_sure = c->db && c->ports->reload_keys(c->ports->app, c->db);
    return find_key(c);
}

bool auth_write(struct call *c, enum auth (*find_key)(struct call *c), enum handled *ret_handled)
{
    enum auth auth = find_key(c);
    bool sure = false;

    *ret_handled = HANDLED_ELSEWHERE;
    if (auth == AUTH_UNKNOWN && !c->on_query_thread)
        return false;
    if (auth == AUTH_UNKNOWN)
        auth = look_again(c, find_key, &sure);
    if (auth == AUTH_UNKNOWN && !sure) /* not known to be unknown: an SDK drops what gets a 401 */
        *ret_handled = answer_problem(c, PROBLEM_UNAVAILABLE, NULL);
    else if (auth == AUTH_NONE)
        *ret_handled = answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "no write key");
    else if (auth == AUTH_UNKNOWN)
        *ret_handled = answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "the write key is unknown or revoked");
    else if (c->key.role != ROLE_WRITE)
        *ret_handled = answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "an API key is no write key");
    else if (!c->key.origin_ok)
        *ret_handled = answer_problem(c, PROBLEM_ORIGIN_NOT_ALLOWED, NULL);
    else
        return true;
    return false;
}
