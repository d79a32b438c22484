/* Pages: limits, and cursors that belong to their query.
 * The request is a fake one (fake.h), so only page.c is at work.
 * Lists as a whole are in tests/integration. */
#include "api/page.h"

#include "server/base/json_scan.h"
#include "tests/unit/api/fake.h"
#include "tests/unit/run.h"

/* The cursor that page_next writes for a place of this query. */
static char *cursor_of(const char *path, const char *const *query, const char *place)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    struct json_out out = JSON_OUT(&text);
    struct json_flaw flaw;
    struct json root;
    struct fake fake;
    size_t bad;

    json_open(&out, '{');
    page_next(fake_call(&fake, path, query), &out, place);
    json_close(&out, '}');
    ck_assert(json_check(text.data, text.len, &root, &bad, &flaw));
    return json_text(json_get(root, "next_cursor"));
}

/* Reads a cursor with these parameters besides: the status of the answer, 0 when it was taken. */
static unsigned read_cursor(const char *path, const char *name, const char *value, const char *cursor, struct page *page)
{
    const char *query[] = {name, value, "cursor", cursor, NULL};
    struct fake fake;

    return page_read(fake_call(&fake, path, query), page) ? 0 : fake.rq.status;
}

START_TEST(test_a_cursor_comes_back)
{
    static const char *const places[] = {"a", "big-spenders", "Order ☃ Completed", "1700000000000000 17 0123"};

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const char *query[] = {"tag", "x", NULL};
        AUTO_FREE char *cursor = cursor_of("/v1/segments", query, places[i]);
        struct page page;

        ck_assert_uint_eq(read_cursor("/v1/segments", "tag", "x", cursor, &page), 0);
        ck_assert_str_eq(page.place, places[i]);
        ck_assert(!page.first);
    }
}
END_TEST

START_TEST(test_a_cursor_belongs_to_its_query)
{
    const char *query[] = {"tag", "x", NULL};
    AUTO_FREE char *cursor = cursor_of("/v1/segments", query, "place");
    struct page page;

    ck_assert_uint_eq(read_cursor("/v1/segments", "limit", "5", cursor, &page), 400);
    ck_assert_uint_eq(read_cursor("/v1/segments", "tag", "y", cursor, &page), 400);
    ck_assert_uint_eq(read_cursor("/v1/keys", "tag", "x", cursor, &page), 400);
    ck_assert_uint_eq(read_cursor("/v1/segments", "q", "x", cursor, &page), 400);
}
END_TEST

START_TEST(test_another_limit_and_order_are_the_same_query)
{
    const char *query[] = {"tag", "x", "q", "y", "limit", "5", NULL};
    AUTO_FREE char *cursor = cursor_of("/v1/segments", query, "place");
    const char *again[] = {"cursor", cursor, "limit", "7", "q", "y", "tag", "x", NULL};
    struct fake fake;
    struct page page;

    ck_assert(page_read(fake_call(&fake, "/v1/segments", again), &page));
    ck_assert_int_eq(page.limit, 7);
    ck_assert_str_eq(page.place, "place");
}
END_TEST

START_TEST(test_a_changed_cursor_is_told)
{
    AUTO_FREE char *cursor = cursor_of("/v1/segments", NULL, "place");

    for (size_t i = 0; cursor[i]; i++) {
        AUTO_FREE char *changed = mem_strdup(cursor);
        const char *query[] = {"cursor", changed, NULL};
        struct fake fake;
        struct page page;

        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        /* the last character may hold bits that do not count */
        ck_assert(!page_read(fake_call(&fake, "/v1/segments", query), &page) || !cursor[i + 1]);
    }
}
END_TEST

START_TEST(test_no_cursors)
{
    static const char *const bad[] = {"", "x", "AAAA", "????", "AAAAAAAAAAAAAAAA", "=", "AAAAAAAAAAAAAAA\xff"};
    struct page page;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_uint_eq(read_cursor("/v1/segments", "tag", "x", bad[i], &page), 400);
}
END_TEST

START_TEST(test_limits)
{
    static const struct {
        const char *text;
        int32_t limit; /* 0: refused */
    } cases[] = {{"1", 1}, {"1000", 1000}, {"0", 0},  {"1001", 0}, {"-1", 0},
                 {"x", 0}, {"", 0},        {"5x", 0}, {" 5", 0},   {"99999999999999999999", 0}};
    struct fake fake;
    int32_t limit;

    ck_assert(page_limit(fake_call(&fake, "/", NULL), &limit));
    ck_assert_int_eq(limit, PAGE_DEFAULT);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *query[] = {"limit", cases[i].text, NULL};

        ck_assert_int_eq(page_limit(fake_call(&fake, "/", query), &limit), cases[i].limit > 0);
        ck_assert(cases[i].limit ? limit == cases[i].limit : fake.rq.status == 400);
    }
}
END_TEST

START_TEST(test_urls)
{
    const char *query[] = {"q", "a b&c", "cursor", "old", NULL};
    struct fake fake;
    struct call *c = fake_call(&fake, "/v1/segments", query);
    AUTO_FREE char *plain = page_url(c, "cursor", "new"), *https = NULL, *set = NULL, *odd = NULL;

    ck_assert_str_eq(plain, "http://shop.example:8080/v1/segments?q=a%20b%26c&cursor=new");
    fake.rq.proto = "https";
    https = page_url(c, "cursor", "new");
    ck_assert_str_eq(https, "https://shop.example:8080/v1/segments?q=a%20b%26c&cursor=new");
    fake.api.config.public_url = "https://events.example/";
    set = page_url(c, "after", "5");
    ck_assert_str_eq(set, "https://events.example/v1/segments?q=a%20b%26c&cursor=old&after=5");
    fake.api.config.public_url = "";
    fake.rq.host = "x\"><script>";
    odd = page_url(c, "cursor", "new");
    ck_assert_str_eq(odd, "https://localhost/v1/segments?q=a%20b%26c&cursor=new");
}
END_TEST

START_TEST(test_the_last_page)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    struct json_out out = JSON_OUT(&text);
    struct fake fake;

    json_open(&out, '{');
    page_next(fake_call(&fake, "/v1/segments", NULL), &out, NULL);
    json_close(&out, '}');
    ck_assert_str_eq(buf_text(&text), "{\"next\":null,\"next_cursor\":null}");
    ck_assert_str_eq(fake.rq.link, "");
}
END_TEST

RUN_TESTS("page", test_a_cursor_comes_back, test_a_cursor_belongs_to_its_query, test_another_limit_and_order_are_the_same_query,
          test_a_changed_cursor_is_told, test_no_cursors, test_limits, test_urls, test_the_last_page)
