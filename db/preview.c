/* Previews. The one idea: profile ids are hashes, so any range of them is a fair sample; ranges are evaluated one after the other from a start that the
 * definition decides, with the very SQL that builds use, until all are done or the time is over. All ranges see one snapshot. Ranges grow while they are
 * quick, so a small store is counted in one or two statements. What the numbers mean (interval) is the caller's. */
#include "db/preview.h"

#include <endian.h>
#include <string.h>

#include "db/membership.h"
#include "db/others.h"

enum { FIRST_PROFILES = 500, FIRST_PARTS = 16, QUICK_US = 50000, QUICK_PARTS = 4, SAMPLE_ROWS = 1000 };

DB_STATEMENT(preview_frame, "", "SELECT clock_timestamp(), floor_at FROM retention");

struct run {
    struct db *db;
    const struct db_preview *preview;
    struct db_plans *plans;
    struct db_others others;
    struct sql sqls[2];
    struct db_query count;
    struct db_query members;
    int64_t floor_us;
    size_t given; /* members of the sample */
};

static void run_release(struct run *run)
{
    db_query_close(run->db, run->plans, &run->count);
    db_query_close(run->db, run->plans, &run->members);
    if (!run->preview->plans)
        db_plans_free(run->plans);
    db_others_release(&run->others);
    for (size_t i = 0; i < ARRAY_LEN(run->sqls); i++)
        sql_release(&run->sqls[i]);
}

enum db_status db_begin_evaluation(struct db *db)
{
    static const char *const steps[] = {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SET LOCAL plan_cache_mode = force_generic_plan",
                                        "SET LOCAL enable_seqscan = off"};
    enum db_status status = DB_OK, end;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        db_send_sql(db, steps[i]);
    db_sync(db);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        enum db_status one = db_receive(db, NULL);

        status = status == DB_OK ? one : status;
    }
    end = db_receive_sync(db);
    if (end != DB_OK)
        status = end;
    if (status != DB_OK)
        db_rollback(db);
    return status;
}

/* Prepares both statements; outside the transaction, for names may be interned. */
static enum db_status prepare(struct run *run, struct err *err)
{
    static const enum segment_head heads[] = {HEAD_COUNT, HEAD_RANGE};
    AUTO_BUF struct buf wrapped = BUF_INIT(SQL_TEXT_MAX);
    enum db_status status;

    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        if (!segment_compile(run->preview->segment, heads[i], &(struct segment_others){db_others_look_up, &run->others}, &run->sqls[i],
                             err))
            return DB_NONE;
    if (run->others.status != DB_OK)
        return run->others.status;
    status = db_query_open(run->db, run->plans, &(struct db_query_text){.sql = &run->sqls[0], .runner_types = "zzuu"}, &run->count);
    if (status != DB_OK || !run->preview->sample)
        return status;
    buf_addf(&wrapped, "SELECT * FROM (%s) AS s LIMIT %d", buf_text(&run->sqls[1].text), SAMPLE_ROWS);
    return db_query_open(run->db, run->plans,
                         &(struct db_query_text){.sql = &run->sqls[1], .text = buf_text(&wrapped), .runner_types = "zzuu"}, &run->members);
}

/* An id that begins with these 64 bits and ends with all zeros or all ones. */
static struct id id_of(uint64_t head, uint8_t rest)
{
    struct id id;

    head = htobe64(head);
    memset(id.bytes, rest, sizeof id.bytes);
    memcpy(id.bytes, &head, sizeof head);
    return id;
}

static enum db_status give_members(struct run *run, const struct db_previewed *previewed, const struct id *from, const struct id *to)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_instant(&args, previewed->as_of_us);
    db_arg_instant(&args, run->floor_us);
    db_arg_id(&args, from);
    db_arg_id(&args, to);
    status = db_query_run(run->db, &run->members, &args, &rows);
    for (size_t i = 0; status == DB_OK && i < db_rows_count(&rows) && run->given < run->preview->sample; i++, run->given++) {
        struct who who = db_who(&rows, i, 1);

        run->preview->member(run->preview->context, &who);
    }
    return status == DB_NONE ? DB_OK : status;
}

/* Profiles whose ids begin with 64 bits from first to last, both in. */
static enum db_status count_range(struct run *run, struct db_previewed *previewed, uint64_t first, uint64_t last)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct id from = id_of(first, 0), to = id_of(last, 0xff);
    enum db_status status;

    db_arg_instant(&args, previewed->as_of_us);
    db_arg_instant(&args, run->floor_us);
    db_arg_id(&args, &from);
    db_arg_id(&args, &to);
    status = db_query_run(run->db, &run->count, &args, &rows);
    if (status != DB_OK)
        return status;
    previewed->members += db_int(&rows, 0, 0);
    previewed->population += db_int(&rows, 0, 1);
    if (run->given < run->preview->sample && db_int(&rows, 0, 0))
        return give_members(run, previewed, &from, &to);
    return DB_OK;
}

/* What is left of the budget. */
static int64_t rest_us(const struct run *run, const struct db_previewed *previewed, int64_t began_us)
{
    int64_t grace_us = previewed->population < FIRST_PROFILES ? run->preview->grace_us : 0;

    return began_us + run->preview->budget_us + grace_us - clock_mono_us();
}

/* Never 0, which would be for ever. */
static int64_t in_ms(int64_t us)
{
    return us > 0 ? us / US_PER_MS + 1 : 1;
}

/* Goes once around the ids, from the start on, or until the time is over. A range's size is less one, as is what is left, so that all ids fit in 64 bits. */
static enum db_status count_all(struct run *run, struct db_previewed *previewed)
{
    int64_t first_us = clock_mono_us(), profiles;
    int64_t quick_us = run->preview->budget_us / QUICK_PARTS < QUICK_US ? run->preview->budget_us / QUICK_PARTS : QUICK_US;
    enum db_status status = db_profiles_estimate(run->db, &profiles);
    uint64_t at, width, left = UINT64_MAX;

    memcpy(&at, run->preview->start.bytes, sizeof at);
    width = UINT64_MAX / (uint64_t)(profiles / FIRST_PROFILES + FIRST_PARTS);
    while (status == DB_OK && !previewed->exact && (left == UINT64_MAX || rest_us(run, previewed, first_us) > 0)) {
        int64_t began_us = clock_mono_us();
        struct db_previewed before = *previewed;
        uint64_t more = width;

        more = more > left ? left : more;
        more = more > UINT64_MAX - at ? UINT64_MAX - at : more; /* a range ends where the ids do, the next begins at 0 */
        status = left == UINT64_MAX ? DB_OK : db_set_timeout(run->db, in_ms(rest_us(run, previewed, first_us)));
        if (status == DB_OK)
            status = count_range(run, previewed, at, at + more);
        if (before.population && db_timed_out(run->db, status)) { /* the time is over: what was seen before is the answer */
            *previewed = before;
            status = DB_OK;
            break;
        }
        previewed->exact = more == left;
        left -= more + 1;
        at += more + 1;
        if (clock_mono_us() - began_us < quick_us && width < UINT64_MAX / 2)
            width *= 2;
    }
    previewed->share = previewed->exact ? 1 : 1 - (double)left / (double)UINT64_MAX;
    return status;
}

static enum db_status inside(struct run *run, struct db_previewed *previewed)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(run->db, &preview_frame, NULL, &rows);
    int64_t now_us;

    if (status != DB_OK)
        return status;
    now_us = db_instant(&rows, 0, 0);
    run->floor_us = db_instant(&rows, 0, 1);
    previewed->as_of_us = run->preview->as_of_us == INSTANT_NONE ? now_us : run->preview->as_of_us;
    previewed->future = previewed->as_of_us > now_us;
    return previewed->future ? DB_OK : count_all(run, previewed);
}

enum db_status db_preview(struct db *db, const struct db_preview *preview, struct db_previewed *ret_previewed, struct err *err)
{
    CLEANUP(run_release)
    struct run run = {.db = db,
                      .preview = preview,
                      .plans = preview->plans ? preview->plans : db_plans_new(),
                      .others = DB_OTHERS_INIT(db),
                      .count = DB_QUERY_INIT,
                      .members = DB_QUERY_INIT};
    enum db_status status;

    *ret_previewed = (struct db_previewed){.exact = false};
    sql_init(&run.sqls[0], 1);
    sql_init(&run.sqls[1], 1);
    status = prepare(&run, err);
    if (status == DB_OK)
        status = db_begin_evaluation(db);
    if (status == DB_OK)
        status = inside(&run, ret_previewed);
    ret_previewed->timed_out = db_timed_out(db, status);
    db_rollback(db);
    return status;
}
