/* A growing byte buffer with a maximum. Past its maximum it holds nothing more and says so once, through
 * buf_ok: callers append freely and check at the end. Its text is always NUL-terminated. One thread at a time. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/attr.h"

struct buf {
    char *data; /* owned; NULL while empty */
    size_t len;
    size_t cap;
    size_t max; /* bytes, the terminating NUL not counted */
    bool full;  /* something did not fit */
};

#define BUF_INIT(max_bytes)                                                                                                                \
    {                                                                                                                                      \
        .data = NULL, .len = 0, .cap = 0, .max = (max_bytes), .full = false                                                                \
    }
#define AUTO_BUF CLEANUP(buf_release)

void buf_init(struct buf *buf, size_t max_bytes);
void buf_release(struct buf *buf); /* frees; the buffer is empty again and can be used again */
void buf_clear(struct buf *buf);   /* empties, keeps the memory */

/* Append; past the maximum nothing of the piece is added and `full` is set. */
void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_add_int(struct buf *buf, int64_t n);
void buf_addf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *buf, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

/* Room for at least n more bytes, or NULL past the maximum; buf_added says how many were written there. */
char *buf_room(struct buf *buf, size_t n) MUST_CHECK;
void buf_added(struct buf *buf, size_t n);

/* The text, never NULL; owned by the buffer. */
const char *buf_text(const struct buf *buf);
/* False when something did not fit. */
bool buf_ok(const struct buf *buf);
/* The text as malloc'd memory, the caller's; the buffer is empty after. */
char *buf_take(struct buf *buf);
