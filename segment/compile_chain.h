/* The chains of a sequence, as compile_sequence.c finds them and compile_steps.c follows them. Internal to segment/. */
#pragma once

#include "segment/compile.h"

enum { CHAIN_MAX = SEQUENCE_STEPS_MAX * SEQUENCE_TIMES_MAX, PATHS_MAX = SEQUENCE_STEPS_MAX };

/* One link of the chain: an event step, or one of its repetitions. */
struct link {
    size_t step; /* its place in the sequence */
    const struct step *of;
    size_t absent; /* the absent step before it, or 0 */
};

struct chain {
    const struct node *node;
    struct link links[CHAIN_MAX];
    size_t n;
    size_t last_absent;          /* the absent step at the end, or 0 */
    const char *same[PATHS_MAX]; /* texts of the paths that `same` asks for, distinct */
    const struct path *paths[PATHS_MAX];
    size_t n_same;
    int64_t reach_us; /* only chains at most so long, of which the oldest and newest ends are b.first and b.last, are looked for; 0: all */
    bool traced;      /* for compile_steps.c: each event stands in the CTE q, numbered, and a chain carries the numbers of its events */
    bool each_same;   /* every link but the first, and every absent, has the one `same` path */
};

/* Of a sequence node, which it borrows. */
void chain_make(const struct node *node, struct chain *chain);
/* SELECT …: the events that some step is about, in groups of equal texts for `same` (x0 …), with what each matches (m0 …), t0 and s0 as below; traced
 * also its number rn in the group, and c0: that number alone, where a chain can begin. */
void emit_chain_events(struct compiler *compiler, const struct chain *chain);
/* SELECT …: those and, for each link up to i, where the newest chain to it ends in the event: t<i> the event's ts, with a span s<i> the ts that the
 * chain begins with, traced c<i> the numbers of its events, the newest first. */
void emit_chain_links(struct compiler *compiler, const struct chain *chain, size_t i);
