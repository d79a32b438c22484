/* By what a person is named in what is read and told. */
#pragma once

#include "db/conn.h"

/* Of the three a person known by a user id has that, else one first seen with an anonymous id that, else an address; the others are NULL.
 * All NULL: nobody any more. Borrowed from the rows. */
struct who {
    const char *user_id;
    const char *anonymous_id;
    const char *email;
};

/* From three columns, in that order. */
static inline struct who db_who(const struct db_rows *rows, size_t row, int column)
{
    return (struct who){
        .user_id = db_text(rows, row, column), .anonymous_id = db_text(rows, row, column + 1), .email = db_text(rows, row, column + 2)};
}
