/* Finding versions. The one idea: what a definition depends on is known when it is loaded, so a tick goes from a touched name, trait or segment to the versions
 * concerned by halving a sorted array, and versions nobody touched cost nothing. The indexes are made anew as a whole, whenever a version comes, goes or
 * begins to serve: that is seldom. Levels put each version above those whose answers it needs. */
#include "server/roster.h"

#include <string.h>

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

void roster_clear_indexes(struct roster *roster)
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
    roster_clear_indexes(roster);
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
