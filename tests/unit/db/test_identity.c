/* The walk of identities, without a database: who a message's person is, what merges, what is pointed elsewhere, what each id meant before, and the map
 * from ids to indexes under it. */
#include "db/identity.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/run.h"

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

    return identity_add(&all, &person,
                        strcmp(kind, "user") == 0    ? PERSON_USER
                        : strcmp(kind, "email") == 0 ? PERSON_EMAIL
                                                     : PERSON_ANONYMOUS);
}

static size_t user(const char *external)
{
    return add("user", external);
}

static size_t visitor(const char *external)
{
    return add("anonymous", external);
}

static size_t address(const char *external)
{
    return add("email", external);
}

/* A message with these ids. */
static size_t meet_all(size_t user_id, size_t email, size_t anonymous)
{
    size_t ids[PERSON_KINDS] = {[PERSON_USER] = user_id, [PERSON_EMAIL] = email, [PERSON_ANONYMOUS] = anonymous};

    return identity_meet(&all, ids, 0);
}

static size_t meet(size_t user_id, size_t anonymous)
{
    return meet_all(user_id, IDENTITY_NONE, anonymous);
}

/* As if its row were read: it means the profile of that other identity. */
static struct identity_profile *known(size_t identity, size_t as)
{
    struct identity_profile *profile = identity_know(&all, identity, &all.ids.at[as].raw);

    profile->exists = true;
    profile->kind = all.ids.at[as].kind;
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
    size_t u = meet(user("u"), IDENTITY_NONE), a = meet(IDENTITY_NONE, visitor("a"));

    ck_assert_uint_ne(u, a);
    ck_assert(all.profiles.at[u].kind == PERSON_USER && all.profiles.at[a].kind == PERSON_ANONYMOUS);
    ck_assert(id_equal(&all.profiles.at[u].id, &all.ids.at[user("u")].raw));
    ck_assert(identity_settle(&all, user("u")) && identity_settle(&all, visitor("a")));
    ck_assert_uint_eq(all.merges.n, 0);
}
END_TEST

START_TEST(test_a_new_visitor_of_a_user)
{
    size_t u = meet(user("u"), visitor("a"));

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
    u = meet(user("u"), a);
    ck_assert_uint_eq(all.merges.n, 1);
    ck_assert_uint_eq(all.merges.at[0].into, u);
    ck_assert_uint_eq(identity_means(&all, b), u);
    ck_assert(identity_settle(&all, b));
    ck_assert_uint_eq(all.ids.at[b].forgotten.n, 1);
    ck_assert(id_equal(&all.ids.at[b].forgotten.at[0], &all.ids.at[a].raw));
    meet(user("u"), b);
    ck_assert_uint_eq(all.merges.n, 1);
}
END_TEST

START_TEST(test_pointed_elsewhere_and_back)
{
    size_t a = visitor("a"), u1, u2;

    known(user("u1"), user("u1"));
    known(a, user("u1"));
    ck_assert(!identity_settle(&all, a));
    u1 = meet(user("u1"), a);
    u2 = meet(user("u2"), a);
    ck_assert_uint_eq(identity_means(&all, a), u2);
    ck_assert_uint_eq(meet(user("u1"), a), u1);
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
    u = meet(user("u"), a);
    ck_assert_uint_eq(identity_means(&all, a), u);
    ck_assert_uint_eq(identity_living(&all, old), old);
    ck_assert_uint_eq(all.merges.n, 0);
}
END_TEST

START_TEST(test_an_address_alone)
{
    size_t e = meet_all(IDENTITY_NONE, address("e"), IDENTITY_NONE);

    ck_assert_int_eq(all.profiles.at[e].kind, PERSON_EMAIL);
    ck_assert(id_equal(&all.profiles.at[e].id, &all.ids.at[address("e")].raw));
    ck_assert_uint_eq(meet_all(IDENTITY_NONE, address("e"), visitor("new")), e);
    ck_assert_uint_eq(all.merges.n, 0);
}
END_TEST

/* Each weaker profile into the strongest, in one message or by and by. */
START_TEST(test_strength)
{
    size_t u, e;

    known(visitor("a"), visitor("a"));
    known(visitor("b"), visitor("b"));
    known(address("e"), address("e"));
    e = meet_all(IDENTITY_NONE, address("e"), visitor("a"));
    ck_assert_uint_eq(all.merges.n, 1);
    ck_assert_uint_eq(all.merges.at[0].into, e);
    u = meet_all(user("u"), address("e"), visitor("b"));
    ck_assert_uint_eq(all.merges.n, 3);
    ck_assert_uint_eq(all.merges.at[1].gone, e);
    ck_assert(all.merges.at[1].into == u && all.merges.at[2].into == u);
    ck_assert_uint_eq(identity_means(&all, visitor("a")), u); /* two merges on */
    ck_assert(identity_settle(&all, visitor("a")));
    ck_assert_uint_eq(all.ids.at[visitor("a")].forgotten.n, 2);
}
END_TEST

START_TEST(test_a_visitor_with_an_address_becomes_a_user)
{
    size_t u;

    meet_all(IDENTITY_NONE, address("e"), visitor("a"));
    u = meet(user("u"), visitor("a"));
    ck_assert_uint_eq(identity_means(&all, address("e")), u);
    ck_assert_uint_eq(all.merges.n, 1);
}
END_TEST

START_TEST(test_a_shared_address_points_to_the_last_user)
{
    size_t u1 = meet_all(user("u1"), address("e"), IDENTITY_NONE), u2 = meet_all(user("u2"), address("e"), IDENTITY_NONE);

    ck_assert_uint_ne(u1, u2);
    ck_assert_uint_eq(identity_means(&all, address("e")), u2);
    ck_assert_uint_eq(meet_all(IDENTITY_NONE, address("e"), IDENTITY_NONE), u2);
    ck_assert_uint_eq(all.merges.n, 0);
}
END_TEST

/* What a browser had before stays with whom it was: neither a user's profile nor another address's goes into one of an address. */
START_TEST(test_a_second_address_of_a_browser)
{
    size_t u = meet(user("u"), visitor("a")), e1, e2;

    e1 = meet_all(IDENTITY_NONE, address("e1"), visitor("a"));
    ck_assert_uint_ne(e1, u);
    ck_assert_uint_eq(identity_means(&all, visitor("a")), e1);
    e2 = meet_all(IDENTITY_NONE, address("e2"), visitor("a"));
    ck_assert_uint_ne(e1, e2);
    ck_assert_uint_eq(identity_means(&all, visitor("a")), e2);
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

RUN_TESTS_WITH(begin, end, "identity", test_the_same_id_is_one_identity, test_profiles_of_their_own, test_a_new_visitor_of_a_user,
               test_a_merge_takes_every_id_along, test_pointed_elsewhere_and_back, test_a_huge_profile_is_not_merged, test_an_address_alone,
               test_strength, test_a_visitor_with_an_address_becomes_a_user, test_a_shared_address_points_to_the_last_user,
               test_a_second_address_of_a_browser, test_many_ids)
