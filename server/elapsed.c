/* What time has moved, looked up. The one idea: the ranges that due.c names, and the dates that dates.c keeps, are scanned for between
 * the last tick and this one; who is found is a candidate, no more. What is much (an hour, or more rows than a scan is worth) is not
 * scanned for: the versions that time moves are rebuilt. */
#include "server/elapsed.h"

#include "db/due.h"
#include "server/base/clock.h"
#include "server/dates.h"
#include "server/due.h"

enum { DUE_ROWS_MAX = 200000 }; /* events one scan may find: past it a rebuild is cheaper */
/* Past it what time has moved is rebuilt instead of scanned for. */
#define DUE_TIME_MAX_US (3600 * US_PER_S)

static enum db_status rebuild_watching(struct differ *differ, const struct watch *watch)
{
    enum db_status status = DB_OK;

    for (size_t i = 0; i < watch->entries.n && status == DB_OK; i++)
        status = differ_rebuild(differ, differ->roster->versions.at[watch->entries.at[i].version]);
    for (size_t i = 0; i < watch->any.n && status == DB_OK; i++)
        status = differ_rebuild(differ, differ->roster->versions.at[watch->any.at[i]]);
    return status;
}

static enum db_status add_found(struct differ *differ, const struct watch *watch, const struct db_rows *rows)
{
    size_t n_rows = db_rows_count(rows);

    if (n_rows >= DUE_ROWS_MAX)
        return rebuild_watching(differ, watch);
    for (size_t i = 0; i < n_rows; i++) {
        struct id profile = db_id(rows, i, 0);
        size_t n;
        const struct watch_entry *entries = watch_find(watch, (int32_t)db_int(rows, i, 1), &n);

        for (size_t k = 0; k < n; k++)
            differ_add(differ, entries[k].version, &profile, CAUSE_TIME);
        for (size_t k = 0; k < watch->any.n; k++)
            differ_add(differ, watch->any.at[k], &profile, CAUSE_TIME);
    }
    return DB_OK;
}

struct scan {
    const struct watch *watch;
    struct due_range range;
    struct db_rows rows;
};

static void send_scan(struct db *db, const struct scan *scan)
{
    struct db_due_range range = {.from_us = scan->range.from_us,
                                 .to_us = scan->range.to_us,
                                 .names = scan->watch->any.n ? NULL : scan->watch->ids.at,
                                 .n_names = scan->watch->ids.n};

    db_due_send(db, &range, DUE_ROWS_MAX);
}

/* Sends all scans in one pipeline, reads all, then adds what they found. */
static enum db_status run_scans(struct differ *differ, struct scan *scans, size_t n)
{
    enum db_status status = DB_OK, one;

    if (n == 0)
        return DB_OK;
    for (size_t i = 0; i < n; i++)
        send_scan(differ->db, &scans[i]);
    db_sync(differ->db);
    for (size_t i = 0; i < n; i++) {
        one = db_receive(differ->db, &scans[i].rows);
        if (status == DB_OK && one != DB_NONE)
            status = one;
    }
    one = db_receive_sync(differ->db);
    if (status == DB_OK)
        status = one;
    for (size_t i = 0; i < n; i++) {
        if (status == DB_OK)
            status = add_found(differ, scans[i].watch, &scans[i].rows);
        db_rows_release(&scans[i].rows);
    }
    return status;
}

static enum db_status read_period(struct db *db, struct due_calendar *calendar, int64_t at_us)
{
    struct db_period period;
    enum db_status status = db_period_of(db, due_period_text(calendar->period), calendar->timezone, at_us, &period);

    if (status != DB_OK)
        return status;
    calendar->known = true;
    calendar->before_us = period.before_us;
    calendar->start_us = period.start_us;
    calendar->end_us = period.end_us;
    return DB_OK;
}

/* Moves the calendar from the period of t0 to that of as_of; the range to be scanned if that is another. */
static enum db_status move_calendar(struct differ *differ, struct due_calendar *calendar, int64_t t0_us, struct due_range *ret_range)
{
    struct due_calendar was;
    enum db_status status = calendar->known ? DB_OK : read_period(differ->db, calendar, t0_us);

    *ret_range = (struct due_range){.from_us = 0, .to_us = 0};
    if (status != DB_OK || !due_calendar_over(calendar, differ->as_of_us))
        return status;
    was = *calendar;
    status = read_period(differ->db, calendar, differ->as_of_us);
    if (status == DB_OK)
        *ret_range = due_calendar_range(&was, calendar->before_us, calendar->start_us, calendar->end_us);
    return status;
}

static enum db_status add_first_seen(struct differ *differ, const struct due_offset *offset, struct due_range range)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_due_first_seen(differ->db, range.from_us, range.to_us, DUE_ROWS_MAX, &rows);

    return status == DB_OK || status == DB_NONE ? differ_add_due(differ, offset, &rows, DUE_ROWS_MAX) : status;
}

enum db_status elapsed_add(struct differ *differ, int64_t t0_us)
{
    struct due *due = &differ->roster->due;
    int64_t t1_us = differ->as_of_us;
    VEC(struct scan) scans = VEC_INIT;
    enum db_status status = DB_OK;

    if (t0_us == DB_INSTANT_PAST || t0_us == t1_us)
        return DB_OK;
    if (t1_us - t0_us > DUE_TIME_MAX_US)
        return differ_rebuild_all(differ, true);
    for (size_t i = 0; i < due->expiries.n; i++)
        *VEC_ADD(&scans) =
            (struct scan){.watch = &due->expiries.at[i].watch, .range = due_shift(t0_us, t1_us, due->expiries.at[i].after_us)};
    for (size_t i = 0; i < due->calendars.n && status == DB_OK; i++) {
        struct due_range range;

        status = move_calendar(differ, &due->calendars.at[i], t0_us, &range);
        if (status == DB_OK && range.from_us < range.to_us)
            *VEC_ADD(&scans) = (struct scan){.watch = &due->calendars.at[i].watch, .range = range};
    }
    if (status == DB_OK)
        status = run_scans(differ, scans.at, scans.n);
    vec_free(&scans);
    for (size_t i = 0; i < due->first_seen.all.n && status == DB_OK; i++)
        status = add_first_seen(differ, &due->first_seen.all.at[i], due_shift(t0_us, t1_us, due->first_seen.all.at[i].offset_us));
    return status == DB_OK ? dates_due(differ, t0_us, DUE_ROWS_MAX) : status;
}
