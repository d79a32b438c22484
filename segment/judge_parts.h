/* The parts of the judge: a definition made ready for judging, and spans of time over a profile's events. Internal to segment/. */
#pragma once

#include "segment/ast.h"
#include "segment/decimal.h"
#include "segment/judge.h"

/* Some names' ids, each once, ascending. */
struct judge_names {
    bool any;
    int32_t *ids; /* owned */
    size_t n;
};

/* Instants t with from <= t < to. */
struct judge_span {
    int64_t from;
    int64_t to;
};

#define JUDGE_ALWAYS ((struct judge_span){INT64_MIN, INT64_MAX})
#define JUDGE_NEVER  ((struct judge_span){0, 0})

/* A window as far as it is known: what is in it for sure, and what may be; the first is within the second. */
struct judge_window {
    struct judge_span sure;
    struct judge_span may;
};

/* An absent step of a sequence. */
struct judge_absence {
    const struct judge_names *names; /* NULL: none */
    int64_t for_us;                  /* 0: none */
    bool plain;                      /* without `where` and `same` */
};

/* An event step, or one of its repetitions. */
struct judge_link {
    uint64_t names; /* bits: by place in chain->names, the last for any other */
    int64_t within_us;
    struct judge_absence absent; /* between the link before and this one */
};

struct judge_chain {
    struct judge_link *links; /* owned */
    size_t n;
    struct judge_absence last;
    bool plain;                     /* no event step has `where` or `same` */
    struct judge_names names;       /* owned: of all event steps */
    struct judge_names *step_names; /* owned */
    size_t n_steps;
};

/* What was made ready of the node with the same number. */
struct judge_part {
    unsigned can[2];           /* bits 1 << verdict: what it may ever be sure of; [true]: of the bare */
    struct accepted accepted;  /* event, some, score: of the number that is compared */
    struct judge_names names;  /* event; owned */
    struct judge_chain *chain; /* sequence; owned; NULL: it has too many names */
    size_t reference;          /* segment: its place in segment_depends */
    bool summable;             /* some, score: its points are whole × 10^shift and not too large */
    int64_t points;            /* in the some (1) or score that it stands in, × 10^shift */
};

struct judge {
    const struct segment *segment;
    bool utc;                 /* the time zone */
    struct judge_part *parts; /* owned; by node->number */
};

/* 1: yes, 0: no, -1: it depends. */
static inline enum verdict judge_verdict(int holds)
{
    return holds < 0 ? VERDICT_UNSURE : holds ? VERDICT_YES : VERDICT_NO;
}

/* judge_person.c: what is asked of the person herself, without events */

enum verdict judge_trait(const struct judge_facts *facts, const struct node *node);
enum verdict judge_consent(const struct judge_facts *facts, const struct node *node);
enum verdict judge_identified(const struct judge_facts *facts, const struct node *node);
enum verdict judge_bucket(const struct judge_facts *facts, const struct node *node);

/* judge_event.c */

/* One name's events in a span after another: those of [begin, end). */
struct judge_walk {
    const struct judge_facts *facts;
    const struct judge_names *names;
    struct judge_span span;
    size_t k;  /* names tried */
    size_t at; /* events passed */
    size_t begin;
    size_t end;
};
/* To the next name that has an event in the span. */
bool judge_next(struct judge_walk *walk);
/* How many events of these names are in the span. */
int64_t judge_count(const struct judge_facts *facts, const struct judge_names *names, struct judge_span span);
struct judge_window judge_window(const struct judge *judge, const struct judge_facts *facts, const struct window *window);
/* Every event of the window at as_of is after this instant; INT64_MIN: it has no such begin. */
int64_t judge_window_since(const struct judge *judge, const struct window *window, int64_t as_of_us);
enum verdict judge_event(const struct judge *judge, const struct judge_facts *facts, const struct node *node);
int64_t judge_seen_since(const struct node *node, int64_t as_of_us);
enum verdict judge_seen(const struct judge *judge, const struct judge_facts *facts, const struct node *node);

/* judge_sequence.c */

/* Takes over names: of each step. NULL when there are too many. */
struct judge_chain *judge_chain_new(const struct node *node, struct judge_names *names);
void judge_chain_free(struct judge_chain *chain);
enum verdict judge_sequence(const struct judge *judge, const struct judge_facts *facts, const struct node *node);
