/* A growing byte buffer with a maximum. The one idea: overflow is sticky (`full`), so building a text is a run of calls without checks
 * and one question at the end.
 * Invariant: where there is memory, the text in it ends with a NUL that len does not count. */
#include "server/base/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"

enum { BUF_FIRST = 256 };

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf)BUF_INIT(max_bytes);
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->full = false;
    if (buf->data)
        buf->data[0] = '\0';
}

char *buf_room(struct buf *buf, size_t n)
{
    size_t cap = buf->cap ? buf->cap : BUF_FIRST;

    if (n > buf->max - buf->len) {
        buf->full = true;
        return NULL;
    }
    while (cap < buf->len + n + 1)
        cap *= 2;
    if (cap != buf->cap) {
        buf->data = mem_grow(buf->data, cap, 1);
        buf->data[buf->len] = '\0'; /* room that is never used is no text */
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void buf_added(struct buf *buf, size_t n)
{
    buf->len += n;
    buf->data[buf->len] = '\0';
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
    char *room = buf_room(buf, len);

    if (!room)
        return;
    if (len)
        memcpy(room, bytes, len);
    buf_added(buf, len);
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_add_int(struct buf *buf, int64_t n)
{
    buf_addf(buf, "%" PRId64, n);
}

void buf_vaddf(struct buf *buf, const char *fmt, va_list args)
{
    va_list again;
    char *room;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    ASSERT(len >= 0);
    room = buf_room(buf, (size_t)len);
    if (!room)
        return;
    (void)vsnprintf(room, (size_t)len + 1, fmt, args);
    buf_added(buf, (size_t)len);
}

void buf_addf(struct buf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    buf_vaddf(buf, fmt, args);
    va_end(args);
}

const char *buf_text(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}

bool buf_ok(const struct buf *buf)
{
    return !buf->full;
}

char *buf_take(struct buf *buf)
{
    char *text = buf->data ? buf->data : mem_strdup("");

    buf_init(buf, buf->max);
    return text;
}
