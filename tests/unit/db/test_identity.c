/* The walk of identities, without a database: who a message's person is, what merges, what is pointed elsewhere, what each id meant before, and the map
 * from ids to indexes under it. */
#include "db/identity.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct identities all; /* of the test that runs, a process of its own */

static void begin(void)
{
    identities_init(&all);
}

static void end(void)
{
    identities_release(&all);
}

static size_t add(const char *kind, const char *external)
{
    struct person person = {.external = {.at = external, .len = strlen(external)}, .raw = id_person(kind, external, strlen(external))};

    return identity_add(&all, &person, strcmp(kind, "user") == 0);
}

static size_t user(const char *external)
{
    return add("user", external);
}

static size_t visitor(const char *external)
{
    return add("anonymous", external);
}

/* As if its row were read: it means the profile of that other identity. */
static struct identity_profile *known(size_t identity, size_t as)
{
    struct identity_profile *profile = identity_know(&all, identity, &all.ids.at[as].raw);

    profile->exists = true;
    profile->identified = all.ids.at[as].user;
    return profile;
}

START_TEST(test_the_same_id_is_one_identity)
{
    ck_assert_uint_eq(user("x"), user("x"));
    ck_assert_uint_ne(user("x"), visitor("x"));
    ck_assert_uint_eq(identity_means(&all, user("x")), IDENTITY_NONE);
}
END_TEST

START_TEST(test_profiles_of_their_own)
{
    size_t u = identity_meet(&all, user("u"), IDENTITY_NONE), a = identity_meet(&all, IDENTITY_NONE, visitor("a"));

    ck_assert_uint_ne(u, a);
    ck_assert(all.profiles.at[u].identified && !all.profiles.at[a].identified);
    ck_assert(id_equal(&all.profiles.at[u].id, &all.ids.at[user("u")].raw));
    ck_assert(identity_settle(&all, user("u")) && identity_settle(&all, visitor("a")));
    ck_assert_uint_eq(all.merges.n, 0);
}
END_TEST

START_TEST(test_a_new_visitor_of_a_user)
{
    size_t u = identity_meet(&all, user("u"), visitor("a"));

    ck_assert_uint_eq(identity_means(&all, visitor("a")), u);
    ck_assert_uint_eq(all.merges.n, 0);
    ck_assert(identity_settle(&all, visitor("a")));
    ck_assert_uint_eq(all.ids.at[visitor("a")].forgotten.n, 0);
}
END_TEST

START_TEST(test_a_merge_takes_every_id_along)
{
    size_t a = visitor("a"), b = visitor("b"), u;

    known(a, a);
    known(b, a);
    u = identity_meet(&all, user("u"), a);
    ck_assert_uint_eq(all.merges.n, 1);
    ck_assert_uint_eq(all.merges.at[0].into, u);
    ck_assert_uint_eq(identity_means(&all, b), u);
    ck_assert(identity_settle(&all, b));
    ck_assert_uint_eq(all.ids.at[b].forgotten.n, 1);
    ck_assert(id_equal(&all.ids.at[b].forgotten.at[0], &all.ids.at[a].raw));
    identity_meet(&all, user("u"), b);
    ck_assert_uint_eq(all.merges.n, 1);
}
END_TEST

START_TEST(test_pointed_elsewhere_and_back)
{
    size_t a = visitor("a"), u1, u2;

    known(user("u1"), user("u1"));
    known(a, user("u1"));
    ck_assert(!identity_settle(&all, a));
    u1 = identity_meet(&all, user("u1"), a);
    u2 = identity_meet(&all, user("u2"), a);
    ck_assert_uint_eq(identity_means(&all, a), u2);
    ck_assert_uint_eq(identity_meet(&all, user("u1"), a), u1);
    ck_assert_uint_eq(all.merges.n, 0);
    ck_assert(identity_settle(&all, a)); /* it means what its row says, but what it meant between is to be kept */
    ck_assert_uint_eq(all.ids.at[a].forgotten.n, 2);
}
END_TEST

START_TEST(test_a_huge_profile_is_not_merged)
{
    size_t a = visitor("a"), old, u;

    known(a, a)->huge = true;
    old = identity_means(&all, a);
    u = identity_meet(&all, user("u"), a);
    ck_assert_uint_eq(identity_means(&all, a), u);
    ck_assert_uint_eq(identity_living(&all, old), old);
    ck_assert_uint_eq(all.merges.n, 0);
}
END_TEST

START_TEST(test_many_ids)
{
    enum { N = 5000 };
    struct id_map map = ID_MAP_INIT;

    for (size_t i = 0; i < N; i++) {
        struct id id = id_hash(&i, sizeof i);

        ck_assert_uint_eq(id_map_get(&map, &id), ID_MAP_NONE);
        id_map_put(&map, &id, i);
        id_map_put(&map, &id, i + 1);
    }
    for (size_t i = 0; i < N; i++) {
        struct id id = id_hash(&i, sizeof i);

        ck_assert_uint_eq(id_map_get(&map, &id), i + 1);
    }
    id_map_release(&map);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("identity");
    TCase *tests = tcase_create("identity");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, test_the_same_id_is_one_identity);
    tcase_add_test(tests, test_profiles_of_their_own);
    tcase_add_test(tests, test_a_new_visitor_of_a_user);
    tcase_add_test(tests, test_a_merge_takes_every_id_along);
    tcase_add_test(tests, test_pointed_elsewhere_and_back);
    tcase_add_test(tests, test_a_huge_profile_is_not_merged);
    tcase_add_test(tests, test_many_ids);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
