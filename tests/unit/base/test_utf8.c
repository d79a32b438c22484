/* UTF-8: the first and last character of each length and each kind of byte sequence that is none. */
#include "server/base/utf8.h"

#include <string.h>

#include "server/base/attr.h"
#include "tests/unit/run.h"

START_TEST(test_good)
{
    static const char *const good[] = {"a",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf3\xbf\xbf\xbf",
                                       "\xf4\x8f\xbf\xbf"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ck_assert_uint_eq(utf8_char(good[i], good[i] + strlen(good[i])), strlen(good[i]));
        ck_assert(utf8_ok(good[i], strlen(good[i])));
    }
    ck_assert_uint_eq(utf8_char("", ""), 0);
    ck_assert(utf8_ok("a\0b", 3));
}
END_TEST

START_TEST(test_bad)
{
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\x41",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe1\x80",
                                      "\xe1\x80\x41",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf1\x80\x80",
                                      "\xf1\x80\x80\xc0",
                                      "\xf5\x80\x80\x80",
                                      "\xff"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_msg(!utf8_char(bad[i], bad[i] + strlen(bad[i])), "case %zu", i);
        ck_assert(!utf8_ok(bad[i], strlen(bad[i])));
    }
    ck_assert(!utf8_ok("ab\xff", 3));
}
END_TEST

RUN_TESTS("utf8", test_good, test_bad)
