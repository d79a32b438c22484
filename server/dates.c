/* Dates in traits. The one idea: as with events, only what passed between two ticks is looked at: dates are kept in a table by their
 * instant, for the paths that the roster's definitions ask for. Kept means: all profiles were read once, in ranges, before the first
 * version that needs it is built, and whoever's trait is touched is read again in the same tick. What is kept is a cache of the traits;
 * which paths are is in the store, so it outlives the process. */
#include "server/dates.h"

#include <string.h>

#include "db/tick.h"
#include "db/trait_date.h"
#include "server/base/log.h"
#include "server/build.h"

/* A hundred or so ranges: this is done once for a path. */
#define FILL_STEP (UINT64_MAX / 128)

static struct db_date_path path_of(const struct due_date *date)
{
    return (struct db_date_path){.path = date->path, .timezone = date->timezone};
}

static struct due_date *find(struct due *due, const char *kept, const char *zone)
{
    for (size_t i = 0; i < due->dates.n; i++)
        if (db_date_is_kept_as(due->dates.at[i].path, kept) && strcmp(due->dates.at[i].timezone, zone) == 0)
            return &due->dates.at[i];
    return NULL;
}

enum db_status dates_load(struct db *db, struct roster *roster)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_date_paths(db, &rows);

    for (size_t i = 0; i < db_rows_count(&rows) && status == DB_OK; i++) {
        struct db_date_path path = {.path = db_text(&rows, i, 0), .timezone = db_text(&rows, i, 1)};
        struct due_date *date = find(&roster->due, path.path, path.timezone);

        if (!date) {
            status = db_date_drop(db, &path);
            continue;
        }
        date->started = !db_null(&rows, i, 2);
        date->filled_to = db_id(&rows, i, 2);
        date->filled = date->started && id_is_last(&date->filled_to);
    }
    roster->dates_loaded = status == DB_OK || status == DB_NONE;
    return status == DB_NONE ? DB_OK : status;
}

static bool asks(const struct due_offsets *offsets, uint32_t version)
{
    for (size_t i = 0; i < offsets->all.n; i++)
        for (size_t k = 0; k < offsets->all.at[i].versions.n; k++)
            if (offsets->all.at[i].versions.at[k] == version)
                return true;
    return false;
}

bool dates_filled(const struct roster *roster, uint32_t version)
{
    for (size_t i = 0; i < roster->due.dates.n; i++) {
        const struct due_date *date = &roster->due.dates.at[i];

        if (!date->filled && (asks(&date->offsets, version) || asks(&date->anniversaries, version)))
            return false;
    }
    return true;
}

static enum db_status fill_one(struct db *db, int64_t epoch, struct due_date *date)
{
    struct build_range range = build_range_after(date->started ? &date->filled_to : NULL, FILL_STEP);
    struct db_date_path path = path_of(date);
    struct db_frame frame;
    enum db_status status = db_frame_begin(db, epoch, &frame);

    if (status != DB_OK)
        return DB_RETRY;
    status = db_date_fill(db, &path, &range.from, &range.to);
    if (status == DB_OK && id_is_last(&range.to))
        status = db_dates_analyze(db);
    if (status == DB_OK)
        status = db_commit(db);
    if (status != DB_OK)
        return status;
    date->started = true;
    date->filled_to = range.to;
    date->filled = id_is_last(&range.to);
    return DB_OK;
}

enum db_status dates_fill(struct db *db, int64_t epoch, struct roster *roster)
{
    for (size_t i = 0; i < roster->due.dates.n && roster->dates_loaded; i++)
        if (!roster->due.dates.at[i].filled)
            return fill_one(db, epoch, &roster->due.dates.at[i]);
    return DB_NONE;
}

enum db_status dates_refresh(struct db *db, const struct roster *roster, const struct touched *touched)
{
    enum db_status status = DB_OK;

    for (size_t i = 0; i < roster->due.dates.n && status == DB_OK; i++) {
        const struct due_date *date = &roster->due.dates.at[i];
        struct db_date_path path = path_of(date);
        VEC(struct id) profiles = VEC_INIT;

        for (size_t k = 0; k < touched->facts.n; k++) {
            const struct touched_fact *fact = &touched->facts.at[k];

            if (fact->len == strlen(date->key) && memcmp(fact->path, date->key, fact->len) == 0)
                *VEC_ADD(&profiles) = fact->profile;
        }
        if (profiles.n)
            status = db_date_refresh(db, &path, profiles.at, profiles.n);
        vec_free(&profiles);
    }
    return status;
}

static enum db_status due_one(struct differ *differ, const struct due_date *date, const struct db_date_span *span)
{
    struct db_date_path path = path_of(date);
    enum db_status status = DB_OK;

    for (size_t i = 0; i < date->offsets.all.n && status == DB_OK; i++) {
        AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
        struct db_date_span shifted = *span;

        shifted.from_us -= date->offsets.all.at[i].offset_us;
        shifted.to_us -= date->offsets.all.at[i].offset_us;
        status = db_date_due(differ->db, &path, &shifted, &rows);
        if (status == DB_OK || status == DB_NONE)
            status = differ_add_due(differ, &date->offsets.all.at[i], &rows, span->limit);
    }
    for (size_t i = 0; i < date->anniversaries.all.n && status == DB_OK && due_midnight(span->from_us, span->to_us); i++) {
        AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;

        status = db_date_anniversary(differ->db, &path, span, date->anniversaries.all.at[i].offset_us, &rows);
        if (status == DB_OK || status == DB_NONE)
            status = differ_add_due(differ, &date->anniversaries.all.at[i], &rows, span->limit);
    }
    return status;
}

enum db_status dates_due(struct differ *differ, int64_t t0_us, size_t limit)
{
    struct db_date_span span = {.from_us = t0_us, .to_us = differ->as_of_us, .limit = limit};
    enum db_status status = DB_OK;

    for (size_t i = 0; i < differ->roster->due.dates.n && status == DB_OK; i++)
        status = due_one(differ, &differ->roster->due.dates.at[i], &span);
    return status;
}
