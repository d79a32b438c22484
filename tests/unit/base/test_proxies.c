/* Who a client is behind proxies: only what a trusted one has written counts. */
#include "server/base/proxies.h"

#include <string.h>

#include "server/base/attr.h"
#include "tests/unit/run.h"

START_TEST(test_lists)
{
    static const char *const good[] = {"", "10.0.0.0/8", "10.0.0.1,::1", " 192.0.2.0/24 , 2001:db8::/32,", "0.0.0.0/0", "::/0"};
    static const char *const bad[] = {"x",           "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "::1/129", "10.0.0",
                                      "10.0.0.0 /8", "[::1]",       "localhost", "10.0.0.1;",   "/8",          "1/2/3",   "10.0.0.0/ 8"};
    struct proxies proxies;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert_msg(proxies_read(good[i], &proxies), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!proxies_read(bad[i], &proxies), "%s", bad[i]);
}
END_TEST

START_TEST(test_networks)
{
    struct proxies proxies;

    ck_assert(proxies_read("10.0.0.0/8, 192.0.2.128/25, 2001:db8::/33, ::1", &proxies) && proxies.n == 4);
    ck_assert(proxies_have(&proxies, "10.255.0.1") && proxies_have(&proxies, "::ffff:10.1.1.1") && proxies_have(&proxies, "192.0.2.200"));
    ck_assert(proxies_have(&proxies, "2001:db8:7fff::1") && proxies_have(&proxies, "::1"));
    ck_assert(!proxies_have(&proxies, "11.0.0.1") && !proxies_have(&proxies, "192.0.2.1") && !proxies_have(&proxies, "2001:db8:8000::1"));
    ck_assert(!proxies_have(&proxies, "::2") && !proxies_have(&proxies, "") && !proxies_have(&proxies, "x"));
    ck_assert(proxies_read("", &proxies) && !proxies_have(&proxies, "127.0.0.1"));
}
END_TEST

START_TEST(test_unwinding)
{
    static const struct {
        const char *peer, *forwarded, *client;
        bool more;
    } cases[] = {
        {"10.0.0.1", "203.0.113.9", "203.0.113.9", false},
        {"10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9", false}, /* the left one is what the client says */
        {"10.0.0.1", "198.51.100.1, 203.0.113.9,10.0.0.2 , 10.0.0.3", "203.0.113.9", false},
        {"10.0.0.1", "203.0.113.9:5000", "203.0.113.9", false},
        {"10.0.0.1", "[2001:db8::7]:443", "2001:db8::7", false},
        {"10.0.0.1", "2001:db8::7", "2001:db8::7", false},
        {"10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2", true},
        {"10.0.0.1", "", "10.0.0.1", true},
        {"10.0.0.1", "unknown", "10.0.0.1", false},
        {"10.0.0.1", "203.0.113.9, <script>, 10.0.0.2", "10.0.0.2", false},
        {"10.0.0.1", ",,", "10.0.0.1", false},
        {"10.0.0.1", "[::1", "10.0.0.1", false},
        {"203.0.113.1", "198.51.100.1", "203.0.113.1", false}, /* no proxy of ours */
    };
    struct proxies proxies;

    ck_assert(proxies_read("10.0.0.0/24", &proxies));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char address[PROXY_ADDRESS_MAX];
        bool more;

        (void)snprintf(address, sizeof address, "%s", cases[i].peer);
        more = proxies_unwind(&proxies, cases[i].forwarded, strlen(cases[i].forwarded), address);
        ck_assert_msg(strcmp(address, cases[i].client) == 0 && more == cases[i].more, "case %zu: %s", i, address);
    }
}
END_TEST

RUN_TESTS("proxies", test_lists, test_networks, test_unwinding)
