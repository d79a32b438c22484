/* What a definition depends on, form by form, and whether an empty profile can be a member. That the times are enough is shown against random
 * histories in tests/golden/test_depends.py; here each form gives no more than it must. */
#include "segment/segment.h"

#include <string.h>

#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "tests/unit/run.h"

static struct segment *parse(const char *definition)
{
    AUTO_FREE char *text = mem_strdup(definition);
    struct segment *segment = NULL;
    struct err err = ERR_INIT;

    for (char *at = text; *at; at++)
        if (*at == '\'')
            *at = '"';
    ck_assert_msg(segment_parse(text, strlen(text), "UTC", &segment, &err), "%s: %s %s", definition, err.pointer, err.detail);
    return segment;
}

static void print_texts(struct buf *out, const char *what, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%s%s ", what, texts[i]);
}

static void print_names(struct buf *out, const struct segment_names *names)
{
    if (names->any_event)
        buf_add_text(out, "* ");
    print_texts(out, "", names->names, names->n_names);
}

static void print_times(struct buf *out, const struct segment_depends *depends)
{
    static const char *const periods[] = {"day", "week", "month", "quarter", "year"};

    for (size_t i = 0; i < depends->n_expiries; i++) {
        buf_addf(out, "after %lld: ", (long long)(depends->expiries[i].after_us / 1000000));
        print_names(out, &depends->expiries[i].events);
    }
    for (size_t i = 0; i < depends->n_calendars; i++) {
        buf_addf(out, "%s %s: ", depends->calendars[i].last ? "last" : "this", periods[depends->calendars[i].period]);
        print_names(out, &depends->calendars[i].events);
    }
    for (size_t i = 0; i < depends->n_dates; i++) {
        const struct segment_date *date = &depends->dates[i];

        if (date->anniversary)
            buf_addf(out, "%s yearly %lld ", date->path, (long long)date->days);
        else
            buf_addf(out, "%s%+lld ", date->path, (long long)(date->offset_us / 1000000));
    }
}

/* All of it as one line. */
static char *printed(const char *definition)
{
    AUTO_SEGMENT struct segment *segment = parse(definition);
    const struct segment_depends *depends = segment_depends(segment);
    struct buf out = BUF_INIT(10000);

    print_names(&out, &depends->events);
    print_texts(&out, "trait:", depends->traits, depends->n_traits);
    if (depends->first_seen)
        buf_add_text(&out, "first_seen ");
    print_texts(&out, "consent:", depends->channels, depends->n_channels);
    print_texts(&out, "segment:", depends->segments, depends->n_segments);
    buf_add_text(&out, "| ");
    print_times(&out, depends);
    buf_addf(&out, "| %s", depends->empty_can_hold ? "empty" : "not empty");
    return buf_take(&out);
}

static const struct {
    const char *definition;
    const char *depends; /* names, traits … | times | can the empty profile hold */
} CASES[] = {
    {"{'event': 'A'}", "A | | not empty"},
    {"{'event': ['A', 'B', 'A'], 'eq': 0}", "A B | | empty"},
    {"{'event': '*', 'lt': 3}", "* | | empty"},
    {"{'event': 'A', 'window': {'last': '30d'}}", "A | after 2592000: A | not empty"},
    {"{'event': 'A', 'window': {'last': '30d', 'skip': '1d'}, 'pick': 'last'}", "A | after 2592000: A after 86400: A | not empty"},
    {"{'all': [{'event': 'A', 'window': {'last': '1d'}}, {'event': 'B', 'window': {'last': '24h'}}]}",
     "A B | after 86400: A B | not empty"},
    {"{'event': 'A', 'window': {'from': '2090-01-01', 'to': '2091-01-01'}}", "A | | not empty"},
    {"{'event': 'A', 'window': {'calendar': 'today'}}", "A | this day: A | not empty"},
    {"{'event': 'A', 'window': {'calendar': 'last_quarter'}}", "A | last quarter: A | not empty"},
    {"{'all': [{'event': 'A', 'window': {'calendar': 'this_month'}}, {'event': 'B', 'window': {'calendar': 'last_month'}}]}",
     "A B | this month: A last month: B | not empty"},
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}, 'for': '7d'}}", "A first_seen | | not empty"},
    {"{'event': 'A', 'window': {'before': {'profile': 'last_seen'}, 'for': '7d'}}", "* A | | not empty"},
    {"{'event': 'A', 'window': {'before': {'trait': 'trial.end'}, 'for': '7d'}}", "A trait:trial | | not empty"},
    {"{'event': 'A', 'measure': {'sum': 'x'}, 'gte': 0}", "A | | empty"},
    {"{'event': 'A', 'measure': {'min': 'x'}, 'neq': 5}", "A | | not empty"},
    {"{'event': 'A', 'measure': {'avg': 'x'}, 'lt': 5}", "A | | not empty"},
    {"{'sequence': [{'event': 'A'}, {'absent': 'B'}, {'event': 'C', 'within': '1h'}], 'window': {'last': '14d'}, 'span': '2d'}",
     "A B C | after 1209600: A C | not empty"},
    {"{'sequence': [{'event': 'A'}, {'event': 'C'}, {'absent': 'B', 'for': '2h'}]}", "A C B | after 7200: C | not empty"},
    {"{'not': {'sequence': [{'event': 'A'}, {'absent': '*'}]}}", "* A | | empty"},
    {"{'trait': 'a.b[].c', 'eq': 5}", "trait:a | | not empty"},
    {"{'trait': 'a\\\\.b', 'neq': 5}", "trait:a.b | | empty"},
    {"{'trait': 'a', 'exists': false}", "trait:a | | empty"},
    {"{'trait': 'a', 'exists': true}", "trait:a | | not empty"},
    {"{'trait': 'a', 'nin': ['x'], 'gt': 5}", "trait:a | | not empty"},
    {"{'trait': 'a', 'before': '2090-01-01'}", "trait:a | | not empty"},
    {"{'trait': 'a', 'within_last': '1d'}", "trait:a | a+0 a+86400 | not empty"},
    {"{'trait': 'a.b', 'within_next': '1d'}", "trait:a | a.b-86400 a.b+0 | not empty"},
    {"{'trait': 'a', 'anniversary_in': '1w'}", "trait:a | a yearly 7 | not empty"},
    {"{'profile': 'first_seen', 'within_last': '1d'}", "first_seen | $first_seen+86400 | not empty"},
    {"{'profile': 'first_seen', 'within_next': '1d'}", "first_seen | | not empty"},
    {"{'profile': 'last_seen', 'within_last': '1d'}", "* | after 86400: * | not empty"},
    {"{'profile': 'last_seen', 'exists': false}", "* | | empty"},
    {"{'profile': 'identified', 'eq': true}", "| | empty"},
    {"{'segment': 'x'}", "segment:x | | empty"},
    {"{'all': [{'segment': 'x'}, {'event': 'A'}]}", "A segment:x | | not empty"},
    {"{'consent': 'email', 'eq': 'granted'}", "consent:email | | not empty"},
    {"{'consent': 'email', 'in': ['unknown', 'granted']}", "consent:email | | empty"},
    {"{'consent': 'email', 'neq': 'unknown'}", "consent:email | | not empty"},
    {"{'consent': 'email', 'nin': ['denied']}", "consent:email | | empty"},
    {"{'bucket': 's', 'from': 0, 'to': 1}", "| | empty"},
    {"{'all': [{'event': 'A', 'eq': 0}, {'event': 'B'}]}", "A B | | not empty"},
    {"{'any': [{'event': 'A', 'eq': 0}, {'event': 'B'}]}", "A B | | empty"},
    {"{'not': {'event': 'A'}}", "A | | empty"},
    {"{'some': [{'event': 'A'}, {'event': 'B'}], 'gte': 1}", "A B | | not empty"},
    {"{'some': [{'event': 'A'}, {'event': 'B'}], 'lt': 1}", "A B | | empty"},
    {"{'some': [{'event': 'A'}, {'segment': 'x'}], 'eq': 1}", "A segment:x | | empty"},
    {"{'some': [{'event': 'A'}, {'segment': 'x'}], 'eq': 2}", "A segment:x | | not empty"},
    {"{'score': [{'if': {'event': 'A'}, 'points': 5}], 'gte': 5}", "A | | not empty"},
    {"{'score': [{'if': {'event': 'A', 'eq': 0}, 'points': 5}], 'gte': 5}", "A | | empty"},
    {"{'score': [{'if': {'event': 'A'}, 'points': 5}], 'lte': 0}", "A | | empty"},
};

START_TEST(depends)
{
    AUTO_FREE char *text = printed(CASES[_i].definition);

    ck_assert_msg(strcmp(text, CASES[_i].depends) == 0, "%s\n  gives  %s\n  wanted %s", CASES[_i].definition, text, CASES[_i].depends);
}
END_TEST

RUN_CASES("segment depend", {depends, ARRAY_LEN(CASES)})
