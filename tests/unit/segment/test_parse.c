/* What a definition may be: each refusal with its code and pointer, each limit at its edge, and the forms that are accepted. The cases are data:
 * a definition in JSON with ' for ", as it would stand in the language's page. */
#include "segment/segment.h"

#include <string.h>

#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "tests/unit/run.h"

struct refusal {
    const char *definition;
    const char *code;
    const char *pointer;
};

static char *quoted(const char *text)
{
    char *copy = mem_strdup(text);

    for (char *at = copy; *at; at++)
        if (*at == '\'')
            *at = '"';
    return copy;
}

static bool parse(const char *definition, struct err *err)
{
    AUTO_FREE char *text = quoted(definition);
    AUTO_SEGMENT struct segment *segment = NULL;

    return segment_parse(text, strlen(text), "UTC", &segment, err);
}

static void check_refused(const struct refusal *refusal)
{
    struct err err = ERR_INIT;

    ck_assert_msg(!parse(refusal->definition, &err), "accepted: %s", refusal->definition);
    ck_assert_msg(strcmp(err.code, refusal->code) == 0, "%s: %s (%s), not %s", refusal->definition, err.code, err.detail, refusal->code);
    ck_assert_msg(strcmp(err.pointer, refusal->pointer) == 0, "%s: at %s, not %s", refusal->definition, err.pointer, refusal->pointer);
}

static const struct refusal REFUSALS[] = {
    /* the text */
    {"", "bad_json", ""},
    {"{'all': [", "bad_json", ""},
    {"[]", "wrong_type", ""},
    {"'x'", "wrong_type", ""},
    {"{}", "missing_member", ""},
    {"{'note': 'x'}", "missing_member", ""},
    {"{'gte': 1, 'note': 'x'}", "missing_member", ""},
    {"{'eq': 1, 'property': 'a'}", "unknown_member", "/property"},
    {"{'event': 'A', 'where': {'eq': 1, 'trait': 'a'}}", "unknown_member", "/where/trait"},
    {"{'event': 'A', 'where': {'eq': 1}}", "missing_member", "/where"},
    {"{'frobnicate': 1}", "unknown_member", "/frobnicate"},
    {"{'a/b~c': 1}", "unknown_member", "/a~1b~0c"},
    {"{'event': 'A', 'event': 'B'}", "duplicate_member", "/event"},
    {"{'event': 'A', '\\u0065vent': 'B'}", "duplicate_member", "/event"},
    {"{'event': 'A', 'window': {'last': '1d', 'last': '2d'}}", "duplicate_member", "/window/last"},
    /* reserved */
    {"{'group': 'x'}", "reserved", "/group"},
    {"{'event': 'A', 'rank': 1}", "reserved", "/rank"},
    {"{'all': [{'entered': 1}]}", "reserved", "/all/0/entered"},
    {"{'event': 'A', 'where': {'sql': 'x'}}", "reserved", "/where/sql"},
    {"{'trait': 'a', 'eq': {'trait': 'b'}}", "reserved", "/eq"},
    {"{'trait': 'a', 'in': {'trait': 'b'}}", "reserved", "/in"},
    {"{'trait': 'a', 'in': ['x', {'trait': 'b'}]}", "reserved", "/in/1"},
    {"{'event': 'A', 'gte': {'event': 'B'}}", "reserved", "/gte"},
    {"{'event': 'A', 'between': [1, {}]}", "reserved", "/between/1"},
    {"{'bucket': 's', 'from': {}, 'to': 1}", "reserved", "/from"},
    {"{'event': '$identify'}", "reserved", "/event"},
    {"{'event': ['A', '$group']}", "reserved", "/event/1"},
    /* all, any, not, some, score */
    {"{'all': []}", "bad_operand", "/all"},
    {"{'any': {}}", "wrong_type", "/any"},
    {"{'all': [{'event': 'A'}, 5]}", "wrong_type", "/all/1"},
    {"{'not': [{'event': 'A'}]}", "wrong_type", "/not"},
    {"{'all': [{'event': 'A'}], 'any': []}", "unknown_member", "/any"},
    {"{'all': [{'event': 'A'}], 'gte': 1}", "unknown_member", "/gte"},
    {"{'not': {'event': 'A'}, 'note': 5}", "wrong_type", "/note"},
    {"{'some': [{'event': 'A'}]}", "missing_member", ""},
    {"{'some': [{'event': 'A'}], 'gte': '2'}", "bad_operand", "/gte"},
    {"{'some': [{'event': 'A'}], 'in': [2]}", "unknown_member", "/in"},
    {"{'score': [{'if': {'event': 'A'}, 'points': 1}]}", "missing_member", ""},
    {"{'score': [{'if': {'event': 'A'}}], 'gte': 1}", "missing_member", "/score/0/points"},
    {"{'score': [{'points': 1}], 'gte': 1}", "missing_member", "/score/0"},
    {"{'score': [{'if': {'event': 'A'}, 'points': '1'}], 'gte': 1}", "bad_operand", "/score/0/points"},
    {"{'score': [{'if': {'event': 'A'}, 'points': 1, 'note': 'x'}], 'gte': 1}", "unknown_member", "/score/0/note"},
    /* event */
    {"{'event': 5}", "wrong_type", "/event"},
    {"{'event': ''}", "bad_operand", "/event"},
    {"{'event': []}", "bad_operand", "/event"},
    {"{'event': ['A', '*']}", "bad_operand", "/event/1"},
    {"{'event': ['A', 5]}", "wrong_type", "/event/1"},
    {"{'event': 'A', 'pick': 'newest'}", "bad_operand", "/pick"},
    {"{'event': 'A', 'measure': 'total'}", "bad_operand", "/measure"},
    {"{'event': 'A', 'measure': 5}", "wrong_type", "/measure"},
    {"{'event': 'A', 'measure': {}}", "bad_operand", "/measure"},
    {"{'event': 'A', 'measure': {'sum': 'a', 'avg': 'a'}}", "bad_operand", "/measure"},
    {"{'event': 'A', 'measure': {'median': 'a'}}", "unknown_member", "/measure/median"},
    {"{'event': 'A', 'measure': {'sum': 5}, 'gte': 1}", "wrong_type", "/measure/sum"},
    {"{'event': 'A', 'measure': {'sum': 'a'}}", "missing_member", ""},
    {"{'event': 'A', 'measure': {'sum': ['a', 'b']}}", "missing_member", ""},
    {"{'event': 'A', 'measure': {'sum': []}, 'gte': 1}", "bad_operand", "/measure/sum"},
    {"{'event': 'A', 'measure': {'sum': ['a', 5]}, 'gte': 1}", "wrong_type", "/measure/sum/1"},
    {"{'event': 'A', 'measure': {'sum': ['a', 'b..c']}, 'gte': 1}", "bad_path", "/measure/sum/1"},
    {"{'event': 'A', 'measure': {'max': ['a[]', 'b']}, 'gte': 1}", "bad_path", "/measure/max/0"},
    {"{'event': 'A', 'measure': {'avg': ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']}, 'gte': 1}", "limit", "/measure/avg"},
    {"{'event': 'A', 'measure': {'distinct': ['a', 'b']}}", "wrong_type", "/measure/distinct"},
    {"{'event': 'A', 'measure': {'avg': 'a'}}", "missing_member", ""},
    {"{'event': 'A', 'measure': {'min': 'a'}}", "missing_member", ""},
    {"{'event': 'A', 'measure': {'max': 'a'}}", "missing_member", ""},
    {"{'event': 'A', 'gte': true}", "bad_operand", "/gte"},
    {"{'event': 'A', 'gte': 1e100}", "bad_operand", "/gte"},
    {"{'event': 'A', 'gte': 123456789012345678901234567890123456789012345678901}", "bad_operand", "/gte"},
    {"{'event': 'A', 'between': [1]}", "bad_operand", "/between"},
    {"{'event': 'A', 'between': [1, 2, 3]}", "bad_operand", "/between"},
    {"{'event': 'A', 'between': 1}", "wrong_type", "/between"},
    {"{'event': 'A', 'contains': 'x'}", "unknown_member", "/contains"},
    {"{'event': 'A', 'ignore_case': true}", "unknown_member", "/ignore_case"},
    /* window */
    {"{'event': 'A', 'window': '30d'}", "wrong_type", "/window"},
    {"{'event': 'A', 'window': {}}", "bad_window", "/window"},
    {"{'event': 'A', 'window': {'skip': '1d'}}", "bad_window", "/window"},
    {"{'event': 'A', 'window': {'for': '1d'}}", "bad_window", "/window"},
    {"{'event': 'A', 'window': {'last': 30}}", "wrong_type", "/window/last"},
    {"{'event': 'A', 'window': {'last': '030d'}}", "bad_operand", "/window/last"},
    {"{'event': 'A', 'window': {'last': '-1d'}}", "bad_operand", "/window/last"},
    {"{'event': 'A', 'window': {'last': '1M'}}", "bad_operand", "/window/last"},
    {"{'event': 'A', 'window': {'last': '3651d'}}", "bad_operand", "/window/last"},
    {"{'event': 'A', 'window': {'last': '0d'}}", "bad_operand", "/window/last"},
    {"{'event': 'A', 'window': {'last': '1d', 'skip': '24h'}}", "bad_window", "/window/skip"},
    {"{'event': 'A', 'window': {'last': '1d', 'from': '2026-01-01'}}", "bad_window", "/window/from"},
    {"{'event': 'A', 'window': {'calendar': 'today', 'last': '1d'}}", "bad_window", "/window/calendar"},
    {"{'event': 'A', 'window': {'calendar': 'this_decade'}}", "bad_operand", "/window/calendar"},
    {"{'event': 'A', 'window': {'calendar': 5}}", "wrong_type", "/window/calendar"},
    {"{'event': 'A', 'window': {'from': '2026-02-30'}}", "bad_operand", "/window/from"},
    {"{'event': 'A', 'window': {'from': 'soon'}}", "bad_operand", "/window/from"},
    {"{'event': 'A', 'window': {'from': '2026-01-02', 'to': '2026-01-02'}}", "bad_window", "/window/to"},
    {"{'event': 'A', 'window': {'from': '2026-01-02T00:00:00Z', 'to': '2026-01-02T01:00:00+01:00'}}", "bad_window", "/window/to"},
    {"{'event': 'A', 'window': {'from': '2026-01-04', 'to': '2026-01-02T00:00:00Z'}}", "bad_window", "/window/to"},
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}}}", "missing_member", "/window"},
    {"{'event': 'A', 'window': {'after': {'profile': 'identified'}, 'for': '1d'}}", "bad_operand", "/window/after/profile"},
    {"{'event': 'A', 'window': {'after': {'trait': 'a[]'}, 'for': '1d'}}", "bad_path", "/window/after/trait"},
    {"{'event': 'A', 'window': {'after': {'trait': 'a', 'profile': 'first_seen'}, 'for': '1d'}}", "bad_window", "/window/after"},
    {"{'event': 'A', 'window': {'after': 'first_seen', 'for': '1d'}}", "wrong_type", "/window/after"},
    {"{'event': 'A', 'window': {'before': {'trait': 'a'}, 'after': {'trait': 'a'}, 'for': '1d'}}", "bad_window", "/window/before"},
    {"{'event': 'A', 'window': {'last': '1d', 'note': 'x'}}", "unknown_member", "/window/note"},
    /* where */
    {"{'event': 'A', 'where': []}", "wrong_type", "/where"},
    {"{'event': 'A', 'where': {}}", "missing_member", "/where"},
    {"{'event': 'A', 'where': {'trait': 'a', 'eq': 1}}", "unknown_member", "/where/trait"},
    {"{'event': 'A', 'where': {'all': []}}", "bad_operand", "/where/all"},
    {"{'event': 'A', 'where': {'property': 'a'}}", "missing_member", "/where"},
    {"{'event': 'A', 'where': {'property': 'a', 'within_last': '1d'}}", "unknown_member", "/where/within_last"},
    {"{'event': 'A', 'where': {'property': 'a', 'anniversary_in': '1d'}}", "unknown_member", "/where/anniversary_in"},
    {"{'event': 'A', 'where': {'property': 'a', 'has': {'property': 'b', 'eq': 1}}}", "bad_path", "/where/property"},
    {"{'event': 'A', 'where': {'property': 'a[]', 'has': {'property': 'b', 'eq': 1}, 'eq': 1}}", "unknown_member", "/where/eq"},
    {"{'event': 'A', 'where': {'property': 'a[]', 'has': {'context': 'b', 'eq': 1}}}", "unknown_member", "/where/has/context"},
    {"{'event': 'A', 'where': {'property': 'a[]', 'has': {'time': 'hour', 'eq': 1}}}", "unknown_member", "/where/has/time"},
    {"{'event': 'A', 'where': {'context': 'a[]', 'has': {'property': 'b', 'eq': 1}}}", "unknown_member", "/where/has"},
    {"{'event': 'A', 'where': {'time': 'minute', 'eq': 1}}", "bad_operand", "/where/time"},
    {"{'event': 'A', 'where': {'time': 'hour', 'eq': 24}}", "bad_operand", "/where/eq"},
    {"{'event': 'A', 'where': {'time': 'hour', 'eq': 1.5}}", "bad_operand", "/where/eq"},
    {"{'event': 'A', 'where': {'time': 'weekday', 'in': [7, 0]}}", "bad_operand", "/where/in/1"},
    {"{'event': 'A', 'where': {'time': 'weekday', 'gte': 8}}", "bad_operand", "/where/gte"},
    {"{'event': 'A', 'where': {'time': 'hour', 'contains': 'x'}}", "unknown_member", "/where/contains"},
    {"{'all': [{'event': 'A'}, {'event': 'A'}, {'event': 'A', 'where': {'property': 'a', 'gte': 'x'}}]}", "bad_operand",
     "/all/2/where/gte"},
    /* operands */
    {"{'trait': 'a'}", "missing_member", ""},
    {"{'trait': 'a', 'eq': null}", "bad_operand", "/eq"},
    {"{'trait': 'a', 'eq': []}", "bad_operand", "/eq"},
    {"{'trait': 'a', 'eq': 1e400}", "bad_operand", "/eq"},
    {"{'trait': 'a', 'in': 'x'}", "wrong_type", "/in"},
    {"{'trait': 'a', 'in': []}", "bad_operand", "/in"},
    {"{'trait': 'a', 'in': ['x', null]}", "bad_operand", "/in/1"},
    {"{'trait': 'a', 'gt': 'x'}", "bad_operand", "/gt"},
    {"{'trait': 'a', 'between': ['a', 'b']}", "bad_operand", "/between/0"},
    {"{'trait': 'a', 'contains': ''}", "bad_operand", "/contains"},
    {"{'trait': 'a', 'starts_with': 5}", "wrong_type", "/starts_with"},
    {"{'trait': 'a', 'matches': '(a)\\\\1'}", "bad_operand", "/matches"},
    {"{'trait': 'a', 'matches': '(a)\\\\9'}", "bad_operand", "/matches"},
    {"{'trait': 'a', 'exists': 'yes'}", "bad_operand", "/exists"},
    {"{'trait': 'a', 'before': 5}", "wrong_type", "/before"},
    {"{'trait': 'a', 'before': '2026-1-1'}", "bad_operand", "/before"},
    {"{'trait': 'a', 'within_last': 'today'}", "bad_operand", "/within_last"},
    {"{'trait': 'a', 'anniversary_in': '36h'}", "bad_operand", "/anniversary_in"},
    {"{'trait': 'a', 'eq': 5, 'ignore_case': true}", "unknown_member", "/ignore_case"},
    {"{'trait': 'a', 'in': [5, true], 'ignore_case': true}", "unknown_member", "/ignore_case"},
    {"{'trait': 'a', 'exists': true, 'ignore_case': false}", "unknown_member", "/ignore_case"},
    {"{'trait': 'a', 'eq': 'x', 'ignore_case': 1}", "wrong_type", "/ignore_case"},
    /* paths */
    {"{'trait': '', 'eq': 1}", "bad_path", "/trait"},
    {"{'trait': 'a..b', 'eq': 1}", "bad_path", "/trait"},
    {"{'trait': 'a.', 'eq': 1}", "bad_path", "/trait"},
    {"{'trait': '[]', 'eq': 1}", "bad_path", "/trait"},
    {"{'trait': 'a[][]', 'eq': 1}", "bad_path", "/trait"},
    {"{'trait': 'a[0]', 'eq': 1}", "bad_path", "/trait"},
    {"{'trait': 'a]', 'eq': 1}", "bad_path", "/trait"},
    {"{'trait': 'a[]b', 'eq': 1}", "bad_path", "/trait"},
    {"{'trait': 'a\\\\b', 'eq': 1}", "bad_path", "/trait"},
    {"{'trait': 'a\\\\', 'eq': 1}", "bad_path", "/trait"},
    {"{'trait': 'a.b.c.d.e.f.g.h.i.j.k', 'eq': 1}", "limit", "/trait"},
    {"{'trait': 5, 'eq': 1}", "wrong_type", "/trait"},
    /* profile, segment, consent, bucket */
    {"{'profile': 'age', 'eq': 1}", "bad_operand", "/profile"},
    {"{'profile': 'first_seen'}", "missing_member", ""},
    {"{'profile': 'first_seen', 'eq': '2026-01-01'}", "unknown_member", "/eq"},
    {"{'profile': 'last_seen', 'anniversary_in': '1d'}", "unknown_member", "/anniversary_in"},
    {"{'profile': 'identified'}", "missing_member", ""},
    {"{'profile': 'identified', 'eq': 'true'}", "bad_operand", "/eq"},
    {"{'profile': 'identified', 'exists': true}", "unknown_member", "/exists"},
    {"{'segment': ''}", "bad_operand", "/segment"},
    {"{'segment': 5}", "wrong_type", "/segment"},
    {"{'segment': 'x', 'eq': true}", "unknown_member", "/eq"},
    {"{'consent': 'email'}", "missing_member", ""},
    {"{'consent': 'email', 'eq': 'yes'}", "bad_operand", "/eq"},
    {"{'consent': 'email', 'in': ['granted', 5]}", "bad_operand", "/in/1"},
    {"{'consent': 'email', 'gt': 'granted'}", "unknown_member", "/gt"},
    {"{'bucket': 's', 'from': 0}", "missing_member", ""},
    {"{'bucket': 's', 'to': 5}", "missing_member", ""},
    {"{'bucket': 's', 'from': 0, 'to': 12.345}", "bad_operand", "/to"},
    {"{'bucket': 's', 'from': -1, 'to': 5}", "bad_operand", "/from"},
    {"{'bucket': 's', 'from': 0, 'to': 100.01}", "bad_operand", "/to"},
    {"{'bucket': 's', 'from': 5, 'to': 5}", "bad_operand", "/to"},
    {"{'bucket': 5, 'from': 0, 'to': 5}", "wrong_type", "/bucket"},
    /* sequence */
    {"{'sequence': []}", "bad_operand", "/sequence"},
    {"{'sequence': [{'absent': 'A'}]}", "bad_sequence", "/sequence/0/absent"},
    {"{'sequence': [{}]}", "missing_member", "/sequence/0"},
    {"{'sequence': [{'event': 'A', 'within': '1h'}]}", "bad_sequence", "/sequence/0/within"},
    {"{'sequence': [{'event': 'A', 'same': 'x'}]}", "bad_sequence", "/sequence/0/same"},
    {"{'sequence': [{'event': 'A'}, {'absent': 'B'}, {'absent': 'C'}]}", "bad_sequence", "/sequence/2/absent"},
    {"{'sequence': [{'event': 'A'}, {'absent': 'B', 'for': '1h'}, {'event': 'C'}]}", "bad_sequence", "/sequence/1/for"},
    {"{'sequence': [{'event': 'A'}, {'absent': 'B', 'within': '1h'}]}", "unknown_member", "/sequence/1/within"},
    {"{'sequence': [{'event': 'A'}, {'absent': 'B', 'times': 2}]}", "unknown_member", "/sequence/1/times"},
    {"{'sequence': [{'event': 'A', 'for': '1h'}]}", "unknown_member", "/sequence/0/for"},
    {"{'sequence': [{'event': 'A', 'absent': 'B'}]}", "unknown_member", "/sequence/0/event"},
    {"{'sequence': [{'event': 'A', 'times': 1}]}", "bad_operand", "/sequence/0/times"},
    {"{'sequence': [{'event': 'A', 'times': 21}]}", "bad_operand", "/sequence/0/times"},
    {"{'sequence': [{'event': 'A', 'times': 2.0}]}", "bad_operand", "/sequence/0/times"},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'same': 'a[]'}]}", "bad_path", "/sequence/1/same"},
    {"{'sequence': [{'event': 'A', 'where': {'property': 'a', 'eq': null}}]}", "bad_operand", "/sequence/0/where/eq"},
    {"{'sequence': [{'event': 'A', 'gte': 2}]}", "unknown_member", "/sequence/0/gte"},
    {"{'sequence': [{'event': 'A'}], 'span': 5}", "wrong_type", "/span"},
    {"{'sequence': [{'event': 'A'}], 'gte': 2}", "unknown_member", "/gte"},
};

START_TEST(refused)
{
    check_refused(&REFUSALS[_i]);
}
END_TEST

static const char *const ACCEPTED[] = {
    "{'event': '*'}",
    "{'event': ['A'], 'gte': 0.5, 'lte': 1e2, 'neq': -3, 'between': [5, 1]}",
    "{'event': 'A', 'measure': 'days', 'window': {'to': '2030-01-01'}, 'note': 'x'}",
    "{'event': 'A', 'measure': {'min': ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']}, 'gte': 1}",
    "{'event': 'A', 'measure': {'sum': ['items[].price']}, 'gte': 1}",
    "{'event': 'A', 'window': {'last': '1d', 'skip': '23h'}}",
    "{'event': 'A', 'window': {'from': '2026-01-02', 'to': '2026-01-02T00:00:00Z'}}",
    "{'event': 'A', 'window': {'before': {'profile': 'last_seen'}, 'for': '3650d'}}",
    "{'event': 'A', 'where': {'property': 'a[].b[]', 'has': {'all': [{'property': 'c[]', 'has': {'property': 'd', 'exists': false}}]}}}",
    "{'event': 'A', 'where': {'all': [{'time': 'hour', 'in': [0, 23]}, {'time': 'weekday', 'between': [1, 7]}], 'note': 'x'}}",
    "{'trait': 'x\\\\.y.\\\\[0\\\\].\\\\\\\\', 'eq': '', 'neq': 5, 'in': [true, 'x', 1], 'ignore_case': true}",
    "{'trait': 'a.b.c.d.e.f.g.h.i.j', 'matches': '\\\\\\\\1', 'ignore_case': false}",
    "{'trait': 'a', 'anniversary_in': '2w', 'within_next': '1s', 'before': '2026-01-31 23:59:59.999999999+15:59'}",
    "{'bucket': '', 'from': 0.50, 'to': 1e2}",
    "{'consent': 'sms', 'nin': ['denied', 'unknown']}",
    "{'profile': 'identified', 'neq': false}",
    ("{'sequence': [{'event': 'A', 'times': 20}, {'absent': ['B', 'C']}, {'event': '*', 'within': '1h', 'same': 'x.y'},"
     " {'absent': '*', 'for': '1s', 'same': 'z'}], 'window': {'calendar': 'last_week'}, 'span': '1w'}"),
};

START_TEST(accepted)
{
    struct err err = ERR_INIT;

    ck_assert_msg(parse(ACCEPTED[_i], &err), "%s: %s at %s: %s", ACCEPTED[_i], err.code, err.pointer, err.detail);
}
END_TEST

/* before ‖ n times piece (comma between, unless it ends in one of its own) ‖ after */
static bool parse_repeated(const char *before, const char *piece, size_t n, const char *after, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    bool list = piece[strlen(piece) - 1] == ',';

    buf_add_text(&text, before);
    for (size_t i = 0; i < n; i++)
        buf_add_text(&text, piece);
    if (list)
        text.data[--text.len] = '\0';
    buf_add_text(&text, after);
    return parse(buf_text(&text), err);
}

struct limit {
    const char *before;
    const char *piece;
    const char *after;
    size_t most;
    const char *pointer;
};

static const struct limit LIMITS[] = {
    {"{'all': [", "{'event': 'A'},", "]}", 100, "/all/100"},
    {"{'event': 'A', 'where': {'all': [", "{'property': 'a', 'eq': 1},", "]}}", 99, "/where/all/99"},
    {"{'event': 'A', 'where': {'property': 'a[]', 'has': {'any': [", "{'property': 'a', 'eq': 1},", "]}}}", 98, "/where/has/any/98"},
    {"{'event': [", "'A',", "]}", 1000, "/event"},
    {"{'trait': 'a', 'in': [", "1,", "]}", 1000, "/in"},
    {"{'trait': 'a', 'eq': '", "\xe2\x98\x83", "'}", 1024, "/eq"},
    {"{'event': '", "\\u2603", "'}", 1024, "/event"},
    {"{'event': 'A', 'note': '", "x", "'}", 1024, "/note"},
    {"{'trait': '", "x", "', 'eq': 1}", 1024, "/trait"},
    {"{'trait': 'a', 'matches': '", "x", "'}", 256, "/matches"},
    {"{'sequence': [", "{'event': 'A'},", "]}", 8, "/sequence"},
};

START_TEST(limits)
{
    const struct limit *limit = &LIMITS[_i];
    struct err err = ERR_INIT;

    ck_assert_msg(parse_repeated(limit->before, limit->piece, limit->most, limit->after, &err), "%s: %s", err.pointer, err.detail);
    ck_assert(!parse_repeated(limit->before, limit->piece, limit->most + 1, limit->after, &err));
    ck_assert_str_eq(err.code, "limit");
    ck_assert_str_eq(err.pointer, limit->pointer);
}
END_TEST

static bool parse_deep(const char *open, const char *inside, const char *close, size_t n, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);

    for (size_t i = 0; i < n; i++)
        buf_add_text(&text, open);
    buf_add_text(&text, inside);
    for (size_t i = 0; i < n; i++)
        buf_add_text(&text, close);
    return parse(buf_text(&text), err);
}

START_TEST(depth)
{
    struct err err = ERR_INIT, where = ERR_INIT, far = ERR_INIT;

    ck_assert(parse_deep("{'not': ", "{'event': 'A'}", "}", 9, &err));
    ck_assert(!parse_deep("{'not': ", "{'event': 'A'}", "}", 10, &err));
    ck_assert_str_eq(err.code, "limit");
    ck_assert_str_eq(err.pointer, "/not/not/not/not/not/not/not/not/not/not");
    ck_assert(parse_deep("{'not': ", "{'event': 'A', 'where': {'property': 'a', 'eq': 1}}", "}", 8, &where));
    ck_assert(!parse_deep("{'not': ", "{'event': 'A', 'where': {'property': 'a', 'eq': 1}}", "}", 9, &where));
    ck_assert_str_eq(where.code, "limit");
    ck_assert(!parse_deep("{'not': ", "{'event': 'A'}", "}", 1000, &far));
    ck_assert_str_eq(far.code, "limit");
}
END_TEST

START_TEST(patterns)
{
    AUTO_FREE char *text = quoted(
        "{'all': [{'trait': 'a', 'matches': '^x'}, {'event': 'A', 'where': {'property': 'b', 'matches': 'Y', 'ignore_case': true}}]}");
    AUTO_SEGMENT struct segment *segment = NULL;
    const struct segment_pattern *found;
    struct err err = ERR_INIT;

    ck_assert(segment_parse(text, strlen(text), "Europe/Berlin", &segment, &err));
    ck_assert_str_eq(segment_timezone(segment), "Europe/Berlin");
    ck_assert_uint_eq(segment_patterns(segment, &found), 2);
    ck_assert_str_eq(found[0].pattern, "^x");
    ck_assert_str_eq(found[0].pointer, "/all/0/matches");
    ck_assert(!found[0].ignore_case);
    ck_assert_str_eq(found[1].pointer, "/all/1/where/matches");
    ck_assert(found[1].ignore_case);
}
END_TEST

RUN_CASES("segment parse", {refused, ARRAY_LEN(REFUSALS)}, {accepted, ARRAY_LEN(ACCEPTED)}, {limits, ARRAY_LEN(LIMITS)}, {depth, 1},
          {patterns, 1})
