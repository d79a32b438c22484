/* GET …/history. The one idea: rows of the store are the instants at which something changed, so a bucket's size is that of the last row
 * before its end, and one walk over rows and buckets, both in order, gives all. Buckets begin at multiples of the step, counted from a
 * Monday, so days are days of UTC and weeks begin on Monday. What was before the segment had members is computed, or not known. */
#include <string.h>

#include "api/handlers.h"
#include "api/instants.h"
#include "api/page.h"
#include "db/history.h"

enum { BUCKETS_MAX = 1000 };
#define DAY_US    (86400 * US_PER_S)
#define HOUR_US   (3600 * US_PER_S)
#define MINUTE_US (60 * US_PER_S)
#define MONDAY_US (4 * DAY_US) /* 1970-01-05 */

struct frame {
    int64_t from_us; /* of the first bucket */
    int64_t to_us;
    int64_t step_us;
    int64_t now_us;
    int64_t live_us; /* when it got its first members, or INSTANT_NONE */
};

static bool refuse(struct call *c, const char *detail)
{
    (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, detail);
    return false;
}

/* Older rows are hours, then days (db/history.c). */
static int64_t least_step_us(const struct frame *frame)
{
    int64_t age_us = frame->now_us - frame->from_us;

    return age_us > 89 * DAY_US ? DAY_US : age_us > 2 * DAY_US - HOUR_US ? HOUR_US : MINUTE_US;
}

static bool read_frame(struct call *c, struct frame *frame)
{
    const char *step = request_query(c->rq, "step");
    int64_t over_us;

    frame->now_us = request_started_us(c->rq);
    frame->step_us = DAY_US;
    if (step && !duration_read(step, strlen(step), &frame->step_us))
        return refuse(c, "step must be a duration such as 1h or 1d");
    frame->to_us = frame->now_us;
    if (!instant_parameter(c, "to", &frame->to_us))
        return false;
    frame->from_us = frame->to_us - 30 * DAY_US;
    if (!instant_parameter(c, "from", &frame->from_us))
        return false;
    if (frame->to_us > frame->now_us)
        frame->to_us = frame->now_us;
    if (frame->from_us >= frame->to_us)
        return refuse(c, "from must be before to, and in the past");
    over_us = (frame->from_us - MONDAY_US) % frame->step_us;
    frame->from_us -= over_us < 0 ? over_us + frame->step_us : over_us;
    if (frame->step_us < least_step_us(frame) || frame->step_us % MINUTE_US)
        return refuse(c, "step must be whole minutes; at least 1h further back than 2 days, and 1d further back than 89 days");
    if ((frame->to_us - frame->from_us - 1) / frame->step_us >= BUCKETS_MAX)
        return refuse(c, "there are at most 1,000 buckets: take a longer step");
    return true;
}

/* A place in the rows, and what is known there. */
struct walk {
    const struct db_rows *rows;
    size_t i;
    bool known;
    struct history_row last;
    int64_t entered; /* of the bucket */
    int64_t left;
};

static void walk_to(struct walk *walk, int64_t begin_us, int64_t end_us)
{
    walk->entered = walk->left = 0;
    for (; walk->i < db_rows_count(walk->rows); walk->i++) {
        struct history_row row = db_history_row(walk->rows, walk->i);

        if (row.at_us >= end_us)
            return;
        walk->known = true;
        walk->last = row;
        if (row.at_us >= begin_us) {
            walk->entered += row.entered;
            walk->left += row.left;
        }
    }
}

static void add_or_null(struct json_out *out, const char *key, bool known, int64_t number)
{
    if (known)
        json_add_int(out, key, number);
    else
        json_add_null(out, key);
}

static void put_bucket(struct json_out *out, const struct frame *frame, const struct walk *walk, int64_t begin_us)
{
    bool live = frame->live_us != INSTANT_NONE && begin_us + frame->step_us > frame->live_us;
    bool computed = walk->known && walk->last.computed && !live;
    int64_t size = walk->known && (computed || !walk->last.computed) ? walk->last.size : 0;

    json_open(out, '{');
    json_add_instant(out, "at", begin_us);
    add_or_null(out, "size", live || computed, size);
    add_or_null(out, "identified", live, walk->known && !walk->last.computed ? walk->last.identified : 0);
    add_or_null(out, "entered", live, walk->entered);
    add_or_null(out, "left", live, walk->left);
    json_add_bool(out, "computed", computed);
    json_close(out, '}');
}

static enum handled answer_history(struct call *c, const struct frame *frame, const struct db_rows *rows)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    struct walk walk = {.rows = rows};

    page_begin(&out);
    json_open(&out, '[');
    for (int64_t at_us = frame->from_us; at_us < frame->to_us; at_us += frame->step_us) {
        int64_t end_us = at_us + frame->step_us;

        walk_to(&walk, at_us, end_us < frame->to_us ? end_us : frame->to_us);
        put_bucket(&out, frame, &walk, at_us);
    }
    json_close(&out, ']');
    json_add_int(&out, "step_ms", frame->step_us / US_PER_MS);
    return page_end(c, &out, NULL);
}

enum handled api_segment_history(struct call *c)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct frame frame;
    struct history_query query = {.key = call_param(c, 0)};
    enum db_status status;

    if (!read_frame(c, &frame))
        return HANDLED_ANSWERED;
    query.from_us = frame.from_us;
    query.to_us = frame.to_us;
    status = db_history_read(c->db, &query, &frame.live_us, &rows);
    return status == DB_OK ? answer_history(c, &frame, &rows) : answer_status(c, status);
}
