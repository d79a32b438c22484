/* Swapping versions. The one idea: a version that was built serves from one tick on: the difference to the one before it is told, who
 * stays keeps entered_at, and those that refer to the segment hear of whoever differs; all in the tick's transaction, so nobody sees two
 * of them or none. */
#include "server/swap.h"

#include "db/version.h"
#include "server/base/log.h"

enum { SWAP_PROFILES_MAX = 50000 }; /* who differ in a swap: past it those that refer to it are rebuilt */

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

static enum db_status pass_on_swap(struct differ *differ, const struct roster_version *version, const struct db_rows *profiles)
{
    size_t n_above, n = db_rows_count(profiles);
    const struct watch_entry *above = watch_find(&differ->roster->references, version->segment_id, &n_above);
    enum db_status status = DB_OK;

    for (size_t k = 0; k < n_above && status == DB_OK; k++) {
        if (n >= SWAP_PROFILES_MAX)
            status = differ_rebuild(differ, differ->roster->versions.at[above[k].version]);
        for (size_t i = 0; i < n && n < SWAP_PROFILES_MAX; i++) {
            struct id profile = db_id(profiles, i, 0);

            differ_add(differ, above[k].version, &profile, CAUSE_SEGMENT);
        }
    }
    return status;
}

static enum db_status swap(struct differ *differ, struct roster_version *version)
{
    AUTO_DB_ROWS struct db_rows profiles = DB_ROWS_INIT;
    struct db_segment *segment = roster_segment(differ->roster, version->segment_id);
    struct db_swap step = {.version_id = version->version_id,
                           .segment_id = version->segment_id,
                           .key = version->key,
                           .cause = version->cause,
                           .at_us = differ->as_of_us};
    struct roster_version *old;
    int64_t seq = 0;
    enum db_status status;

    ASSERT(segment);
    status = db_version_swap(differ->db, &step, SWAP_PROFILES_MAX, &profiles, &seq);
    if (status != DB_OK)
        return status;
    old = roster_find(differ->roster, segment->serving);
    if (old)
        roster_end(old);
    inherit_in_swap(differ, segment->serving, version->version_id);
    segment->serving = version->version_id;
    version->live = version->serving = true;
    differ->ended = true;
    if (seq)
        differ->max_seq = seq;
    log_info("segment is live", LOG_FIELD("segment", LOG_TEXT(version->key)), LOG_FIELD("version", LOG_INT(version->number)), );
    return pass_on_swap(differ, version, &profiles);
}

static bool is_complete(const struct roster_version *version)
{
    return !version->live && version->started && id_is_last(&version->built_to);
}

enum db_status swap_complete(struct differ *differ, size_t *ret_swapped)
{
    enum db_status status = DB_OK;

    *ret_swapped = 0;
    for (size_t i = 0; i < differ->roster->versions.n && status == DB_OK; i++) {
        struct roster_version *version = differ->roster->versions.at[i];

        if (!is_complete(version) || !roster_references_live(differ->roster, version) || roster_leads_back(differ->roster, version))
            continue;
        status = swap(differ, version);
        ++*ret_swapped;
    }
    /* Who serves has changed: so have the levels. Candidates stay with their versions. */
    if (status == DB_OK && *ret_swapped)
        roster_index(differ->roster);
    return status;
}
