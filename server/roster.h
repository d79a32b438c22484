/* The versions that the worker keeps up, in memory: parsed, compiled, prepared, and indexed by what they depend on. A cache of the tables: it may be dropped at
 * any time and read again. Worker thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/change.h"
#include "db/conn.h"
#include "db/evaluate.h"
#include "db/version.h"
#include "segment/judge.h"
#include "segment/segment.h"
#include "server/due.h"
#include "server/watch.h"

/* A profile whose answer may have changed, and why. */
struct candidate {
    struct id profile;
    enum change_cause cause;
};

struct roster_version {
    int32_t version_id;
    int32_t segment_id;
    int32_t number;
    int32_t attempt;
    bool live;
    bool serving;
    bool started; /* building: built_to is set */
    bool due;     /* time alone moves its members */
    bool over;    /* failed or retired: to be pruned */
    struct id built_to;
    size_t level;      /* above all serving versions that it refers to */
    size_t references; /* how many segments it refers to */
    char *key;         /* owned */
    char *cause;       /* owned */
    struct segment *segment;
    struct judge *judge;
    int32_t *refers; /* ids of the segments it refers to, as depends has them; 0: there is none */
    struct watch_names events;
    struct watch_names *expiries;  /* as many as its depends has */
    struct watch_names *calendars; /* likewise */
    struct db_query changed;       /* HEAD_CHANGED */
    VEC(struct candidate) candidates;
    int64_t size_delta;       /* of the tick under way */
    int64_t identified_delta; /* likewise */
};

/* A trait key or pseudo-path with a version that asks for it. */
struct roster_path {
    const char *path; /* borrowed from the segment; or a pseudo-path */
    uint32_t version;
};

/* A version that could not be compiled or prepared. */
struct roster_bad {
    int32_t version_id;
    int32_t attempt;
    const char *code; /* static */
};

struct roster {
    struct db_plans *plans;
    bool loaded;
    bool dates_loaded; /* what is kept of its dates is known: dates_load */
    VEC(struct roster_version *) versions;
    VEC(struct roster_bad) bad;
    struct db_segments segments;
    struct watch events;     /* event name → versions */
    struct watch references; /* segment → versions that refer to it */
    VEC(struct roster_path) paths;
    VEC(char *) texts;   /* pseudo-paths, owned */
    VEC(uint32_t) empty; /* versions that may hold for a profile without anything */
    struct due due;
    size_t levels;
};

void roster_init(struct roster *roster);
void roster_release(struct roster *roster, struct db *db);
/* Drops all it knows; what was prepared is given back if the connection is there. */
void roster_drop(struct roster *roster, struct db *db);

/* Reads all versions to be kept (when it was dropped) or those that are new; versions that fail stand in `bad`. *ret_changed: something was new. Outside a
 * transaction. */
enum db_status roster_load(struct roster *roster, struct db *db, bool *ret_changed) MUST_CHECK;
/* The indexes anew, after versions came or went, or one has changed what it serves; and without any version. */
void roster_index(struct roster *roster);
void roster_clear_indexes(struct roster *roster);
/* Takes out versions that are over. Outside a transaction. */
void roster_prune(struct roster *roster, struct db *db);
/* The version is kept up no longer. */
void roster_end(struct roster_version *version);

/* Is this profile in a range that the version keeps up? */
bool roster_keeps(const struct roster_version *version, const struct id *profile);
/* Are all segments it refers to served by a live version, and none of them under rebuilding? */
bool roster_references_live(const struct roster *roster, const struct roster_version *version);
/* Does what it refers to lead back to its own segment, through the versions that serve now? Only where a new definition has failed and the old one serves on:
 * newest definitions do not. Such a version must wait: of a circle no order of evaluation is right. */
bool roster_leads_back(const struct roster *roster, const struct roster_version *version);
struct db_segment *roster_segment(const struct roster *roster, int32_t segment_id);
/* The segment that a version serves; NULL: none. */
struct db_segment *roster_served(const struct roster *roster, int32_t version_id);
struct roster_version *roster_find(const struct roster *roster, int32_t version_id);
/* The entries of a path, *ret_n of them. */
const struct roster_path *roster_paths(const struct roster *roster, const char *path, size_t len, size_t *ret_n);
