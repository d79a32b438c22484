/* One tick. The one idea: at the watermark W stored members equal a fresh evaluation, but for profiles with a row in the queue. A tick at T re-evaluates exactly
 * those whose rows it takes, those that time alone has moved between W and T, and those whose referred segment moved, and makes T the watermark in the same
 * transaction; so the statement holds again, whatever dies in between. It never goes back: T is at least W and at least every ts it has read. Who is
 * gone leaves first; then versions that have been built are swapped in, so that the rest of the tick sees them as live. */
#include "server/tick.h"

#include <string.h>

#include "db/due.h"
#include "db/membership.h"
#include "db/message.h"
#include "db/tick.h"
#include "server/base/log.h"
#include "server/careful.h"
#include "server/dates.h"
#include "server/due.h"
#include "server/lists.h"

enum {
    WEIGHT_MAX = 20000,          /* of the queue's rows one tick takes, */
    WEIGHT_MIN = 500,            /* less when ticks are slow, */
    WEIGHT_CATCHING_UP = 200000, /* more when nothing is evaluated */
    TICK_SLOW_MS = 400,
    TICK_FAST_MS = 100,
    DUE_ROWS_MAX = 200000,     /* events one scan may find: past it a rebuild is cheaper */
    BACKLOG_MIN = 100000,      /* pairs in the queue, and */
    BACKLOG_SHARE = 4,         /* one for so many profiles: past both a rebuild is cheaper */
    GONE_CHAIN_MAX = 64,       /* merges into merged ones, within one tick */
    SWAP_PROFILES_MAX = 50000, /* who differ in a swap: past it those that refer to it are rebuilt */
    SEEN_MAX = 256
};
/* Past it what time has moved is rebuilt instead of scanned for. */
#define DUE_TIME_MAX_US (3600 * US_PER_S)

void tick_init(struct tick *tick, struct db *db, struct roster *roster, int64_t epoch)
{
    *tick = (struct tick){.db = db, .roster = roster, .epoch = epoch, .differ = {.db = db, .roster = roster}, .weight = WEIGHT_MAX};
}

void tick_release(struct tick *tick)
{
    differ_release(&tick->differ);
    vec_free(&tick->seen);
}

/* --- Rebuilds --- */

static enum db_status rebuild_all(struct tick *tick, bool only_due)
{
    enum db_status status = DB_OK;

    for (size_t i = 0; i < tick->roster->versions.n && status == DB_OK; i++)
        if (!only_due || tick->roster->versions.at[i]->due)
            status = differ_rebuild(&tick->differ, tick->roster->versions.at[i]);
    return status;
}

/* Is it cheaper to rebuild everything than to work off the queue? */
static enum db_status check_backlog(struct tick *tick, const struct touched *touched)
{
    int64_t rows, profiles, pairs;
    enum db_status status = db_touched_backlog(tick->db, &rows);

    if (status == DB_OK)
        status = db_profiles_estimate(tick->db, &profiles);
    if (status != DB_OK)
        return status;
    pairs = rows * (int64_t)touched_weight(touched) / (int64_t)touched->ids.n;
    if (pairs < BACKLOG_MIN || pairs < profiles / BACKLOG_SHARE)
        return DB_OK;
    log_info("far behind: rebuilding", LOG_FIELD("queued_rows", LOG_INT(rows)), LOG_FIELD("pairs", LOG_INT(pairs)), );
    tick->catching_up = true;
    return rebuild_all(tick, false);
}

/* --- Deleted segments --- */

/* A new segment, rule or list, may have the key of a deleted one: the snapshot that shows it shows the deletion, too, and so the clear stands before all that
 * is written about it. */
static enum db_status clear_deleted(struct tick *tick, const struct db_frame *frame)
{
    struct roster *roster = tick->roster;
    enum db_status status;

    if (!frame->deleted)
        return DB_OK;
    status = db_segments_clear(tick->db, tick->differ.as_of_us, &tick->differ.max_seq);
    if (status == DB_OK)
        status = db_segments_read(tick->db, &roster->segments);
    if (status != DB_OK)
        return status;
    for (size_t i = 0; i < roster->versions.n; i++)
        if (!roster_segment(roster, roster->versions.at[i]->segment_id))
            roster_end(roster->versions.at[i]);
    roster_index(roster);
    tick->differ.ended = true;
    return DB_OK;
}

/* --- Swaps --- */

/* Who inherits an earlier entered_at in the version that goes, inherits it in the one that comes. */
static void inherit_in_swap(struct differ *differ, int32_t old_id, int32_t new_id)
{
    for (size_t i = 0, n = differ->earlier.n; i < n; i++) {
        struct db_member member = differ->earlier.at[i];

        if (member.version_id != old_id)
            continue;
        member.version_id = new_id;
        *VEC_ADD(&differ->earlier) = member;
    }
}

static enum db_status pass_on_swap(struct tick *tick, const struct roster_version *version, const struct db_rows *profiles)
{
    size_t n_above, n = db_rows_count(profiles);
    const struct watch_entry *above = watch_find(&tick->roster->references, version->segment_id, &n_above);
    enum db_status status = DB_OK;

    for (size_t k = 0; k < n_above && status == DB_OK; k++) {
        if (n >= SWAP_PROFILES_MAX)
            status = differ_rebuild(&tick->differ, tick->roster->versions.at[above[k].version]);
        for (size_t i = 0; i < n && n < SWAP_PROFILES_MAX; i++) {
            struct id profile = db_id(profiles, i, 0);

            differ_add(&tick->differ, above[k].version, &profile, CAUSE_SEGMENT);
        }
    }
    return status;
}

static enum db_status swap(struct tick *tick, struct roster_version *version, struct tick_result *result)
{
    AUTO_DB_ROWS struct db_rows profiles = DB_ROWS_INIT;
    struct db_segment *segment = roster_segment(tick->roster, version->segment_id);
    struct db_swap step = {.version_id = version->version_id,
                           .segment_id = version->segment_id,
                           .key = version->key,
                           .cause = version->cause,
                           .at_us = tick->differ.as_of_us};
    int64_t seq = 0;
    enum db_status status;

    ASSERT(segment);
    status = db_version_swap(tick->db, &step, SWAP_PROFILES_MAX, &profiles, &seq);
    if (status != DB_OK)
        return status;
    for (size_t i = 0; i < tick->roster->versions.n; i++) {
        struct roster_version *old = tick->roster->versions.at[i];

        if (old->version_id == segment->serving)
            roster_end(old);
    }
    inherit_in_swap(&tick->differ, segment->serving, version->version_id);
    segment->serving = version->version_id;
    version->live = version->serving = true;
    tick->differ.ended = true;
    if (seq)
        tick->differ.max_seq = seq;
    result->swapped++;
    log_info("segment is live", LOG_FIELD("segment", LOG_TEXT(version->key)), LOG_FIELD("version", LOG_INT(version->number)), );
    return pass_on_swap(tick, version, &profiles);
}

static bool is_complete(const struct roster_version *version)
{
    return !version->live && version->started && id_is_last(&version->built_to);
}

static enum db_status swap_complete(struct tick *tick, struct tick_result *result)
{
    enum db_status status = DB_OK;

    for (size_t i = 0; i < tick->roster->versions.n && status == DB_OK; i++) {
        struct roster_version *version = tick->roster->versions.at[i];

        if (is_complete(version) && roster_references_live(tick->roster, version) && !roster_leads_back(tick->roster, version))
            status = swap(tick, version, result);
    }
    /* Who serves has changed: so have the levels. Candidates stay with their versions. */
    if (status == DB_OK && result->swapped)
        roster_index(tick->roster);
    return status;
}

/* --- Profiles that are gone --- */

static int compare_gone(const void *a, const void *b)
{
    return id_compare(&((const struct touched_gone *)a)->profile, &((const struct touched_gone *)b)->profile);
}

static const struct touched_gone *find_gone(const struct touched *touched, const struct id *profile)
{
    struct touched_gone key = {.profile = *profile};

    return touched->gone.n ? bsearch(&key, touched->gone.at, touched->gone.n, sizeof key, compare_gone) : NULL;
}

/* Whom a profile that is gone lives on in, through merges of the same tick; itself when it was erased. */
static struct id survivor(const struct touched *touched, const struct touched_gone *gone)
{
    struct id into = gone->into;

    for (int i = 0; i < GONE_CHAIN_MAX; i++) {
        const struct touched_gone *next = find_gone(touched, &into);

        if (!next || id_equal(&next->into, &into))
            break;
        into = next->into;
    }
    return into;
}

static void note_gone(struct tick *tick, const struct touched *touched, const struct db_rows *rows, size_t row)
{
    struct differ *differ = &tick->differ;
    struct db_member member = {
        .version_id = (int32_t)db_int(rows, row, 0), .profile = db_id(rows, row, 1), .entered_us = db_instant(rows, row, 2)};
    const struct touched_gone *gone = find_gone(touched, &member.profile);
    const struct db_segment *segment = roster_served(tick->roster, member.version_id);
    struct who who = db_who(rows, row, 3);
    bool erased;

    ASSERT(gone != NULL); /* the rows are of those that are gone */
    erased = id_equal(&gone->profile, &gone->into);
    *VEC_ADD(&differ->sizes) = (struct db_size){.version_id = member.version_id, .members = -1, .identified = who.user_id ? -1 : 0};
    if (segment)
        *VEC_ADD(&differ->changes) = (struct db_change){.segment_id = segment->segment_id,
                                                        .key = segment->key,
                                                        .profile = member.profile,
                                                        .who = who,
                                                        .enter = false,
                                                        .cause = erased ? CAUSE_ERASE : CAUSE_MERGE};
    if (erased)
        return;
    member.profile = survivor(touched, gone);
    *VEC_ADD(&differ->earlier) = member;
}

static enum db_status take_gone(struct tick *tick, struct touched *touched)
{
    AUTO_FREE struct id *ids = mem_alloc(touched->gone.n * sizeof *ids);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct differ *differ = &tick->differ;
    enum db_status status;

    if (touched->gone.n == 0)
        return DB_OK;
    qsort(touched->gone.at, touched->gone.n, sizeof *touched->gone.at, compare_gone);
    for (size_t i = 0; i < touched->gone.n; i++) {
        ids[i] = touched->gone.at[i].profile;
        if (!id_equal(&touched->gone.at[i].into, &ids[i]))
            *VEC_ADD(&differ->merged) = survivor(touched, &touched->gone.at[i]);
    }
    if (differ->merged.n)
        qsort(differ->merged.at, differ->merged.n, sizeof *differ->merged.at, id_order);
    status = db_membership_gone(tick->db, ids, touched->gone.n, &rows);
    if (status != DB_OK)
        return status == DB_NONE ? DB_OK : status;
    for (size_t i = 0; i < db_rows_count(&rows); i++)
        note_gone(tick, touched, &rows, i);
    status = differ_write(differ);
    return status == DB_OK ? lists_inherit(differ) : status;
}

/* --- What was touched --- */

static void add_by_event(struct tick *tick, const struct touched_pair *pair)
{
    const struct watch *watch = &tick->roster->events;
    const struct watch_entry *entries;
    size_t n;

    entries = watch_find(watch, pair->name_id, &n);
    for (size_t i = 0; i < n; i++)
        differ_add(&tick->differ, entries[i].version, &pair->profile, CAUSE_EVENT);
    if (pair->name_id >= NAME_ID_FIRST_EVENT)
        for (size_t i = 0; i < watch->any.n; i++)
            differ_add(&tick->differ, watch->any.at[i], &pair->profile, CAUSE_EVENT);
}

static void add_by_path(struct tick *tick, const struct id *profile, const char *path, size_t len)
{
    size_t n;
    const struct roster_path *paths = roster_paths(tick->roster, path, len, &n);
    enum change_cause cause = len == strlen("$first_seen") && memcmp(path, "$first_seen", len) == 0 ? CAUSE_EVENT : CAUSE_TRAIT;

    for (size_t i = 0; i < n; i++)
        differ_add(&tick->differ, paths[i].version, profile, cause);
}

static void add_touched(struct tick *tick, const struct touched *touched)
{
    for (size_t i = 0; i < touched->pairs.n; i++)
        add_by_event(tick, &touched->pairs.at[i]);
    for (size_t i = 0; i < touched->facts.n; i++)
        add_by_path(tick, &touched->facts.at[i].profile, touched->facts.at[i].path, touched->facts.at[i].len);
    for (size_t i = 0; i < touched->created.n; i++) {
        for (size_t k = 0; k < tick->roster->empty.n; k++)
            differ_add(&tick->differ, tick->roster->empty.at[k], &touched->created.at[i], CAUSE_EVENT);
        add_by_path(tick, &touched->created.at[i], "$first_seen", strlen("$first_seen"));
    }
}

/* Keeps a pair of each name for the audit's samples. */
static void keep_seen(struct tick *tick, const struct touched *touched)
{
    for (size_t i = 0; i < touched->pairs.n && tick->seen.n < SEEN_MAX; i++) {
        size_t k = 0;

        while (k < tick->seen.n && tick->seen.at[k].name_id != touched->pairs.at[i].name_id)
            k++;
        if (k == tick->seen.n)
            *VEC_ADD(&tick->seen) = touched->pairs.at[i];
    }
}

/* --- What time has moved --- */

static enum db_status rebuild_watching(struct tick *tick, const struct watch *watch)
{
    enum db_status status = DB_OK;

    for (size_t i = 0; i < watch->entries.n && status == DB_OK; i++)
        status = differ_rebuild(&tick->differ, tick->roster->versions.at[watch->entries.at[i].version]);
    for (size_t i = 0; i < watch->any.n && status == DB_OK; i++)
        status = differ_rebuild(&tick->differ, tick->roster->versions.at[watch->any.at[i]]);
    return status;
}

static enum db_status add_due(struct tick *tick, const struct watch *watch, const struct db_rows *rows)
{
    size_t n_rows = db_rows_count(rows);

    if (n_rows >= DUE_ROWS_MAX)
        return rebuild_watching(tick, watch);
    for (size_t i = 0; i < n_rows; i++) {
        struct id profile = db_id(rows, i, 0);
        size_t n;
        const struct watch_entry *entries = watch_find(watch, (int32_t)db_int(rows, i, 1), &n);

        for (size_t k = 0; k < n; k++)
            differ_add(&tick->differ, entries[k].version, &profile, CAUSE_TIME);
        for (size_t k = 0; k < watch->any.n; k++)
            differ_add(&tick->differ, watch->any.at[k], &profile, CAUSE_TIME);
    }
    return DB_OK;
}

struct scan {
    const struct watch *watch;
    struct due_range range;
    struct db_rows rows;
};

static void send_scan(struct tick *tick, const struct scan *scan)
{
    struct db_due_range range = {.from_us = scan->range.from_us,
                                 .to_us = scan->range.to_us,
                                 .names = scan->watch->any.n ? NULL : scan->watch->ids.at,
                                 .n_names = scan->watch->ids.n};

    db_due_send(tick->db, &range, DUE_ROWS_MAX);
}

/* Sends all scans in one pipeline, reads all, then adds what they found. */
static enum db_status run_scans(struct tick *tick, struct scan *scans, size_t n)
{
    enum db_status status = DB_OK, one;

    if (n == 0)
        return DB_OK;
    for (size_t i = 0; i < n; i++)
        send_scan(tick, &scans[i]);
    db_sync(tick->db);
    for (size_t i = 0; i < n; i++) {
        one = db_receive(tick->db, &scans[i].rows);
        if (status == DB_OK && one != DB_NONE)
            status = one;
    }
    one = db_receive_sync(tick->db);
    if (status == DB_OK)
        status = one;
    for (size_t i = 0; i < n; i++) {
        if (status == DB_OK)
            status = add_due(tick, scans[i].watch, &scans[i].rows);
        db_rows_release(&scans[i].rows);
    }
    return status;
}

/* The calendar's period of an instant; its range if that has ended one. */
static enum db_status move_calendar(struct tick *tick, struct due_calendar *calendar, int64_t t0_us, struct due_range *ret_range)
{
    struct db_period period;
    enum db_status status = DB_OK;
    const char *name = due_period_text(calendar->period);

    *ret_range = (struct due_range){.from_us = 0, .to_us = 0};
    if (!calendar->known) {
        status = db_period_of(tick->db, name, calendar->timezone, t0_us == DB_INSTANT_PAST ? tick->differ.as_of_us : t0_us, &period);
        if (status != DB_OK)
            return status;
        calendar->known = true;
        calendar->before_us = period.before_us;
        calendar->start_us = period.start_us;
        calendar->end_us = period.end_us;
    }
    if (!due_calendar_over(calendar, tick->differ.as_of_us))
        return DB_OK;
    status = db_period_of(tick->db, name, calendar->timezone, tick->differ.as_of_us, &period);
    if (status != DB_OK)
        return status;
    *ret_range = due_calendar_range(calendar, period.before_us, period.start_us, period.end_us);
    calendar->before_us = period.before_us;
    calendar->start_us = period.start_us;
    calendar->end_us = period.end_us;
    return DB_OK;
}

static enum db_status add_first_seen(struct tick *tick, const struct due_offset *offset, struct due_range range)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_due_first_seen(tick->db, range.from_us, range.to_us, DUE_ROWS_MAX, &rows);

    if (status != DB_OK)
        return status == DB_NONE ? DB_OK : status;
    for (size_t i = 0; i < offset->versions.n; i++) {
        if (db_rows_count(&rows) >= DUE_ROWS_MAX) {
            status = differ_rebuild(&tick->differ, tick->roster->versions.at[offset->versions.at[i]]);
            if (status != DB_OK)
                return status;
        }
        for (size_t k = 0; k < db_rows_count(&rows); k++) {
            struct id profile = db_id(&rows, k, 0);

            differ_add(&tick->differ, offset->versions.at[i], &profile, CAUSE_TIME);
        }
    }
    return DB_OK;
}

static enum db_status take_due(struct tick *tick, int64_t t0_us)
{
    struct due *due = &tick->roster->due;
    int64_t t1_us = tick->differ.as_of_us;
    VEC(struct scan) scans = VEC_INIT;
    enum db_status status = DB_OK;

    if (t0_us == DB_INSTANT_PAST || t0_us == t1_us)
        return DB_OK;
    if (t1_us - t0_us > DUE_TIME_MAX_US)
        return rebuild_all(tick, true);
    for (size_t i = 0; i < due->expiries.n; i++)
        *VEC_ADD(&scans) =
            (struct scan){.watch = &due->expiries.at[i].watch, .range = due_shift(t0_us, t1_us, due->expiries.at[i].after_us)};
    for (size_t i = 0; i < due->calendars.n && status == DB_OK; i++) {
        struct due_range range;

        status = move_calendar(tick, &due->calendars.at[i], t0_us, &range);
        if (status == DB_OK && range.from_us < range.to_us)
            *VEC_ADD(&scans) = (struct scan){.watch = &due->calendars.at[i].watch, .range = range};
    }
    if (status == DB_OK)
        status = run_scans(tick, scans.at, scans.n);
    vec_free(&scans);
    for (size_t i = 0; i < due->first_seen.all.n && status == DB_OK; i++)
        status = add_first_seen(tick, &due->first_seen.all.at[i], due_shift(t0_us, t1_us, due->first_seen.all.at[i].offset_us));
    return status == DB_OK ? dates_due(&tick->differ, t0_us, DUE_ROWS_MAX) : status;
}

/* --- The whole --- */

static int64_t max3(int64_t a, int64_t b, int64_t c)
{
    int64_t max = a > b ? a : b;

    return max > c ? max : c;
}

/* Inside the transaction. */
static enum db_status work(struct tick *tick, const struct db_frame *frame, struct touched *touched, struct tick_result *result)
{
    enum db_status status = clear_deleted(tick, frame);

    if (!touched->more)
        tick->catching_up = false;
    else if (!tick->catching_up && status == DB_OK)
        status = check_backlog(tick, touched);
    if (status == DB_OK)
        status = take_gone(tick, touched);
    if (status == DB_OK)
        status = swap_complete(tick, result);
    if (status == DB_OK && !touched->more)
        status = lists_apply(&tick->differ, &result->lists);
    if (status == DB_OK)
        status = take_due(tick, frame->as_of_us);
    if (status != DB_OK)
        return status;
    add_touched(tick, touched);
    if (touched->facts.n)
        status = dates_refresh(tick->db, tick->roster, touched);
    for (size_t level = 0; level < tick->roster->levels && status == DB_OK; level++)
        status = differ_level(&tick->differ, level);
    if (status == DB_OK)
        status = differ_end(&tick->differ);
    return status == DB_OK ? db_tick_end(tick->db, tick->epoch, tick->differ.as_of_us, touched) : status;
}

/* After a failure nothing in memory is to be trusted. A statement's own failure makes the next tick a careful one. */
static enum db_status give_up(struct tick *tick, enum db_status status)
{
    if (db_timed_out(tick->db, status) || (status == DB_ERROR && db_is_connected(tick->db)))
        tick->differ.careful = true;
    log_warn("tick failed", LOG_FIELD("sqlstate", LOG_TEXT(db_sqlstate(tick->db))), LOG_FIELD("why", LOG_TEXT(db_message(tick->db))), );
    db_rollback(tick->db);
    if (db_is_connected(tick->db))
        db_worker_keep(tick->db, tick->epoch);
    roster_drop(tick->roster, tick->db);
    return status == DB_ERROR ? DB_RETRY : status;
}

/* How much to take next time, so that a tick of many versions stays short. */
static void adapt(struct tick *tick, size_t took, int64_t took_ms)
{
    if (tick->catching_up)
        return;
    if (took_ms > TICK_SLOW_MS && took >= tick->weight / 2)
        tick->weight = tick->weight / 2 > WEIGHT_MIN ? tick->weight / 2 : WEIGHT_MIN;
    else if (took_ms < TICK_FAST_MS && tick->weight < WEIGHT_MAX)
        tick->weight *= 2;
}

/* After the commit. */
static enum db_status tidy(struct tick *tick)
{
    enum db_status status = DB_OK;

    if (tick->differ.asides)
        status = careful_load(&tick->differ);
    if (tick->differ.ended)
        roster_prune(tick->roster, tick->db);
    if (status != DB_OK || !db_is_connected(tick->db))
        roster_drop(tick->roster, tick->db);
    return DB_OK;
}

enum db_status tick_run(struct tick *tick, int64_t now_us, struct tick_result *ret_result)
{
    AUTO_TOUCHED struct touched touched = TOUCHED_INIT;
    int64_t began_us = clock_mono_us();
    struct db_frame frame;
    enum db_status status;

    *ret_result = (struct tick_result){.oldest_us = INSTANT_NONE};
    status = db_tick_begin(tick->db, tick->epoch, tick->catching_up ? WEIGHT_CATCHING_UP : tick->weight, &frame, &touched);
    if (status == DB_NONE)
        return DB_NONE;
    if (status == DB_OK) {
        differ_begin(&tick->differ, max3(now_us == INSTANT_NONE ? frame.clock_us : now_us, frame.as_of_us, touched.max_ts_us),
                     frame.floor_us);
        if (!tick->differ.careful)
            tick->differ.careful = careful_due(&tick->differ, tick->differ.as_of_us);
        status = work(tick, &frame, &touched, ret_result);
    }
    if (status != DB_OK)
        return give_up(tick, status);
    tick->differ.careful = false;
    keep_seen(tick, &touched);
    adapt(tick, touched_weight(&touched), (clock_mono_us() - began_us) / US_PER_MS);
    ret_result->as_of_us = tick->differ.as_of_us;
    ret_result->clock_us = frame.clock_us;
    ret_result->oldest_us = touched.oldest_us;
    ret_result->max_seq = tick->differ.max_seq;
    ret_result->changes = tick->differ.n_changes;
    ret_result->touched = touched_weight(&touched);
    ret_result->evaluated = tick->differ.evaluated;
    ret_result->decided = tick->differ.decided;
    ret_result->failed = tick->differ.failed;
    ret_result->set_aside = tick->differ.set_aside;
    ret_result->more = touched.more || ret_result->lists.more;
    return tidy(tick);
}
