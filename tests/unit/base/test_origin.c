/* Which origins a pattern allows. */
#include "server/base/origin.h"

#include "server/base/attr.h"
#include "tests/unit/run.h"

START_TEST(test_patterns)
{
    static const char *const good[] = {"https://shop.example",        "http://localhost:3000", "https://*.shop.example",
                                       "https://*.shop.example:8443", "http://[::1]:8080",     "null",
                                       "capacitor://localhost",       "chrome-extension://abc"};
    static const char *const bad[] = {"",
                                      "*",
                                      "shop.example",
                                      "https://",
                                      "https://shop.example/",
                                      "https://shop.example/path",
                                      "https://*",
                                      "https://*.",
                                      "https://a.*.example",
                                      "https://shop.*",
                                      "https://shop.example:",
                                      "https://shop.example:80a",
                                      "https://.example",
                                      "https://sh op.example",
                                      "http://[::1",
                                      "http://[]",
                                      "://shop.example",
                                      "https://*shop.example"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert_msg(origin_pattern_ok(good[i]), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!origin_pattern_ok(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(test_exact)
{
    ck_assert(origin_matches("https://shop.example", "https://shop.example"));
    ck_assert(origin_matches("https://Shop.example", "https://shop.example"));
    ck_assert(origin_matches("null", "null"));
    ck_assert(!origin_matches("https://shop.example", "http://shop.example"));
    ck_assert(!origin_matches("https://shop.example", "https://shop.example:8443"));
    ck_assert(!origin_matches("https://shop.example", "https://www.shop.example"));
    ck_assert(!origin_matches("https://shop.example", "https://shop.example.evil.example"));
}
END_TEST

START_TEST(test_wildcard)
{
    static const char *const in[] = {"https://www.shop.example", "https://a.b.shop.example", "https://WWW.SHOP.example"};
    static const char *const out[] = {"https://shop.example",
                                      "https://.shop.example",
                                      "https://evilshop.example",
                                      "http://www.shop.example",
                                      "https://www.shop.example:8443",
                                      "https://www.shop.example.evil.example",
                                      "https://evil.example/.shop.example",
                                      "https://evil.example:1.shop.example",
                                      "https://evil.example#.shop.example",
                                      "https://u@.shop.example",
                                      "null",
                                      ""};

    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        ck_assert_msg(origin_matches("https://*.shop.example", in[i]), "%s", in[i]);
    for (size_t i = 0; i < ARRAY_LEN(out); i++)
        ck_assert_msg(!origin_matches("https://*.shop.example", out[i]), "%s", out[i]);
    ck_assert(origin_matches("http://*.shop.example:3000", "http://a.shop.example:3000"));
    ck_assert(!origin_matches("http://*.shop.example:3000", "http://a.shop.example"));
}
END_TEST

RUN_TESTS("origin", test_patterns, test_exact, test_wildcard)
