/* The people that an uploaded file names: lines of JSON, each a member as an export has it, or CSV with a header. Pure: bytes in, ids out;
 * any thread.
 *
 * Whom a row names: its user_id, or where that is absent its anonymous_id, or else its email, by the same rules as in collect (api/collect/person.c). Other
 * columns, and the entered_at and traits of a member, are not looked at. Codes of rows that cannot be used:
 *     invalid_json      the line is no JSON
 *     not_an_object     it is no object
 *     unknown_member    it has a member that a member of a segment has not
 *     bad_csv           the record cannot be read, or has more fields than the header
 *     id_too_long       an id is longer than 256 bytes
 *     no_user_anon_id   no id, or none that can be used
 * and of the whole: bad_header, limit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "db/message.h"
#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/base/vec.h"

enum upload_form { UPLOAD_NDJSON, UPLOAD_CSV };

enum {
    UPLOAD_ROWS_MAX = 1000000, /* one tick applies them all */
    UPLOAD_ERRORS_MAX = 1000   /* of which the answer tells */
};

struct upload_error {
    size_t line;        /* from 1; where the record begins */
    const char *code;   /* static, as */
    const char *detail; /* this */
};

struct upload {
    VEC(struct person) people[PERSON_KINDS]; /* in order of raw id, each once; their texts lie in the file or the arena */
    VEC(struct upload_error) errors;         /* the first ones, in order of line */
    size_t rejected;                         /* how many there are */
    char *arena;
};
#define UPLOAD_INIT                                                                                                                        \
    {                                                                                                                                      \
        .rejected = 0                                                                                                                      \
    }
void upload_release(struct upload *upload);

/* Reads len bytes of text, which is changed and must live as long as the people. False: the file as a whole cannot be used, *err says
 * why. */
bool upload_read(char *text, size_t len, enum upload_form form, struct upload *ret_upload, struct err *err) MUST_CHECK;
