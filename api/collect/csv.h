/* Records of a CSV text (RFC 4180), cut in place: LF or CRLF ends a line, quotes may hold both, a quote within quotes is doubled. Pure; any
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "db/message.h"
#include "server/base/attr.h"

struct csv {
    char *at; /* the next byte; the text is changed up to here */
    char *end;
    char comma;
    size_t line;      /* the number of the line that `at` is in, from 1 */
    const char *flaw; /* why the last record cannot be read, static, or NULL */
};

/* Begins after a byte order mark, if there is one. The delimiter is the first of , ; and tab that stands in the first line outside
 * quotes. */
struct csv csv_begin(char *text, size_t len);

/* Reads the next record that is not an empty line: the first max of its fields, and how many there are in all. *ret_line is the line it
 * begins in. True also for one with a flaw: then reading goes on behind the next end of a line. False at the end of the text. */
bool csv_next(struct csv *csv, struct span *ret_fields, size_t max, size_t *ret_n, size_t *ret_line) MUST_CHECK;

/* Guards against formulas (OWASP, "CSV Injection"): a spreadsheet takes a cell for one when it begins with = + - @ tab, CR or LF, and what people
 * sent about themselves ends up in cells. Such a cell gets a ' before it, unless it is + or - before nothing but digits, blanks and .,()-: a
 * number, a phone number. A cell that has such a ' by itself gets another, so that taking one off gives exactly what it was. */
bool csv_needs_guard(struct span cell);
/* The cell without its guard, if it has one. */
struct span csv_unguarded(struct span cell);
