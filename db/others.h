/* Definitions of other segments, read and parsed when the compiler asks for them (segment/segment.h, "segment_others"). */
#pragma once

#include "db/conn.h"
#include "segment/segment.h"
#include "server/base/vec.h"

struct db_other {
    char *key;               /* owned */
    struct segment *segment; /* owned; NULL: a list, or none of that key */
};

struct db_others {
    struct db *db;
    VEC(struct db_other) known;
    enum db_status status; /* DB_OK unless a look-up failed */
    bool serving;          /* the definitions that members are of, rather than the newest, which may still be building */
};
#define DB_OTHERS_INIT(connection)                                                                                                         \
    {                                                                                                                                      \
        .db = (connection), .status = DB_OK                                                                                                \
    }
#define AUTO_DB_OTHERS CLEANUP(db_others_release)
void db_others_release(struct db_others *others);

/* For segment_others.look_up; the context is a struct db_others. */
const struct segment *db_others_look_up(void *context, const char *key);
