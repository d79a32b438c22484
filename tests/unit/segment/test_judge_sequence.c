/* What names and times say of a sequence. */
#include "tests/unit/segment/judged.h"

static const struct judged SEQUENCES[] = {
    /* some event for each step, in order */
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}]}", "A-2d", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}]}", "A-2d B-1d", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}]}", "A-1d B-2d", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}]}", "A-1d B-1d", '?'},
    {"{'sequence': [{'event': 'A'}, {'event': 'A'}]}", "A-1d", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'A'}]}", "A*2-1d", '?'},
    {"{'sequence': [{'event': ['A', 'B']}, {'event': 'A'}]}", "A-1d B-1d", '?'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}]}", "A-1d B-1d C-2d", 'N'},
    {"{'sequence': [{'event': 'A', 'times': 3}]}", "A-3d A-2d", 'N'},
    {"{'sequence': [{'event': 'A', 'times': 3}]}", "A-3d A-2d A-1d", 'Y'},
    {"{'sequence': [{'event': 'A', 'times': 3}]}", "A*3-3d", '?'},
    {"{'sequence': [{'event': 'A', 'times': 4}]}", "A*3-3d", 'N'},
    {"{'sequence': [{'event': '*'}, {'event': '*'}]}", "A-2d C-1d", 'Y'},
    {"{'sequence': [{'event': '*'}, {'event': 'A'}]}", "A-2d C-1d", 'N'},
    {"{'sequence': [{'event': 'A'}]}", "A-1d", 'Y'},
    {"{'sequence': [{'event': 'Z'}, {'event': 'A'}]}", "A-2d A-1d", 'N'},
    /* the newest chain: an older A is too far, or the first is */
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'within': '1h'}]}", "A-3h B-2h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'within': '1h'}]}", "A-3h B-2h+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'within': '1h'}]}", "A-9h A-3h B-2h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'within': '1h', 'times': 2}]}", "A-3h B-2h B-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'within': '1h', 'times': 2}]}", "A-3h B-2h B-1h+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}], 'span': '2h'}", "A-3h B-2h C-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}], 'span': '2h'}", "A-3h B-2h C-1h+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}], 'span': '2h'}", "A-9h A-3h B-2h C-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'last': '1d'}}", "A-1d B-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'last': '1d'}}", "A-1d+1 B-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'last': '2d', 'skip': '1d'}}", "A-40h B-1d+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'calendar': 'today'}}", "A-3h B-1h noperiods", '?'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'calendar': 'today'}}", "A-1h B-3h noperiods", 'N'},
    /* what properties may take away */
    {"{'sequence': [{'event': 'A', 'where': {'property': 'x', 'eq': 1}}, {'event': 'B'}]}", "A-2d B-1d", '?'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'same': 'x'}]}", "A-2d B-1d", '?'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'same': 'x'}]}", "A-1d B-2d", 'N'},
    /* an absence between */
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h B-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h C-2h B-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h C-3h+1 B-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h C-3h B-1h", '?'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h C-1h B-1h", '?'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h C-1h-1 B-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "C-4h A-3h B-1h C-1s", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-5h C-4h A-3h B-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': '*'}, {'event': 'B'}]}", "A-3h B-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': '*'}, {'event': 'B'}]}", "A-3h D-2h B-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'same': 'x'}, {'event': 'B'}]}", "A-3h C-2h B-1h", '?'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'where': {'property': 'x', 'eq': 1}}, {'event': 'B'}]}", "A-3h C-2h B-1h", '?'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'same': 'x'}, {'event': 'B'}]}", "A-3h B-1h", 'Y'},
    /* an absence at the end: T − for is reached, and nothing came */
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-2h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-2h+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-5h C-3h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-5h C-3h+1", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-5h C-5h", '?'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-5h C-5h+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "C-6h A-5h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-9h A-5h C-4h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h', 'same': 'x'}]}", "A-5h C-4h", '?'},
    {"{'sequence': [{'event': 'A', 'where': {'property': 'x', 'eq': 1}}, {'absent': 'C', 'for': '2h'}]}", "A-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': '*', 'for': '2h'}]}", "B-6h A-5h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': '*', 'for': '2h'}]}", "A-5h B-4h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}]}", "A-5h C-0s", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}]}", "A-5h C-5h-1", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'A'}]}", "A-9h A-5h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}], 'window': {'last': '9h', 'skip': '3h'}}", "A-5h C-1h", 'N'},
};

START_TEST(sequences)
{
    check(&SEQUENCES[_i], "Europe/Berlin");
}
END_TEST

/* More names than the walk tells apart: never wrong, only unsure. */
START_TEST(many_names)
{
    struct profile profile;
    struct judge *judge;
    AUTO_SEGMENT struct segment *segment = parse("{'sequence': [{'event': '*'}, {'event': 'A'}]}", "UTC");

    read_profile("", &profile);
    for (int32_t i = 0; i < 64; i++)
        profile.events[i] = (struct judge_event){.ts_us = T - DAY, .name_id = 1000 + i};
    judge = make(segment);
    profile.facts.n_events = 64;
    ck_assert_int_eq(judge_profile(judge, &profile.facts), VERDICT_NO);
    profile.events[64] = (struct judge_event){.ts_us = T, .name_id = 2000};
    profile.facts.n_events = 65;
    ck_assert_int_eq(judge_profile(judge, &profile.facts), VERDICT_UNSURE);
    judge_free(judge);
}
END_TEST

RUN_CASES("segment judge sequence", {sequences, ARRAY_LEN(SEQUENCES)}, {many_names, 1})
