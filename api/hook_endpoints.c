/* Webhooks of other tools. The one idea: read how the source's webhooks are verified and mapped, hold the bytes against that, and what
 * comes out is a batch like any other, which takes the common way from there: caps, rejects, dedup, people, and 200 after the commit.
 * The settings are read from the database for each call, so a secret that was changed holds at once; without a database it is 503, and
 * the provider sends again. All of it runs on query threads; where a certificate is to be fetched, on a long one. */
#include <string.h>

#include "api/call.h"
#include "api/collect/batch.h"
#include "api/collect_endpoints.h"
#include "api/handlers.h"
#include "api/hook_certificates.h"
#include "api/hook_settings.h"
#include "api/hooks/hook.h"
#include "api/metrics.h"
#include "api/page.h"
#include "db/hook.h"
#include "db/person_edit.h"
#include "server/base/alloc.h"
#include "server/base/log.h"

enum { URL_LENGTH = 16 << 10, CERTIFICATE_MAX = 64 << 10 };

/* A source's webhooks as they are stored, and the request that is held against them. */
struct incoming {
    char *text; /* the entry's, or the table's */
    struct json entry;
    char *provider;
    char **secrets;
    size_t n_secrets;
    int32_t source_id;
    struct buf url;
    struct hook_request request;
};

static void incoming_release(struct incoming *in)
{
    for (size_t i = 0; i < in->n_secrets; i++)
        free(in->secrets[i]);
    free(in->secrets);
    free(in->provider);
    free(in->text);
    buf_release(&in->url);
}

static const char *find_header(void *context, const char *name)
{
    return request_header(((struct call *)context)->rq, name);
}

static const char *find_query(void *context, const char *name)
{
    return request_query(((struct call *)context)->rq, name);
}

static void read_secrets(struct incoming *in, const struct db_rows *rows)
{
    struct db_array secrets = db_array(rows, 0, SOURCE_HOOK_SECRETS);

    in->secrets = mem_grow(NULL, secrets.left + 1, sizeof *in->secrets);
    while (secrets.left) {
        size_t len;
        const char *text = db_array_next_text(&secrets, &len);

        in->secrets[in->n_secrets++] = mem_strndup(text ? text : "", text ? len : 0);
    }
}

static bool read_entry(struct incoming *in, const struct db_rows *rows)
{
    const char *entry = db_text(rows, 0, SOURCE_HOOK_ENTRY);
    size_t bad_numbers;
    struct json_flaw flaw;

    if (!entry) {
        in->entry = hook_of_provider(in->provider, &in->text);
        return in->entry.type == JSON_T_OBJECT;
    }
    in->text = mem_strdup(entry);
    return json_check(in->text, strlen(in->text), &in->entry, &bad_numbers, &flaw);
}

static void read_request(struct call *c, struct incoming *in)
{
    size_t len;
    const char *body = request_body(c->rq, &len), *query = request_query_string(c->rq);

    page_base(c, &in->url);
    buf_add_text(&in->url, request_path(c->rq));
    if (*query)
        buf_addf(&in->url, "?%s", query);
    in->request = (struct hook_request){.body = body,
                                        .len = len,
                                        .url = buf_text(&in->url),
                                        .now_us = db_clock_now_us(c->ports->clock),
                                        .provider = in->provider,
                                        .secrets = (const char *const *)in->secrets,
                                        .n_secrets = in->n_secrets,
                                        .header = find_header,
                                        .query = find_query,
                                        .context = c};
}

/* Reads the source of the path. False: answered. */
static bool find(struct call *c, struct incoming *in)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    const char *provider;
    enum db_status status = c->db ? db_source_hook(c->db, call_param(c, 0), &rows) : DB_RETRY;

    if (status != DB_OK) {
        (void)answer_status(c, status);
        return false;
    }
    provider = db_text(&rows, 0, SOURCE_HOOK_PROVIDER);
    if (!provider) {
        (void)answer_problem_detail(c, PROBLEM_NO_PROVIDER, "the source has no provider: set one with PATCH /v1/sources");
        return false;
    }
    /* who sends to a custom source is its name; ids of two of them are different ids */
    in->provider = mem_strdup(strcmp(provider, "custom") == 0 ? call_param(c, 0) : provider);
    in->source_id = (int32_t)db_int(&rows, 0, SOURCE_HOOK_ID);
    read_secrets(in, &rows);
    if (!read_entry(in, &rows)) {
        (void)answer_problem_detail(c, PROBLEM_NO_PROVIDER, "this version knows no such provider");
        return false;
    }
    read_request(c, in);
    return true;
}

static enum handled accept_nothing(struct call *c)
{
    static const char success[] = "{\"success\":true}";

    reply_static(c->rq, 200, "application/json", success, sizeof success - 1);
    return HANDLED_ANSWERED;
}

/* Has what was signed come with another body before? Remembered before anything is stored, so whatever dies in between, the body it came
 * with is the only one that is ever taken under it, and the provider's own retry is that one. False: answered. */
static bool comes_once(struct call *c, const struct incoming *in, const struct hook_once *once)
{
    const struct hook_token token = {.source_id = in->source_id, .token = once->token, .body = once->body, .until_us = once->until_us};
    enum db_status status = once->wanted ? db_hook_once(c->db, &token) : DB_OK;

    if (status == DB_NONE) {
        (void)answer_problem_detail(c, PROBLEM_BAD_SIGNATURE, "what was signed came with another body before");
        metrics_hook(c->api->metrics, HOOK_COUNT_REFUSED, 1);
    } else if (status != DB_OK) {
        (void)answer_status(c, status);
    }
    return status == DB_OK;
}

/* *why is read after the verdict was found. false: answered. */
static bool genuine(struct call *c, enum hook_verdict verdict, const char *const *why)
{
    switch (verdict) {
    case HOOK_GENUINE:
        return true;
    case HOOK_FORGED:
        (void)answer_problem_detail(c, PROBLEM_BAD_SIGNATURE, *why);
        break;
    case HOOK_STALE:
        (void)answer_problem_detail(c, PROBLEM_STALE_SIGNATURE, *why);
        break;
    case HOOK_UNVERIFIABLE:
        (void)answer_problem_detail(c, PROBLEM_UNVERIFIABLE, *why);
        break;
    }
    metrics_hook(c->api->metrics, HOOK_COUNT_REFUSED, 1);
    return false;
}

/* Ties addresses that became others to their people, once or again: a retry finds it done. False: answered. */
static bool readdress(struct call *c, const struct hook_batch *batch)
{
    enum db_status status = DB_OK;

    for (size_t i = 0; i < batch->addresses.n && status == DB_OK; i++)
        status = db_person_readdress(c->db, batch->addresses.at[i].was, batch->addresses.at[i].is);
    if (status != DB_OK)
        (void)answer_status(c, status);
    return status == DB_OK;
}

static enum handled store(struct call *c, const struct incoming *in)
{
    struct hook_batch batch;
    struct err err = ERR_INIT;
    bool ok;

    if (!hook_map(in->entry, &in->request, &batch, &err))
        return answer_problem(c, PROBLEM_BAD_BODY, &err);
    metrics_hook(c->api->metrics, HOOK_COUNT_IGNORED, batch.ignored);
    metrics_hook(c->api->metrics, HOOK_COUNT_MAPPED, batch.messages);
    ok = readdress(c, &batch);
    vec_free(&batch.addresses);
    if (!ok) {
        free(batch.text);
        return HANDLED_ANSWERED;
    }
    if (!batch.messages) {
        free(batch.text);
        return accept_nothing(c);
    }
    if (!collect_open(batch.text, batch.len, &c->collect, &err))
        return answer_problem(c, PROBLEM_BAD_BODY, &err);
    c->key = (struct key){.role = ROLE_WRITE, .source_id = in->source_id, .origin_ok = true, .privacy = PRIVACY_IGNORE};
    c->sender = SENDER_SERVER;
    return collect_store(c, NULL, 2 * HOOK_EVENTS_MAX);
}

/* --- Amazon SNS --- */

static enum handled confirm(struct call *c, const struct hook_sns *sns)
{
    AUTO_BUF struct buf answer = BUF_INIT(CERTIFICATE_MAX);

    if (!c->ports->fetch(c->ports->app, sns->subscribe_url, &answer))
        return answer_problem_detail(c, PROBLEM_UNAVAILABLE, "the subscription could not be confirmed");
    log_info("topic confirmed", LOG_FIELD("source", LOG_TEXT(call_param(c, 0))), LOG_FIELD("topic", LOG_TEXT(sns->topic)), );
    return accept_nothing(c);
}

/* With the certificate at hand. */
static enum handled go_on_sns(struct call *c, const struct incoming *in, const struct hook_sns *sns, const struct buf *pem)
{
    struct hook_certificate certificate = {.pem = buf_text(pem), .len = pem->len};
    const char *why = "";

    if (!genuine(c, hook_sns_verify(in->entry, sns, &certificate, in->request.now_us, &why), &why))
        return HANDLED_ANSWERED;
    hook_certificates_keep(c->api->certificates, sns->certificate, pem);
    return sns->confirmation ? confirm(c, sns) : store(c, in);
}

static enum handled take_sns(struct call *c, const struct incoming *in)
{
    CLEANUP(hook_sns_release) struct hook_sns sns = {.text = NULL};
    AUTO_BUF struct buf pem = BUF_INIT(CERTIFICATE_MAX);
    const char *why = "";
    bool known;

    if (!genuine(c, hook_sns_read(&in->request, &sns, &why), &why))
        return HANDLED_ANSWERED;
    known = hook_certificates_find(c->api->certificates, sns.certificate, &pem);
    if ((!known || sns.confirmation) && c->work.lane != LANE_LONG) {
        c->work.lane = LANE_LONG;
        return c->ports->query(c->ports->app, &c->work) ? HANDLED_LENT : answer_problem(c, PROBLEM_OVERLOADED, NULL);
    }
    if (!known && !c->ports->fetch(c->ports->app, sns.certificate, &pem))
        return answer_problem_detail(c, PROBLEM_UNAVAILABLE, "the certificate could not be fetched");
    return go_on_sns(c, in, &sns, &pem);
}

/* --- Handlers --- */

enum handled api_hook(struct call *c)
{
    CLEANUP(incoming_release) struct incoming in = {.url = BUF_INIT(URL_LENGTH)};
    struct hook_once once;
    const char *why = "";

    if (!c->on_query_thread)
        return HANDLED_ELSEWHERE;
    if (!find(c, &in))
        return HANDLED_ANSWERED;
    if (hook_is_ping(in.entry, &in.request))
        return accept_nothing(c);
    if (hook_is_sns(in.entry))
        return take_sns(c, &in);
    if (!genuine(c, hook_verify(in.entry, &in.request, &once, &why), &why) || !comes_once(c, &in, &once))
        return HANDLED_ANSWERED;
    return store(c, &in);
}

enum handled api_hook_probe(struct call *c)
{
    CLEANUP(incoming_release) struct incoming in = {.url = BUF_INIT(URL_LENGTH)};
    AUTO_BUF struct buf text = BUF_INIT(CERTIFICATE_MAX);
    struct hook_probe probe;

    if (!c->on_query_thread)
        return HANDLED_ELSEWHERE;
    if (!find(c, &in))
        return HANDLED_ANSWERED;
    if (!hook_probe(in.entry, &in.request, call_param(c, 0), &probe))
        return answer_problem_detail(c, PROBLEM_BAD_CHALLENGE, "the challenge or its token is wrong");
    if (!probe.text)
        return accept_nothing(c);
    buf_add_text(&text, probe.text);
    free(probe.text);
    reply_body(c->rq, 200, probe.type, &text);
    return HANDLED_ANSWERED;
}

/* key, title, what the secret is, and the events of each entry of the table. */
static void put_provider(const struct call *c, struct json_out *out, struct json provider)
{
    static const char *const members[] = {"key", "title", "secret"};
    AUTO_BUF struct buf url = BUF_INIT(URL_LENGTH);
    struct json hook = json_get(provider, "hook");

    page_base(c, &url);
    buf_add_text(&url, "/v1/hooks/{source}");
    json_open(out, '{');
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        struct json value = json_get(provider, members[i]);

        json_key(out, members[i]);
        json_put_raw(out, value.at, value.len);
    }
    json_add_text(out, "url", buf_text(&url));
    json_key(out, "hook");
    json_put_raw(out, hook.at, hook.len);
    json_close(out, '}');
}

enum handled api_hook_providers(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    size_t len, bad_numbers;
    const char *table = hook_providers(&len);
    char *copy AUTO_FREE = mem_strndup(table, len);
    struct json_iter iter;
    struct json root = JSON_NONE, provider;
    struct json_flaw flaw;

    if (!json_check(copy, len, &root, &bad_numbers, &flaw))
        BUG("the table of providers is not JSON");
    page_begin(&out);
    json_open(&out, '[');
    for (iter = json_iter(root); json_next_element(&iter, &provider);)
        put_provider(c, &out, provider);
    json_close(&out, ']');
    return page_end(c, &out, NULL);
}
