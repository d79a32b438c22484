/* The judge as a filter, for tests/golden/test_judge.py: each line on stdin is {"definition", "timezone", "names": {name: id}, "cases": [{"as_of",
 * "floor", "first_seen" (number or null), "identified", "no_traits", "no_consents", "profile" (a uuid), "events": [ts, id, …] in the judge's order,
 * "members": {key: boolean}, "periods": [before, start, …] for day to year, or null}]}; each line on stdout is U (useful), B (of the bare only) or -, a
 * space, and a letter for each case: Y, N or ?. */
#include <stdio.h>
#include <string.h>

#include "segment/judge.h"
#include "server/base/alloc.h"
#include "server/base/instant.h"
#include "server/base/json_scan.h"
#include "server/base/vec.h"

enum { PERIODS = PERIOD_YEAR + 1 };

struct scene {
    const struct segment_depends *depends;
    struct json members;
    bool has_periods;
    int64_t periods[PERIODS][2];
};

static int64_t integer(struct json value)
{
    int64_t n;

    ASSERT(json_int(value, INT64_MIN, INT64_MAX, &n));
    return n;
}

static bool is_member(const void *context, size_t i)
{
    const struct scene *scene = context;

    return json_get(scene->members, scene->depends->segments[i]).type == JSON_T_TRUE;
}

static bool period(const void *context, enum segment_period kind, int64_t *ret_before_us, int64_t *ret_start_us)
{
    const struct scene *scene = context;

    *ret_before_us = scene->periods[kind][0];
    *ret_start_us = scene->periods[kind][1];
    return scene->has_periods;
}

static char judge_case(const struct judge *judge, const struct segment *segment, struct json given)
{
    struct scene scene = {.depends = segment_depends(segment), .members = json_get(given, "members")};
    struct json first_seen = json_get(given, "first_seen"), element;
    AUTO_FREE char *uuid = json_text(json_get(given, "profile"));
    struct id profile;
    VEC(struct judge_event) events = VEC_INIT;
    struct json_iter iter = json_iter(json_get(given, "events"));
    struct judge_facts facts = {
        .as_of_us = integer(json_get(given, "as_of")),
        .floor_us = integer(json_get(given, "floor")),
        .first_seen_us = first_seen.type == JSON_T_NULL ? INSTANT_NONE : integer(first_seen),
        .identified = json_get(given, "identified").type == JSON_T_TRUE,
        .no_traits = json_get(given, "no_traits").type == JSON_T_TRUE,
        .no_consents = json_get(given, "no_consents").type == JSON_T_TRUE,
        .profile = &profile,
        .is_member = is_member,
        .period = period,
        .context = &scene,
    };
    enum verdict verdict, whole;

    ASSERT(id_read(uuid, &profile));
    while (json_next_element(&iter, &element)) {
        int64_t ts_us = integer(element);

        ASSERT(json_next_element(&iter, &element));
        *VEC_ADD(&events) = (struct judge_event){.ts_us = ts_us, .name_id = (int32_t)integer(element)};
    }
    scene.has_periods = json_get(given, "periods").type == JSON_T_ARRAY;
    iter = json_iter(scene.has_periods ? json_get(given, "periods") : JSON_NONE);
    for (size_t i = 0; scene.has_periods && json_next_element(&iter, &element) && i < 2 * PERIODS; i++)
        scene.periods[i / 2][i % 2] = integer(element);
    facts.events = events.at;
    facts.n_events = events.n;
    whole = judge_profile(judge, &facts);
    facts.n_events = 0;
    for (size_t i = 0; i < events.n; i++)
        if (events.at[i].ts_us > judge_since(judge, facts.as_of_us))
            events.at[facts.n_events++] = events.at[i];
    verdict = judge_profile(judge, &facts);
    ASSERT(verdict == whole || whole == VERDICT_UNSURE); /* older ones do not matter */
    vec_free(&events);
    return verdict == VERDICT_YES ? 'Y' : verdict == VERDICT_NO ? 'N' : '?';
}

static void answer(struct json request)
{
    struct json definition = json_get(request, "definition"), names = json_get(request, "names"), given;
    struct json_iter iter = json_iter(json_get(request, "cases"));
    AUTO_FREE char *zone = json_text(json_get(request, "timezone"));
    AUTO_SEGMENT struct segment *segment = NULL;
    const struct segment_names *events;
    AUTO_FREE int32_t *ids = NULL;
    struct err err = ERR_INIT;
    struct judge *judge;

    ASSERT(segment_parse(definition.at, definition.len, zone, &segment, &err));
    events = &segment_depends(segment)->events;
    ids = mem_alloc((events->n_names + 1) * sizeof *ids);
    for (size_t i = 0; i < events->n_names; i++) {
        struct json id = json_get(names, events->names[i]);

        ids[i] = id.type == JSON_T_NONE ? 0 : (int32_t)integer(id);
    }
    judge = judge_new(segment, ids);
    putchar(judge_useful(judge, false) ? 'U' : judge_useful(judge, true) ? 'B' : '-');
    putchar(' ');
    while (json_next_element(&iter, &given))
        putchar(judge_case(judge, segment, given));
    putchar('\n');
    fflush(stdout);
    judge_free(judge);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0, bad_numbers;
    struct json_flaw flaw;
    struct json request;
    ssize_t len;

    while ((len = getline(&line, &cap, stdin)) > 0) {
        ASSERT(json_check(line, (size_t)len, &request, &bad_numbers, &flaw));
        answer(request);
    }
    free(line);
    return 0;
}
