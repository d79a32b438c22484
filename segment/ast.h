/* The tree of a checked definition. Made by segment_parse, never changed after; all of it lives in the segment's memory. Internal to segment/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segment/segment.h"
#include "segment/segment_why.h"
#include "server/base/instant.h"

enum {
    PATH_NAMES_MAX = 10,
    MEASURE_PATHS_MAX = 8,
    SEQUENCE_STEPS_MAX = 8,
    SEQUENCE_TIMES_MAX = 20,
    CONDITION_DEPTH_MAX = 10,
    CONDITIONS_MAX = 100,
    LIST_ITEMS_MAX = 1000,
    TEXT_CHARS_MAX = 1024,
    PATTERN_CHARS_MAX = 256,
    REFERENCES_MAX = 20,
};

/* A path into JSON: names, each with or without []. */
struct path {
    const char *text; /* as given */
    struct {
        const char *name; /* unescaped */
        bool each;        /* steps into every element of the array there */
    } steps[PATH_NAMES_MAX];
    size_t n;
    bool many; /* some step has [] */
};

enum op {
    OP_EQ,
    OP_NEQ,
    OP_IN,
    OP_NIN,
    OP_GT,
    OP_GTE,
    OP_LT,
    OP_LTE,
    OP_BETWEEN,
    OP_CONTAINS,
    OP_STARTS_WITH,
    OP_ENDS_WITH,
    OP_MATCHES,
    OP_EXISTS,
    OP_BEFORE,
    OP_AFTER,
    OP_WITHIN_LAST,
    OP_WITHIN_NEXT,
    OP_ANNIVERSARY_IN,
};

/* An instant as written: exact, or to be read in the segment's time zone. */
struct moment {
    int64_t us; /* of a local form: as if the zone were UTC */
    enum instant_form form;
};

struct operand {
    enum { OPERAND_TEXT, OPERAND_NUMBER, OPERAND_BOOLEAN, OPERAND_MOMENT, OPERAND_DURATION } type;
    const char *text; /* decoded text, decimal digits, or "true"/"false" */
    struct moment moment;
    int64_t us; /* a duration */
};

/* One operator of a leaf with its operands: one, a pair (between) or a list (in, nin). */
struct test {
    enum op op;
    const struct operand *operands;
    size_t n;
};

struct tests {
    const struct test *items;
    size_t n;
    bool ignore_case;
};

struct names {
    bool any; /* "*" */
    const char *const *items;
    size_t n;
};

enum predicate_kind { PREDICATE_ALL, PREDICATE_ANY, PREDICATE_NOT, PREDICATE_PROPERTY, PREDICATE_CONTEXT, PREDICATE_HAS, PREDICATE_TIME };

/* A condition on one event, or inside `has` on one array element. */
struct predicate {
    enum predicate_kind kind;
    const struct predicate **parts; /* all, any; not and has: one */
    size_t n_parts;
    const struct path *path;
    struct tests tests;
    bool weekday; /* of time: weekday rather than hour */
};

/* An instant of the person. */
struct person_date {
    enum { DATE_FIRST_SEEN, DATE_LAST_SEEN, DATE_TRAIT } kind;
    const struct path *path;
};

enum window_kind { WINDOW_EVER, WINDOW_LAST, WINDOW_FIXED, WINDOW_CALENDAR, WINDOW_PERSON };

struct window {
    enum window_kind kind;
    int64_t last_us;
    int64_t skip_us; /* 0: none */
    bool has_from;
    bool has_to;
    struct moment from;
    struct moment to;
    enum segment_period period;
    bool previous; /* last_…, yesterday */
    struct person_date date;
    bool after; /* after the date, else before it */
    int64_t length_us;
};

enum measure {
    MEASURE_COUNT,
    MEASURE_SUM,
    MEASURE_AVG,
    MEASURE_MIN,
    MEASURE_MAX,
    MEASURE_DISTINCT,
    MEASURE_DAYS,
    MEASURE_WEEKS,
    MEASURE_MONTHS
};

struct step {
    bool absent;
    struct names names;
    const struct predicate *where; /* NULL: none */
    const struct path *same;       /* NULL: none */
    int64_t within_us;             /* 0: none */
    int64_t for_us;                /* 0: none */
    int64_t times;                 /* 1 or more */
};

enum node_kind {
    NODE_ALL,
    NODE_ANY,
    NODE_NOT,
    NODE_SOME,
    NODE_SCORE,
    NODE_EVENT,
    NODE_SEQUENCE,
    NODE_TRAIT,
    NODE_SEEN, /* profile first_seen, last_seen */
    NODE_IDENTIFIED,
    NODE_SEGMENT,
    NODE_CONSENT,
    NODE_BUCKET,
};

struct node {
    enum node_kind kind;
    size_t number;       /* in document order from 0: the node of segment_why */
    const char *pointer; /* JSON pointer to it */
    struct node **parts; /* all, any, not, some, score */
    const char **points; /* score: of each part */
    size_t n_parts;
    struct tests tests; /* operators, or the comparators of a measure, some or score */
    struct names names; /* event */
    const struct predicate *where;
    enum { PICK_NONE, PICK_FIRST, PICK_LAST } pick;
    enum measure measure;
    const struct path *path;         /* of the measure or the trait */
    const struct path *const *paths; /* of a measure instead: the first that is numeric in an event counts there */
    size_t n_paths;                  /* 0, or 2 and more */
    struct window window;            /* event, sequence */
    struct step *steps;
    size_t n_steps;
    int64_t span_us;         /* 0: none */
    struct person_date date; /* seen */
    const char *key;         /* segment key, consent channel, bucket salt */
    int64_t low;             /* bucket, in hundredths of a percent: [low, high) */
    int64_t high;
};

struct segment {
    struct block *blocks; /* owned: all memory of the tree */
    char *text;           /* owned by blocks, as is all below */
    const char *timezone;
    struct node *root;
    size_t n_nodes;
    struct segment_node *nodes;
    struct segment_pattern *patterns;
    size_t n_patterns;
    struct segment_depends depends;
};

/* Zeroed memory that lives as long as the segment. */
void *segment_alloc(struct segment *segment, size_t size);
/* The array of n items of size grown by one, zeroed; arrays grow by powers of two. */
void *segment_push(struct segment *segment, void *items, size_t n, size_t size);

/* What a condition on a missing value (language.md, "A missing value makes every operator false, except …"), and one on a consent not stated, answers. */
bool leaf_of_nothing(const struct tests *tests);
bool consent_of_unknown(const struct tests *tests);

/* Fills segment->depends, and segment->nodes, from its tree. */
void segment_find_depends(struct segment *segment);
void segment_list_nodes(struct segment *segment);
