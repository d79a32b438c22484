/* The fold of traits, without a database: what is set, removed and filled in, in order. */
#include "db/traits.h"

#include <string.h>

#include "tests/unit/run.h"

static struct span text(const char *json)
{
    return (struct span){.at = json, .len = strlen(json)};
}

static void assert_traits(const struct traits *traits, const char *below, const char *over)
{
    struct buf found[2] = {BUF_INIT(1000), BUF_INIT(1000)};
    const char *expected[] = {over, below};

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(traits_write(traits, i == 1, &found[i]), expected[i] != NULL);
        ck_assert_str_eq(buf_text(&found[i]), expected[i] ? expected[i] : "");
        buf_release(&found[i]);
    }
}

START_TEST(test_sets_and_removals)
{
    struct traits traits = TRAITS_INIT;

    assert_traits(&traits, NULL, NULL);
    traits_set(&traits, text("{}"));
    assert_traits(&traits, NULL, NULL);
    traits_set(&traits, text("{\"a\": 1.50, \"b\": {\"x\": null}, \"a\": 2.0}"));
    traits_set(&traits, text("{\"\\u0062\": null, \"c\": []}"));
    assert_traits(&traits, NULL, "{\"a\":2.0,\"b\":null,\"c\":[]}");
    traits_release(&traits);
}
END_TEST

/* It is a statement and no trait: one of that name goes. */
START_TEST(test_an_object_consent)
{
    struct traits traits = TRAITS_INIT, gone = TRAITS_INIT;

    traits_set(&traits, text("{\"consent\": [1]}"));
    traits_set(&traits, text("{\"\\u0063onsent\": {\"sms\": true}}"));
    traits_set(&gone, text("{\"consent\": [2], \"other\": {}}"));
    traits_merge(&traits, &gone);
    assert_traits(&traits, "{\"other\":{}}", "{\"consent\":[2]}");
    traits_release(&traits);
    traits_release(&gone);
}
END_TEST

START_TEST(test_merges)
{
    struct traits traits = TRAITS_INIT, first = TRAITS_INIT, second = TRAITS_INIT;

    traits_set(&first, text("{\"own\":1,\"gone\":1,\"new\":1,\"not\":1}"));
    traits_set(&first, text("{\"not\":null}"));
    traits_set(&second, text("{\"new\":2,\"not\":2,\"gone\":2,\"late\":2}"));
    traits_set(&traits, text("{\"own\":0,\"gone\":null}"));
    traits_merge(&traits, &first);
    traits_merge(&traits, &second);
    traits_set(&traits, text("{\"late\":null}"));
    assert_traits(&traits, "{\"new\":1,\"not\":2}", "{\"own\":0,\"gone\":1,\"late\":null}");
    traits_release(&traits);
    traits_release(&first);
    traits_release(&second);
}
END_TEST

RUN_TESTS("traits", test_sets_and_removals, test_an_object_consent, test_merges)
