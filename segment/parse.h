/* The parser's parts: JSON → tree, every error with its code and pointer. Internal to segment/. */
#pragma once

#include "segment/ast.h"
#include "server/base/json_scan.h"

/* Where in the document the parser is: a chain up to the root, on the stack. */
struct spot {
    const struct spot *up;
    const char *name; /* a member of that name, */
    struct json key;  /* or of that key as it stands in the text, */
    size_t index;     /* or an element */
};

#define SPOT_MEMBER(parent, member) (&(struct spot){.up = (parent), .name = (member)})
#define SPOT_ELEMENT(parent, i)     (&(struct spot){.up = (parent), .index = (i)})

struct parser {
    struct segment *segment;
    struct err *err;
    size_t n_leaves;  /* so far, of the whole definition */
    int64_t time_low; /* of the time leaf at hand: its operands are in [time_low, time_high] */
    int64_t time_high;
    bool in_element; /* inside `has` */
};

/* What a leaf's operators are about; decides which there are and what operands they take. */
enum context {
    CONTEXT_VALUE = 1,      /* a property, or one of the event's context */
    CONTEXT_TRAIT = 2,      /* a trait */
    CONTEXT_SEEN = 4,       /* first_seen, last_seen */
    CONTEXT_IDENTIFIED = 8, /* has a user id */
    CONTEXT_CONSENT = 16,   /* granted, denied, unknown */
    CONTEXT_MEASURE = 32,   /* a number that was measured */
    CONTEXT_TIME = 64,      /* hour or weekday */
};

/* All parse_… return false with *parser->err set when something is wrong. */

/* Sets the error; returns false. */
bool parse_fail(struct parser *parser, const struct spot *spot, const char *code, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The pointer to the spot, in the segment's memory. */
const char *parse_pointer(struct parser *parser, const struct spot *spot);
/* value is an object with members of `keys` (NULL at its end) and operators of the contexts only, none twice. */
bool parse_members(struct parser *parser, const struct spot *spot, struct json value, const char *const *keys,
                   unsigned contexts) MUST_CHECK;
/* Is it there, an array, with 1 to max items? */
bool parse_list(struct parser *parser, const struct spot *spot, struct json value, size_t max) MUST_CHECK;
/* A string of at most max characters; it may be empty. */
bool parse_text(struct parser *parser, const struct spot *spot, struct json value, size_t max, const char **ret_text) MUST_CHECK;
/* A string, not empty, of at most TEXT_CHARS_MAX characters. */
bool parse_name(struct parser *parser, const struct spot *spot, struct json value, const char **ret_text) MUST_CHECK;
bool parse_path(struct parser *parser, const struct spot *spot, struct json value, const struct path **ret_path) MUST_CHECK;
/* A path without []. */
bool parse_plain_path(struct parser *parser, const struct spot *spot, struct json value, const struct path **ret_path) MUST_CHECK;
bool parse_duration(struct parser *parser, const struct spot *spot, struct json value, int64_t *ret_us) MUST_CHECK;
/* As parse_duration when the member is there; else 0. */
bool parse_duration_member(struct parser *parser, const struct spot *spot, struct json object, const char *key, int64_t *ret_us) MUST_CHECK;
bool parse_moment(struct parser *parser, const struct spot *spot, struct json value, struct moment *ret_moment) MUST_CHECK;

/* segment/parse_test.c: all operators in the object that belong to the context; which operators there are in contexts, for parse_members. */
bool parse_tests(struct parser *parser, const struct spot *spot, struct json object, enum context context,
                 struct tests *ret_tests) MUST_CHECK;
/* As parse_tests, and one at least. */
bool parse_some_tests(struct parser *parser, const struct spot *spot, struct json object, enum context context,
                      struct tests *ret_tests) MUST_CHECK;
bool parse_is_operator(struct json key, unsigned contexts);

/* segment/parse_event.c */
bool parse_names(struct parser *parser, const struct spot *spot, struct json value, struct names *ret_names) MUST_CHECK;
bool parse_window(struct parser *parser, const struct spot *spot, struct json object, struct window *ret_window) MUST_CHECK;
bool parse_event(struct parser *parser, const struct spot *spot, struct json object, struct node *node) MUST_CHECK;

/* segment/parse_where.c: the member `where`, when it is there. depth is that of the condition it belongs to. */
bool parse_where(struct parser *parser, const struct spot *spot, struct json object, size_t depth,
                 const struct predicate **ret_where) MUST_CHECK;

/* segment/parse_sequence.c */
bool parse_sequence(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node) MUST_CHECK;

/* segment/parse_condition.c: a condition and all below it. */
bool parse_condition(struct parser *parser, const struct spot *spot, struct json value, size_t depth, struct node **ret_node) MUST_CHECK;
/* One more condition that is a leaf. */
bool parse_count_leaf(struct parser *parser, const struct spot *spot) MUST_CHECK;
/* The member `note`: text without effect. */
bool parse_note(struct parser *parser, const struct spot *spot, struct json object) MUST_CHECK;
bool parse_check_depth(struct parser *parser, const struct spot *spot, size_t depth) MUST_CHECK;
