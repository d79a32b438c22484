/* Idempotency-Key. The one idea: the key is claimed in the database before the handler begins, so of two requests at once, in whatever
 * processes, one runs; its answer is kept before it is sent. Only what was created is kept: after any other answer the key is free, and the
 * request can be mended and sent again with it. A process that dies between creating and keeping leaves the key running for a minute; then
 * the request runs anew, and finds what it had created (409). */
#include "api/once.h"

#include <stdlib.h>
#include <string.h>

#include "db/idempotency.h"
#include "server/base/alloc.h"
#include "server/base/log.h"

enum { KEY_LENGTH = 128, HEADERS_MAX = 4096 };

struct once {
    struct idempotency_key key; /* its text is the request's */
    struct buf headers;
    bool secret;
    bool kept;
};

static bool key_is_ok(const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < len; i++)
        if (key[i] < 0x20 || key[i] > 0x7e)
            return false;
    return len >= 1 && len <= KEY_LENGTH;
}

/* Whose key it is, and what was asked. */
static void identify(struct call *c, struct idempotency_key *key)
{
    AUTO_BUF struct buf asked = BUF_INIT(ANSWER_MAX);
    const char *credentials = request_header(c->rq, "Authorization");
    size_t len;
    const char *body = request_body(c->rq, &len);

    buf_addf(&asked, "%s %s?%s\n", request_method(c->rq), request_path(c->rq), request_query_string(c->rq));
    buf_add(&asked, body, len);
    key->request = id_hash(buf_text(&asked), asked.len);
    key->scope = id_hash(credentials, strlen(credentials));
}

/* Sets the headers again that stand in lines of "Name: value". */
static void replay_headers(struct call *c, const char *headers)
{
    char *text AUTO_FREE = mem_strdup(headers);
    char *colon, *end;

    for (char *line = text; (colon = strstr(line, ": ")) && (end = strchr(colon, '\n')); line = end + 1) {
        *colon = *end = '\0';
        reply_header(c->rq, line, colon + 2);
    }
    reply_header(c->rq, "Idempotency-Replayed", "true");
}

static void replay(struct call *c, const struct db_rows *rows)
{
    AUTO_BUF struct buf body = BUF_INIT(ANSWER_MAX);

    if (db_null(rows, 0, IDEMPOTENCY_BODY)) {
        (void)answer_problem(c, PROBLEM_IDEMPOTENCY_DONE, NULL);
        return;
    }
    replay_headers(c, db_text(rows, 0, IDEMPOTENCY_HEADERS));
    buf_add(&body, db_text(rows, 0, IDEMPOTENCY_BODY), db_text_len(rows, 0, IDEMPOTENCY_BODY));
    (void)answer_json(c, (unsigned)db_int(rows, 0, IDEMPOTENCY_STATUS), &body);
}

/* True: the key is this call's. */
static bool claim(struct call *c, const struct idempotency_key *key)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum idempotency_found found;
    enum db_status status = db_idempotency_begin(c->db, key, &found, &rows);

    if (status != DB_OK) {
        (void)answer_status(c, status);
        return false;
    }
    switch (found) {
    case IDEMPOTENCY_NEW:
        return true;
    case IDEMPOTENCY_OTHER:
        (void)answer_problem(c, PROBLEM_IDEMPOTENCY_MISMATCH, NULL);
        return false;
    case IDEMPOTENCY_RUNNING:
        (void)answer_problem(c, PROBLEM_IDEMPOTENCY_RUNNING, NULL);
        return false;
    case IDEMPOTENCY_DONE:
        replay(c, &rows);
        return false;
    }
    BUG("impossible idempotency_found");
}

static void keep_header(struct call *c, const char *name, const char *value)
{
    buf_addf(&c->once->headers, "%s: %s\n", name, value);
}

static void keep_body(struct call *c, unsigned status, const struct buf *body)
{
    struct idempotency_answer answer = {.status = status};

    answer.headers = buf_text(&c->once->headers);
    answer.body = c->once->secret ? NULL : buf_text(body);
    c->once->kept = true; /* or lost: it was created */
    if (db_idempotency_keep(c->db, &c->once->key, &answer) != DB_OK)
        log_warn("answer not kept for its Idempotency-Key", LOG_FIELD("request_id", LOG_TEXT(request_id(c->rq))), );
}

static const struct keeper keeper = {.header = keep_header, .body = keep_body};

bool once_begin(struct call *c)
{
    const char *text = request_header(c->rq, "Idempotency-Key");
    struct idempotency_key key = {.key = text};

    if (!text)
        return true;
    if (!key_is_ok(text)) {
        (void)answer_problem(c, PROBLEM_BAD_IDEMPOTENCY_KEY, NULL);
        return false;
    }
    identify(c, &key);
    if (!claim(c, &key))
        return false;
    c->once = mem_zalloc(sizeof *c->once);
    *c->once = (struct once){.key = key, .headers = BUF_INIT(HEADERS_MAX)};
    c->keeper = &keeper;
    return true;
}

void once_hide(struct call *c)
{
    if (c->once)
        c->once->secret = true;
}

void once_end(struct call *c)
{
    if (c->once && !c->once->kept && db_idempotency_drop(c->db, &c->once->key) != DB_OK)
        log_warn("Idempotency-Key not given back", LOG_FIELD("request_id", LOG_TEXT(request_id(c->rq))), );
}

void once_free(struct once *once)
{
    if (!once)
        return;
    buf_release(&once->headers);
    free(once);
}
