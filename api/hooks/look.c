/* Paths. The one idea: a path is read where it stands, segment by segment, and each value it leads to is a span of the body; only JSON
 * inside a string is decoded into memory of its own. Every object walked and every byte decoded is counted against the request's limits,
 * so no entry and no body, however they are chosen, cost more than that. Invariant: a value lives as long as the body and the scratch. */
#include "api/hooks/look.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"
#include "server/base/utf8.h"

struct piece {
    struct piece *next;
    char text[];
};

struct visit {
    struct look *look;
    bool (*fn)(void *context, struct json value);
    void *context;
};

struct segment_text {
    const char *at;
    size_t len;
    bool json; /* `|json` follows */
};

void scratch_release(struct scratch *scratch)
{
    while (scratch->pieces) {
        struct piece *piece = scratch->pieces;

        scratch->pieces = piece->next;
        free(piece);
    }
}

/* Room for a text; NULL past the limit. */
static char *scratch_room(struct scratch *scratch, size_t len)
{
    struct piece *piece;

    if (len > LOOK_DECODED_MAX - scratch->decoded) {
        scratch->spent = true;
        return NULL;
    }
    scratch->decoded += len;
    piece = mem_alloc(sizeof *piece + len + 1);
    piece->next = scratch->pieces;
    scratch->pieces = piece;
    return piece->text;
}

static bool work(struct look *look, size_t bytes)
{
    struct scratch *scratch = look->scratch;

    if (scratch->spent || bytes > LOOK_WORK_MAX - scratch->work)
        scratch->spent = true;
    else
        scratch->work += bytes;
    return !scratch->spent;
}

bool look_blank(struct json value)
{
    return value.type == JSON_T_NONE || value.type == JSON_T_NULL || (value.type == JSON_T_STRING && value.len == 2);
}

struct json look_string(struct look *look, const char *text, size_t len)
{
    char *room = utf8_ok(text, len) ? scratch_room(look->scratch, 6 * len + 2) : NULL;
    struct json value = {.type = JSON_T_STRING, .at = room};
    char *at = room;

    if (!room)
        return JSON_NONE;
    *at++ = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == '"' || c == '\\')
            at += snprintf(at, 7, "\\u%04x", c);
        else
            *at++ = (char)c;
    }
    *at++ = '"';
    value.len = (size_t)(at - room);
    return value;
}

/* A string's content as JSON; JSON_NONE when it is none. */
static struct json decoded(struct look *look, struct json string)
{
    size_t bad_numbers, len;
    struct json_flaw flaw;
    struct json value;
    char *text;

    if (string.type != JSON_T_STRING)
        return string;
    text = scratch_room(look->scratch, string.len);
    if (!text || !work(look, string.len))
        return JSON_NONE;
    len = json_decode_to(string, text);
    return json_check(text, len, &value, &bad_numbers, &flaw) ? value : JSON_NONE;
}

/* Cuts the first segment off a path; false at its end. */
static bool next_segment(const char **path, const char *end, struct segment_text *ret_segment)
{
    static const char json[] = "|json";
    const char *from = *path, *stop;

    if (from >= end)
        return false;
    stop = *from == '[' ? memchr(from, ']', (size_t)(end - from)) : NULL;
    stop = memchr(stop ? stop : from, '.', (size_t)(end - (stop ? stop : from)));
    if (!stop)
        stop = end;
    *path = stop < end ? stop + 1 : end;
    *ret_segment = (struct segment_text){.at = from, .len = (size_t)(stop - from)};
    if (ret_segment->len > sizeof json - 1 && memcmp(stop - (sizeof json - 1), json, sizeof json - 1) == 0) {
        ret_segment->len -= sizeof json - 1;
        ret_segment->json = true;
    }
    return true;
}

static struct json member(struct look *look, struct json object, const char *name, size_t len)
{
    char key[LOOK_SEGMENT_MAX + 1];

    if (len > LOOK_SEGMENT_MAX || !work(look, object.len))
        return JSON_NONE;
    memcpy(key, name, len);
    key[len] = '\0';
    return json_get(object, key);
}

/* [name=text] */
static bool element_fits(struct look *look, struct json element, struct segment_text segment)
{
    const char *name = segment.at + 1, *equals = memchr(name, '=', segment.len - 1);
    char text[LOOK_SEGMENT_MAX + 1];
    struct json value;
    size_t len;

    if (element.type != JSON_T_OBJECT || !equals)
        return false;
    value = member(look, element, name, (size_t)(equals - name));
    len = (size_t)(segment.at + segment.len - 1 - (equals + 1));
    if (len > LOOK_SEGMENT_MAX)
        return false;
    memcpy(text, equals + 1, len);
    text[len] = '\0';
    if (value.type == JSON_T_STRING)
        return json_is(value, text);
    return value.type != JSON_T_NONE && value.len == len && memcmp(value.at, text, len) == 0;
}

static bool walk(struct visit *visit, struct json at, const char *path, const char *end);

static bool enter(struct visit *visit, struct json value, const char *path, const char *end, bool json)
{
    return walk(visit, json ? decoded(visit->look, value) : value, path, end);
}

static bool walk_elements(struct visit *visit, struct json array, struct segment_text segment, const char *path, const char *end)
{
    struct json_iter iter = json_iter(array);
    bool every = *segment.at == '*', filter = *segment.at == '[';
    size_t i = 0, wanted = 0;
    struct json element;

    for (size_t k = 0; !every && !filter && k < segment.len; k++) {
        if (segment.at[k] < '0' || segment.at[k] > '9')
            return true;
        wanted = wanted * 10 + (size_t)(segment.at[k] - '0');
    }
    if (!work(visit->look, array.len))
        return false;
    for (; json_next_element(&iter, &element); i++)
        if (every || (filter ? element_fits(visit->look, element, segment) : i == wanted))
            if (!enter(visit, element, path, end, segment.json))
                return false;
    return true;
}

/* False: stop. */
static bool walk(struct visit *visit, struct json at, const char *path, const char *end)
{
    struct segment_text segment;

    if (at.type == JSON_T_NONE)
        return true;
    if (!next_segment(&path, end, &segment))
        return visit->fn(visit->context, at);
    if (at.type == JSON_T_ARRAY)
        return walk_elements(visit, at, segment, path, end);
    if (at.type == JSON_T_OBJECT && segment.len == 1 && *segment.at == '*') /* some send one alone as it is */
        return enter(visit, at, path, end, segment.json);
    if (at.type == JSON_T_OBJECT)
        return enter(visit, member(visit->look, at, segment.at, segment.len), path, end, segment.json);
    return true;
}

static bool has_scope(const char **path, const char *end, const char *scope)
{
    size_t len = strlen(scope);

    if ((size_t)(end - *path) < len || memcmp(*path, scope, len) != 0)
        return false;
    *path += len;
    return true;
}

/* A header or query parameter as a JSON string. */
static struct json outside(struct look *look, const char *(*get)(void *, const char *), const char *name, size_t len)
{
    char key[LOOK_SEGMENT_MAX + 1];
    const char *text;

    if (len > LOOK_SEGMENT_MAX)
        return JSON_NONE;
    memcpy(key, name, len);
    key[len] = '\0';
    text = get(look->request->context, key);
    return text ? look_string(look, text, strlen(text)) : JSON_NONE;
}

static void each_text(struct look *look, const char *path, size_t len, struct visit visit)
{
    const char *end = path + len;

    visit.look = look;
    if (has_scope(&path, end, "header:"))
        (void)walk(&visit, outside(look, look->request->header, path, (size_t)(end - path)), end, end);
    else if (has_scope(&path, end, "query:"))
        (void)walk(&visit, outside(look, look->request->query, path, (size_t)(end - path)), end, end);
    else if (has_scope(&path, end, "root:"))
        (void)walk(&visit, look->root, path, end);
    else if (has_scope(&path, end, "event:"))
        (void)walk(&visit, look->event, path, end);
    else if (has_scope(&path, end, "item:"))
        (void)walk(&visit, look->item, path, end);
    else
        (void)walk(&visit, look->here, path, end);
}

void look_each(struct look *look, struct json path, bool (*fn)(void *context, struct json value), void *context)
{
    if (path.type == JSON_T_STRING) /* paths have no escapes: look_path_ok */
        each_text(look, path.at + 1, path.len - 2, (struct visit){.fn = fn, .context = context});
}

static bool take_first(void *context, struct json value)
{
    struct json *found = context;

    if (look_blank(value))
        return true;
    *found = value;
    return false;
}

struct json look_text(struct look *look, const char *path, size_t len)
{
    struct json found = JSON_NONE;

    each_text(look, path, len, (struct visit){.fn = take_first, .context = &found});
    return found;
}

struct json look_first(struct look *look, struct json paths)
{
    struct json_iter iter = json_iter(paths);
    struct json path, found = JSON_NONE;

    if (paths.type == JSON_T_STRING)
        look_each(look, paths, take_first, &found);
    while (paths.type == JSON_T_ARRAY && found.type == JSON_T_NONE && json_next_element(&iter, &path))
        look_each(look, path, take_first, &found);
    return found;
}

/* --- Conditions --- */

static bool equal(struct json a, struct json b)
{
    if (a.type != b.type)
        return false;
    if (a.type == JSON_T_STRING) {
        char *text AUTO_FREE = json_text(b);

        return json_is(a, text);
    }
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

static bool is_one_of(struct json value, struct json wanted)
{
    struct json_iter iter = json_iter(wanted);
    struct json one;

    if (wanted.type != JSON_T_ARRAY)
        return equal(value, wanted);
    while (json_next_element(&iter, &one))
        if (equal(value, one))
            return true;
    return false;
}

static bool one_holds(struct look *look, struct json condition)
{
    struct json value = look_first(look, json_get(condition, "path"));
    struct json is = json_get(condition, "is"), not = json_get(condition, "not"), exists = json_get(condition, "exists");

    if (is.type != JSON_T_NONE && !is_one_of(value, is))
        return false;
    if (not .type != JSON_T_NONE && is_one_of(value, not ))
        return false;
    return exists.type == JSON_T_NONE || (exists.type == JSON_T_TRUE) == (value.type != JSON_T_NONE);
}

bool look_holds(struct look *look, struct json conditions)
{
    struct json_iter iter = json_iter(conditions);
    struct json condition;

    if (conditions.type == JSON_T_OBJECT)
        return one_holds(look, conditions);
    while (conditions.type == JSON_T_ARRAY && json_next_element(&iter, &condition))
        if (!one_holds(look, condition))
            return false;
    return true;
}

/* --- Paths and templates as they are written --- */

bool look_path_ok(struct json path, const char *pointer, struct err *err)
{
    const char *at = path.at + 1, *end = path.at + path.len - 1;
    struct segment_text segment;
    size_t n = 0;

    if (path.type != JSON_T_STRING || path.len <= 2)
        return err_set(err, "bad_path", pointer, "a path is a string of names parted by dots");
    if (memchr(at, '\\', (size_t)(end - at)))
        return err_set(err, "bad_path", pointer, "a path has no backslash and no escapes");
    if (has_scope(&at, end, "header:") || has_scope(&at, end, "query:"))
        return at < end && (size_t)(end - at) <= LOOK_SEGMENT_MAX ? true
                                                                  : err_set(err, "bad_path", pointer, "a name is missing or too long");
    if (!has_scope(&at, end, "root:") && !has_scope(&at, end, "event:"))
        (void)has_scope(&at, end, "item:");
    if (at < end && end[-1] == '.')
        return err_set(err, "bad_path", pointer, "a segment of the path is empty");
    while (next_segment(&at, end, &segment)) {
        if (!segment.len || segment.len > LOOK_SEGMENT_MAX)
            return err_set(err, "bad_path", pointer, "a segment of the path is empty or longer than %d bytes", LOOK_SEGMENT_MAX);
        if (*segment.at == '[' && (segment.at[segment.len - 1] != ']' || !memchr(segment.at, '=', segment.len)))
            return err_set(err, "bad_path", pointer, "a segment in brackets is [member=text]");
        if (++n > LOOK_SEGMENTS_MAX)
            return err_set(err, "bad_path", pointer, "a path has at most %d segments", LOOK_SEGMENTS_MAX);
    }
    return true;
}

bool template_next(struct template *template, struct template_part *ret_part)
{
    const char *from = template->at, *stop;

    if (from >= template->end)
        return false;
    stop = memchr(from, *from == '{' ? '}' : '{', (size_t)(template->end - from));
    if (!stop)
        stop = template->end;
    if (*from == '{' && stop < template->end) {
        *ret_part = (struct template_part){.at = from + 1, .len = (size_t)(stop - from - 1), .name = true};
        template->at = stop + 1;
        return true;
    }
    *ret_part = (struct template_part){.at = from, .len = (size_t)(stop - from)};
    template->at = stop;
    return true;
}
