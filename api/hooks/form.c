/* Forms. The one idea: decoded once into fields that lie in one buffer; written as a JSON object they are a body like any other. Nested
 * names ("data[merges][FNAME]") are kept as names.
 * Bounded: 1,000 fields, and the buffer's maximum. */
#include "api/hooks/form.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"
#include "server/base/hex.h"
#include "server/base/json_write.h"
#include "server/base/utf8.h"

enum { FIELDS_MAX = 1000 };

struct field {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};

/* Decodes from..end into *at, which moves on. */
static bool decode(const char *from, const char *end, char **at)
{
    for (; from < end; from++) {
        char c = *from == '+' ? ' ' : *from;

        if (c == '%') {
            int high = end - from > 2 ? hex_digit(from[1]) : -1, low = high >= 0 ? hex_digit(from[2]) : -1;

            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            from += 2;
        }
        *(*at)++ = c;
    }
    return true;
}

/* fields has room for FIELDS_MAX; room for len bytes. */
static bool read_fields(const char *body, size_t len, char *room, struct field *fields, size_t *ret_n)
{
    const char *end = body + len;
    size_t n = 0;

    while (body < end) {
        const char *stop = memchr(body, '&', (size_t)(end - body)), *equals;
        struct field field = {.name = room};

        if (!stop)
            stop = end;
        equals = memchr(body, '=', (size_t)(stop - body));
        if (n == FIELDS_MAX || !decode(body, equals ? equals : stop, &room))
            return false;
        field.name_len = (size_t)(room - field.name);
        field.value = room;
        if (equals && !decode(equals + 1, stop, &room))
            return false;
        field.value_len = (size_t)(room - field.value);
        if (stop > body)
            fields[n++] = field;
        body = stop + 1;
    }
    *ret_n = n;
    return true;
}

static bool has_nul(const char *text, size_t len)
{
    return memchr(text, '\0', len) != NULL;
}

bool form_json(const char *body, size_t len, struct buf *json)
{
    struct field *fields AUTO_FREE = mem_grow(NULL, FIELDS_MAX, sizeof *fields);
    char *room AUTO_FREE = mem_alloc(len + 1);
    struct json_out out = JSON_OUT(json);
    size_t n;

    if (!read_fields(body, len, room, fields, &n))
        return false;
    json_open(&out, '{');
    for (size_t i = 0; i < n; i++) {
        char *name AUTO_FREE = mem_strndup(fields[i].name, fields[i].name_len);

        if (!utf8_ok(fields[i].name, fields[i].name_len + fields[i].value_len) ||
            has_nul(fields[i].name, fields[i].name_len + fields[i].value_len))
            return false;
        json_key(&out, name);
        json_put_text_len(&out, fields[i].value, fields[i].value_len);
    }
    json_close(&out, '}');
    return buf_ok(json);
}

static int by_name(const void *a, const void *b)
{
    const struct field *x = a, *y = b;
    size_t shorter = x->name_len < y->name_len ? x->name_len : y->name_len;
    int order = memcmp(x->name, y->name, shorter);

    return order ? order : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

bool form_sorted(const char *body, size_t len, struct buf *text)
{
    struct field *fields AUTO_FREE = mem_grow(NULL, FIELDS_MAX, sizeof *fields);
    char *room AUTO_FREE = mem_alloc(len + 1);
    size_t n;

    if (!read_fields(body, len, room, fields, &n))
        return false;
    qsort(fields, n, sizeof *fields, by_name);
    for (size_t i = 0; i < n; i++)
        buf_add(text, fields[i].name, fields[i].name_len + fields[i].value_len);
    return buf_ok(text);
}
