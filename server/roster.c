/* The worker's versions in memory. The one idea: what a definition depends on is known when it is loaded, so a tick goes from a touched
 * name, trait or segment to the versions concerned by binary search, and versions nobody touched cost nothing. Parsing, name ids,
 * compiling and preparing happen here, outside ticks; one definition that fails here is noted in `bad` and harms no other. Nothing here
 * writes, but event names that are new. */
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

static void clear_indexes(struct roster *roster)
{
    watch_clear(&roster->events);
    watch_clear(&roster->references);
    due_clear(&roster->due);
    roster->dates_loaded = false;
    for (size_t i = 0; i < roster->texts.n; i++)
        free(roster->texts.at[i]);
    vec_clear(&roster->texts);
    vec_clear(&roster->paths);
    vec_clear(&roster->empty);
}

void roster_drop(struct roster *roster, struct db *db)
{
    if (!db_is_connected(db))
        db_plans_forget(roster->plans);
    clear_indexes(roster);
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

/* --- Look-ups --- */

static struct db_segment *segment_by_key(const struct roster *roster, const char *key)
{
    for (size_t i = 0; i < roster->segments.all.n; i++)
        if (strcmp(roster->segments.all.at[i].key, key) == 0)
            return &roster->segments.all.at[i];
    return NULL;
}

struct db_segment *roster_segment(const struct roster *roster, int32_t segment_id)
{
    size_t low = 0, high = roster->segments.all.n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (roster->segments.all.at[middle].segment_id == segment_id)
            return &roster->segments.all.at[middle];
        if (roster->segments.all.at[middle].segment_id < segment_id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct db_segment *roster_served(const struct roster *roster, int32_t version_id)
{
    for (size_t i = 0; i < roster->segments.all.n; i++)
        if (roster->segments.all.at[i].serving == version_id)
            return &roster->segments.all.at[i];
    return NULL;
}

struct roster_version *roster_find(const struct roster *roster, int32_t version_id)
{
    for (size_t i = 0; i < roster->versions.n; i++)
        if (roster->versions.at[i]->version_id == version_id)
            return roster->versions.at[i];
    return NULL;
}

bool roster_keeps(const struct roster_version *version, const struct id *profile)
{
    return version->live || (version->started && id_compare(profile, &version->built_to) <= 0);
}

static bool segment_live(const struct roster *roster, const struct db_segment *segment)
{
    struct roster_version *serving;

    if (segment->list)
        return true;
    for (size_t i = 0; i < roster->versions.n; i++)
        if (roster->versions.at[i]->segment_id == segment->segment_id && !roster->versions.at[i]->live && !roster->versions.at[i]->over)
            return false;
    serving = segment->serving ? roster_find(roster, segment->serving) : NULL;
    return serving && serving->live;
}

bool roster_references_live(const struct roster *roster, const struct roster_version *version)
{
    const struct segment_depends *depends = segment_depends(version->segment);

    for (size_t i = 0; i < depends->n_segments; i++) {
        const struct db_segment *segment = segment_by_key(roster, depends->segments[i]);

        if (!segment || !segment_live(roster, segment))
            return false;
    }
    return true;
}

static size_t find_serving(const struct roster *roster, int32_t segment_id)
{
    const struct db_segment *segment = roster_segment(roster, segment_id);
    size_t i = 0;

    while (i < roster->versions.n && !(segment && segment->serving && roster->versions.at[i]->version_id == segment->serving))
        i++;
    return i;
}

static bool leads_to(const struct roster *roster, const struct roster_version *version, int32_t segment_id, bool *been)
{
    for (size_t i = 0; i < version->references; i++) {
        size_t next = find_serving(roster, version->refers[i]);

        if (version->refers[i] == segment_id)
            return true;
        if (next == roster->versions.n || been[next])
            continue;
        been[next] = true;
        if (leads_to(roster, roster->versions.at[next], segment_id, been))
            return true;
    }
    return false;
}

bool roster_leads_back(const struct roster *roster, const struct roster_version *version)
{
    AUTO_FREE bool *been = mem_zalloc(roster->versions.n * sizeof *been);

    return leads_to(roster, version, version->segment_id, been);
}

/* --- Indexes --- */

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct roster_path *)a)->path, ((const struct roster_path *)b)->path);
}

static int compare_prefix(const char *path, const char *text, size_t len)
{
    int order = strncmp(path, text, len);

    return order ? order : path[len] != '\0';
}

const struct roster_path *roster_paths(const struct roster *roster, const char *path, size_t len, size_t *ret_n)
{
    size_t low = 0, high = roster->paths.n, end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_prefix(roster->paths.at[middle].path, path, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < roster->paths.n && compare_prefix(roster->paths.at[end].path, path, len) == 0; end++)
        ;
    *ret_n = end - low;
    return roster->paths.at + low;
}

static void index_path(struct roster *roster, const char *path, uint32_t version)
{
    *VEC_ADD(&roster->paths) = (struct roster_path){.path = path, .version = version};
}

static void index_paths(struct roster *roster, const struct segment_depends *depends, uint32_t version)
{
    for (size_t i = 0; i < depends->n_traits; i++)
        index_path(roster, depends->traits[i], version);
    if (depends->first_seen)
        index_path(roster, "$first_seen", version);
    for (size_t i = 0; i < depends->n_channels; i++) {
        AUTO_BUF struct buf path = BUF_INIT(1024);

        buf_addf(&path, "$consent.%s", depends->channels[i]);
        *VEC_ADD(&roster->texts) = mem_strdup(buf_text(&path));
        index_path(roster, roster->texts.at[roster->texts.n - 1], version);
    }
}

static void index_references(struct roster *roster, const struct segment_depends *depends, uint32_t version)
{
    int32_t *refers = roster->versions.at[version]->refers;

    for (size_t i = 0; i < depends->n_segments; i++) {
        const struct db_segment *segment = segment_by_key(roster, depends->segments[i]);

        refers[i] = segment ? segment->segment_id : 0;
        if (segment)
            watch_add_id(&roster->references, segment->segment_id, version);
    }
}

/* Above the serving versions of all it refers to. Should they ever go round (roster_leads_back), the bound ends it. */
static void set_levels(struct roster *roster)
{
    enum { LEVELS_MAX = 24 }; /* language.md: chains of references are 20 long */
    bool moved = true;

    roster->levels = 1;
    for (size_t i = 0; i < roster->versions.n; i++)
        roster->versions.at[i]->level = 0;
    for (size_t round = 0; moved && round < LEVELS_MAX; round++) {
        moved = false;
        for (size_t i = 0; i < roster->references.entries.n; i++) {
            const struct watch_entry *entry = &roster->references.entries.at[i];
            const struct db_segment *segment = roster_segment(roster, entry->id);
            const struct roster_version *below = segment && segment->serving ? roster_find(roster, segment->serving) : NULL;
            struct roster_version *above = roster->versions.at[entry->version];

            if (!below || above->level > below->level)
                continue;
            above->level = below->level + 1;
            moved = true;
        }
    }
    for (size_t i = 0; i < roster->versions.n; i++)
        if (roster->versions.at[i]->level >= roster->levels)
            roster->levels = roster->versions.at[i]->level + 1;
}

void roster_index(struct roster *roster)
{
    clear_indexes(roster);
    for (uint32_t i = 0; i < roster->versions.n; i++) {
        struct roster_version *version = roster->versions.at[i];
        const struct segment_depends *depends = segment_depends(version->segment);

        watch_add(&roster->events, &version->events, i);
        index_paths(roster, depends, i);
        index_references(roster, depends, i);
        if (depends->empty_can_hold)
            *VEC_ADD(&roster->empty) = i;
        due_add(&roster->due, &(struct due_version){.depends = depends,
                                                    .expiries = version->expiries,
                                                    .calendars = version->calendars,
                                                    .timezone = segment_timezone(version->segment),
                                                    .version = i});
    }
    if (roster->paths.n)
        qsort(roster->paths.at, roster->paths.n, sizeof *roster->paths.at, compare_paths);
    watch_seal(&roster->events);
    watch_seal(&roster->references);
    due_seal(&roster->due);
    set_levels(roster);
}
