/* Members of lists, by hand and by file. The one idea: a request leaves its edit in the worker's queue and is parked, holding no thread,
 * until a tick has applied it; so only the worker writes members, and what the answer says is in the feed already. A call is run again
 * whenever something has moved, and at least each second, for a notification may be lost. A call that is given up (503) leaves its edit in
 * the queue: it will be applied, and can be sent again. What a row of a file means is not decided here. */
#include <stdlib.h>
#include <string.h>

#include "api/collect/upload.h"
#include "api/handlers.h"
#include "api/member_text.h"
#include "api/negotiate.h"
#include "api/person.h"
#include "db/list.h"
#include "db/segment.h"
#include "server/base/alloc.h"

#define LOOK_US US_PER_S

/* What a call keeps between its runs. */
struct pending {
    int64_t op_id;
    size_t rejected;
    struct buf errors; /* JSON */
};

static void pending_free(void *state)
{
    struct pending *pending = state;

    buf_release(&pending->errors);
    free(pending);
}

static struct pending *keep_pending(struct call *c, int64_t op_id)
{
    struct pending *pending = mem_zalloc(sizeof *pending);

    *pending = (struct pending){.op_id = op_id, .errors = BUF_INIT(ANSWER_MAX)};
    c->kept = pending;
    c->free_kept = pending_free;
    return pending;
}

/* Is the segment a list? False: answered. */
static bool is_list(struct call *c)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_segment_read(c->db, call_param(c, 0), &rows);

    if (status != DB_OK)
        (void)answer_status(c, status);
    else if (strcmp(db_segment_row(&rows, 0).kind, "list") != 0)
        (void)answer_problem(c, PROBLEM_NOT_A_LIST, NULL);
    else
        return true;
    return false;
}

/* Looks whether the edit is done; if not, *ret_waits: the call is parked or answered. */
static enum handled look(struct call *c, struct list_outcome *ret_outcome, bool *ret_waits)
{
    const struct pending *pending = c->kept;
    enum db_status status = db_list_read(c->db, pending->op_id, ret_outcome);

    *ret_waits = status != DB_OK || !ret_outcome->done;
    if (status != DB_OK)
        return answer_status(c, status);
    if (!*ret_waits)
        return HANDLED_ANSWERED;
    if (c->no_wait)
        return answer_problem_detail(c, PROBLEM_UNAVAILABLE, "the edit is stored and will be applied");
    return call_park(c, clock_mono_us() + LOOK_US);
}

/* --- One member --- */

static enum db_status put_one(struct call *c, enum list_mode mode, const struct person_named *named)
{
    struct list_edit edit = {.key = call_param(c, 0), .mode = mode, .people = &named->person.raw, .n = 1};
    enum db_status status = mode == LIST_ADD ? db_list_people(c->db, &named->person, 1, named->kind) : DB_OK;
    int64_t op_id;

    if (status == DB_OK)
        status = db_list_put(c->db, &edit, &op_id);
    if (status == DB_OK)
        (void)keep_pending(c, op_id);
    return status;
}

/* False: answered. */
static bool begin_one(struct call *c, enum list_mode mode)
{
    struct person_named named;
    enum db_status status;

    if (!is_list(c))
        return false;
    if (!person_name(call_param(c, 1), &named)) {
        (void)(mode == LIST_ADD ? answer_problem(c, PROBLEM_BAD_ID, NULL) : answer_status(c, DB_NONE));
        return false;
    }
    status = put_one(c, mode, &named);
    if (status != DB_OK)
        (void)answer_status(c, status);
    return status == DB_OK;
}

static enum handled answer_member(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    enum db_status status = DB_NONE;
    struct member_row row;
    int64_t as_of_us;
    struct id raw;

    if (person_read(call_param(c, 1), &raw))
        status = db_member_read(c->db, call_param(c, 0), &raw, &rows, &as_of_us);
    if (status != DB_OK) /* taken out again at once */
        return answer_status(c, status);
    row = db_member_row(&rows, 0);
    member_put(&out, &row);
    return answer_json(c, 200, &text);
}

enum handled api_member_put(struct call *c)
{
    struct list_outcome outcome;
    enum handled handled;
    bool waits;

    if (!c->kept && !begin_one(c, LIST_ADD))
        return HANDLED_ANSWERED;
    handled = look(c, &outcome, &waits);
    return waits ? handled : answer_member(c);
}

enum handled api_member_delete(struct call *c)
{
    struct list_outcome outcome;
    enum handled handled;
    bool waits;

    if (!c->kept && !begin_one(c, LIST_REMOVE))
        return HANDLED_ANSWERED;
    handled = look(c, &outcome, &waits);
    if (waits)
        return handled;
    return outcome.removed ? answer_empty(c, 204) : answer_status(c, DB_NONE);
}

/* --- A file --- */

struct plan {
    enum list_mode mode;
    bool partial;
};

/* False: answered. */
static bool read_plan(struct call *c, struct plan *plan)
{
    static const char *const names[] = {[LIST_ADD] = "add", [LIST_REMOVE] = "remove", [LIST_REPLACE] = "replace"};
    const char *mode = request_query(c->rq, "mode"), *partial = request_query(c->rq, "partial");
    size_t i = 0;

    while (i < ARRAY_LEN(names) && (!mode || strcmp(names[i], mode) != 0))
        i++;
    plan->mode = (enum list_mode)i;
    plan->partial = partial && strcmp(partial, "true") == 0;
    if (i == ARRAY_LEN(names))
        (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "mode must be add, remove or replace");
    else if (partial && !plan->partial && strcmp(partial, "false") != 0)
        (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "partial must be true or false");
    else
        return true;
    return false;
}

static void put_errors(struct buf *text, const struct upload *upload)
{
    struct json_out out = JSON_OUT(text);

    json_open(&out, '[');
    for (size_t i = 0; i < upload->errors.n; i++) {
        json_open(&out, '{');
        json_add_int(&out, "line", (int64_t)upload->errors.at[i].line);
        json_add_text(&out, "code", upload->errors.at[i].code);
        json_add_text(&out, "detail", upload->errors.at[i].detail);
        json_close(&out, '}');
    }
    json_close(&out, ']');
}

static size_t count_people(const struct upload *upload)
{
    size_t n = 0;

    for (size_t kind = 0; kind < PERSON_KINDS; kind++)
        n += upload->people[kind].n;
    return n;
}

/* Would the upload empty the list, or part of it, by mistake? False: answered. */
static bool is_safe(struct call *c, const struct plan *plan, const struct upload *upload)
{
    AUTO_BUF struct buf errors = BUF_INIT(ANSWER_MAX);
    bool none = count_people(upload) == 0;

    if (plan->mode != LIST_REPLACE || !upload->rejected || (plan->partial && !none))
        return true;
    put_errors(&errors, upload);
    (void)answer_problem_with(c, PROBLEM_BAD_ROWS, "nothing was changed: with ?partial=true the good rows are taken", "rows",
                              buf_text(&errors));
    return false;
}

static struct id *raw_ids(const struct upload *upload)
{
    struct id *ids = mem_grow(NULL, count_people(upload) + 1, sizeof *ids);
    size_t n = 0;

    for (size_t kind = 0; kind < PERSON_KINDS; kind++)
        for (size_t i = 0; i < upload->people[kind].n; i++)
            ids[n++] = upload->people[kind].at[i].raw;
    return ids;
}

static enum db_status put_upload(struct call *c, enum list_mode mode, const struct upload *upload)
{
    AUTO_FREE struct id *ids = raw_ids(upload);
    struct list_edit edit = {.key = call_param(c, 0), .mode = mode, .people = ids, .n = count_people(upload)};
    enum db_status status = DB_OK;
    struct pending *pending;
    int64_t op_id;

    for (enum person_kind kind = PERSON_USER; mode != LIST_REMOVE && kind < PERSON_KINDS && status == DB_OK; kind++)
        status = db_list_people(c->db, upload->people[kind].at, upload->people[kind].n, kind);
    if (status == DB_OK)
        status = db_list_put(c->db, &edit, &op_id);
    if (status != DB_OK)
        return status;
    pending = keep_pending(c, op_id);
    pending->rejected = upload->rejected;
    put_errors(&pending->errors, upload);
    return DB_OK;
}

/* False: answered. */
static bool begin_upload(struct call *c)
{
    CLEANUP(upload_release) struct upload upload = UPLOAD_INIT;
    struct err err = ERR_INIT;
    enum db_status status;
    struct plan plan;
    size_t len;
    char *text = request_body(c->rq, &len);
    enum upload_form form = negotiate_is(request_header(c->rq, "Content-Type"), TYPE_CSV) ? UPLOAD_CSV : UPLOAD_NDJSON;

    if (!read_plan(c, &plan) || !is_list(c))
        return false;
    if (!len)
        (void)err_set(&err, "empty_upload", "", "the body is empty; to empty a list, replace it by CSV with a header alone");
    if (err.code || !upload_read(text, len, form, &upload, &err)) {
        (void)answer_problem(c, PROBLEM_INVALID, &err);
        return false;
    }
    if (!is_safe(c, &plan, &upload))
        return false;
    status = put_upload(c, plan.mode, &upload);
    if (status != DB_OK)
        (void)answer_status(c, status);
    return status == DB_OK;
}

enum handled api_member_upload(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    const struct pending *pending;
    struct list_outcome outcome;
    enum handled handled;
    bool waits;

    if (!c->kept && !begin_upload(c))
        return HANDLED_ANSWERED;
    handled = look(c, &outcome, &waits);
    if (waits)
        return handled;
    pending = c->kept;
    json_open(&out, '{');
    json_add_int(&out, "added", outcome.added);
    json_add_int(&out, "removed", outcome.removed);
    json_add_int(&out, "unchanged", outcome.unchanged);
    json_add_int(&out, "rejected", (int64_t)pending->rejected);
    json_add_raw(&out, "errors", buf_text(&pending->errors));
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}
