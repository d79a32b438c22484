/* The worker's versions in memory. The one idea: parsing, name ids, compiling and preparing happen here, outside ticks, once for each
 * version; one definition that fails here is noted in `bad` and harms no other. Nothing here writes, but event names that are new. How
 * versions are found is in roster_index.c. */
#include "server/roster.h"

#include <string.h>

#include "server/base/log.h"

/* The runner's parameters of HEAD_CHANGED: as_of, floor, version, profiles. */
#define CHANGED_TYPES "zziU"

void roster_init(struct roster *roster)
{
    *roster = (struct roster){.plans = db_plans_new()};
}

static void version_free(struct roster *roster, struct db *db, struct roster_version *version)
{
    const struct segment_depends *depends = version->segment ? segment_depends(version->segment) : NULL;

    db_query_close(db, roster->plans, &version->changed);
    watch_names_free(&version->events);
    for (size_t i = 0; depends && version->expiries && i < depends->n_expiries; i++)
        watch_names_free(&version->expiries[i]);
    for (size_t i = 0; depends && version->calendars && i < depends->n_calendars; i++)
        watch_names_free(&version->calendars[i]);
    judge_free(version->judge);
    free(version->refers);
    free(version->expiries);
    free(version->calendars);
    segment_free(version->segment);
    vec_free(&version->candidates);
    free(version->key);
    free(version->cause);
    free(version);
}

void roster_drop(struct roster *roster, struct db *db)
{
    if (!db_is_connected(db))
        db_plans_forget(roster->plans);
    roster_clear_indexes(roster);
    for (size_t i = 0; i < roster->versions.n; i++)
        version_free(roster, db, roster->versions.at[i]);
    vec_clear(&roster->versions);
    vec_clear(&roster->bad);
    db_segments_free(&roster->segments);
    roster->loaded = false;
}

void roster_release(struct roster *roster, struct db *db)
{
    roster_drop(roster, db);
    vec_free(&roster->versions);
    vec_free(&roster->bad);
    vec_free(&roster->texts);
    vec_free(&roster->paths);
    vec_free(&roster->empty);
    db_plans_free(roster->plans);
}

/* --- One version --- */

static enum db_status resolve(struct db *db, const struct segment_names *names, struct watch_names *ret_names)
{
    ret_names->any = names->any_event;
    ret_names->n = names->n_names;
    ret_names->ids = mem_alloc(names->n_names * sizeof *ret_names->ids);
    return db_evaluate_names(db, names->names, names->n_names, ret_names->ids);
}

static enum db_status resolve_all(struct db *db, struct roster_version *version)
{
    const struct segment_depends *depends = segment_depends(version->segment);
    enum db_status status = resolve(db, &depends->events, &version->events);

    version->expiries = mem_zalloc(depends->n_expiries * sizeof *version->expiries);
    version->calendars = mem_zalloc(depends->n_calendars * sizeof *version->calendars);
    for (size_t i = 0; i < depends->n_expiries && status == DB_OK; i++)
        status = resolve(db, &depends->expiries[i].events, &version->expiries[i]);
    for (size_t i = 0; i < depends->n_calendars && status == DB_OK; i++)
        status = resolve(db, &depends->calendars[i].events, &version->calendars[i]);
    return status;
}

static enum db_status compile(struct roster *roster, struct db *db, struct roster_version *version)
{
    AUTO_SQL struct sql sql;
    struct err err = ERR_INIT;

    sql_init(&sql, 1);
    if (!segment_compile(version->segment, HEAD_CHANGED, NULL, &sql, &err))
        return DB_ERROR;
    return db_query_open(db, roster->plans, &(struct db_query_text){.sql = &sql, .runner_types = CHANGED_TYPES}, &version->changed);
}

/* DB_ERROR: the version itself is bad. */
static enum db_status open_version(struct roster *roster, struct db *db, const struct db_version *row, struct roster_version *version)
{
    struct err err = ERR_INIT;
    enum db_status status;

    version->key = mem_strdup(row->key);
    version->cause = mem_strdup(row->cause);
    if (!segment_parse(row->definition, strlen(row->definition), row->timezone, &version->segment, &err)) {
        log_error("stored definition does not parse", LOG_FIELD("segment", LOG_TEXT(row->key)), LOG_FIELD("why", LOG_TEXT(err.detail)), );
        return DB_ERROR;
    }
    version->due = due_any(segment_depends(version->segment));
    version->references = segment_depends(version->segment)->n_segments;
    status = resolve_all(db, version);
    if (status != DB_OK)
        return status;
    version->judge = judge_new(version->segment, version->events.ids);
    version->refers = mem_zalloc(version->references * sizeof *version->refers);
    return compile(roster, db, version);
}

static enum db_status add_version(struct roster *roster, struct db *db, const struct db_version *row)
{
    struct roster_version *version = mem_zalloc(sizeof *version);
    enum db_status status;

    *version = (struct roster_version){.version_id = row->version_id,
                                       .segment_id = row->segment_id,
                                       .number = row->number,
                                       .attempt = row->attempt,
                                       .live = row->live,
                                       .serving = row->serving,
                                       .started = row->started,
                                       .built_to = row->built_to};
    status = open_version(roster, db, row, version);
    if (status == DB_OK) {
        *VEC_ADD(&roster->versions) = version;
        return DB_OK;
    }
    version_free(roster, db, version);
    if (status != DB_ERROR)
        return status;
    *VEC_ADD(&roster->bad) = (struct roster_bad){.version_id = row->version_id, .attempt = row->attempt, .code = "definition_refused"};
    return DB_OK;
}

/* --- All of them --- */

static enum db_status read_rows(struct roster *roster, struct db *db, struct db_rows *ret_rows)
{
    AUTO_FREE int32_t *known = NULL;
    size_t n = 0;

    if (!roster->loaded)
        return db_versions_all(db, ret_rows);
    known = mem_alloc((roster->versions.n + roster->bad.n) * sizeof *known);
    for (size_t i = 0; i < roster->versions.n; i++)
        if (!roster->versions.at[i]->live)
            known[n++] = roster->versions.at[i]->version_id;
    for (size_t i = 0; i < roster->bad.n; i++)
        known[n++] = roster->bad.at[i].version_id;
    return db_versions_new(db, known, n, ret_rows);
}

enum db_status roster_load(struct roster *roster, struct db *db, bool *ret_changed)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = read_rows(roster, db, &rows);

    *ret_changed = false;
    if (status == DB_NONE && roster->loaded)
        return DB_OK;
    if (status != DB_OK && status != DB_NONE)
        return status;
    for (size_t i = 0; i < db_rows_count(&rows); i++) {
        struct db_version row = db_version_at(&rows, i);

        status = add_version(roster, db, &row);
        if (status != DB_OK) {
            roster_drop(roster, db);
            return status;
        }
    }
    status = db_segments_read(db, &roster->segments);
    if (status != DB_OK) {
        roster_drop(roster, db);
        return status;
    }
    roster->loaded = true;
    roster_index(roster);
    *ret_changed = true;
    return DB_OK;
}

void roster_end(struct roster_version *version)
{
    version->live = version->started = version->serving = false;
    version->over = true;
    vec_clear(&version->candidates);
}

void roster_prune(struct roster *roster, struct db *db)
{
    size_t n = 0;

    for (size_t i = 0; i < roster->versions.n; i++) {
        struct roster_version *version = roster->versions.at[i];

        if (version->over)
            version_free(roster, db, version);
        else
            roster->versions.at[n++] = version;
    }
    if (n == roster->versions.n)
        return;
    roster->versions.n = n;
    roster_index(roster);
}
