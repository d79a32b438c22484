/* One batch or many: whatever way the same messages fall into batches, the same is stored, and all of them again change nothing. Messages are random with a
 * fixed seed. */
#include "tests/unit/db/store.h"

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

enum { RANDOM_N = 60, SEEDS = 80 };
static const char *const users[] = {NULL, NULL, "u1", "u2", "u3"};
static const char *const visitors[] = {NULL, "a1", "a2", "a3"};
static const char *const addresses[] = {NULL, "e1", "e2", "e3"};
static const char *const names[] = {"A", NAME_ORDER, NAME_ORDER, "$alias", "$group", NULL, NULL};
static const char *const orders[] = {NULL, ORDER("1"), ORDER("1.0"), ORDER("\"1\""), ORDER("\"2\""), ORDER("20e-1")};
/* A client's ids are its own: one for each of the people a message can name. */
static const char *const message_ids[PERSON_KINDS][3][4] = {
    {{"u1 1", "u1 2", "u1 3", "u1 4"}, {"u2 1", "u2 2", "u2 3", "u2 4"}, {"u3 1", "u3 2", "u3 3", "u3 4"}},
    {{"e1 1", "e1 2", "e1 3", "e1 4"}, {"e2 1", "e2 2", "e2 3", "e2 4"}, {"e3 1", "e3 2", "e3 3", "e3 4"}},
    {{"a1 1", "a1 2", "a1 3", "a1 4"}, {"a2 1", "a2 2", "a2 3", "a2 4"}, {"a3 1", "a3 2", "a3 3", "a3 4"}}};
static const char *const consents[] = {
    NULL, NULL, "{\"a\":\"granted\",\"b\":null}", "{\"a\":\"denied\"}", "{\"a\":null,\"third_party\":\"granted\"}", "{\"b\":\"granted\"}"};
static const char *const traits[] = {"{\"x\":1}",    "{\"x\":2,\"y\":1}",    "{\"y\":3}",       "{\"z\":4}",
                                     "{\"x\":null}", "{\"y\":null,\"x\":3}", "{\"\\u0078\":5}", "{\"x\":1,\"x\":null,\"z\":null}"};

static const char *strongest_of(const struct say *say, enum person_kind *ret_kind)
{
    *ret_kind = say->user ? PERSON_USER : say->email ? PERSON_EMAIL : PERSON_ANONYMOUS;
    return say->user ? say->user : say->email ? say->email : say->anonymous;
}

/* Retries (all of it equal to an earlier one) among new messages, as clients send them. */
static void random_says(struct say says[RANDOM_N], uint32_t seed)
{
    for (size_t i = 0; i < RANDOM_N; i++) {
        struct say *say = &says[i];
        enum person_kind kind;
        const char *named;

        if (i && next_random(&seed) % 4 == 0) {
            *say = says[next_random(&seed) % i];
            if (say->odd || say->no_own)
                say->at = (int64_t)i;
            continue;
        }
        *say = (struct say){.user = users[next_random(&seed) % 5],
                            .anonymous = visitors[next_random(&seed) % 4],
                            .event = names[next_random(&seed) % ARRAY_LEN(names)]};
        if (!say->event || (!say->user && !say->anonymous))
            say->email = addresses[next_random(&seed) % 4];
        if (!say->user && !say->anonymous && !say->email)
            say->anonymous = "a1";
        named = strongest_of(say, &kind);
        say->id = message_ids[kind][named[1] - '1'][next_random(&seed) % 4];
        if (!say->event)
            say->json = traits[next_random(&seed) % ARRAY_LEN(traits)];
        else if (strcmp(say->event, NAME_ORDER) == 0)
            say->json = orders[next_random(&seed) % ARRAY_LEN(orders)];
        say->consent = say->event ? NULL : consents[next_random(&seed) % ARRAY_LEN(consents)];
        say->opted_out = next_random(&seed) % 12 == 0;
        say->at = (int64_t)i;
        say->no_own = next_random(&seed) % 6 == 0;
        say->odd = !say->no_own && next_random(&seed) % 5 == 0;
        say->own = say->odd ? (int64_t)i + 3600 : 0;
        if (say->event && strcmp(say->event, NAME_ORDER) == 0) /* nobody sends one message with a timestamp and without */
            say->id = message_ids[kind][named[1] - '1'][say->no_own ? 3 : next_random(&seed) % 3];
    }
}

static char *state_of_store(void)
{
    return ask_text(
        "SELECT concat_ws(E'\\n', (SELECT string_agg(concat_ws(' ', i.kind, i.external_id, p.user_id, p.email, p.anonymous_id, "
        "p.traits, p.first_seen), E'\\n' ORDER BY i.kind,"
        " i.external_id) FROM identity i JOIN profile p USING (profile_id)),"
        " (SELECT string_agg(concat_ws(' ', p.user_id, p.email, p.anonymous_id, e.name_id, e.ts, e.message_id), E'\\n' ORDER BY "
        "e.profile_id, e.name_id, e.ts, e.message_id)"
        " FROM event e JOIN profile p USING (profile_id)),"
        " (SELECT string_agg(concat_ws(' ', p.user_id, p.email, p.anonymous_id, c.channel, c.stated, c.stated_at, c.signal_at), E'\\n'"
        " ORDER BY c.profile_id, c.channel) FROM consent c JOIN profile p USING (profile_id)),"
        " (SELECT string_agg(concat_ws(' ', o.profile_id, o.order_hash, o.ts, o.message_id), E'\\n' ORDER BY o.profile_id, o.order_hash)"
        " FROM order_seen o))");
}

static void tell_in_pieces(const struct say says[RANDOM_N], uint32_t seed, size_t most)
{
    for (size_t i = 0; i < RANDOM_N;) {
        size_t n = 1 + next_random(&seed) % most;

        if (n > RANDOM_N - i)
            n = RANDOM_N - i;
        (void)tell_on(store_db, store_names, &says[i], n);
        i += n;
    }
}

START_TEST(test_batches_change_nothing)
{
    struct say says[RANDOM_N];

    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        char *one AUTO_FREE = NULL, *many AUTO_FREE = NULL, *mixed AUTO_FREE = NULL;

        random_says(says, seed);
        for (int way = 0; way < 3; way++) {
            store_run("TRUNCATE event, identity, profile, consent, odd_message, order_seen, touched");
            tell_in_pieces(says, seed, way == 0 ? 1 : way == 1 ? RANDOM_N : 9);
            if (way == 1)
                (void)tell_on(store_db, store_names, says, RANDOM_N); /* all of it again changes nothing */
            expect_sound();
            *(way == 0 ? &one : way == 1 ? &many : &mixed) = state_of_store();
        }
        if (strcmp(one, many) != 0 || strcmp(one, mixed) != 0) {
            for (size_t i = 0; i < RANDOM_N; i++)
                fprintf(stderr, "%zu user=%s email=%s anonymous=%s event=%s id=%s at=%ld own=%ld odd=%d none=%d\n", i,
                        says[i].user ? says[i].user : "-", says[i].email ? says[i].email : "-", says[i].anonymous ? says[i].anonymous : "-",
                        says[i].event ? says[i].event : "identify", says[i].id, (long)says[i].at, (long)says[i].own, says[i].odd,
                        says[i].no_own);
            fprintf(stderr, "one by one\n%s\nin one batch\n%s\nin several\n%s\n", one, many, mixed);
        }
        ck_assert_msg(strcmp(one, many) == 0 && strcmp(one, mixed) == 0, "differs at seed %u", seed);
    }
}
END_TEST

RUN_TESTS_WITH(store_begin, store_end, "batches", test_batches_change_nothing)
