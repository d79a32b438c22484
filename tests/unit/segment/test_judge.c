/* What a definition is to the judge: how verdicts are joined, of whom it may be sure, and which events it looks at. */
#include "tests/unit/segment/judged.h"

static const struct judged JOINED[] = {
    {"{'all': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", "B-1d", 'N'},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", "A-1d", '?'},
    {"{'all': [{'event': 'A'}, {'event': 'B'}]}", "A-1d B-1d", 'Y'},
    {"{'all': [{'event': 'A'}, {'event': 'B'}]}", "A-1d", 'N'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", "A-1d", 'Y'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", "B-1d", '?'},
    {"{'any': [{'event': 'A'}, {'event': 'B'}]}", "C-1d", 'N'},
    {"{'all': [{'event': 'A', 'window': {'calendar': 'today'}}, {'event': 'B'}]}", "A-1s B-1d noperiods", '?'},
    {"{'all': [{'event': 'A', 'window': {'calendar': 'today'}}, {'event': 'B'}]}", "A-1s noperiods", 'N'},
    {"{'any': [{'event': 'A', 'window': {'calendar': 'today'}}, {'event': 'B'}]}", "A-1s noperiods", '?'},
    {"{'any': [{'event': 'A', 'window': {'calendar': 'today'}}, {'event': 'B'}]}", "A-1s B-1d noperiods", 'Y'},
    {"{'not': {'event': 'A'}}", "A-1d", 'N'},
    {"{'not': {'event': 'A'}}", "B-1d", 'Y'},
    {"{'not': {'trait': 'x', 'eq': 1}}", "", '?'},
    {"{'not': {'not': {'any': [{'consent': 'email', 'eq': 'granted'}, {'event': 'A'}]}}}", "A-1d", 'Y'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}], 'gte': 2}", "A-1d C-1d", 'Y'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}], 'gte': 2}", "C-1d", 'N'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}, {'bucket': 'x', 'from': 0, 'to': 50}], 'gte': 2}", "A-1d B-1d", 'Y'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}, {'bucket': 'x', 'from': 0, 'to': 50}], 'gte': 2}", "A-1d", '?'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}, {'bucket': 'x', 'from': 0, 'to': 50}], 'gte': 2}", "C-1d", 'N'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}], 'eq': 1}", "A-1d B-1d", 'N'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}], 'eq': 1}", "B-1d", 'Y'},
    {"{'some': [{'trait': 'x', 'eq': 1}], 'lte': 1}", "", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 30}, {'if': {'event': 'B'}, 'points': 10}], 'gte': 35}", "A-1d", 'N'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 30}, {'if': {'event': 'B'}, 'points': 10}], 'gte': 35}", "A-1d B-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 30}, {'if': {'trait': 'x', 'eq': 1}, 'points': -10}], 'gte': 30}", "A-1d", '?'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 30}, {'if': {'trait': 'x', 'eq': 1}, 'points': -10}], 'gte': 20}", "A-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': -30}, {'if': {'trait': 'x', 'eq': 1}, 'points': 10}], 'gte': -20}", "A-1d", '?'},
    {"{'score': [{'if': {'event': 'A'}, 'points': -30}, {'if': {'trait': 'x', 'eq': 1}, 'points': 10}], 'gte': -19.5}", "A-1d", 'N'},
    {"{'score': [{'if': {'event': 'A'}, 'points': -30}, {'if': {'trait': 'x', 'eq': 1}, 'points': 10}], 'gte': 0}", "B-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 0.1}, {'if': {'event': 'B'}, 'points': 0.2}], 'eq': 0.3}", "A-1d B-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 0.1}, {'if': {'event': 'B'}, 'points': 0.2}], 'gt': 0.3}", "A-1d B-1d", 'N'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 2.5e-1}, {'if': {'event': 'B'}, 'points': 1e1}], 'eq': 10.25}", "A-1d B-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 1e-14}], 'eq': 0.00000000000001}", "A-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 1e-15}], 'eq': 0.000000000000001}", "A-1d", '?'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 1e20}], 'gte': 1e20}", "A-1d", '?'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 0}], 'eq': 0}", "A-1d", 'Y'},
    {"{'segment': 'x'}", "member", 'Y'},
    {"{'segment': 'x'}", "", 'N'},
    {"{'all': [{'segment': 'x'}, {'not': {'segment': 'y'}}]}", "member", 'Y'},
    {"{'profile': 'identified', 'eq': true}", "", 'Y'},
    {"{'profile': 'identified', 'eq': true}", "anonymous", 'N'},
    {"{'profile': 'identified', 'neq': true}", "", 'N'},
    {"{'profile': 'identified', 'eq': false}", "anonymous", 'Y'},
    {"{'profile': 'identified', 'eq': true, 'neq': true}", "anonymous", 'N'},
    /* unsure is what unsure parts leave so, though others of the bare are sure */
    {"{'all': [{'trait': 'x', 'neq': 1}, {'consent': 'email', 'neq': 'granted'}]}", "notraits", '?'},
    {"{'all': [{'trait': 'x', 'neq': 1}, {'consent': 'email', 'neq': 'granted'}]}", "noconsents", '?'},
    {"{'all': [{'trait': 'x', 'neq': 1}, {'consent': 'email', 'neq': 'granted'}]}", "notraits noconsents", 'Y'},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'consent': 'email', 'neq': 'granted'}]}", "notraits", 'N'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'consent': 'email', 'eq': 'granted'}]}", "noconsents", '?'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'consent': 'email', 'eq': 'granted'}]}", "notraits noconsents", 'N'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'where': {'property': 'x', 'eq': 1}}]}", "notraits B-1d", 'N'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'where': {'property': 'x', 'eq': 1}}]}", "notraits A-1d", '?'},
    {"{'not': {'trait': 'x', 'eq': 1}}", "notraits", 'Y'},
    {"{'some': [{'trait': 'x', 'eq': 1}, {'event': 'A'}], 'gte': 1}", "notraits B-1d", 'N'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 30}, {'if': {'trait': 'x', 'eq': 1}, 'points': -10}], 'gte': 30}", "notraits A-1d", 'Y'},
};

START_TEST(joined)
{
    check(&JOINED[_i], "Europe/Berlin");
}
END_TEST

/* Of whom it may be sure. */
enum useful { OF_NOBODY, OF_THE_BARE, OF_ANYBODY };
static const struct {
    const char *definition;
    enum useful useful;
} USEFUL[] = {
    {"{'trait': 'x', 'eq': 1}", OF_THE_BARE},
    {"{'consent': 'email', 'eq': 'granted'}", OF_THE_BARE},
    {"{'bucket': 'x', 'from': 0, 'to': 50}", OF_ANYBODY},
    {"{'not': {'any': [{'trait': 'x', 'eq': 1}, {'consent': 'email', 'eq': 'granted'}]}}", OF_THE_BARE},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", OF_ANYBODY},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", OF_ANYBODY},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'bucket': 'x', 'from': 0, 'to': 50}]}", OF_ANYBODY},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}}", OF_ANYBODY},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'where': {'property': 'x', 'eq': 1}}]}", OF_THE_BARE},
    {"{'any': [{'trait': 'x', 'neq': 1}, {'event': 'A', 'where': {'property': 'x', 'eq': 1}}]}", OF_THE_BARE},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'lt': 2}]}", OF_THE_BARE},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'measure': {'avg': 'x'}, 'lt': 2}]}", OF_ANYBODY},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'measure': {'avg': 'x'}, 'lt': 2}]}", OF_THE_BARE},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'measure': {'sum': 'x'}, 'lt': 2}]}", OF_ANYBODY},
    {"{'score': [{'if': {'event': 'A'}, 'points': 1e30}], 'gte': 1}", OF_NOBODY},
    {"{'score': [{'if': {'trait': 'x', 'eq': 1}, 'points': 1e30}], 'gte': 1}", OF_NOBODY},
    {"{'some': [{'trait': 'x', 'eq': 1}], 'gte': 1}", OF_THE_BARE},
    {"{'segment': 'x'}", OF_ANYBODY},
};

START_TEST(useful)
{
    AUTO_SEGMENT struct segment *segment = parse(USEFUL[_i].definition, "UTC");
    struct judge *judge = make(segment);

    ck_assert_msg(judge_useful(judge, false) == (USEFUL[_i].useful == OF_ANYBODY), "%s", USEFUL[_i].definition);
    ck_assert_msg(judge_useful(judge, true) == (USEFUL[_i].useful != OF_NOBODY), "%s", USEFUL[_i].definition);
    judge_free(judge);
}
END_TEST

#define EVER INT64_MAX
static const struct {
    const char *definition;
    int64_t back_us; /* from T; EVER: all events matter */
} SINCE[] = {
    {"{'event': 'A'}", EVER},
    {"{'event': 'A', 'window': {'last': '2d'}}", 2 * DAY},
    {"{'event': 'A', 'window': {'last': '2d', 'skip': '1d'}}", 2 * DAY},
    {"{'event': 'A', 'window': {'last': '2d'}, 'pick': 'first'}", EVER},
    {"{'event': 'A', 'window': {'from': '2026-03-09T12:00:00Z'}}", DAY + 1},
    {"{'event': 'A', 'window': {'to': '2026-03-09T12:00:00Z'}}", EVER},
    {"{'event': 'A', 'window': {'calendar': 'last_week'}}", 14 * DAY + 26 * 3600 * US_PER_S},
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}, 'for': '2d'}}", EVER},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'last': '3d'}}", 3 * DAY},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}]}", EVER},
    {"{'profile': 'last_seen', 'within_last': '4d'}", 4 * DAY},
    {"{'profile': 'last_seen', 'exists': true}", EVER},
    {"{'profile': 'first_seen', 'within_last': '4d'}", EVER},
    {"{'profile': 'identified', 'eq': true}", 0},
    {"{'all': [{'trait': 'x', 'within_last': '4d'}, {'consent': 'email', 'eq': 'granted'}, {'bucket': 'x', 'from': 0, 'to': 50}]}", 0},
    {"{'event': 'A', 'window': {'after': {'trait': 'x'}, 'for': '2d'}}", EVER},
    {"{'all': [{'event': 'A', 'window': {'last': '2d'}}, {'not': {'event': 'B', 'window': {'last': '5d'}}}, {'trait': 'x', 'eq': 1}]}",
     5 * DAY},
    {"{'any': [{'event': 'A', 'window': {'last': '2d'}}, {'event': 'B'}]}", EVER},
};

START_TEST(since)
{
    AUTO_SEGMENT struct segment *segment = parse(SINCE[_i].definition, "UTC");
    struct judge *judge = make(segment);
    int64_t since_us = judge_since(judge, T);

    ck_assert_msg(since_us == (SINCE[_i].back_us == EVER ? INT64_MIN : T - SINCE[_i].back_us), "%s", SINCE[_i].definition);
    judge_free(judge);
}
END_TEST

RUN_CASES("segment judge", {joined, ARRAY_LEN(JOINED)}, {useful, ARRAY_LEN(USEFUL)}, {since, ARRAY_LEN(SINCE)})
