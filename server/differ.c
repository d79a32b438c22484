/* From candidates to differences. The one idea: be an optimist: the statements of all versions go out in one pipeline, without savepoints, and differences are
 * gathered in C and written by a few array statements. When one fails, the tick is rolled back and run once more by a pessimist, who asks one version at a
 * time under a savepoint and so finds the one to blame: a version is marked failed with those that refer to it; a single profile that takes too long (a bot
 * with a million events) is set aside and tried again later, and the version goes on. Nothing but SELECTs runs under a savepoint. What names and times alone
 * decide is taken out before (server/sift.c), by the optimist only. */
#include "server/differ.h"

#include <string.h>

#include "server/base/log.h"
#include "server/sift.h"

enum {
    BATCH_TIMEOUT_MS = 10000, /* for one version's candidates of one tick, */
    ALONE_TIMEOUT_MS = 1000,  /* for one profile alone, doubled with each attempt, */
    ALONE_DOUBLINGS = 4,
    CANDIDATES_MAX = 50000, /* past so many for one version a rebuild is cheaper */
    RETRY_S = 5,            /* back-off of a failed version, doubled with each attempt */
    ASIDE_RETRY_S = 60,     /* and of a profile set aside */
    RETRY_DOUBLINGS = 9
};

static int64_t back_off_us(int64_t base_s, int32_t attempt)
{
    return (base_s << (attempt < RETRY_DOUBLINGS ? attempt : RETRY_DOUBLINGS)) * US_PER_S;
}

static void rows_clear(struct differ *differ)
{
    for (size_t i = 0; i < differ->rows.n; i++)
        db_rows_release(&differ->rows.at[i]);
    vec_clear(&differ->rows);
    vec_clear(&differ->enter);
    vec_clear(&differ->leave);
    vec_clear(&differ->changes);
}

void differ_begin(struct differ *differ, int64_t as_of_us, int64_t floor_us)
{
    differ->as_of_us = as_of_us;
    differ->floor_us = floor_us;
    rows_clear(differ);
    vec_clear(&differ->merged);
    vec_clear(&differ->earlier);
    vec_clear(&differ->sizes);
    differ->ended = differ->asides = false;
    differ->max_seq = 0;
    differ->n_changes = differ->evaluated = differ->decided = differ->failed = differ->set_aside = 0;
    for (size_t i = 0; i < differ->roster->versions.n; i++) {
        struct roster_version *version = differ->roster->versions.at[i];

        vec_clear(&version->candidates);
        version->size_delta = version->identified_delta = 0;
    }
}

void differ_release(struct differ *differ)
{
    rows_clear(differ);
    vec_free(&differ->rows);
    vec_free(&differ->enter);
    vec_free(&differ->leave);
    vec_free(&differ->changes);
    vec_free(&differ->merged);
    vec_free(&differ->earlier);
    vec_free(&differ->sizes);
    vec_free(&differ->aside);
}

/* --- Candidates --- */

void differ_add(struct differ *differ, uint32_t index, const struct id *profile, enum change_cause cause)
{
    struct roster_version *version = differ->roster->versions.at[index];

    if (!roster_keeps(version, profile))
        return;
    if (differ->merged.n && bsearch(profile, differ->merged.at, differ->merged.n, sizeof *profile, id_order))
        cause = CAUSE_MERGE;
    *VEC_ADD(&version->candidates) = (struct candidate){.profile = *profile, .cause = cause};
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int order = id_compare(&x->profile, &y->profile);

    return order ? order : (int)x->cause - (int)y->cause;
}

static int compare_aside(const void *a, const void *b)
{
    const struct db_aside *x = a, *y = b;

    if (x->version_id != y->version_id)
        return x->version_id < y->version_id ? -1 : 1;
    return id_compare(&x->profile, &y->profile);
}

static struct db_aside *find_aside(const struct differ *differ, int32_t version_id, const struct id *profile)
{
    struct db_aside key = {.version_id = version_id, .profile = *profile};

    return differ->aside.n ? bsearch(&key, differ->aside.at, differ->aside.n, sizeof key, compare_aside) : NULL;
}

/* In order, each profile once with its first cause, without those set aside. */
static void settle(struct differ *differ, struct roster_version *version)
{
    struct candidate *at = version->candidates.at;
    size_t n = 0;

    if (version->candidates.n)
        qsort(at, version->candidates.n, sizeof *at, compare_candidates);
    for (size_t i = 0; i < version->candidates.n; i++)
        if ((n == 0 || !id_equal(&at[n - 1].profile, &at[i].profile)) && !find_aside(differ, version->version_id, &at[i].profile))
            at[n++] = at[i];
    version->candidates.n = n;
}

/* --- Asking --- */

static void send_changed(struct differ *differ, const struct roster_version *version, const struct candidate *candidates, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_instant(&args, differ->as_of_us);
    db_arg_instant(&args, differ->floor_us);
    db_arg_int(&args, version->version_id);
    db_array_begin(&args, 'U');
    for (size_t i = 0; i < n; i++)
        db_array_id(&args, &candidates[i].profile);
    db_array_end(&args);
    db_query_send(differ->db, &version->changed, &args);
}

static enum change_cause cause_of(const struct roster_version *version, const struct id *profile)
{
    struct candidate key = {.profile = *profile};
    size_t low = 0, high = version->candidates.n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_candidates(&version->candidates.at[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low < version->candidates.n);
    return version->candidates.at[low].cause;
}

void differ_pass_on(struct differ *differ, int32_t segment_id, const struct id *profile)
{
    size_t n;
    const struct watch_entry *above = watch_find(&differ->roster->references, segment_id, &n);

    for (size_t i = 0; i < n; i++)
        differ_add(differ, above[i].version, profile, CAUSE_SEGMENT);
}

void differ_note(struct differ *differ, struct roster_version *version, const struct differ_found *found)
{
    struct db_member member = {.version_id = version->version_id, .profile = found->profile, .entered_us = differ->as_of_us};
    int64_t sign = found->enter ? 1 : -1;

    if (found->enter)
        *VEC_ADD(&differ->enter) = member;
    else
        *VEC_ADD(&differ->leave) = member;
    version->size_delta += sign;
    version->identified_delta += found->who.user_id ? sign : 0;
    if (!version->serving)
        return;
    *VEC_ADD(&differ->changes) = (struct db_change){.segment_id = version->segment_id,
                                                    .key = version->key,
                                                    .profile = found->profile,
                                                    .who = found->who,
                                                    .enter = found->enter,
                                                    .cause = found->cause};
    differ_pass_on(differ, version->segment_id, &found->profile);
}

static void note_row(struct differ *differ, struct roster_version *version, const struct db_rows *rows, size_t row)
{
    struct differ_found found = {
        .profile = db_id(rows, row, CHANGED_PROFILE), .who = db_who(rows, row, CHANGED_WHO), .enter = db_bool(rows, row, CHANGED_IS)};

    found.cause = cause_of(version, &found.profile);
    differ_note(differ, version, &found);
}

static bool is_nameless(struct who who)
{
    return !who.user_id && !who.anonymous_id && !who.email;
}

/* A profile that is gone is a member nowhere, but it leaves with its own row of the queue, whose cause is the true one: until that is read, it stays. */
static enum db_status read_missing(struct differ *differ, const struct db_rows *rows, struct db_rows *ret_missing)
{
    VEC(struct id) nameless = VEC_INIT;
    enum db_status status = DB_NONE;

    for (size_t i = 0; i < db_rows_count(rows); i++)
        if (!db_bool(rows, i, CHANGED_IS) && is_nameless(db_who(rows, i, CHANGED_WHO)))
            *VEC_ADD(&nameless) = db_id(rows, i, CHANGED_PROFILE);
    if (nameless.n)
        status = db_profiles_missing(differ->db, nameless.at, nameless.n, ret_missing);
    vec_free(&nameless);
    return status;
}

static bool is_missing(const struct db_rows *missing, const struct id *profile)
{
    for (size_t i = 0; i < db_rows_count(missing); i++) {
        struct id one = db_id(missing, i, 0);

        if (id_equal(&one, profile))
            return true;
    }
    return false;
}

/* Takes over the rows. Only after the pipeline is done: it may ask for more. */
static enum db_status note_rows(struct differ *differ, struct roster_version *version, struct db_rows *rows)
{
    AUTO_DB_ROWS struct db_rows missing = DB_ROWS_INIT;
    enum db_status status = read_missing(differ, rows, &missing);

    *VEC_ADD(&differ->rows) = *rows;
    *rows = (struct db_rows)DB_ROWS_INIT;
    if (status != DB_OK && status != DB_NONE)
        return status;
    rows = &differ->rows.at[differ->rows.n - 1];
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct id profile = db_id(rows, i, CHANGED_PROFILE);

        if (!is_missing(&missing, &profile))
            note_row(differ, version, rows, i);
    }
    return DB_OK;
}

/* --- The optimist --- */

static void send_timeout(struct db *db, int64_t ms)
{
    AUTO_BUF struct buf sql = BUF_INIT(64);

    buf_addf(&sql, "SET LOCAL statement_timeout = %lld", (long long)ms);
    db_send_sql(db, buf_text(&sql), NULL);
}

struct asked {
    struct roster_version *version;
    struct db_rows rows;
};

static bool takes_part(const struct roster_version *version, size_t level)
{
    return version->level == level && version->candidates.n > 0;
}

static enum db_status receive_asked(struct differ *differ, struct asked *asked, size_t n)
{
    enum db_status status = db_receive(differ->db, NULL), end;

    for (size_t i = 0; i < n; i++) {
        enum db_status one = db_receive(differ->db, &asked[i].rows);

        if (status == DB_OK && one != DB_NONE)
            status = one;
    }
    end = db_receive_rest(differ->db, 1);
    return end == DB_OK ? status : end;
}

static enum db_status ask_all(struct differ *differ, size_t level)
{
    struct roster *roster = differ->roster;
    VEC(struct asked) asked = VEC_INIT;
    enum db_status status = DB_OK;

    send_timeout(differ->db, BATCH_TIMEOUT_MS);
    for (size_t i = 0; i < roster->versions.n; i++) {
        struct roster_version *version = roster->versions.at[i];

        if (!takes_part(version, level))
            continue;
        *VEC_ADD(&asked) = (struct asked){.version = version, .rows = DB_ROWS_INIT};
        send_changed(differ, version, version->candidates.at, version->candidates.n);
        differ->evaluated += version->candidates.n;
    }
    send_timeout(differ->db, 0);
    db_sync(differ->db);
    status = receive_asked(differ, asked.at, asked.n);
    for (size_t i = 0; i < asked.n; i++) {
        if (status == DB_OK)
            status = note_rows(differ, asked.at[i].version, &asked.at[i].rows);
        db_rows_release(&asked.at[i].rows);
    }
    vec_free(&asked);
    return status;
}

/* --- The pessimist --- */

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
        return strcmp(db_sqlstate(db), "57014") == 0 ? TIMED_OUT : LOST;
    }
    BUG("impossible db_status");
}

/* One SELECT under a savepoint, which is rolled back in any case: it has written nothing. */
static enum answer ask_safely(struct differ *differ, struct roster_version *version, const struct candidate *candidates, size_t n,
                              int64_t timeout_ms)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    AUTO_BUF struct buf timeout = BUF_INIT(64);
    struct db *db = differ->db;
    enum answer answer;

    buf_addf(&timeout, "SET LOCAL statement_timeout = %lld", (long long)timeout_ms);
    if (db_run_sql(db, "SAVEPOINT one", NULL, NULL) != DB_OK || db_run_sql(db, buf_text(&timeout), NULL, NULL) != DB_OK)
        return LOST;
    send_changed(differ, version, candidates, n);
    db_sync(db);
    answer = judge(db, db_receive(db, &rows));
    if (answer == LOST || (db_receive_sync(db) != DB_OK && answer == ANSWERED) ||
        db_run_sql(db, "ROLLBACK TO SAVEPOINT one", NULL, NULL) != DB_OK || db_run_sql(db, "RELEASE SAVEPOINT one", NULL, NULL) != DB_OK)
        return LOST;
    if (answer == ANSWERED && note_rows(differ, version, &rows) != DB_OK)
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
    aside.retry_us = differ->as_of_us + back_off_us(ASIDE_RETRY_S, attempt);
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
    answer = ask_safely(differ, version, candidates, n, timeout_ms < BATCH_TIMEOUT_MS ? timeout_ms : BATCH_TIMEOUT_MS);
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
        qsort(version->candidates.at, version->candidates.n, sizeof candidate, compare_candidates);
        answer = ask_alone(differ, version, &candidate, aside->attempt);
    }
    differ->asides |= version->candidates.n != n;
    return answer;
}

/* Marks the version failed, and with it those that refer to the segment it serves. */
static enum db_status fail_version(struct differ *differ, struct roster_version *version, const char *code)
{
    int64_t retry_us = differ->as_of_us + back_off_us(RETRY_S, version->attempt);
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
    int timeouts = 24;
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

static enum db_status ask_each(struct differ *differ, size_t level)
{
    struct roster *roster = differ->roster;
    enum db_status status = DB_OK;

    for (size_t i = 0; i < roster->versions.n && status == DB_OK; i++)
        if (roster->versions.at[i]->level == level && (roster->versions.at[i]->live || roster->versions.at[i]->started))
            status = ask_one(differ, roster->versions.at[i]);
    return status;
}

/* --- Writing --- */

static enum db_status delete_members(struct differ *differ)
{
    db_membership_send_delete(differ->db, differ->leave.at, differ->leave.n);
    db_sync(differ->db);
    return db_receive_rest(differ->db, 1);
}

enum db_status differ_write(struct differ *differ)
{
    enum db_status status = DB_OK;

    if (differ->leave.n)
        status = delete_members(differ);
    if (status == DB_OK && differ->enter.n)
        status = db_membership_insert(differ->db, differ->enter.at, differ->enter.n);
    if (status == DB_OK && differ->changes.n)
        status = db_change_insert(differ->db, differ->changes.at, differ->changes.n, differ->as_of_us, &differ->max_seq);
    differ->n_changes += differ->changes.n;
    rows_clear(differ);
    return status;
}

enum db_status differ_rebuild(struct differ *differ, struct roster_version *version)
{
    if (version->over || (!version->live && !version->started))
        return DB_OK;
    log_info("segment is rebuilt: much is due", LOG_FIELD("segment", LOG_TEXT(version->key)), );
    roster_end(version);
    differ->ended = true;
    return db_version_rebuild(differ->db, version->version_id);
}

enum db_status differ_level(struct differ *differ, size_t level)
{
    size_t decided = differ->decided;
    enum db_status status = DB_OK;

    for (size_t i = 0; i < differ->roster->versions.n && status == DB_OK; i++) {
        struct roster_version *version = differ->roster->versions.at[i];

        if (version->level != level)
            continue;
        settle(differ, version);
        if (version->candidates.n > CANDIDATES_MAX)
            status = differ_rebuild(differ, version);
    }
    if (status == DB_OK && !differ->careful)
        status = sift_level(differ, level);
    differ->evaluated += differ->decided - decided;
    if (status == DB_OK)
        status = differ->careful ? ask_each(differ, level) : ask_all(differ, level);
    return status == DB_OK ? differ_write(differ) : status;
}

enum db_status differ_end(struct differ *differ)
{
    size_t sent = (size_t)(differ->earlier.n > 0);

    for (size_t i = 0; i < differ->roster->versions.n; i++) {
        const struct roster_version *version = differ->roster->versions.at[i];

        if (version->size_delta || version->identified_delta)
            *VEC_ADD(&differ->sizes) = (struct db_size){
                .version_id = version->version_id, .members = version->size_delta, .identified = version->identified_delta};
    }
    if (differ->earlier.n)
        db_membership_send_earlier(differ->db, differ->earlier.at, differ->earlier.n);
    if (differ->sizes.n) {
        db_membership_send_sizes(differ->db, differ->sizes.at, differ->sizes.n);
        sent++;
    }
    if (sent == 0)
        return DB_OK;
    db_sync(differ->db);
    return db_receive_rest(differ->db, sent);
}

/* --- Set aside --- */

enum db_status differ_load(struct differ *differ)
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

bool differ_aside_due(const struct differ *differ, int64_t now_us)
{
    for (size_t i = 0; i < differ->aside.n; i++)
        if (differ->aside.at[i].retry_us <= now_us && roster_find(differ->roster, differ->aside.at[i].version_id))
            return true;
    return false;
}
