/* A message as a query: which object dotted names make, and what ?data= may be. */
#include "api/collect/flat.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/attr.h"
#include "tests/unit/run.h"

enum { PAIRS_MAX = 8 };

/* names: "a=1 b.c=2", parted by spaces. */
static void assert_flat(const char *query, const char *json)
{
    AUTO_BUF struct buf out = BUF_INIT(10000);
    struct flat_pair pairs[PAIRS_MAX];
    char text[512], *save = NULL;
    size_t n = 0;

    (void)snprintf(text, sizeof text, "%s", query);
    for (char *at = strtok_r(text, " ", &save); at; at = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(at, '=');

        ck_assert_ptr_nonnull(equals);
        *equals = '\0';
        pairs[n] = (struct flat_pair){.name = at, .value = equals + 1, .order = n};
        n++;
    }
    flat_write(pairs, n, &out);
    ck_assert_str_eq(buf_text(&out), json);
}

START_TEST(test_objects)
{
    assert_flat("", "{}");
    assert_flat("event=E userId=u", "{\"event\":\"E\",\"userId\":\"u\"}");
    assert_flat("p.b=2 event=E p.a=1", "{\"event\":\"E\",\"p\":{\"a\":\"1\",\"b\":\"2\"}}");
    assert_flat("a.b.c=1 a.b.d=2 a.e.c=3 f=4", "{\"a\":{\"b\":{\"c\":\"1\",\"d\":\"2\"},\"e\":{\"c\":\"3\"}},\"f\":\"4\"}");
    assert_flat("a-b=1 a.b=2 ab=3", "{\"a\":{\"b\":\"2\"},\"a-b\":\"1\",\"ab\":\"3\"}");
    assert_flat("a.b.c=1 a=2", "{\"a\":\"2\",\"a\":{\"b\":{\"c\":\"1\"}}}"); /* the last of two equal keys wins */
    assert_flat("aa.b=1 a.a=2 a.aa=3", "{\"a\":{\"a\":\"2\",\"aa\":\"3\"},\"aa\":{\"b\":\"1\"}}");
    assert_flat("a=\"\\ \"=x", "{\"\\\"\":\"x\",\"a\":\"\\\"\\\\\"}");
}
END_TEST

START_TEST(test_the_first_of_a_name_counts)
{
    assert_flat("a=1 b=2 a=3", "{\"a\":\"1\",\"b\":\"2\"}");
    assert_flat("a.b=1 a.b=2", "{\"a\":{\"b\":\"1\"}}");
}
END_TEST

START_TEST(test_names_that_are_left_out)
{
    char text[400] = "a=1 ";

    assert_flat(".=1 ..=2 a.=3 .a=4 a..b=5 ok=6", "{\"ok\":\"6\"}");
    assert_flat("a.b.c.d.e.f.g.h.i=1", "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":{\"i\":\"1\"}}}}}}}}}");
    assert_flat("a.b.c.d.e.f.g.h.i.j=1", "{}");
    memset(text + 4, 'n', FLAT_NAME_MAX + 1);
    memcpy(text + 4 + FLAT_NAME_MAX + 1, "=2", 3);
    assert_flat(text, "{\"a\":\"1\"}");
}
END_TEST

START_TEST(test_data)
{
    static const struct {
        const char *data, *bytes;
    } cases[] = {{"e30=", "{}"},  {"e30", "{}"}, {"Pj4+", ">>>"}, {"Pj4-", ">>>"},
                 {"Pj4 ", ">>>"}, {"", NULL},    {"!", NULL},     {"e30=x", NULL}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len = 0;
        char *bytes = flat_data(cases[i].data, &len);

        ck_assert_msg(!bytes == !cases[i].bytes, "case %zu", i);
        if (bytes)
            ck_assert_msg(len == strlen(cases[i].bytes) && memcmp(bytes, cases[i].bytes, len) == 0, "case %zu", i);
        free(bytes);
    }
}
END_TEST

RUN_TESTS("flat", test_objects, test_the_first_of_a_name_counts, test_names_that_are_left_out, test_data)
