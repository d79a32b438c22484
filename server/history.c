/* The past of a segment. The one idea: membership at an instant is a pure function of events, so the size on each of the last thirty
 * midnights can be asked for like a preview: of a sample whose ids are the same for each day, so that days can be compared, or of all
 * profiles where they are few. It is done a day at a time when the worker has nothing better to do, and in a twentieth of its time when it
 * always has; kept when all are known, and marked as computed. What cannot be computed (a definition too dear) is left out: nothing else
 * rests on it. */
#include "server/history.h"

#include "db/history.h"
#include "db/preview.h"
#include "db/tick.h"
#include "server/base/log.h"

enum {
    NOTE_MS = 10 * 1000, /* so often changes are counted, */
    NOTE_MAX = 50000,    /* and whenever so many have gathered (some 20 ms): ticks wait meanwhile */
    FOLD_MS = 3600 * 1000,
    BUDGET_US = 30 * 1000,
    GRACE_US = 200 * 1000, /* where few are, a busy machine must not guess */
    DAY_TIMEOUT_MS = 1000,
    REST = 19 /* while events come in it rests so many times as long as it worked */
};
#define DAY_US (86400 * US_PER_S)

void history_init(struct history *history, struct db *db, struct roster *roster, int64_t epoch)
{
    *history = (struct history){.db = db, .roster = roster, .epoch = epoch};
}

/* A refused statement must not keep the worker from its ticks. */
static enum db_status harmless(struct history *history, enum db_status status)
{
    if (status != DB_ERROR)
        return status;
    log_error("history failed", LOG_FIELD("sqlstate", LOG_TEXT(db_sqlstate(history->db))), );
    db_rollback(history->db);
    return DB_OK;
}

/* --- Chores --- */

static void choose(struct history *history, const struct history_wanted *wanted)
{
    history->skipped_id = wanted->segment_id; /* none left: from the start again */
    if (!wanted->segment_id || !roster_find(history->roster, wanted->version_id))
        return;
    history->segment_id = wanted->segment_id;
    history->version_id = wanted->version_id;
    history->skipped_id = 0;
    history->n_done = 0;
    history->n_days = HISTORY_DAYS;
}

enum db_status history_chore(struct history *history)
{
    struct history_wanted wanted;
    enum db_status status = db_history_wanted(history->db, history->skipped_id, &wanted);

    if (status != DB_OK)
        return status;
    if (!history->segment_id && history->roster->loaded)
        choose(history, &wanted);
    if (wanted.news >= NOTE_MAX || (wanted.news > 0 && clock_passed(history->noted_us, NOTE_MS))) {
        history->noted_us = clock_mono_us();
        status = harmless(history, db_frame_run(history->db, history->epoch, db_history_note));
    }
    if (status == DB_OK && clock_passed(history->folded_us, FOLD_MS)) {
        history->folded_us = clock_mono_us();
        status = harmless(history, db_frame_run(history->db, history->epoch, db_history_fold));
    }
    return status;
}

/* --- The past --- */

bool history_wants(const struct history *history, bool quiet, int64_t now_us)
{
    return history->segment_id != 0 && (quiet || now_us >= history->rest_until_us);
}

/* The size at an instant, or -1. */
static enum db_status compute(struct history *history, const struct segment *segment, int64_t at_us, int64_t *ret_size)
{
    struct db_preview preview = {.segment = segment,
                                 .as_of_us = at_us,
                                 .budget_us = BUDGET_US,
                                 .grace_us = GRACE_US,
                                 .plans = history->roster->plans,
                                 .start = id_hash(&history->segment_id, sizeof history->segment_id)};
    struct db_previewed previewed;
    struct err err = ERR_INIT;
    enum db_status status = db_set_timeout(history->db, DAY_TIMEOUT_MS);
    bool slow;

    *ret_size = -1;
    if (status != DB_OK)
        return status;
    status = db_preview(history->db, &preview, &previewed, &err);
    slow = db_timed_out(history->db, status);
    if (status == DB_OK && !previewed.future)
        *ret_size = (int64_t)((double)previewed.members / previewed.share + 0.5);
    if (!db_is_connected(history->db))
        return DB_RETRY;
    db_rollback(history->db);
    if (db_set_timeout(history->db, 0) != DB_OK) {
        db_disconnect(history->db); /* the time-out must not stay */
        return DB_RETRY;
    }
    return slow || status != DB_RETRY ? DB_OK : status;
}

static enum db_status keep(struct history *history)
{
    struct db_frame frame;
    enum db_status status = db_frame_begin(history->db, history->epoch, &frame);

    if (status == DB_OK)
        status = db_history_backfill(history->db, history->segment_id, history->ends_us, history->sizes, history->n_done);
    if (status == DB_OK)
        status = db_commit(history->db);
    if (status == DB_OK || status == DB_ERROR)
        history->segment_id = 0;
    return harmless(history, status);
}

/* The midnight so many days ago, in UTC. */
static int64_t midnight_us(int64_t now_us, size_t days_ago)
{
    return now_us - now_us % DAY_US - (int64_t)days_ago * DAY_US;
}

static enum db_status compute_next(struct history *history, const struct roster_version *version, int64_t as_of_us)
{
    int64_t *end_us = &history->ends_us[history->n_done], *size = &history->sizes[history->n_done];
    enum db_status status;

    *end_us = midnight_us(as_of_us, history->n_done);
    status = compute(history, version->segment, *end_us, size);
    if (status != DB_OK)
        return status;
    history->n_done++;
    if (*size >= 0)
        return DB_OK;
    log_info("history not computed: it takes too long", LOG_FIELD("segment", LOG_TEXT(version->key)), );
    history->n_days = history->n_done;
    return DB_OK;
}

static enum db_status work(struct history *history, int64_t as_of_us)
{
    const struct roster_version *version = roster_find(history->roster, history->version_id);
    enum db_status status = DB_OK;

    if (!version || !version->serving) { /* a new one has taken its place, or it has failed */
        history->segment_id = 0;
        return DB_OK;
    }
    if (history->n_done < history->n_days)
        status = compute_next(history, version, as_of_us);
    return status == DB_OK && history->n_done == history->n_days ? keep(history) : status;
}

enum db_status history_step(struct history *history, int64_t as_of_us)
{
    int64_t began_us = clock_mono_us(), ended_us;
    enum db_status status = work(history, as_of_us);

    ended_us = clock_mono_us();
    history->rest_until_us = ended_us + REST * (ended_us - began_us);
    return status;
}
