/* What is known of a person without looking: traits and consents that are not there, buckets, when it was seen, whether it is identified. */
#include "tests/unit/segment/judged.h"

/* Bucket 'x' of the profile is 3.32, 'c' 47.82. */
static const struct judged PERSON[] = {
    {"{'trait': 'x', 'eq': 1}", "", '?'},
    {"{'trait': 'x', 'exists': false}", "noconsents", '?'},
    {"{'trait': 'x', 'eq': 1}", "notraits", 'N'},
    {"{'trait': 'x', 'neq': 1}", "notraits", 'Y'},
    {"{'trait': 'x', 'in': [1, 'a']}", "notraits", 'N'},
    {"{'trait': 'x', 'nin': [1, 'a']}", "notraits", 'Y'},
    {"{'trait': 'x', 'exists': true}", "notraits", 'N'},
    {"{'trait': 'x', 'exists': false}", "notraits", 'Y'},
    {"{'trait': 'x', 'exists': false, 'neq': 1, 'nin': ['a']}", "notraits", 'Y'},
    {"{'trait': 'x', 'neq': 1, 'exists': true}", "notraits", 'N'},
    {"{'trait': 'x', 'neq': 1, 'gt': 0}", "notraits", 'N'},
    {"{'trait': 'x[].y', 'eq': 1}", "notraits", 'N'},
    {"{'trait': 'x[].y', 'neq': 1}", "notraits", 'Y'},
    {"{'trait': 'x[]', 'exists': false}", "notraits", 'Y'},
    {"{'trait': 'x', 'lt': 1}", "notraits", 'N'},
    {"{'trait': 'x', 'between': [0, 1]}", "notraits", 'N'},
    {"{'trait': 'x', 'contains': 'a', 'ignore_case': true}", "notraits", 'N'},
    {"{'trait': 'x', 'neq': 'a', 'ignore_case': true}", "notraits", 'Y'},
    {"{'trait': 'x', 'matches': '.*'}", "notraits", 'N'},
    {"{'trait': 'x', 'before': '2026-03-10'}", "notraits", 'N'},
    {"{'trait': 'x', 'within_last': '5d'}", "notraits", 'N'},
    {"{'trait': 'x', 'within_next': '5d'}", "notraits", 'N'},
    {"{'trait': 'x', 'anniversary_in': '5d'}", "notraits", 'N'},
    {"{'consent': 'email', 'neq': 'granted'}", "", '?'},
    {"{'consent': 'email', 'neq': 'granted'}", "notraits", '?'},
    {"{'consent': 'email', 'neq': 'granted'}", "noconsents", 'Y'},
    {"{'consent': 'email', 'eq': 'granted'}", "noconsents", 'N'},
    {"{'consent': 'email', 'eq': 'unknown'}", "noconsents", 'Y'},
    {"{'consent': 'email', 'neq': 'unknown'}", "noconsents", 'N'},
    {"{'consent': 'email', 'in': ['granted', 'unknown']}", "noconsents", 'Y'},
    {"{'consent': 'email', 'in': ['granted', 'denied']}", "noconsents", 'N'},
    {"{'consent': 'email', 'nin': ['granted', 'unknown']}", "noconsents", 'N'},
    {"{'consent': 'email', 'nin': ['granted', 'denied']}", "noconsents", 'Y'},
    {"{'consent': 'email', 'eq': 'unknown', 'neq': 'granted'}", "noconsents", 'Y'},
    {"{'consent': 'email', 'eq': 'granted', 'neq': 'denied'}", "noconsents", 'N'},
    {"{'bucket': 'x', 'from': 0, 'to': 50}", "", '?'},
    {"{'bucket': 'x', 'from': 0, 'to': 3.32}", "known", 'N'},
    {"{'bucket': 'x', 'from': 0, 'to': 3.33}", "known", 'Y'},
    {"{'bucket': 'x', 'from': 3.32, 'to': 100}", "known", 'Y'},
    {"{'bucket': 'x', 'from': 3.33, 'to': 100}", "known", 'N'},
    {"{'bucket': 'c', 'from': 47.82, 'to': 47.83}", "known", 'Y'},
    {"{'not': {'bucket': 'c', 'from': 47.82, 'to': 47.83}}", "known", 'N'},
    /* a window about a trait holds no event of who has none */
    {"{'event': 'A', 'window': {'after': {'trait': 'x'}, 'for': '1d'}, 'eq': 0}", "A-1d notraits", 'Y'},
    {"{'event': '*', 'window': {'after': {'trait': 'x'}, 'for': '3650d'}}", "A-1d notraits", 'N'},
    {"{'event': 'A', 'window': {'before': {'trait': 'x'}, 'for': '1d'}, 'eq': 0}", "A-1d notraits", 'Y'},
    {"{'event': 'A', 'window': {'after': {'trait': 'x'}, 'for': '1d'}, 'eq': 0}", "A-1d noconsents", '?'},
    {"{'event': 'A', 'pick': 'first', 'window': {'before': {'trait': 'x'}, 'for': '1d'}}", "A-1d notraits", 'N'},
    {"{'event': 'A', 'measure': 'days', 'window': {'before': {'trait': 'x'}, 'for': '1d'}, 'lt': 1}", "A-1d notraits", 'Y'},
    {"{'event': 'A', 'measure': {'sum': 'y'}, 'window': {'before': {'trait': 'x'}, 'for': '1d'}, 'eq': 0}", "A-1d notraits", 'Y'},
    {"{'event': 'A', 'measure': {'min': 'y'}, 'window': {'before': {'trait': 'x'}, 'for': '1d'}, 'neq': 5}", "A-1d notraits", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'after': {'trait': 'x'}, 'for': '9d'}}", "A-2d B-1d notraits", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'after': {'trait': 'x'}, 'for': '9d'}}", "A-2d B-1d", '?'},
};

static const struct judged SEEN[] = {
    {"{'profile': 'first_seen', 'exists': true}", "A-1d", 'Y'},
    {"{'profile': 'first_seen', 'exists': true}", "", 'N'},
    {"{'profile': 'last_seen', 'exists': false}", "", 'Y'},
    {"{'profile': 'last_seen', 'exists': false}", "A-1d", 'N'},
    {"{'profile': 'first_seen', 'exists': false}", "first-0s+1", 'Y'},
    {"{'profile': 'first_seen', 'exists': true}", "first-9d", 'Y'},
    {"{'profile': 'first_seen', 'exists': true}", "first-9d floor-8d", 'N'},
    {"{'profile': 'first_seen', 'within_last': '5d'}", "A-5d", 'N'},
    {"{'profile': 'first_seen', 'within_last': '5d'}", "A-5d+1", 'Y'},
    {"{'profile': 'first_seen', 'within_last': '5d'}", "A-6d B-1d", 'N'},
    {"{'profile': 'first_seen', 'within_last': '5d'}", "", 'N'},
    {"{'profile': 'last_seen', 'within_last': '5d'}", "A-6d B-5d", 'N'},
    {"{'profile': 'last_seen', 'within_last': '5d'}", "A-6d B-5d+1", 'Y'},
    {"{'profile': 'first_seen', 'within_next': '5d'}", "A-0s", 'N'},
    {"{'profile': 'last_seen', 'within_next': '5d'}", "A-0s", 'N'},
    {"{'profile': 'last_seen', 'before': '2026-03-10T00:00:00Z'}", "A-12h", 'N'},
    {"{'profile': 'last_seen', 'before': '2026-03-10T00:00:00Z'}", "A-12h-1", 'Y'},
    {"{'profile': 'last_seen', 'before': '2026-03-10T00:00:00Z'}", "", 'N'},
    {"{'profile': 'first_seen', 'after': '2026-03-10'}", "A-12h", 'N'},
    {"{'profile': 'first_seen', 'after': '2026-03-10'}", "A-12h+1", 'Y'},
    {"{'profile': 'first_seen', 'after': '2026-03-10', 'within_last': '1h'}", "A-1h", 'N'},
};

START_TEST(person)
{
    check(&PERSON[_i], "UTC");
    check(&PERSON[_i], "Asia/Kolkata");
}
END_TEST

START_TEST(seen)
{
    check(&SEEN[_i], "UTC");
}
END_TEST

RUN_CASES("segment judge person", {person, ARRAY_LEN(PERSON)}, {seen, ARRAY_LEN(SEEN)})
