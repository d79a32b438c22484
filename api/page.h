/* Pages of lists: limit and cursor in, `next`, `next_cursor` and Link out. */
#pragma once

#include "api/call.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000, CURSOR_PLACE_MAX = 4096 /* an event name */ };

struct page {
    int32_t limit;
    bool first;                       /* no cursor was given */
    char place[CURSOR_PLACE_MAX + 1]; /* what the handler put into the cursor, "" on the first page */
};

/* Reads ?limit= and ?cursor=. A cursor belongs to its path and to all other parameters. False: answered with 400. A handler asks for limit + 1 rows, to know
 * whether there is a next page. */
bool page_read(struct call *c, struct page *ret_page) MUST_CHECK;
/* Reads ?limit= alone. */
bool page_limit(struct call *c, int32_t *ret_limit) MUST_CHECK;

/* Begins the answer of a list, {"data": …; what is listed follows. */
void page_begin(struct json_out *out);
/* Writes "next" and "next_cursor" into an open object, and the Link header. place is where the next page begins (a text of at most
 * CURSOR_PLACE_MAX bytes), NULL on the last page. */
void page_next(struct call *c, struct json_out *out, const char *place);
/* Ends the answer so, and sends it. */
enum handled page_end(struct call *c, struct json_out *out, const char *place);
/* Appends what absolute URLs of this call begin with, without a slash at the end: the public URL that is set, path prefix included, or scheme and Host. */
void page_base(const struct call *c, struct buf *url);
/* The absolute URL of this call with another value for one of its parameters, malloc'd, the caller's. */
char *page_url(const struct call *c, const char *parameter, const char *value);
/* As page_next, of a page that goes on with another value for one of its parameters, which is the cursor. */
void page_go_on(struct call *c, struct json_out *out, const char *parameter, const char *value);
