/* A strict JSON reader (RFC 8259) that keeps the client's own bytes.
 *
 * json_check validates a whole text once; after that a value is a span of the text and reading it is walking. Numbers are never
 * converted: 19.99 stays the four characters it was. It accepts and refuses what jansson does (JSON_DECODE_ANY), three cases apart:
 * numbers of any length and size are JSON; an escaped NUL or lone surrogate is replaced in place by \ufffd (same length); the last of
 * two equal keys wins, as in jsonb. Pure, no allocation but where said. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/buf.h"

enum json_type {
    JSON_T_NONE, /* no value: a member that is not there */
    JSON_T_NULL,
    JSON_T_FALSE,
    JSON_T_TRUE,
    JSON_T_NUMBER,
    JSON_T_STRING,
    JSON_T_ARRAY,
    JSON_T_OBJECT
};

/* A value inside a checked text: its span, quotes and brackets included. Lives as long as the text. */
struct json {
    enum json_type type;
    const char *at;
    size_t len;
};

#define JSON_NONE ((struct json){.type = JSON_T_NONE})

struct json_flaw {
    size_t offset;    /* byte where the text stops being JSON */
    const char *what; /* static, lower case: "depth over 64", "text after the value", … */
};

enum { JSON_DEPTH_MAX = 64 }; /* a body nested deeper is refused: no real client comes near, and walking stays cheap */

/* Validates text[0..len) whole as one JSON value of any type, repairing NUL escapes and lone surrogates in place. *ret_bad_numbers is
 * how many of its numbers are outside the form of language.md ("Values"); see json_number_ok. On false *ret_flaw says where. */
bool json_check(char *text, size_t len, struct json *ret_root, size_t *ret_bad_numbers, struct json_flaw *ret_flaw) MUST_CHECK;

struct json_numbers {
    size_t bad;            /* outside that form */
    size_t with_exponents; /* PostgreSQL stores and shows 1e99 as 100 digits: see json_written_out */
    size_t mended;         /* no numbers: escapes of NUL and of lone surrogates, which were repaired */
};
/* As json_check, and counts more. */
bool json_check_numbers(char *text, size_t len, struct json *ret_root, struct json_numbers *ret_numbers,
                        struct json_flaw *ret_flaw) MUST_CHECK;

/* Is there a number outside that form anywhere in the value? Worth asking only when json_check counted some. */
bool json_has_bad_number(struct json value);

/* How many bytes longer the value is at most when its numbers are written out without exponents; of those outside that form it tells nothing useful. Worth
 * asking only when json_check_numbers counted some. */
size_t json_written_out(struct json value);
/* Is this text (of a number or of a string's content) numeric in the sense of language.md: at most 50 characters of
 * -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})? */
bool json_number_ok(const char *text, size_t len);

/* Walking an object or array, in order, doubles included. */
struct json_iter {
    const char *at;
    const char *end;
};
struct json_iter json_iter(struct json container);
bool json_next_member(struct json_iter *iter, struct json *ret_key, struct json *ret_value);
bool json_next_element(struct json_iter *iter, struct json *ret_value);

/* The member of that name (the last, if it stands twice), or JSON_NONE; also JSON_NONE when it is no object. */
struct json json_get(struct json object, const char *key);
/* Is this string (or key) equal to text, escapes decoded? */
bool json_is(struct json string, const char *text);
/* Appends the string's content, escapes decoded, as UTF-8. The buffer needs room for the string as it stands in the text. */
void json_decode(struct json string, struct buf *buf);
/* The same into memory of at least string.len bytes; returns how many it is. No NUL is added; a decoded string holds none. */
size_t json_decode_to(struct json string, char *ret_text);
/* The same as malloc'd text, the caller's. */
char *json_text(struct json string);
/* How many characters (code points) the string's content has. */
size_t json_length(struct json string);
/* The number of members or elements. */
size_t json_count(struct json container);
/* An integer in [low, high]: true, and its value. False for anything else, 5.0 and 1e3 included. */
bool json_int(struct json number, int64_t low, int64_t high, int64_t *ret_value) MUST_CHECK;
