/* Writes compact JSON into a buffer; commas are its business, nesting the caller's. Stored JSON is embedded as it is
 * (json_raw), so exact numbers stay exact. One thread at a time.
 *
 *     json_open(&out, '{'); json_key(&out, "size"); json_put_int(&out, 3); json_close(&out, '}');  */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

struct json_out {
    struct buf *buf; /* borrowed */
    bool comma;      /* the next value or key needs a comma before it */
};

#define JSON_OUT(buffer)                                                                                                                   \
    {                                                                                                                                      \
        .buf = (buffer), .comma = false                                                                                                    \
    }

void json_open(struct json_out *out, char bracket);  /* '{' or '[' */
void json_close(struct json_out *out, char bracket); /* '}' or ']' */
void json_key(struct json_out *out, const char *key);

/* A value in an array, or after json_key. Text is UTF-8; NULL gives null. */
void json_put_text(struct json_out *out, const char *text);
void json_put_text_len(struct json_out *out, const char *text, size_t len);
void json_put_int(struct json_out *out, int64_t number);
void json_put_bool(struct json_out *out, bool value);
void json_put_null(struct json_out *out);
void json_put_raw(struct json_out *out, const char *json, size_t len); /* checked JSON text, as it is */

/* Key and value in one call. */
void json_add_text(struct json_out *out, const char *key, const char *text);
void json_add_int(struct json_out *out, const char *key, int64_t number);
void json_add_bool(struct json_out *out, const char *key, bool value);
void json_add_null(struct json_out *out, const char *key);
void json_add_real(struct json_out *out, const char *key, double number);   /* %.6g: ratios, never money */
void json_add_instant(struct json_out *out, const char *key, int64_t us);   /* RFC 3339, UTC, six digits, Z; INSTANT_NONE gives null */
void json_add_raw(struct json_out *out, const char *key, const char *json); /* NULL gives null */
