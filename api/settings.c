/* The documents that SDKs load before they send: what to send, and where to. The one idea: each names exactly one destination, ourselves; with none, or with
 * more, analytics-next sends to its vendor or loads code from it (protocol.md, section 5). They hold nothing but a public key, so any page may read them, and
 * caches keep them for a few minutes. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/auth.h"
#include "api/handlers.h"
#include "api/page.h"
#include "server/base/alloc.h"
#include "server/base/json_write.h"

enum { DOCUMENT_MAX = 64 << 10 };

/* The key, by the function that looks where this call has it. */
typedef enum auth find_fn(struct call *c);

static enum auth find_in_path(struct call *c)
{
    return auth_key(c, call_param(c, 0), strlen(call_param(c, 0)));
}

/* Is it a write key that works? On the loop thread first, on a query thread when it is not known. False: *ret_handled says what to return. */
static bool key_works(struct call *c, find_fn *find, enum problem problem, enum handled *ret_handled)
{
    enum auth auth = find(c);
    bool sure = true;

    if (auth == AUTH_UNKNOWN && !c->on_query_thread) {
        *ret_handled = HANDLED_ELSEWHERE;
        return false;
    }
    if (auth == AUTH_UNKNOWN) {
        sure = c->db && c->ports->reload_keys(c->ports->app, c->db);
        auth = find(c);
    }
    if (auth == AUTH_OK && c->key.role == ROLE_WRITE)
        return true;
    *ret_handled = auth == AUTH_UNKNOWN && !sure ? answer_problem(c, PROBLEM_UNAVAILABLE, NULL)
                                                 : answer_problem_detail(c, problem, "there is no such write key, or it was revoked");
    return false;
}

static enum handled answer_document(struct call *c, struct buf *json)
{
    reply_header(c->rq, "Cache-Control", "max-age=300");
    return answer_tagged(c, "application/json", json);
}

/* "apiHost" and "protocol": SDKs put them together with "://" between. */
static void put_place(const struct call *c, struct json_out *out)
{
    AUTO_BUF struct buf url = BUF_INIT(DOCUMENT_MAX);
    const char *host;

    page_base(c, &url);
    buf_add_text(&url, "/v1");
    host = strstr(buf_text(&url), "://");
    host = host ? host + 3 : buf_text(&url);
    json_add_text(out, "apiHost", host);
    json_add_text(out, "protocol", strncasecmp(buf_text(&url), "http:", 5) == 0 ? "http" : "https");
}

static void put_rest(struct json_out *out)
{
    json_add_raw(out, "metrics", "{\"sampleRate\":0}");
    json_add_raw(out, "plan", "{\"track\":{\"__default\":{\"enabled\":true}}}");
    json_add_raw(out, "middlewareSettings", "{}");
    json_add_raw(out, "enabledMiddleware", "{}");
    json_add_raw(out, "remotePlugins", "[]");
}

static enum handled settings(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(DOCUMENT_MAX);
    struct json_out out = JSON_OUT(&text);
    const char *key = call_param(c, 0);
    enum handled handled;

    if (!key_works(c, find_in_path, PROBLEM_NOT_FOUND, &handled))
        return handled;
    json_open(&out, '{');
    json_key(&out, "integrations");
    json_open(&out, '{');
    json_key(&out, "Segment.io");
    json_open(&out, '{');
    json_add_text(&out, "apiKey", key);
    put_place(c, &out);
    json_add_bool(&out, "addBundledMetadata", false);
    json_close(&out, '}');
    json_close(&out, '}');
    put_rest(&out);
    json_close(&out, '}');
    return answer_document(c, &text);
}

enum handled api_settings(struct call *c)
{
    return settings(c);
}

enum handled api_settings_bare(struct call *c)
{
    return settings(c);
}

enum handled api_source_config(struct call *c)
{
    static const char document[] =
        "{\"source\":{\"id\":\"cohortd\",\"name\":\"cohortd\",\"enabled\":true,\"workspaceId\":\"cohortd\",\"config\":"
        "{\"statsCollection\":{\"errors\":{\"enabled\":false},\"metrics\":{\"enabled\":false}}},"
        "\"destinations\":[]}}";
    AUTO_BUF struct buf text = BUF_INIT(DOCUMENT_MAX);
    enum handled handled;

    if (!key_works(c, auth_collect, PROBLEM_UNAUTHORIZED, &handled))
        return handled;
    buf_add_text(&text, document);
    return answer_document(c, &text);
}

enum handled api_sdk_metrics(struct call *c)
{
    static const char success[] = "{\"success\":true}";

    reply_static(c->rq, 200, "application/json", success, sizeof success - 1);
    return HANDLED_ANSWERED;
}
