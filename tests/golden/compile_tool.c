/* The compiler as a filter, for the golden cases: each line on stdin is {"definition", "timezone"?, "head"?, "inline"?, "segments"?: {key:
 * {"definition", "timezone"}}}, each line on stdout {"sql", "first", "params", "depends", "patterns"} or {"error"}. Knows no database: what the
 * statements mean is tested by the Python beside it. */
#include <stdio.h>
#include <string.h>

#include "segment/segment.h"
#include "server/base/alloc.h"
#include "server/base/json_scan.h"
#include "server/base/json_write.h"

enum { SEGMENTS_MAX = 64, LINE_BYTES = 16 * 1024 * 1024 };

struct others {
    char *keys[SEGMENTS_MAX];
    struct segment *segments[SEGMENTS_MAX];
    size_t n;
};

static const struct segment *look_up(void *context, const char *key)
{
    const struct others *others = context;

    for (size_t i = 0; i < others->n; i++)
        if (strcmp(others->keys[i], key) == 0)
            return others->segments[i];
    return NULL;
}

static bool parse(struct json request, struct segment **ret_segment, struct err *err)
{
    struct json definition = json_get(request, "definition"), timezone = json_get(request, "timezone");
    AUTO_FREE char *zone = timezone.type == JSON_T_STRING ? json_text(timezone) : mem_strdup("UTC");

    return segment_parse(definition.at, definition.len, zone, ret_segment, err);
}

static void put_texts(struct json_out *out, const char *key, const char *const *texts, size_t n)
{
    json_key(out, key);
    json_open(out, '[');
    for (size_t i = 0; i < n; i++)
        json_put_text(out, texts[i]);
    json_close(out, ']');
}

static void put_names(struct json_out *out, const struct segment_names *names)
{
    json_add_bool(out, "any_event", names->any_event);
    put_texts(out, "names", names->names, names->n_names);
}

static void put_times(struct json_out *out, const struct segment_depends *depends)
{
    static const char *const periods[] = {"day", "week", "month", "quarter", "year"};

    json_key(out, "expiries");
    json_open(out, '[');
    for (size_t i = 0; i < depends->n_expiries; i++) {
        json_open(out, '{');
        json_add_int(out, "after_us", depends->expiries[i].after_us);
        put_names(out, &depends->expiries[i].events);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_key(out, "calendars");
    json_open(out, '[');
    for (size_t i = 0; i < depends->n_calendars; i++) {
        json_open(out, '{');
        json_add_text(out, "period", periods[depends->calendars[i].period]);
        json_add_bool(out, "last", depends->calendars[i].last);
        put_names(out, &depends->calendars[i].events);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_key(out, "dates");
    json_open(out, '[');
    for (size_t i = 0; i < depends->n_dates; i++) {
        json_open(out, '{');
        json_add_text(out, "path", depends->dates[i].path);
        json_add_int(out, "offset_us", depends->dates[i].offset_us);
        json_add_bool(out, "anniversary", depends->dates[i].anniversary);
        json_add_int(out, "days", depends->dates[i].days);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_depends(struct json_out *out, const struct segment_depends *depends)
{
    json_key(out, "depends");
    json_open(out, '{');
    put_names(out, &depends->events);
    put_texts(out, "traits", depends->traits, depends->n_traits);
    json_add_bool(out, "first_seen", depends->first_seen);
    put_texts(out, "channels", depends->channels, depends->n_channels);
    put_texts(out, "segments", depends->segments, depends->n_segments);
    put_times(out, depends);
    json_add_bool(out, "empty_can_hold", depends->empty_can_hold);
    json_close(out, '}');
}

static void put_patterns(struct json_out *out, const struct segment *segment)
{
    const struct segment_pattern *patterns;
    size_t n = segment_patterns(segment, &patterns);

    json_key(out, "patterns");
    json_open(out, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(out, '{');
        json_add_text(out, "pattern", patterns[i].pattern);
        json_add_text(out, "pointer", patterns[i].pointer);
        json_add_bool(out, "ignore_case", patterns[i].ignore_case);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_param(struct json_out *out, const struct sql_param *param)
{
    static const char *const types[] = {"text", "numeric", "bigint", "timestamptz", "name", "names", "text[]", "numeric[]", "segment"};

    json_open(out, '{');
    json_add_text(out, "type", types[param->type]);
    if (param->text)
        json_add_text(out, "value", param->text);
    else if (param->items)
        put_texts(out, "value", (const char *const *)param->items, param->n_items);
    else
        json_add_int(out, "value", param->number);
    json_close(out, '}');
}

static void put_sql(struct json_out *out, const struct segment *segment, const struct sql *sql)
{
    json_open(out, '{');
    json_add_text(out, "sql", buf_text(&sql->text));
    json_add_int(out, "first", (int64_t)sql->first);
    json_key(out, "params");
    json_open(out, '[');
    for (size_t i = 0; i < sql->n_params; i++)
        put_param(out, &sql->params[i]);
    json_close(out, ']');
    put_depends(out, segment_depends(segment));
    put_patterns(out, segment);
    json_close(out, '}');
}

static void put_error(struct json_out *out, const struct err *err)
{
    json_open(out, '{');
    json_key(out, "error");
    json_open(out, '{');
    json_add_text(out, "code", err->code);
    json_add_text(out, "pointer", err->pointer);
    json_add_text(out, "detail", err->detail);
    json_close(out, '}');
    json_close(out, '}');
}

static enum segment_head head_of(struct json name)
{
    static const char *const heads[] = {"changed", "range", "count", "diff", "why", "why_now"};

    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        if (json_is(name, heads[i]))
            return (enum segment_head)i;
    return HEAD_RANGE;
}

static bool answer_with(struct json request, struct others *others, struct json_out *out, struct err *err)
{
    struct json_iter iter = json_iter(json_get(request, "segments"));
    bool in_place = json_get(request, "inline").type == JSON_T_TRUE;
    AUTO_SEGMENT struct segment *segment = NULL;
    AUTO_SQL struct sql sql = {.first = 0};
    struct json key, other;

    while (others->n < SEGMENTS_MAX && json_next_member(&iter, &key, &other)) {
        if (!parse(other, &others->segments[others->n], err))
            return false;
        others->keys[others->n++] = json_text(key);
    }
    if (!parse(request, &segment, err) || !segment_compile(segment, head_of(json_get(request, "head")),
                                                           in_place ? &(struct segment_others){look_up, others} : NULL, &sql, err))
        return false;
    put_sql(out, segment, &sql);
    return true;
}

static void answer(char *line, size_t len)
{
    AUTO_BUF struct buf text = BUF_INIT(LINE_BYTES);
    struct json_out out = JSON_OUT(&text);
    struct others others = {.n = 0};
    struct err err = ERR_INIT;
    struct json_flaw flaw;
    struct json request;
    size_t bad_numbers;

    if (!json_check(line, len, &request, &bad_numbers, &flaw))
        err_set(&err, "bad_request", "", "%s at byte %zu", flaw.what, flaw.offset);
    else
        (void)answer_with(request, &others, &out, &err);
    if (err.code)
        put_error(&out, &err);
    puts(buf_text(&text));
    fflush(stdout);
    for (size_t i = 0; i < others.n; i++) {
        free(others.keys[i]);
        segment_free(others.segments[i]);
    }
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, stdin)) > 0)
        answer(line, (size_t)len - (line[len - 1] == '\n'));
    free(line);
    return 0;
}
