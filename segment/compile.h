/* The compiler's parts: tree → SQL. Each emit_… appends one expression, never null where it is a condition. Internal to segment/. */
#pragma once

#include "segment/ast.h"
#include "server/base/sql.h"
#include "server/base/vec.h"

enum {
    VALUE_SQL = 256,          /* an expression for a value: a base and up to 10 steps into it */
    COMPILE_PARAMS_MAX = 4000 /* of one statement, the runner's own included */
};

/* Another segment whose definition is evaluated in place: once for each profile, as s<number>.holds. */
struct inlined {
    const char *key;
    const struct segment *segment;
    size_t number;
    bool done; /* false: its own references are being compiled, so meeting it is a cycle */
};

struct compiler {
    struct sql *sql;
    struct buf *out;               /* where text goes now: sql->text or another */
    const struct segment *segment; /* whose tree it is now: its time zone */
    struct buf laterals;           /* of the inlined segments, each after those that it refers to */
    VEC(struct inlined) inlined;
    const char *now; /* T as an expression: $1, or a later instant that is tried */
    size_t n_aliases;
    size_t depth;                        /* of references */
    const struct segment_others *others; /* NULL: by membership */
    bool foresees;                       /* HEAD_WHY alone: inlined segments also say when time will change them, s<number>.flips */
    struct err *err;
};

/* Appends. Values never go in here: see the parameters below. */
void emit(struct compiler *compiler, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Parameters: each gives the n of $n. Two in the arguments of one call would be numbered as the compiler of C likes. */
size_t param_text(struct compiler *compiler, const char *text);
size_t param_number(struct compiler *compiler, const char *decimal);
size_t param_seconds(struct compiler *compiler, int64_t us);
size_t param_zone(struct compiler *compiler);

/* compile_test.c: values and operators */

/* The instant as an expression. */
void emit_moment(struct compiler *compiler, const struct moment *moment);
/* An operator other than exists, of one jsonb value. Null counts as false. */
void emit_value_test(struct compiler *compiler, const char *value, const struct test *test, bool ignore_case);
/* An operator (exists too) of one timestamptz, null when missing. Null counts as false. */
void emit_instant_test(struct compiler *compiler, const char *instant, const struct test *test);
/* The comparators of tests, joined by AND, of a number; at least one. Null counts as false. */
void emit_comparators(struct compiler *compiler, const char *number, const struct tests *tests);
/* eq … between of an integer, or of a text (numeric false): never null when the value is not. */
void emit_plain_tests(struct compiler *compiler, const char *value, const struct tests *tests, bool numeric);

/* compile_where.c: paths and predicates */

/* The value a path without [] gives from base, as an expression. */
void path_value(struct compiler *compiler, const char *base, const struct path *path, char ret_value[VALUE_SQL]);
/* FROM items for a path with []: one row for each value, which is *ret_value. */
void emit_path_rows(struct compiler *compiler, const char *base, const struct path *path, char ret_value[VALUE_SQL]);
/* All operators of a leaf about the values of a path. */
void emit_leaf(struct compiler *compiler, const char *base, const struct path *path, const struct tests *tests);
/* A predicate of the event e. */
void emit_predicate(struct compiler *compiler, const struct predicate *predicate);

/* compile_event.c */

/* A test of e.name_id. */
void emit_names(struct compiler *compiler, const struct names *names);
/* The window's ends as tests of e.ts, each beginning with AND. */
void emit_window_begin(struct compiler *compiler, const struct window *window);
void emit_window_end(struct compiler *compiler, const struct window *window);
/* The name that date_trunc has for the period. */
const char *compile_period(enum segment_period period);
/* An instant of the profile p, null when missing. */
void emit_person_date(struct compiler *compiler, const struct person_date *date);
/* The names, each once, where each is to have a range of the index of its own: asked for all at once, every row of the profile is read and most thrown away.
 * 0: they are not to, as they are one or many, or the window is short. */
enum { NAMES_APART_MAX = 3 };
size_t few_names(const struct names *names, const struct window *window, const char *ret_names[NAMES_APART_MAX]);
/* FROM items for those; bounds of e.ts are to follow, and OFFSET 0) e. */
void emit_apart(struct compiler *compiler, const char *const *names, size_t n);
/* FROM … WHERE …: the events e that the measure is of, and for a path with [] each of its values, which is *ret_value. */
void emit_events(struct compiler *compiler, const struct node *node, char ret_value[VALUE_SQL]);
/* FROM the measured values m.v, each taken once: of a path, or the instant of the event. */
void emit_values(struct compiler *compiler, const struct node *node);
void emit_event(struct compiler *compiler, const struct node *node);

/* compile_sequence.c */

/* FROM … WHERE …: the last events (name_id, ts, received_at, message_id) of the chains that make the sequence true. */
void emit_chains(struct compiler *compiler, const struct node *node);
void emit_sequence(struct compiler *compiler, const struct node *node);

/* compile_condition.c: a condition of the profile p. False when inlined references pass a limit. */
bool emit_condition(struct compiler *compiler, const struct node *node) MUST_CHECK;
/* How many parts of a some hold, or the points of a score. */
bool emit_sum(struct compiler *compiler, const struct node *node) MUST_CHECK;
void emit_consent_state(struct compiler *compiler, const struct node *node);
/* compile_steps.c: how far the profile got in a sequence, as jsonb: WHY_STEPS of segment_why.h. */
void emit_steps(struct compiler *compiler, const struct node *node);
/* compile_why.c: an instant as the API writes it, as an expression. */
void emit_iso(struct compiler *compiler, const char *instant);
/* The SELECT of an inlined segment's lateral: holds (condition: at $1); flips: the instants at which time alone will change it, up to until, null: all. */
bool emit_foreseen(struct compiler *compiler, const struct node *root, const char *condition) MUST_CHECK;
/* SELECT … for the profile $3, a row for each node: see segment_why.h. */
bool emit_why(struct compiler *compiler) MUST_CHECK;
/* compile.c: what stands for a reference to another segment. */
bool emit_reference(struct compiler *compiler, const struct node *node) MUST_CHECK;
