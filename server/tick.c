/* One tick. The one idea: at the watermark W stored members equal a fresh evaluation, but for profiles with a row in the queue. A tick
 * at T re-evaluates exactly those whose rows it takes, those that time alone has moved between W and T, and those whose referred segment
 * moved, and makes T the watermark in the same transaction; so the statement holds again, whatever dies in between. It never goes back:
 * T is at least W and at least every ts it has read. Who is gone leaves first; then versions that have been built are swapped in, so
 * that the rest of the tick sees them as live. */
#include "server/tick.h"

#include <string.h>

#include "db/membership.h"
#include "db/message.h"
#include "db/tick.h"
#include "server/base/log.h"
#include "server/careful.h"
#include "server/dates.h"
#include "server/elapsed.h"
#include "server/lists.h"
#include "server/swap.h"

enum {
    WEIGHT_MAX = 20000,          /* of the queue's rows one tick takes, */
    WEIGHT_MIN = 500,            /* less when ticks are slow, */
    WEIGHT_CATCHING_UP = 200000, /* more when nothing is evaluated */
    TICK_SLOW_MS = 400,
    TICK_FAST_MS = 100,
    BACKLOG_MIN = 100000, /* pairs in the queue, and */
    BACKLOG_SHARE = 4,    /* one for so many profiles: past both a rebuild is cheaper */
    GONE_CHAIN_MAX = 64,  /* merges into merged ones, within one tick */
    SEEN_MAX = 256
};

void tick_init(struct tick *tick, struct db *db, struct roster *roster, int64_t epoch)
{
    *tick = (struct tick){.db = db, .roster = roster, .epoch = epoch, .differ = {.db = db, .roster = roster}, .weight = WEIGHT_MAX};
}

void tick_release(struct tick *tick)
{
    differ_release(&tick->differ);
    vec_free(&tick->seen);
}

/* --- Far behind --- */

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
    return differ_rebuild_all(&tick->differ, false);
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

/* --- Profiles that are gone --- */

/* The rows are sorted by their profiles, which they begin with. */
static const struct touched_gone *find_gone(const struct touched *touched, const struct id *profile)
{
    return touched->gone.n ? bsearch(profile, touched->gone.at, touched->gone.n, sizeof *touched->gone.at, id_order) : NULL;
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
    qsort(touched->gone.at, touched->gone.n, sizeof *touched->gone.at, id_order);
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
        status = swap_complete(&tick->differ, &result->swapped);
    if (status == DB_OK && !touched->more)
        status = lists_apply(&tick->differ, &result->lists);
    if (status == DB_OK)
        status = elapsed_add(&tick->differ, frame->as_of_us);
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
