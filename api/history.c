/* GET …/history: size, entered and left of a segment in steps of time. The one idea: sizes are reckoned backwards from the size now by what the feed says
 * has happened since, so history reaches as far as the feed (30 days) and not before the segment was made. Sizes are those at the ends of the steps.
 * Nothing is estimated. */
#include <string.h>

#include "api/handlers.h"
#include "api/instants.h"
#include "db/history.h"
#include "db/segment.h"
#include "server/base/alloc.h"

enum { BUCKETS_MAX = 1000 };

#define DAY_US (86400 * US_PER_S)

bool instant_parameter(struct call *c, const char *name, int64_t *ret_us)
{
    const char *text = request_query(c->rq, name);
    enum instant_form form;
    char detail[96];

    if (!text || instant_read(text, strlen(text), ret_us, &form))
        return true;
    (void)snprintf(detail, sizeof detail, "%s must be an instant such as 2026-01-31T12:00:00Z", name);
    (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, detail);
    return false;
}

struct span_asked {
    int64_t from_us;
    int64_t to_us;
    int64_t step_us;
};

/* Reads from, to and step; false: answered. */
static bool read_span(struct call *c, const struct segment_row *row, struct span_asked *asked)
{
    int64_t now_us = db_clock_now_us(c->ports->clock), oldest_us = now_us - FEED_KEEP_DAYS * DAY_US;
    const char *step = request_query(c->rq, "step");

    *asked = (struct span_asked){.from_us = oldest_us > row->created_us ? oldest_us : row->created_us, .to_us = now_us, .step_us = DAY_US};
    if (!instant_parameter(c, "from", &asked->from_us) || !instant_parameter(c, "to", &asked->to_us))
        return false;
    if (step && !duration_read(step, strlen(step), &asked->step_us))
        (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "step must be a duration such as 1h or 1d");
    else if (asked->from_us < oldest_us)
        (void)answer_problem_detail(c, PROBLEM_OUT_OF_HISTORY, "the feed reaches back 30 days");
    else if (asked->to_us <= asked->from_us || (asked->to_us - asked->from_us - 1) / asked->step_us >= BUCKETS_MAX)
        (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "from, to and step must make 1 to 1000 steps");
    else
        return true;
    return false;
}

struct bucket {
    int64_t entered;
    int64_t left;
    int64_t size; /* at its end */
};

/* Fills the buckets from the rows, backwards from the size now. */
static void reckon(struct bucket *buckets, size_t n, const struct db_rows *rows, int64_t size)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int64_t bucket = db_int(rows, i, HISTORY_BUCKET);

        if (bucket >= (int64_t)n) {
            size -= db_int(rows, i, HISTORY_ENTERED) - db_int(rows, i, HISTORY_LEFT);
            continue;
        }
        buckets[bucket].entered = db_int(rows, i, HISTORY_ENTERED);
        buckets[bucket].left = db_int(rows, i, HISTORY_LEFT);
    }
    for (size_t i = n; i-- > 0; size -= buckets[i].entered - buckets[i].left)
        buckets[i].size = size;
}

static enum handled answer_history(struct call *c, const struct span_asked *asked, const struct bucket *buckets, size_t n)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);

    json_open(&out, '{');
    json_key(&out, "data");
    json_open(&out, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(&out, '{');
        json_add_instant(&out, "at", asked->from_us + (int64_t)i * asked->step_us);
        json_add_int(&out, "size", buckets[i].size);
        json_add_int(&out, "entered", buckets[i].entered);
        json_add_int(&out, "left", buckets[i].left);
        json_close(&out, '}');
    }
    json_close(&out, ']');
    json_add_int(&out, "step_ms", asked->step_us / US_PER_MS);
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

enum handled api_segment_history(struct call *c)
{
    AUTO_DB_ROWS struct db_rows segment = DB_ROWS_INIT, rows = DB_ROWS_INIT;
    struct bucket *buckets AUTO_FREE = NULL;
    struct history_query query = {.key = call_param(c, 0)};
    enum db_status status = db_segment_read(c->db, query.key, &segment);
    struct span_asked asked;
    struct segment_row row;
    size_t n;

    if (status != DB_OK)
        return answer_status(c, status);
    row = db_segment_row(&segment, 0);
    if (!read_span(c, &row, &asked))
        return HANDLED_ANSWERED;
    query.from_us = asked.from_us;
    query.step_us = asked.step_us;
    status = db_history_read(c->db, &query, &segment, &rows);
    if (status != DB_OK)
        return answer_status(c, status);
    n = (size_t)((asked.to_us - asked.from_us - 1) / asked.step_us + 1);
    buckets = mem_zalloc(n * sizeof *buckets);
    reckon(buckets, n, &rows, db_segment_row(&segment, 0).size);
    return answer_history(c, &asked, buckets, n);
}
