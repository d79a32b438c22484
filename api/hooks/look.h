/* Where an entry's paths lead: shared by verify.c, map.c and value.c, for these only.
 *
 * path:   [scope:]segment(.segment)*       scope: root (the body), event, item (of `each`), header, query
 * segment: name, index of an array, * (every element; of an object, itself), [member=text] (every element like that); `|json` after it
 * reads a string as JSON. */
#pragma once

#include "api/hooks/hook.h"
#include "server/base/buf.h"

enum {
    LOOK_SEGMENTS_MAX = 32,      /* of a path, which is walked recursively */
    LOOK_SEGMENT_MAX = 200,      /* bytes of one */
    LOOK_DECODED_MAX = 16 << 20, /* bytes of JSON in strings, of one request */
    LOOK_WORK_MAX = 1 << 30      /* bytes walked: an entry and a body that are dear together are refused */
};

/* What is allocated on the way; freed with the request. */
struct scratch {
    struct piece *pieces;
    size_t decoded;
    size_t work;
    bool spent; /* a limit was hit: what was found is not to be used */
};
void scratch_release(struct scratch *scratch);

struct look {
    const struct hook_request *request;
    struct scratch *scratch;
    struct json root;
    struct json event;
    struct json item;
    struct json here;  /* where a path without a scope begins */
    struct json money; /* the entry's: what amounts in minor units are of, where their spec does not say */
};

/* Missing, null or "". */
bool look_blank(struct json value);
/* Calls visit for each value of the path (a JSON string), in order, until it returns false. */
void look_each(struct look *look, struct json path, bool (*visit)(void *context, struct json value), void *context);
/* The first that is not blank; of a path or an array of paths, in order. JSON_NONE: nothing. */
struct json look_first(struct look *look, struct json paths);
/* As look_first, of a path as text. */
struct json look_text(struct look *look, const char *path, size_t len);
/* A text as a JSON string of scratch. */
struct json look_string(struct look *look, const char *text, size_t len);
/* Does a condition, or each of an array of them, hold? JSON_NONE holds. */
bool look_holds(struct look *look, struct json conditions);

/* Is the path one? false: err "bad_path" at the pointer. */
bool look_path_ok(struct json path, const char *pointer, struct err *err) MUST_CHECK;

/* The parts of a template: text, and {name}. Begin with {text, end}. */
struct template
{
    const char *at;
    const char *end;
};
struct template_part {
    const char *at;
    size_t len;
    bool name; /* of {…}, braces not counted */
};
bool template_next(struct template *template, struct template_part *ret_part);
