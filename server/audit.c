/* The background audit. The one idea: what verify can prove for everybody is proved all the time for a few: a random small range of a random
 * segment, in a snapshot of its own, when the worker has nothing else to do. Its drift must stay 0; it repairs nothing, since a difference is a bug
 * to be found. */
#include "server/audit.h"

#include "db/membership.h"
#include "db/message.h"
#include "db/sample.h"
#include "db/verify.h"
#include "server/base/log.h"

enum { AUDIT_PROFILES = 200, STATEMENT_TIMEOUT_MS = 500 };

static void complain(void *context, const struct db_verify_row *row)
{
    const char *key = context;
    char id[ID_TEXT];

    id_print(&row->profile, id);
    log_error("membership differs from a fresh evaluation", LOG_FIELD("segment", LOG_TEXT(key)), LOG_FIELD("profile", LOG_TEXT(id)),
              LOG_FIELD("should_be", LOG_INT(row->should_be)), );
}

static const struct roster_version *choose(const struct roster *roster)
{
    size_t n = roster->versions.n, start;

    if (n == 0)
        return NULL;
    random_bytes(&start, sizeof start);
    for (size_t i = 0; i < n; i++) {
        const struct roster_version *version = roster->versions.at[(start % n + i) % n];

        if (version->live && version->serving)
            return version;
    }
    return NULL;
}

/* About AUDIT_PROFILES of so many, from a random id on. */
static void random_range(int64_t profiles, struct db_verify *verify)
{
    struct id from = id_random();
    uint64_t share = profiles <= AUDIT_PROFILES ? UINT64_MAX : UINT64_MAX / (uint64_t)profiles * AUDIT_PROFILES, head = 0;

    for (size_t i = 0; i < sizeof head; i++)
        head = head << 8 | from.bytes[i];
    if (share == UINT64_MAX)
        head = 0;
    head = head > UINT64_MAX - share ? UINT64_MAX - share : head;
    verify->from = (struct id){{0}};
    verify->to = id_last();
    for (size_t i = 0; i < sizeof head; i++) {
        verify->from.bytes[i] = (uint8_t)(head >> (56 - 8 * i));
        verify->to.bytes[i] = (uint8_t)((head + share) >> (56 - 8 * i));
    }
}

/* A profile that is too dear to evaluate, set aside or not, must not keep the worker from its ticks. DB_NONE: nothing was compared. */
static enum db_status verify_briefly(struct db *db, const struct db_verify *verify, struct db_verified *ret_verified)
{
    enum db_status status = db_set_timeout(db, STATEMENT_TIMEOUT_MS);
    bool slow;

    if (status != DB_OK)
        return status;
    status = db_verify(db, verify, ret_verified);
    slow = db_timed_out(db, status);
    if (!db_is_connected(db))
        return DB_RETRY;
    if (db_set_timeout(db, 0) != DB_OK) {
        db_disconnect(db); /* the time-out must not stay */
        return DB_RETRY;
    }
    return slow ? DB_NONE : status;
}

enum db_status audit_step(struct db *db, const struct roster *roster, struct audit_result *ret_result)
{
    const struct roster_version *version = choose(roster);
    struct db_verify verify = {.differs = complain};
    struct db_verified verified;
    int64_t profiles;
    enum db_status status;

    *ret_result = (struct audit_result){.compared = 0};
    if (!version)
        return DB_OK;
    status = db_profiles_estimate(db, &profiles);
    if (status != DB_OK)
        return status;
    verify.key = version->key;
    verify.context = version->key;
    random_range(profiles, &verify);
    status = verify_briefly(db, &verify, &verified);
    if (status != DB_OK)
        return status == DB_NONE || status == DB_ERROR ? DB_OK : status; /* deleted meanwhile, or too dear; or logged */
    if (!verified.kept)
        return DB_OK;
    ret_result->compared = (uint64_t)(profiles < AUDIT_PROFILES ? profiles : AUDIT_PROFILES);
    ret_result->drift = (uint64_t)verified.differ;
    return DB_OK;
}

enum db_status audit_sample(struct db *db, struct tick *tick)
{
    enum db_status status = DB_OK;

    if (tick->seen.n)
        status = db_sample_properties(db, tick->seen.at, tick->seen.n);
    vec_clear(&tick->seen);
    return status == DB_ERROR || status == DB_NONE ? DB_OK : status; /* logged; the catalogue can wait */
}
