/* From candidates to differences. The one idea: be an optimist: the statements of all versions go out in pipelines, without savepoints, and differences are
 * gathered in C and written by a few statements. When one fails, the tick is rolled back and run once more with care (server/careful.c). What names and times
 * alone decide is taken out before (server/sift.c), by the optimist only. */
#include "server/differ.h"

#include "server/base/log.h"
#include "server/careful.h"
#include "server/sift.h"

enum {
    CANDIDATES_MAX = 50000, /* past so many for one version a rebuild is cheaper */
    PIPELINE_MAX = 20000    /* and after so many of all the answers are read before more is asked: libpq keeps what it sends in memory */
};

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
    differ->asked = 0;
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

int candidate_order(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int order = id_compare(&x->profile, &y->profile);

    return order ? order : (int)x->cause - (int)y->cause;
}

/* In order, each profile once with its first cause, without those set aside. */
static void settle(struct differ *differ, struct roster_version *version)
{
    struct candidate *at = version->candidates.at;
    size_t n = 0;

    if (version->candidates.n)
        qsort(at, version->candidates.n, sizeof *at, candidate_order);
    for (size_t i = 0; i < version->candidates.n; i++)
        if ((n == 0 || !id_equal(&at[n - 1].profile, &at[i].profile)) && !careful_has(differ, version->version_id, &at[i].profile))
            at[n++] = at[i];
    version->candidates.n = n;
}

/* --- Asking --- */

void differ_ask(struct differ *differ, const struct roster_version *version, const struct candidate *candidates, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_instant(&args, differ->as_of_us);
    db_arg_instant(&args, differ->floor_us);
    db_arg_int(&args, version->version_id);
    DB_ARRAY(&args, 'U', i, n, db_array_id(&args, &candidates[i].profile));
    db_query_send(differ->db, &version->changed, &args);
}

/* A candidate begins with its profile, which each of the settled has alone. */
static enum change_cause cause_of(const struct roster_version *version, const struct id *profile)
{
    const struct candidate *found = bsearch(profile, version->candidates.at, version->candidates.n, sizeof *found, id_order);

    ASSERT(found);
    return found->cause;
}

void differ_pass_on(struct differ *differ, int32_t segment_id, const struct id *profile)
{
    size_t n;
    const struct watch_entry *above = watch_find(&differ->roster->references, segment_id, &n);

    for (size_t i = 0; i < n; i++) /* a second candidate for one settled would be a second member */
        if (differ->roster->versions.at[above[i].version]->level >= differ->asked)
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

enum db_status differ_take(struct differ *differ, struct roster_version *version, struct db_rows *rows)
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

/* Asks versions from *at on, as many as one pipeline takes, and moves *at behind them. */
static enum db_status ask_some(struct differ *differ, size_t level, size_t *at)
{
    struct roster *roster = differ->roster;
    VEC(struct asked) asked = VEC_INIT;
    enum db_status status = DB_OK;

    db_send_timeout(differ->db, DIFFER_TIMEOUT_MS);
    for (size_t sent = 0; *at < roster->versions.n && sent < PIPELINE_MAX; ++*at) {
        struct roster_version *version = roster->versions.at[*at];

        if (!takes_part(version, level))
            continue;
        *VEC_ADD(&asked) = (struct asked){.version = version, .rows = DB_ROWS_INIT};
        differ_ask(differ, version, version->candidates.at, version->candidates.n);
        sent += version->candidates.n;
    }
    db_send_timeout(differ->db, 0);
    db_sync(differ->db);
    status = receive_asked(differ, asked.at, asked.n);
    for (size_t i = 0; i < asked.n; i++) {
        if (status == DB_OK)
            status = differ_take(differ, asked.at[i].version, &asked.at[i].rows);
        db_rows_release(&asked.at[i].rows);
        differ->evaluated += asked.at[i].version->candidates.n;
    }
    vec_free(&asked);
    return status;
}

static enum db_status ask_all(struct differ *differ, size_t level)
{
    enum db_status status = DB_OK;

    for (size_t at = 0; at < differ->roster->versions.n && status == DB_OK;)
        status = ask_some(differ, level, &at);
    return status;
}

/* --- Writing --- */

/* With care even what cannot be is got over: a tick that fails again and again stops every segment. */
static enum db_status insert_members(struct differ *differ)
{
    const struct db_member *members = differ->enter.at;

    return differ->careful ? db_membership_insert_missing(differ->db, members, differ->enter.n)
                           : db_membership_insert(differ->db, members, differ->enter.n);
}

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
        status = insert_members(differ);
    if (status == DB_OK && differ->changes.n)
        status = db_change_insert(differ->db, differ->changes.at, differ->changes.n, differ->as_of_us, &differ->max_seq);
    differ->n_changes += differ->changes.n;
    rows_clear(differ);
    return status;
}

enum db_status differ_rebuild(struct differ *differ, struct roster_version *version)
{
    enum db_status status;

    if (version->over || (!version->live && !version->started))
        return DB_OK;
    log_info("segment is rebuilt: much is due", LOG_FIELD("segment", LOG_TEXT(version->key)), );
    roster_end(version);
    differ->ended = true;
    status = db_version_rebuild(differ->db, version->version_id);
    return status == DB_NONE ? DB_OK : status;
}

enum db_status differ_rebuild_all(struct differ *differ, bool only_due)
{
    enum db_status status = DB_OK;

    for (size_t i = 0; i < differ->roster->versions.n && status == DB_OK; i++)
        if (!only_due || differ->roster->versions.at[i]->due)
            status = differ_rebuild(differ, differ->roster->versions.at[i]);
    return status;
}

enum db_status differ_add_due(struct differ *differ, const struct due_offset *offset, const struct db_rows *rows, size_t limit)
{
    size_t n_rows = db_rows_count(rows);
    enum db_status status = DB_OK;

    for (size_t i = 0; i < offset->versions.n && status == DB_OK; i++) {
        uint32_t version = offset->versions.at[i];

        if (n_rows >= limit)
            status = differ_rebuild(differ, differ->roster->versions.at[version]);
        for (size_t k = 0; k < n_rows && n_rows < limit; k++) {
            struct id profile = db_id(rows, k, 0);

            differ_add(differ, version, &profile, CAUSE_TIME);
        }
    }
    return status;
}

enum db_status differ_level(struct differ *differ, size_t level)
{
    size_t decided = differ->decided;
    enum db_status status = DB_OK;

    differ->asked = level + 1;
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
        status = differ->careful ? careful_level(differ, level) : ask_all(differ, level);
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
