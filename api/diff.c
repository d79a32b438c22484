/* POST …/diff: who would enter and who would leave if a definition were changed, and which segments would follow. The one idea: everything is checked as if
 * the definition were saved, and compared as if it were verified; nothing is stored. As exact as a build, and as long, so it runs on the long
 * lane. */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/definition.h"
#include "api/handlers.h"
#include "api/person.h"
#include "db/diff.h"
#include "db/segment.h"
#include "server/base/alloc.h"

enum { SAMPLE_DEFAULT = 10, SAMPLE_MAX = 1000, TIMEZONE_LENGTH = 64 };

/* The people told of, as JSON. */
struct people {
    struct buf enter;
    struct buf leave;
    struct json_out enter_out;
    struct json_out leave_out;
};

static void people_release(struct people *people)
{
    buf_release(&people->enter);
    buf_release(&people->leave);
}

static void put_person(void *context, bool enters, const struct who *who)
{
    struct people *people = context;
    struct json_out *out = enters ? &people->enter_out : &people->leave_out;

    json_open(out, '{');
    person_put(out, who);
    json_close(out, '}');
}

struct wish {
    struct definition definition;
    char *timezone; /* owned */
    int64_t sample;
};

static void wish_release(struct wish *wish)
{
    definition_release(&wish->definition);
    free(wish->timezone);
}

/* Reads the body; a time zone that is not given is the segment's. */
static bool read_wish(struct json body, const struct segment_row *row, struct wish *wish, struct err *err)
{
    static const struct int_range range = {0, SAMPLE_MAX};
    struct json zone, sample;
    const struct body_field fields[] = {
        {"definition", MEMBER_OBJECT, &wish->definition.text}, {"timezone", MEMBER_TEXT, &zone}, {"sample", MEMBER_INT, &sample}};

    wish->sample = SAMPLE_DEFAULT;
    if (!body_read(body, fields, ARRAY_LEN(fields), err))
        return false;
    if (wish->definition.text.type == JSON_T_NONE)
        return err_set(err, "missing_member", "/definition", "there is nothing to compare");
    wish->timezone = zone.type == JSON_T_NONE ? mem_strdup(row->timezone) : body_text(zone, "/timezone", 1, TIMEZONE_LENGTH, err);
    wish->definition.timezone = wish->timezone;
    return wish->timezone && (sample.type == JSON_T_NONE || body_int(sample, "/sample", &range, &wish->sample, err));
}

static void put_side(struct json_out *out, const char *key, int64_t count, const struct buf *sample)
{
    json_key(out, key);
    json_open(out, '{');
    json_add_int(out, "count", count);
    json_add_raw(out, "sample", buf_text(sample));
    json_close(out, '}');
}

static enum handled answer_diff(struct call *c, const struct db_diffed *found, const struct people *people)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    enum db_status status = db_segment_dependents(c->db, call_param(c, 0), &rows);

    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    json_open(&out, '{');
    json_add_instant(&out, "as_of", found->as_of_us);
    put_side(&out, "enter", found->enter, &people->enter);
    put_side(&out, "leave", found->leave, &people->leave);
    json_key(&out, "dependents");
    json_open(&out, '[');
    for (size_t i = 0; i < db_rows_count(&rows); i++)
        json_put_text(&out, db_text(&rows, i, 0));
    json_close(&out, ']');
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

static enum handled compare(struct call *c, const struct wish *wish)
{
    CLEANUP(people_release) struct people people = {.enter = BUF_INIT(ANSWER_MAX), .leave = BUF_INIT(ANSWER_MAX)};
    struct db_diff diff = {.key = call_param(c, 0),
                           .segment = wish->definition.segment,
                           .sample = (size_t)wish->sample,
                           .differs = put_person,
                           .context = &people};
    struct db_diffed found;
    struct err err = ERR_INIT;
    enum db_status status;

    people.enter_out = (struct json_out)JSON_OUT(&people.enter);
    people.leave_out = (struct json_out)JSON_OUT(&people.leave);
    json_open(&people.enter_out, '[');
    json_open(&people.leave_out, '[');
    status = db_diff(c->db, &diff, &found, &err);
    json_close(&people.enter_out, ']');
    json_close(&people.leave_out, ']');
    if (err.code)
        return answer_problem(c, PROBLEM_INVALID, &err);
    return status == DB_OK ? answer_diff(c, &found, &people) : answer_status(c, status);
}

enum handled api_segment_diff(struct call *c)
{
    CLEANUP(wish_release) struct wish wish = {.timezone = NULL};
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct err err = ERR_INIT;
    struct segment_row row;
    enum db_status status = db_segment_read(c->db, call_param(c, 0), &rows);

    if (status != DB_OK)
        return answer_status(c, status);
    row = db_segment_row(&rows, 0);
    if (strcmp(row.kind, "list") == 0)
        return answer_problem(c, PROBLEM_NOT_A_RULE, NULL);
    if (!read_wish(c->body, &row, &wish, &err))
        return answer_problem(c, PROBLEM_INVALID, &err);
    status = definition_check(c->db, &wish.definition, &err);
    if (status == DB_OK)
        status = definition_check_references(c->db, &wish.definition, row.key, &err);
    if (status == DB_NONE)
        return answer_problem(c, PROBLEM_INVALID, &err);
    return status == DB_OK ? compare(c, &wish) : answer_status(c, status);
}
