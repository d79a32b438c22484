/* Asking with care. The one idea: be a pessimist: one version at a time under a savepoint, and halves of its candidates when it takes too long, until the one
 * to blame is found: a version is marked failed with those that refer to it, or a single profile (a bot with a million events) is set aside and tried
 * again later, and the version goes on. Nothing but SELECTs runs under a savepoint. It is slow, and so only done after the optimist has failed. */
#include "server/careful.h"

#include "server/base/log.h"
#include "server/retry.h"

enum {
    ALONE_TIMEOUT_MS = 1000, /* for one profile alone, doubled with each attempt, */
    ALONE_DOUBLINGS = 4,
    TIMEOUTS_MAX = 24 /* of one version in one tick */
};

enum answer { ANSWERED, TIMED_OUT, REFUSED, LOST };

static enum answer judge(const struct db *db, enum db_status status)
{
    if (!db_is_connected(db))
        return LOST;
    switch (status) {
    case DB_OK:
    case DB_NONE:
        return ANSWERED;
    case DB_ERROR:
        return REFUSED;
    case DB_RETRY:
        return db_timed_out(db, status) ? TIMED_OUT : LOST;
    }
    BUG("impossible db_status");
}

/* One SELECT under a savepoint, which is rolled back in any case: it has written nothing. */
static enum answer ask_safely(struct differ *differ, struct roster_version *version, const struct candidate *candidates, size_t n,
                              int64_t timeout_ms)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct db *db = differ->db;
    enum db_status status, end;
    enum answer answer;

    if (db_run_sql(db, "SAVEPOINT one", NULL, NULL) != DB_OK || db_set_timeout(db, timeout_ms) != DB_OK)
        return LOST;
    differ_ask(differ, version, candidates, n);
    db_sync(db);
    status = db_receive(db, &rows);
    end = db_receive_sync(db);
    answer = judge(db, end == DB_OK ? status : end);
    if (answer == LOST || db_run_sql(db, "ROLLBACK TO SAVEPOINT one", NULL, NULL) != DB_OK ||
        db_run_sql(db, "RELEASE SAVEPOINT one", NULL, NULL) != DB_OK)
        return LOST;
    if (answer == ANSWERED && differ_take(differ, version, &rows) != DB_OK)
        return LOST;
    return answer;
}

/* Tries one profile that may be too dear; sets it aside, with a longer back-off each time. */
static enum answer ask_alone(struct differ *differ, struct roster_version *version, const struct candidate *candidate, int32_t attempt)
{
    struct db_aside aside = {.version_id = version->version_id, .profile = candidate->profile, .attempt = attempt + 1};
    int64_t timeout_ms = (int64_t)ALONE_TIMEOUT_MS << (attempt < ALONE_DOUBLINGS ? attempt : ALONE_DOUBLINGS);
    enum answer answer = ask_safely(differ, version, candidate, 1, timeout_ms);

    if (answer == ANSWERED && attempt > 0)
        return db_aside_drop(differ->db, &aside) == DB_OK ? ANSWERED : LOST;
    if (answer != TIMED_OUT)
        return answer;
    aside.retry_us = differ->as_of_us + retry_profile_us(attempt);
    differ->set_aside++;
    differ->asides = true;
    log_warn("profile set aside: it takes too long", LOG_FIELD("segment", LOG_TEXT(version->key)),
             LOG_FIELD("attempt", LOG_INT(attempt + 1)), );
    return db_aside_put(differ->db, &aside) == DB_OK ? ANSWERED : LOST;
}

/* Halves what takes too long until single profiles are found; *left is how many more time-outs the version may have. */
static enum answer ask_halves(struct differ *differ, struct roster_version *version, size_t from, size_t n, int *left)
{
    const struct candidate *candidates = version->candidates.at + from;
    int64_t timeout_ms = ALONE_TIMEOUT_MS + (int64_t)n / 2;
    enum answer answer;

    if (n == 1)
        return ask_alone(differ, version, candidates, 0);
    answer = ask_safely(differ, version, candidates, n, timeout_ms < DIFFER_TIMEOUT_MS ? timeout_ms : DIFFER_TIMEOUT_MS);
    if (answer != TIMED_OUT || --*left < 0)
        return answer;
    answer = ask_halves(differ, version, from, n / 2, left);
    return answer == ANSWERED ? ask_halves(differ, version, from + n / 2, n - n / 2, left) : answer;
}

/* Profiles set aside whose time has come. */
static enum answer ask_aside(struct differ *differ, struct roster_version *version)
{
    enum answer answer = ANSWERED;
    size_t n = version->candidates.n;

    for (size_t i = 0; i < differ->aside.n && answer == ANSWERED; i++) {
        const struct db_aside *aside = &differ->aside.at[i];
        struct candidate candidate = {.profile = aside->profile, .cause = CAUSE_EVENT};

        if (aside->version_id != version->version_id || aside->retry_us > differ->as_of_us)
            continue;
        *VEC_ADD(&version->candidates) = candidate;
        qsort(version->candidates.at, version->candidates.n, sizeof candidate, candidate_order);
        answer = ask_alone(differ, version, &candidate, aside->attempt);
    }
    differ->asides |= version->candidates.n != n;
    return answer;
}

/* Marks the version failed, and with it those that refer to the segment it serves. */
static enum db_status fail_version(struct differ *differ, struct roster_version *version, const char *code)
{
    int64_t retry_us = differ->as_of_us + retry_version_us(version->attempt);
    enum db_status status = db_version_fail(differ->db, version->version_id, code, retry_us);
    const struct watch_entry *above;
    size_t n;

    log_warn("segment failed", LOG_FIELD("segment", LOG_TEXT(version->key)), LOG_FIELD("version", LOG_INT(version->number)),
             LOG_FIELD("code", LOG_TEXT(code)), );
    differ->failed++;
    differ->ended = true;
    if (!version->serving) {
        roster_end(version);
        return status;
    }
    roster_end(version);
    above = watch_find(&differ->roster->references, version->segment_id, &n);
    for (size_t i = 0; i < n && status == DB_OK; i++) {
        struct roster_version *one = differ->roster->versions.at[above[i].version];

        if (!one->over)
            status = fail_version(differ, one, "reference_failed");
    }
    return status;
}

static enum db_status ask_one(struct differ *differ, struct roster_version *version)
{
    size_t rows = differ->rows.n, entered = differ->enter.n, left = differ->leave.n, changes = differ->changes.n;
    int timeouts = TIMEOUTS_MAX;
    enum answer answer = ANSWERED;

    differ->evaluated += version->candidates.n;
    if (version->candidates.n)
        answer = ask_halves(differ, version, 0, version->candidates.n, &timeouts);
    if (answer == ANSWERED)
        answer = ask_aside(differ, version);
    switch (answer) {
    case ANSWERED:
        return DB_OK;
    case LOST:
        return DB_RETRY;
    case TIMED_OUT:
    case REFUSED:
        break;
    }
    for (size_t i = rows; i < differ->rows.n; i++)
        db_rows_release(&differ->rows.at[i]);
    differ->rows.n = rows;
    differ->enter.n = entered;
    differ->leave.n = left;
    differ->changes.n = changes;
    version->size_delta = version->identified_delta = 0;
    return fail_version(differ, version, answer == TIMED_OUT ? "timeout" : "evaluation_failed");
}

enum db_status careful_level(struct differ *differ, size_t level)
{
    struct roster *roster = differ->roster;
    enum db_status status = DB_OK;

    for (size_t i = 0; i < roster->versions.n && status == DB_OK; i++)
        if (roster->versions.at[i]->level == level && (roster->versions.at[i]->live || roster->versions.at[i]->started))
            status = ask_one(differ, roster->versions.at[i]);
    return status;
}

/* --- Set aside --- */

static int compare_aside(const void *a, const void *b)
{
    const struct db_aside *x = a, *y = b;

    if (x->version_id != y->version_id)
        return x->version_id < y->version_id ? -1 : 1;
    return id_compare(&x->profile, &y->profile);
}

bool careful_has(const struct differ *differ, int32_t version_id, const struct id *profile)
{
    struct db_aside key = {.version_id = version_id, .profile = *profile};

    return differ->aside.n && bsearch(&key, differ->aside.at, differ->aside.n, sizeof key, compare_aside);
}

enum db_status careful_load(struct differ *differ)
{
    enum { ASIDE_MAX = 10000 }; /* far more than there can sensibly be */
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_aside_all(differ->db, ASIDE_MAX, &rows);

    if (status != DB_OK && status != DB_NONE)
        return status;
    vec_clear(&differ->aside);
    for (size_t i = 0; i < db_rows_count(&rows); i++)
        *VEC_ADD(&differ->aside) = (struct db_aside){.version_id = (int32_t)db_int(&rows, i, 0),
                                                     .profile = db_id(&rows, i, 1),
                                                     .retry_us = db_instant(&rows, i, 2),
                                                     .attempt = (int32_t)db_int(&rows, i, 3)};
    if (differ->aside.n)
        qsort(differ->aside.at, differ->aside.n, sizeof *differ->aside.at, compare_aside);
    return DB_OK;
}

bool careful_due(const struct differ *differ, int64_t now_us)
{
    for (size_t i = 0; i < differ->aside.n; i++)
        if (differ->aside.at[i].retry_us <= now_us && roster_find(differ->roster, differ->aside.at[i].version_id))
            return true;
    return false;
}
