/* POST …/verify: stored members beside a fresh evaluation of raw events, in one snapshot (db/verify.h does the work).
 * The answer must be no difference; if there is one, it is told person by person, up to a limit.
 * Nothing is repaired here. */
#include <string.h>

#include "api/handlers.h"
#include "api/person.h"
#include "db/segment.h"
#include "db/verify.h"

enum { TOLD_MAX = 1000 };

struct told {
    struct json_out *out;
    size_t n;
};

static void put_difference(void *context, const struct db_verify_row *row)
{
    struct told *told = context;
    struct json_out *out = told->out;

    if (told->n++ >= TOLD_MAX)
        return;
    json_open(out, '{');
    person_put(out, &row->who);
    json_add_bool(out, "should_be", row->should_be);
    json_add_bool(out, "is", row->is);
    json_close(out, '}');
}

static enum handled answer_verified(struct call *c, const struct db_verified *verified, const struct buf *differences)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);

    json_open(&out, '{');
    json_add_instant(&out, "as_of", verified->as_of_us == DB_INSTANT_PAST ? INSTANT_NONE : verified->as_of_us);
    json_add_bool(&out, "compared", verified->kept);
    json_add_int(&out, "differences", verified->differ);
    json_add_int(&out, "left_out", verified->left_out);
    json_add_raw(&out, "data", buf_text(differences));
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

enum handled api_segment_verify(struct call *c)
{
    AUTO_BUF struct buf differences = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&differences);
    struct told told = {.out = &out};
    struct db_verify verify = {.key = call_param(c, 0), .differs = put_difference, .context = &told, .to = id_last()};
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct db_verified verified;
    enum db_status status = db_segment_read(c->db, verify.key, &rows);

    if (status != DB_OK)
        return answer_status(c, status);
    if (strcmp(db_segment_row(&rows, 0).kind, "list") == 0)
        return answer_problem(c, PROBLEM_NOT_A_RULE, NULL);
    json_open(&out, '[');
    status = db_verify(c->db, &verify, &verified);
    json_close(&out, ']');
    return status == DB_OK ? answer_verified(c, &verified, &differences) : answer_status(c, status);
}
