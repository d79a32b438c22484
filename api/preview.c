/* Trying a definition before it is saved. The one idea: profile ids are hashes, so everybody had the same chance to be evaluated, the share of the ids that
 * was; an estimate is the members met, divided by it, with the 95 % interval of such a count (Wilson's way, narrower as the share nears the whole). How
 * large the population is need not be known.
 * Nothing is stored, save names of events that nobody knew. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/definition.h"
#include "api/handlers.h"
#include "api/person.h"
#include "db/preview.h"
#include "server/base/alloc.h"

enum { SAMPLE_MAX = 1000, BUDGET_MS = 1000, BUDGET_MAX_MS = 5000, TIMEZONE_LENGTH = 64 };

#define NORMAL_95 1.959964

struct wish {
    struct definition definition;
    char *timezone; /* owned */
    int64_t as_of_us;
    int64_t sample;
    int64_t budget_ms;
};

static void wish_release(struct wish *wish)
{
    definition_release(&wish->definition);
    free(wish->timezone);
}

static bool read_as_of(struct json value, int64_t *ret_us, struct err *err)
{
    char *text AUTO_FREE = json_text(value);
    enum instant_form form;

    if (instant_read(text, strlen(text), ret_us, &form))
        return true;
    return err_set(err, "bad_value", "/as_of", "must be an instant such as 2026-01-31T12:00:00Z");
}

static bool read_wish(struct json body, struct wish *wish, struct err *err)
{
    static const struct int_range sample_range = {0, SAMPLE_MAX}, budget_range = {1, BUDGET_MAX_MS};
    struct json zone, as_of, sample, budget;
    const struct body_field fields[] = {{"definition", MEMBER_OBJECT, &wish->definition.text},
                                        {"timezone", MEMBER_TEXT, &zone},
                                        {"as_of", MEMBER_TEXT, &as_of},
                                        {"sample", MEMBER_INT, &sample},
                                        {"budget_ms", MEMBER_INT, &budget}};

    *wish = (struct wish){.as_of_us = INSTANT_NONE, .budget_ms = BUDGET_MS};
    if (!body_read(body, fields, ARRAY_LEN(fields), err))
        return false;
    if (wish->definition.text.type == JSON_T_NONE)
        return err_set(err, "missing_member", "/definition", "there is nothing to preview");
    wish->timezone = zone.type == JSON_T_NONE ? mem_strdup("UTC") : body_text(zone, "/timezone", 1, TIMEZONE_LENGTH, err);
    wish->definition.timezone = wish->timezone;
    if (as_of.type != JSON_T_NONE && !read_as_of(as_of, &wish->as_of_us, err))
        return false;
    if (sample.type != JSON_T_NONE && !body_int(sample, "/sample", &sample_range, &wish->sample, err))
        return false;
    return !err->code && (budget.type == JSON_T_NONE || body_int(budget, "/budget_ms", &budget_range, &wish->budget_ms, err));
}

static void put_sampled(void *context, const struct who *who)
{
    struct json_out *out = context;

    json_open(out, '{');
    person_put(out, who);
    json_close(out, '}');
}

struct estimate {
    int64_t count;
    int64_t low;
    int64_t high;
};

/* How many there are of whom about `held` were met, each by the chance `share`: an end of the interval (side -1 or 1). */
static double end_of_interval(double held, double share, double side)
{
    double z2 = NORMAL_95 * NORMAL_95 * (1 - share);

    return (held + z2 / 2 + side * sqrt(z2 * (held + z2 / 4))) / share;
}

/* The half is the correction for continuity. Who was met is certain. */
static struct estimate estimate(const struct db_previewed *seen)
{
    double k = (double)seen->members;

    if (seen->exact)
        return (struct estimate){seen->members, seen->members, seen->members};
    return (struct estimate){.count = (int64_t)round(k / seen->share),
                             .low = (int64_t)fmax(k, floor(end_of_interval(fmax(k - 0.5, 0), seen->share, -1))),
                             .high = (int64_t)ceil(end_of_interval(k + 0.5, seen->share, 1))};
}

static enum handled answer_preview(struct call *c, const struct db_previewed *seen, const struct buf *sample)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    struct estimate told = estimate(seen);

    json_open(&out, '{');
    json_add_int(&out, "count", told.count);
    json_add_bool(&out, "exact", seen->exact);
    json_add_int(&out, "low", told.low);
    json_add_int(&out, "high", told.high);
    json_add_instant(&out, "as_of", seen->as_of_us);
    json_add_raw(&out, "sample", buf_text(sample));
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

enum handled api_segment_preview(struct call *c)
{
    CLEANUP(wish_release) struct wish wish = {.timezone = NULL};
    AUTO_BUF struct buf sample = BUF_INIT(ANSWER_MAX);
    struct json_out sample_out = JSON_OUT(&sample);
    struct db_preview preview = {.member = put_sampled, .context = &sample_out};
    struct db_previewed seen;
    struct err err = ERR_INIT;
    enum db_status status;

    if (!read_wish(c->body, &wish, &err))
        return answer_problem(c, PROBLEM_INVALID, &err);
    status = definition_check(c->db, &wish.definition, &err);
    if (status == DB_OK)
        status = definition_check_references(c->db, &wish.definition, NULL, &err);
    if (status == DB_NONE)
        return answer_problem(c, PROBLEM_INVALID, &err);
    if (status != DB_OK)
        return answer_status(c, status);
    preview.segment = wish.definition.segment;
    preview.as_of_us = wish.as_of_us;
    preview.budget_us = wish.budget_ms * US_PER_MS;
    preview.sample = (size_t)wish.sample;
    preview.start = id_hash(wish.definition.text.at, wish.definition.text.len);
    json_open(&sample_out, '[');
    status = db_preview(c->db, &preview, &seen, &err);
    json_close(&sample_out, ']');
    if (status == DB_OK && seen.future)
        (void)err_set(&err, "bad_value", "/as_of", "must not be in the future");
    if (err.code)
        return answer_problem(c, PROBLEM_INVALID, &err);
    if (seen.timed_out)
        return answer_problem(c, PROBLEM_TIMEOUT, NULL);
    return status == DB_OK ? answer_preview(c, &seen, &sample) : answer_status(c, status);
}
