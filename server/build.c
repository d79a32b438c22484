/* Builds. The one idea: a slice is evaluated at the watermark W of the last tick, and its members and its mark (built_to) commit together; from then on ticks
 * keep it up like a live version. That is exact: what the slice's snapshot shows beyond what ticks have consumed has its row in the queue still, so the next
 * ticks re-evaluate just those profiles; what has a ts beyond W is not counted yet and its row is unread too; and what time moves, it moves after W. So the
 * range stands exactly where a live version's stands. Ids are hashes: a range of them is a fair share of the people, so progress is honest. */
#include "server/build.h"

#include <endian.h>
#include <string.h>

#include "db/membership.h"
#include "db/tick.h"
#include "db/version.h"
#include "server/base/log.h"
#include "server/dates.h"
#include "server/retry.h"

enum {
    SLICE_US = 100 * 1000,
    FIRST_PROFILES = 2000,
    LEAST_PROFILES = 50, /* however long it takes */
    SLICE_TIMEOUT_MS = 2000,
    SHRINK = 16, /* after a time-out, */
    ALONE = 16   /* and at last so many profiles one by one */
};

void build_init(struct build *build, struct db *db, struct roster *roster, int64_t epoch)
{
    *build = (struct build){.db = db, .roster = roster, .epoch = epoch, .query = DB_QUERY_INIT};
}

static void close_query(struct build *build)
{
    if (build->version_id)
        db_query_close(build->db, build->roster->plans, &build->query);
    build->version_id = 0;
}

void build_release(struct build *build)
{
    close_query(build);
}

/* --- Ranges of ids --- */

static uint64_t head(const struct id *id)
{
    uint64_t wire;

    memcpy(&wire, id->bytes, sizeof wire);
    return be64toh(wire);
}

static struct id from_head(uint64_t number, int fill)
{
    uint64_t wire = htobe64(number);
    struct id id;

    memset(id.bytes, fill, sizeof id.bytes);
    memcpy(id.bytes, &wire, sizeof wire);
    return id;
}

/* The id after this one; the last has none. */
static struct id next_id(struct id id)
{
    for (size_t i = ID_SIZE; i-- > 0;)
        if (++id.bytes[i] != 0)
            break;
    return id;
}

struct build_range build_range_after(const struct id *built_to, uint64_t step)
{
    struct build_range range = {.from = built_to ? next_id(*built_to) : from_head(0, 0)};
    uint64_t start = head(&range.from);

    if (step == 0)
        step = 1;
    range.to = from_head(start > UINT64_MAX - (step - 1) ? UINT64_MAX : start + (step - 1), 0xff);
    return range;
}

double build_progress(const struct id *built_to)
{
    return ((double)head(built_to) + 1) / 18446744073709551616.0;
}

uint64_t build_next_step(uint64_t step, int64_t took_us)
{
    double factor = (double)SLICE_US / (double)(took_us > 0 ? took_us : 1), next;

    if (factor > 4)
        factor = 4;
    if (factor < 0.25)
        factor = 0.25;
    next = (double)step * factor;
    if (next < 1)
        return 1;
    return next >= 18446744073709549568.0 ? UINT64_MAX : (uint64_t)next;
}

/* --- Choosing --- */

static struct roster_version *choose(const struct build *build)
{
    struct roster *roster = build->roster;
    struct roster_version *best = NULL;

    for (size_t i = 0; i < roster->versions.n; i++) {
        struct roster_version *version = roster->versions.at[i];

        if (version->live || version->over || (version->started && id_is_last(&version->built_to)))
            continue;
        if ((!best || version->version_id < best->version_id) && roster_references_live(roster, version) &&
            dates_filled(roster, (uint32_t)i))
            best = version;
    }
    return best;
}

static uint64_t share_of(const struct build *build, uint64_t profiles)
{
    return build->share > UINT64_MAX / profiles ? UINT64_MAX : build->share * profiles;
}

static enum db_status first_step(struct build *build)
{
    int64_t profiles;
    enum db_status status = db_profiles_estimate(build->db, &profiles);

    if (status != DB_OK)
        return status;
    build->share = UINT64_MAX / (uint64_t)profiles;
    build->step = share_of(build, FIRST_PROFILES);
    build->alone = 0;
    return DB_OK;
}

/* A slice that was slow makes the next one smaller, down to a point: what is left then is not evaluation. */
static uint64_t next_step(const struct build *build, int64_t took_us)
{
    uint64_t next = build_next_step(build->step, took_us), least = share_of(build, LEAST_PROFILES);

    if (next >= build->step || next >= least)
        return next;
    return build->step < least ? build->step : least;
}

static enum db_status open_query(struct build *build, const struct roster_version *version)
{
    const struct db_segment *segment = roster_segment(build->roster, version->segment_id);
    struct err err = ERR_INIT;
    enum db_status status;
    AUTO_SQL struct sql sql;

    sql_init(&sql, 1);
    close_query(build);
    if (!segment_compile(version->segment, HEAD_RANGE, NULL, &sql, &err))
        return DB_ERROR;
    status = db_build_open(build->db, build->roster->plans,
                           &(struct db_build){.sql = &sql, .version_id = version->version_id, .serving = segment ? segment->serving : 0},
                           &build->query);
    if (status != DB_OK)
        return status;
    build->version_id = version->version_id;
    return first_step(build);
}

/* --- A slice --- */

/* Inside the frame. Adds to took_us what the evaluation took. */
static enum db_status evaluate(struct build *build, const struct db_frame *frame, const struct build_range *range,
                               struct db_version_progress *progress, int64_t *took_us)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_set_timeout(build->db, SLICE_TIMEOUT_MS);
    int64_t began_us;

    if (status != DB_OK)
        return status;
    db_arg_instant(&args, frame->as_of_us);
    db_arg_instant(&args, frame->floor_us);
    db_arg_id(&args, &range->from);
    db_arg_id(&args, &range->to);
    began_us = clock_mono_us();
    status = db_query_run(build->db, &build->query, &args, &rows);
    if (status != DB_OK)
        return status;
    *took_us += clock_mono_us() - began_us;
    progress->built_to = range->to;
    progress->progress = build_progress(&range->to);
    progress->size = db_int(&rows, 0, 0);
    progress->identified = db_int(&rows, 0, 1);
    return DB_OK;
}

/* *ret_took_us: what the evaluation took, without the way there and back (as long as that of the frame's beginning): a distant database must not make slices
 * small. */
static enum db_status run_slice(struct build *build, const struct build_range *range, int64_t *ret_took_us)
{
    struct db_version_progress progress = {.version_id = build->version_id};
    int64_t began_us = clock_mono_us();
    struct db_frame frame;
    enum db_status status = db_frame_begin(build->db, build->epoch, &frame);

    *ret_took_us = began_us - clock_mono_us();
    if (status != DB_OK)
        return status == DB_NONE ? DB_NONE : DB_RETRY;
    if (frame.as_of_us == DB_INSTANT_PAST) { /* before the first tick */
        db_rollback(build->db);
        return DB_NONE;
    }
    status = evaluate(build, &frame, range, &progress, ret_took_us);
    if (status == DB_OK)
        status = db_version_progress(build->db, &progress);
    if (status == DB_OK)
        status = db_commit(build->db);
    return status;
}

/* One profile that takes too long is set aside and the build goes on behind it. */
static enum db_status step_over(struct build *build, const struct id *profile)
{
    struct db_aside aside = {.version_id = build->version_id, .profile = *profile, .attempt = 1};
    struct db_version_progress progress = {
        .version_id = build->version_id, .built_to = *profile, .progress = build_progress(profile), .size = 0, .identified = 0};
    struct db_frame frame;
    enum db_status status = db_frame_begin(build->db, build->epoch, &frame);

    if (status != DB_OK)
        return DB_RETRY;
    aside.retry_us = frame.clock_us + retry_profile_us(0);
    log_warn("profile set aside by a build: it takes too long", LOG_FIELD("version", LOG_INT(build->version_id)), );
    status = db_aside_put(build->db, &aside);
    if (status == DB_OK)
        status = db_version_progress(build->db, &progress);
    if (status == DB_OK)
        status = db_commit(build->db);
    build->set_aside |= status == DB_OK;
    return status;
}

/* The range of the next slice: the step's, or one profile alone (the rest of the ids when there is none). */
static enum db_status next_range(struct build *build, const struct roster_version *version, struct build_range *ret_range)
{
    enum db_status status = DB_OK;

    *ret_range = build_range_after(version->started ? &version->built_to : NULL, build->alone ? UINT64_MAX : build->step);
    if (build->alone)
        status = db_profile_from(build->db, &ret_range->from, &ret_range->to);
    return status == DB_NONE ? DB_OK : status;
}

static enum db_status fail(struct build *build, struct roster_version *version, const char *code)
{
    struct db_frame frame;
    enum db_status status = db_frame_begin(build->db, build->epoch, &frame);

    log_warn("build failed", LOG_FIELD("segment", LOG_TEXT(version->key)), LOG_FIELD("code", LOG_TEXT(code)), );
    if (status != DB_OK)
        return DB_RETRY;
    status = db_version_fail(build->db, version->version_id, code, frame.clock_us + retry_version_us(version->attempt));
    if (status == DB_OK)
        status = db_commit(build->db);
    if (status != DB_OK)
        return status;
    close_query(build);
    roster_end(version);
    roster_prune(build->roster, build->db);
    return DB_OK;
}

/* After a slice that took too long: smaller ones, at last a single profile, and that is set aside. */
static enum db_status shrink(struct build *build, struct roster_version *version, const struct build_range *range)
{
    if (build->alone) {
        enum db_status status = step_over(build, &range->to);

        if (status != DB_OK)
            return status;
        version->started = true;
        version->built_to = range->to;
        return first_step(build);
    }
    build->step /= SHRINK;
    if (build->step < build->share)
        build->alone = ALONE;
    return DB_OK;
}

static enum db_status slice(struct build *build, struct roster_version *version, bool *ret_complete)
{
    int64_t took_us = 0;
    struct build_range range;
    enum db_status status = next_range(build, version, &range);

    if (status == DB_OK)
        status = run_slice(build, &range, &took_us);
    if (status == DB_OK) {
        version->started = true;
        version->built_to = range.to;
        *ret_complete = id_is_last(&range.to);
        if (build->alone)
            build->alone--;
        else
            build->step = next_step(build, took_us);
        if (*ret_complete)
            close_query(build);
        return DB_OK;
    }
    if (status == DB_NONE || !db_is_connected(build->db))
        return status;
    db_rollback(build->db);
    if (db_timed_out(build->db, status))
        return shrink(build, version, &range);
    return status == DB_ERROR ? fail(build, version, "build_failed") : status;
}

enum db_status build_step(struct build *build, bool *ret_complete)
{
    struct roster_version *version = choose(build);
    enum db_status status;

    *ret_complete = false;
    if (!version) {
        close_query(build);
        return dates_fill(build->db, build->epoch, build->roster);
    }
    status = build->version_id == version->version_id ? DB_OK : open_query(build, version);
    if (status == DB_ERROR)
        return fail(build, version, "definition_refused");
    if (status == DB_OK)
        status = slice(build, version, ret_complete);
    if (status != DB_OK && status != DB_NONE) {
        db_rollback(build->db);
        close_query(build);
        roster_drop(build->roster, build->db);
    }
    return status;
}
