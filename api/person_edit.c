/* Changing people by hand. The one idea: what a request changes is committed at once, but it answers only when the worker has told of it, so a
 * client that reads the feed or members afterwards sees it. Meanwhile it is parked, holding no thread. One that is given up (503) has done its
 * work; sent again, it waits for the same. */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/handlers.h"
#include "api/person.h"
#include "api/profile_json.h"
#include "db/erasure.h"
#include "db/person_edit.h"
#include "server/base/alloc.h"

#define LOOK_US US_PER_S
enum { ID_LENGTH = 261 /* "user:" and 256 */ };

/* What a call waits for between its runs: the end of an erasure, or a row of the worker's queue. */
struct waiting {
    int64_t erasure_id;
    int64_t touched_id;
    struct id raw; /* whose profile is the answer */
};

static struct waiting *keep_waiting(struct call *c, struct waiting waiting)
{
    struct waiting *kept = mem_alloc(sizeof *kept);

    *kept = waiting;
    c->kept = kept;
    c->free_kept = free;
    return kept;
}

static enum handled wait_on(struct call *c)
{
    if (c->no_wait)
        return answer_problem_detail(c, PROBLEM_UNAVAILABLE, "it is done and will be told; send the request again to wait for that");
    return call_park(c, clock_mono_us() + LOOK_US);
}

/* --- DELETE /v1/profiles/{user_id} --- */

static enum handled answer_receipt(struct call *c, const struct erasure *erasure)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);

    json_open(&out, '{');
    json_add_int(&out, "erasure_id", erasure->erasure_id);
    json_add_instant(&out, "erased_at", erasure->at_us);
    json_add_int(&out, "events", erasure->events);
    json_add_bool(&out, "suppressed", erasure->suppressed);
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

enum handled api_profile_delete(struct call *c)
{
    const struct waiting *waiting = c->kept;
    const char *suppress = request_query(c->rq, "suppress");
    enum db_status status = DB_NONE;
    struct erasure erasure;
    struct id raw;

    if (suppress && strcmp(suppress, "true") != 0 && strcmp(suppress, "false") != 0)
        return answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "suppress must be true or false");
    if (!waiting && person_read(call_param(c, 0), &raw)) {
        status = db_person_erase(c->db, &raw, suppress && strcmp(suppress, "true") == 0, &erasure);
        if (status == DB_OK)
            waiting = keep_waiting(c, (struct waiting){.erasure_id = erasure.erasure_id});
    }
    if (waiting)
        status = db_erasure_end(c->db, waiting->erasure_id, &erasure);
    if (status != DB_OK)
        return answer_status(c, status);
    return erasure.done ? answer_receipt(c, &erasure) : wait_on(c);
}

/* --- POST /v1/profiles/merge --- */

static bool read_person(struct json value, const char *pointer, struct id *ret_raw, struct err *err)
{
    char *text AUTO_FREE = NULL;

    if (value.type == JSON_T_NONE)
        return err_set(err, "missing_member", pointer, "whom to merge is named as in /v1/profiles/{id}");
    text = body_text(value, pointer, 1, ID_LENGTH, err);
    if (!text)
        return false;
    return person_read(text, ret_raw) || err_set(err, "bad_id", pointer, "nobody can have this id");
}

static bool read_pair(struct call *c, struct id *ret_from, struct id *ret_into, struct err *err)
{
    struct json from, into;
    const struct body_field fields[] = {{"from", MEMBER_TEXT, &from}, {"into", MEMBER_TEXT, &into}};

    return body_read(c->body, fields, ARRAY_LEN(fields), err) && read_person(from, "/from", ret_from, err) &&
           read_person(into, "/into", ret_into, err);
}

static enum handled refuse_join(struct call *c, enum join_refusal refusal)
{
    struct err err = ERR_INIT;

    switch (refusal) {
    case JOIN_DONE:
        break;
    case JOIN_NOT_A_USER:
        (void)err_set(&err, "not_a_user", "/into", "a person without a user id cannot receive another");
        return answer_problem(c, PROBLEM_INVALID, &err);
    case JOIN_TOO_LARGE:
        (void)err_set(&err, "too_many_events", "/from", "a person with over 1,000,000 events is not merged");
        return answer_problem(c, PROBLEM_INVALID, &err);
    case JOIN_TRAITS_TOO_LARGE:
        (void)err_set(&err, "traits_too_large", "/into", "the person's traits would be larger than 1 MiB");
        return answer_problem(c, PROBLEM_INVALID, &err);
    }
    BUG("no refusal");
}

/* True: c->kept says what to wait for. Else *ret_handled. */
static bool begin_join(struct call *c, enum handled *ret_handled)
{
    struct err err = ERR_INIT;
    struct joined joined;
    enum db_status status;
    struct id from, into;

    if (!read_pair(c, &from, &into, &err)) {
        *ret_handled = answer_problem(c, PROBLEM_INVALID, &err);
        return false;
    }
    status = db_person_join(c->db, &from, &into, &joined);
    if (status != DB_OK)
        *ret_handled = answer_status(c, status);
    else if (joined.refusal)
        *ret_handled = refuse_join(c, joined.refusal);
    else
        (void)keep_waiting(c, (struct waiting){.touched_id = joined.touched_id, .raw = into});
    return c->kept;
}

enum handled api_profile_merge(struct call *c)
{
    const struct waiting *waiting;
    enum handled handled;
    enum db_status status = DB_OK;
    bool taken = true;

    if (!c->kept && !begin_join(c, &handled))
        return handled;
    waiting = c->kept;
    if (waiting->touched_id)
        status = db_touched_taken(c->db, waiting->touched_id, &taken);
    if (status != DB_OK)
        return answer_status(c, status);
    return taken ? profile_answer(c, &waiting->raw) : wait_on(c);
}

/* --- PATCH /v1/profiles/{user_id}/traits --- */

enum handled api_profile_traits_patch(struct call *c)
{
    struct span patch = {.at = c->body.at, .len = c->body.len};
    struct err err = ERR_INIT;
    enum db_status status = DB_NONE;
    bool too_large = false;
    struct id raw;

    if (json_get(c->body, "consent").type == JSON_T_OBJECT)
        (void)err_set(&err, "bad_value", "/consent", "consent is stated by POST /v1/profiles/{id}/consent");
    else if (json_has_bad_number(c->body))
        (void)err_set(&err, "bad_value", "", "a number has over 50 characters or an exponent of over two digits");
    if (err.code)
        return answer_problem(c, PROBLEM_INVALID, &err);
    if (person_read(call_param(c, 0), &raw))
        status = json_count(c->body) ? db_person_patch(c->db, &raw, patch, &too_large) : DB_OK;
    if (too_large) {
        (void)err_set(&err, "traits_too_large", "", "the person's traits would be larger than 1 MiB");
        return answer_problem(c, PROBLEM_INVALID, &err);
    }
    return status == DB_OK ? profile_answer(c, &raw) : answer_status(c, status);
}
