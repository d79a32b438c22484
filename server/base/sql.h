/* A statement as text and typed parameters: what segment/ makes and db/ runs, so that neither knows the other. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

enum sql_type {
    SQL_TEXT,          /* text */
    SQL_NUMERIC,       /* numeric, given as its decimal text */
    SQL_INT,           /* bigint, number */
    SQL_TIMESTAMP,     /* timestamptz, number = µs since 1970 */
    SQL_NAME_ID,       /* integer: the id of the event name in text; db/ interns it before it runs the statement */
    SQL_NAME_IDS,      /* integer[]: the ids of the event names in items */
    SQL_TEXT_ARRAY,    /* text[] of items */
    SQL_NUMERIC_ARRAY, /* numeric[] of items */
    SQL_SEGMENT        /* integer: the id of the segment whose key is in text; db/ looks it up */
};

struct sql_param {
    enum sql_type type;
    char *text; /* owned */
    int64_t number;
    char **items; /* owned, n_items owned texts */
    size_t n_items;
};

enum { SQL_TEXT_MAX = 4 * 1024 * 1024 };

struct sql {
    struct buf text;          /* uses $1 … */
    struct sql_param *params; /* owned; parameter i is $(first + i) */
    size_t n_params;
    size_t first; /* the number of the first of params; lower ones are the runner's own */
};

#define AUTO_SQL CLEANUP(sql_release)

void sql_init(struct sql *sql, size_t first);
void sql_release(struct sql *sql);

/* Each adds a parameter (texts are copied) and returns its number, the n of $n. An equal parameter of the same type is used again. */
size_t sql_text(struct sql *sql, enum sql_type type, const char *text);
size_t sql_number(struct sql *sql, enum sql_type type, int64_t number);
size_t sql_items(struct sql *sql, enum sql_type type, const char *const *items, size_t n_items);
