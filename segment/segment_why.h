/* Why a profile is a member or not: what HEAD_WHY's rows say, and the tree they belong to. */
#pragma once

#include "segment/segment.h"

/* A condition of the definition; its place in the array is the `node` of the rows. A parent stands before its parts. */
struct segment_node {
    const char *kind;    /* "all", "any", "not", "some", "score", "event", "sequence", "trait", "profile", "segment", "consent", "bucket" */
    const char *pointer; /* JSON pointer into the definition */
    size_t parent;       /* of the root: itself, 0 */
    const char *key;     /* of segment: the one referred to; else NULL */
};

/* The nodes in document order; predicates below `where` are no nodes of their own. They live as long as the segment. */
size_t segment_nodes(const struct segment *segment, const struct segment_node **ret_nodes);

/* The columns of a row; one row for each node, by node, none when the profile does not live. Behind those of the definition itself come, when
 * references are evaluated in place (segment_others), those of each segment that it refers to, directly or not, once: at most 200 rows, who
 * has no room there has none. */
enum {
    WHY_NODE,  /* integer */
    WHY_HOLDS, /* boolean */
    WHY_MEASURED, /* jsonb: the number that was measured (exact), counted or scored; the trait's value (an array of them for a path with []), the
                     instant of first_seen or last_seen, identified, the state of consent, the share; null for the others and for no value */
    WHY_EVENTS, /* jsonb: of event the newest at most 5 that counted, of sequence the newest at most 5 last events of chains that make it true:
                    [{"name", "ts"}]; null for the others */
    WHY_CHANGES, /* timestamptz: when holds would change by time alone, no event or trait coming; null: never, or not among the next $4 instants at
                    which something leaves or enters. A segment referred to that is not evaluated in place is taken as it is */
    WHY_STEPS, /* jsonb: of sequence how far the profile got, for each step {"step": its place from 0, "reached", "events": those of the chain that got
                    furthest, for an absent the first that ends it: [{"name", "ts"}], "until": for the event step that comes next, by when, for
                    a last absent with `for` when it is complete; else null}; null for the others */
    WHY_SEGMENT /* text: key of the segment that the node belongs to; null: the definition itself */
};
