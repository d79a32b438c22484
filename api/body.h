/* Reading the members of a JSON body: unknown ones and wrong types are told with their pointer, never ignored. Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/base/json_scan.h"

/* What a member may be. */
enum {
    MEMBER_TEXT = 1 << 0,
    MEMBER_BOOL = 1 << 1,
    MEMBER_INT = 1 << 2,
    MEMBER_OBJECT = 1 << 3,
    MEMBER_TEXTS = 1 << 4, /* an array of strings */
    MEMBER_NULL = 1 << 5
};

struct body_field {
    const char *name;
    unsigned types;
    struct json *into; /* the value; JSON_T_NONE when it is not there */
};

/* Reads the members of an object into fields; false with err "unknown_member" or "wrong_type". */
bool body_read(struct json body, const struct body_field *fields, size_t n, struct err *err) MUST_CHECK;

/* Appends "/key" to a pointer, escaped (RFC 6901), as far as it fits. */
void body_point(char *pointer, size_t size, struct json key);

/* A text of low to high characters without control characters: malloc'd, the caller's; NULL with err "bad_value" otherwise. */
char *body_text(struct json value, const char *pointer, size_t low, size_t high, struct err *err);
/* The same of what people are to tell apart: 1 to high characters, not only blanks. */
char *body_name(struct json value, const char *pointer, size_t high, struct err *err);
/* The same, and lines and tabs are fine. */
char *body_prose(struct json value, const char *pointer, size_t low, size_t high, struct err *err);
struct int_range {
    int64_t low;
    int64_t high;
};
/* An integer in range, or false with err "bad_value". */
bool body_int(struct json value, const char *pointer, const struct int_range *range, int64_t *ret_value, struct err *err) MUST_CHECK;

/* Texts, each malloc'd. */
struct texts {
    char **at;
    size_t n;
};
#define AUTO_TEXTS CLEANUP(texts_release)
void texts_release(struct texts *texts);
struct texts_limit {
    size_t n;      /* most items */
    size_t length; /* most characters of one, of at least 1 */
};
/* The items of an array of strings; false with err "bad_value". */
bool body_texts(struct json value, const char *pointer, const struct texts_limit *limit, struct texts *ret_texts,
                struct err *err) MUST_CHECK;
