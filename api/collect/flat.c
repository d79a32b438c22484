/* Flat queries. The one idea: sorted, the names of one object stand together, so that objects are opened and closed by comparing each name with the one
 * before it, and no tree is built. Invariant: what is written is JSON, whatever the names are. What it means as a message is
 * message.c's to judge. */
#include "api/collect/flat.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"
#include "server/base/base64.h"
#include "server/base/json_write.h"

/* A dot sorts before everything else, so "a.b" comes right behind "a", before "a-b". */
static int compare(const void *left, const void *right)
{
    const struct flat_pair *a = left, *b = right;
    const unsigned char *x = (const unsigned char *)a->name, *y = (const unsigned char *)b->name;

    while (*x && *x == *y) {
        x++;
        y++;
    }
    if (*x == *y)
        return a->order < b->order ? -1 : a->order > b->order;
    if (*x == '.' || *y == '.')
        return *x == '.' ? (*y ? -1 : 1) : (*x ? 1 : -1);
    return *x < *y ? -1 : 1;
}

static bool name_ok(const char *name)
{
    size_t depth = 0, len = strlen(name);

    if (len > FLAT_NAME_MAX || !len || name[0] == '.' || name[len - 1] == '.' || strstr(name, ".."))
        return false;
    for (const char *at = name; (at = strchr(at, '.')); at++)
        depth++;
    return depth <= FLAT_DEPTH_MAX;
}

/* The objects that are open: a name up to and with its last dot. */
struct opened {
    const char *name;
    size_t len;
};

/* Closes objects until the name lies in what is open; "" closes all. */
static void close_to(struct json_out *out, struct opened *opened, const char *name)
{
    while (opened->len && strncmp(opened->name, name, opened->len) != 0) {
        json_close(out, '}');
        opened->len--;
        while (opened->len && opened->name[opened->len - 1] != '.')
            opened->len--;
    }
}

/* Opens what the name needs; returns its last part. */
static const char *open_to(struct json_out *out, struct opened *opened, const char *name)
{
    const char *at = name + opened->len, *dot;
    char part[FLAT_NAME_MAX + 1];

    for (; (dot = strchr(at, '.')); at = dot + 1) {
        memcpy(part, at, (size_t)(dot - at));
        part[dot - at] = '\0';
        json_key(out, part);
        json_open(out, '{');
    }
    *opened = (struct opened){.name = name, .len = (size_t)(at - name)};
    return at;
}

void flat_write(struct flat_pair *pairs, size_t n, struct buf *json)
{
    struct json_out out = JSON_OUT(json);
    struct opened opened = {.name = "", .len = 0};
    const char *before = "";

    if (n)
        qsort(pairs, n, sizeof *pairs, compare);
    json_open(&out, '{');
    for (size_t i = 0; i < n; i++) {
        const char *name = pairs[i].name;

        if (!name_ok(name) || strcmp(name, before) == 0)
            continue;
        close_to(&out, &opened, name);
        json_key(&out, open_to(&out, &opened, name));
        json_put_text(&out, pairs[i].value);
        before = name;
    }
    close_to(&out, &opened, "");
    json_close(&out, '}');
}

char *flat_data(const char *data, size_t *ret_len)
{
    char *text AUTO_FREE = mem_strdup(data);
    size_t size = strlen(data) / 4 * 3 + 3, len;
    char *bytes = mem_alloc(size);

    for (char *at = text; (at = strchr(at, ' ')); at++)
        *at = '+';
    len = base64_bytes(text, bytes, size);
    if (len) {
        *ret_len = len;
        return bytes;
    }
    free(bytes);
    return NULL;
}
