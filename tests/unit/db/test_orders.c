/* An order counts once: in one batch, in several, on two connections, under ids that are one person or become one; and what the second report leaves
 * behind. */
#include "tests/unit/db/store.h"

#include <poll.h>
#include <pthread.h>

#include "db/lock.h"

#define COUNT_ORDERS "SELECT count(*) FROM event JOIN event_name USING (name_id) WHERE name = '" NAME_ORDER "'"

static int64_t order_at(void)
{
    return ask("SELECT extract(epoch FROM ts)::bigint FROM event JOIN event_name USING (name_id) WHERE name = '" NAME_ORDER "'") -
           T0 / US_PER_S;
}

START_TEST(test_a_second_report_is_a_double)
{
    TELL(1, 0, {.user = "u", .event = NAME_ORDER, .json = ORDER("\"1001\""), .at = 10, .id = "page"});
    store_run("DELETE FROM touched");
    TELL(0, 1, {.user = "u", .event = NAME_ORDER, .json = ORDER("1001"), .at = 5, .id = "webhook"});
    TELL(0, 1, {.user = "u", .event = NAME_ORDER, .json = ORDER("1001.0"), .at = 7200, .id = "again"});
    TELL(0, 1, {.user = "u", .event = NAME_ORDER, .json = ORDER("1.001e3"), .at = 20, .no_own = true});
    ck_assert_int_eq(order_at(), 10);
    ck_assert_int_eq(ask("SELECT count(*) FROM touched"), 0);
    expect_sound();
}
END_TEST

START_TEST(test_what_is_another_order)
{
    TELL(1, 0, {.user = "u", .event = NAME_ORDER, .json = ORDER("1001"), .at = 1});
    TELL(1, 0, {.user = "v", .event = NAME_ORDER, .json = ORDER("1001"), .at = 1});
    TELL(1, 0, {.user = "u", .event = NAME_ORDER, .json = ORDER("1002"), .at = 1});
    TELL(1, 0, {.user = "u", .event = NAME_ORDER, .json = ORDER("\"1001 \""), .at = 1});
    TELL(1, 0, {.user = "u", .event = NAME_ORDER, .json = ORDER("\"1001.0\""), .at = 1});
    TELL(2, 0, {.user = "u", .event = "Order Refunded", .json = ORDER("1001"), .at = 1},
         {.user = "u", .event = "Order Refunded", .json = ORDER("1001"), .at = 2});
    TELL(2, 0, {.user = "u", .event = NAME_ORDER, .at = 1}, {.user = "u", .event = NAME_ORDER, .at = 2});
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), 9);
}
END_TEST

START_TEST(test_reports_in_one_batch)
{
    TELL(3, 2, {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 5},
         {.user = "u", .event = NAME_ORDER, .json = ORDER("\"1\""), .at = 3},
         {.user = "v", .event = NAME_ORDER, .json = ORDER("1"), .at = 4},
         {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 7200}, {.user = "u", .event = "Seen", .at = 6});
    ck_assert_int_eq(ask("SELECT count(*) FROM event WHERE ts = to_timestamp(1790000005)"), 1);
    expect_sound();
}
END_TEST

/* It is about the event only: whose ids come together is learnt from a repeated order, too. */
START_TEST(test_a_repeated_order_still_links)
{
    TELL(1, 0, {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 1});
    TELL(0, 1, {.user = "u", .anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = 2});
    TELL(1, 0, {.anonymous = "a", .event = "Seen", .at = 3});
    ck_assert_int_eq(ask("SELECT count(*) FROM event WHERE profile_id = (SELECT profile_id FROM profile WHERE user_id = 'u')"), 2);
    expect_sound();
}
END_TEST

START_TEST(test_a_repeated_order_makes_a_user)
{
    TELL(1, 0, {.anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = 1});
    store_run("DELETE FROM touched");
    TELL(0, 1, {.user = "u", .anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = 2});
    expect_text("SELECT string_agg(user_id, ' ') FROM profile", "u");
    ck_assert_int_eq(ask("SELECT sum(cardinality(created))::bigint FROM touched"), 1);
    ck_assert_int_eq(order_at(), 1);
    expect_sound();
}
END_TEST

/* A browser that somebody else has by then: the retry of what was left out is still no new order, and points nowhere. */
START_TEST(test_a_late_retry_of_a_repeated_order)
{
    struct say again = {.user = "u", .anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = 2, .id = "m2"};
    struct say alone = {.anonymous = "b", .event = NAME_ORDER, .json = ORDER("1"), .at = 2, .id = "m3"};

    TELL(2, 0, {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 1}, {.user = "u", .anonymous = "b", .event = "Seen", .at = 1});
    TELL(0, 2, again, alone);
    TELL(2, 0, {.user = "w", .anonymous = "a", .event = "Seen", .at = 3}, {.user = "w", .anonymous = "b", .event = "Seen", .at = 3});
    TELL(0, 2, again, alone);
    TELL(1, 0, {.anonymous = "a", .event = "Seen", .at = 4});
    ck_assert_int_eq(ask("SELECT count(*) FROM event WHERE profile_id = (SELECT profile_id FROM profile WHERE user_id = 'w')"), 3);
    ck_assert_int_eq(ask(COUNT_ORDERS), 1);
    expect_sound();
}
END_TEST

/* Of what is stored: found as any message is. */
START_TEST(test_a_retry_of_a_stored_order)
{
    struct say first = {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 1, .id = "m1"};

    TELL(1, 0, first);
    TELL(0, 2, {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 2, .id = "m2"}, first);
    ck_assert_int_eq(ask("SELECT count(*) FROM odd_message"), 1);
    expect_sound();
}
END_TEST

/* --- Merges --- */

/* The guest's browser reports first (or second), the webhook under the address, then both are one. */
static void merge_two_reports(int64_t guest_at, int64_t webhook_at, bool guest_first)
{
    struct say guest = {.anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = guest_at, .id = "guest"};
    struct say webhook = {.email = "e@x", .event = NAME_ORDER, .json = ORDER("1"), .at = webhook_at, .id = "webhook"};

    TELL(1, 0, guest_first ? guest : webhook);
    TELL(1, 0, guest_first ? webhook : guest);
    ck_assert_int_eq(ask(COUNT_ORDERS), 2);
    store_run("DELETE FROM touched");
    TELL(1, 0, {.email = "e@x", .anonymous = "a", .at = 3});
    ck_assert_int_eq(order_at(), guest_first ? guest_at : webhook_at);
    ck_assert_int_gt(ask("SELECT count(*) FROM touched t, unnest(pair_profile, pair_name) p (id, name) JOIN profile ON profile_id = id"
                         " JOIN event_name n ON name_id = p.name AND n.name = '" NAME_ORDER "'"),
                     0);
    expect_sound();
    TELL(0, 3, guest, webhook, {.email = "e@x", .event = NAME_ORDER, .json = ORDER("1"), .at = 9});
    expect_sound();
}

START_TEST(test_a_merge_keeps_the_first)
{
    merge_two_reports(1, 7200, true);
}
END_TEST

START_TEST(test_a_merge_keeps_the_first_of_the_survivor)
{
    merge_two_reports(1, 7200, false);
}
END_TEST

START_TEST(test_a_merge_moves_first_seen)
{
    merge_two_reports(7200, 1, true);
    ck_assert_int_eq(ask("SELECT extract(epoch FROM first_seen)::bigint FROM profile") - T0 / US_PER_S, 7200);
    ck_assert_int_gt(ask("SELECT count(*) FROM touched WHERE '$first_seen' = ANY (fact_path)"), 0);
}
END_TEST

START_TEST(test_merged_orders_stay_with_the_survivor)
{
    TELL(1, 0, {.anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = 1});
    TELL(1, 1, {.user = "u", .anonymous = "a", .at = 2}, {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 3});
    TELL(0, 1, {.anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = 4});
    expect_sound();
}
END_TEST

/* The browser is somebody else's by then. */
START_TEST(test_a_late_retry_of_what_a_merge_dropped)
{
    struct say late = {.anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = 2, .id = "late"};

    TELL(1, 0, {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 1});
    TELL(1, 0, late);
    TELL(2, 0, {.user = "u", .anonymous = "a", .at = 3}, {.user = "w", .anonymous = "a", .at = 4});
    TELL(0, 1, late);
    ck_assert_int_eq(order_at(), 1);
    expect_sound();
}
END_TEST

/* Both go into a third in one batch. */
START_TEST(test_two_merges_at_once)
{
    TELL(1, 0, {.anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = 1});
    TELL(1, 0, {.email = "e@x", .event = NAME_ORDER, .json = ORDER("1"), .at = 2});
    TELL(1, 0, {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 3});
    TELL(2, 1, {.user = "u", .anonymous = "a", .at = 4}, {.user = "u", .email = "e@x", .at = 5},
         {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 6});
    ck_assert_int_eq(ask(COUNT_ORDERS), 1);
    expect_sound();
}
END_TEST

START_TEST(test_a_large_merge)
{
    TELL(2, 0, {.anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = 1}, {.anonymous = "a", .event = "Seen", .at = 1});
    TELL(1, 0, {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 1});
    store_run("INSERT INTO event (profile_id, name_id, source_id, ts, message_id, received_at) SELECT profile_id, name_id, 1,"
              " ts + g * interval '1 s', gen_random_uuid(), ts FROM event JOIN event_name USING (name_id), generate_series(1, 10001) g"
              " WHERE name = 'Seen'; UPDATE profile p SET last_seen = (SELECT max(ts) FROM event e WHERE e.profile_id = p.profile_id)");
    TELL(2, 1, {.user = "v", .event = NAME_ORDER, .json = ORDER("1"), .at = 1}, {.user = "u", .anonymous = "a", .at = 4},
         {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 6});
    ck_assert_int_eq(ask(COUNT_ORDERS), 2);
    expect_sound();
}
END_TEST

/* A batch that is halved for one of its messages: what was taken in the attempts that failed is not taken. */
START_TEST(test_beside_a_culprit)
{
    struct told told = tell_on(store_db, store_names,
                               (struct say[]){{.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 1},
                                              {.user = "u", .event = "Seen", .json = "{\"a\":1e999999}", .at = 2},
                                              {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 3}},
                               3);

    ck_assert_uint_eq(told.stored, 1);
    ck_assert_uint_eq(told.duplicate, 1);
    ck_assert_uint_eq(told.rejected, 1);
    expect_sound();
}
END_TEST

/* --- Several connections --- */

enum { THREADS = 4, ROUNDS = 40, ORDERS = 12 };
struct shop {
    pthread_t thread;
    int number;
    size_t stored, duplicate;
};

/* Each thread reports the same orders, under another id of the same person (two of them in the other direction), some of them in a batch that also merges. */
static void *shop_run(void *context)
{
    static const struct say ids[THREADS] = {{.user = "u"}, {.anonymous = "a"}, {.email = "e@x"}, {.user = "u", .anonymous = "a"}};
    struct shop *shop = context;
    struct db *db = store_open(run_database());
    struct name_cache *names = name_cache_new(NAMES_MAX_DEFAULT);

    for (int round = 0; round < ROUNDS; round++) {
        struct say says[ORDERS];
        char texts[ORDERS][48];
        struct ingest_job *job;

        for (int i = 0; i < ORDERS; i++) {
            (void)snprintf(texts[i], sizeof texts[i], ORDER("\"%d-%d\""), round, shop->number % 2 ? i : ORDERS - 1 - i);
            says[i] = ids[shop->number];
            says[i].event = NAME_ORDER;
            says[i].json = texts[i];
            says[i].at = i * 4000 + shop->number;
        }
        job = say_job(says, ORDERS);
        while (db_ingest(db, names, &job, 1) != DB_OK)
            ck_assert_int_eq(db_connect(db), DB_OK);
        shop->stored += job->n_stored;
        shop->duplicate += job->n_duplicate;
        ingest_job_free(job);
    }
    db_free(db);
    name_cache_free(names);
    return NULL;
}

static void run_shops(size_t *ret_stored, size_t *ret_duplicate)
{
    struct shop all[THREADS];

    *ret_stored = *ret_duplicate = 0;
    for (int i = 0; i < THREADS; i++) {
        all[i] = (struct shop){.number = i};
        ck_assert_int_eq(pthread_create(&all[i].thread, NULL, shop_run, &all[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(all[i].thread, NULL), 0);
        *ret_stored += all[i].stored;
        *ret_duplicate += all[i].duplicate;
    }
}

START_TEST(test_four_ids_of_one_person_at_once)
{
    size_t stored, duplicate;

    TELL(2, 0, {.user = "u", .anonymous = "a", .at = 1}, {.user = "u", .email = "e@x", .at = 1});
    run_shops(&stored, &duplicate);
    ck_assert_uint_eq(stored, ROUNDS * ORDERS);
    ck_assert_uint_eq(duplicate, (THREADS - 1) * ROUNDS * ORDERS);
    ck_assert_int_eq(ask(COUNT_ORDERS), ROUNDS * ORDERS);
    ck_assert_int_eq(ask("SELECT sum(n)::bigint FROM touched, unnest(stat_events) n"), ROUNDS * ORDERS);
    expect_sound();
}
END_TEST

static void *merge_run(void *context)
{
    struct db *db = store_open(run_database());
    struct name_cache *names = name_cache_new(NAMES_MAX_DEFAULT);

    *(struct told *)context = tell_on(db, names, (struct say[]){{.user = "u", .anonymous = "a", .at = 3}}, 1);
    db_free(db);
    name_cache_free(names);
    return NULL;
}

/* first_seen is read from the events that are left: somebody who is storing an older one for the survivor must have committed. */
START_TEST(test_a_merge_of_two_reports_waits_for_all_ids_of_the_survivor)
{
    struct id other = id_person("anonymous", "b", 1), user = id_person("user", "u", 1), gone = id_person("anonymous", "a", 1);
    int64_t until = clock_mono_us() + 60 * US_PER_S;
    struct told told;
    pthread_t thread;
    char sql[128];

    ck_assert(other.bytes[0] != user.bytes[0] && other.bytes[0] != gone.bytes[0]);
    TELL(3, 0, {.anonymous = "a", .event = NAME_ORDER, .json = ORDER("1"), .at = 5}, {.user = "u", .anonymous = "b", .at = 1},
         {.user = "u", .event = NAME_ORDER, .json = ORDER("1"), .at = 1});
    (void)snprintf(sql, sizeof sql, "BEGIN; SELECT pg_advisory_xact_lock_shared(" DB_LOCK_CLASS_IDENTITY ", %d)", other.bytes[0]);
    store_run(sql);
    ck_assert_int_eq(pthread_create(&thread, NULL, merge_run, &told), 0);
    while (!ask("SELECT count(*) FROM pg_locks WHERE NOT granted")) {
        ck_assert(clock_mono_us() < until);
        (void)poll(NULL, 0, 2);
    }
    store_run("COMMIT");
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(told.stored, 1);
    ck_assert_int_eq(order_at(), 5);
    expect_sound();
}
END_TEST

/* a becomes u's while all report; e@x does so at last. */
START_TEST(test_orders_beside_merges)
{
    size_t stored, duplicate;

    run_shops(&stored, &duplicate);
    ck_assert_uint_eq(stored + duplicate, THREADS * ROUNDS * ORDERS);
    TELL(1, 0, {.user = "u", .email = "e@x", .at = 1});
    ck_assert_int_eq(ask(COUNT_ORDERS), ROUNDS * ORDERS);
    expect_sound();
}
END_TEST

/* --- Few orders, many people who become one --- */

enum { CROWD_BATCHES = 80, CROWD_BATCH = 20, CROWD_USERS = 12 };
struct crowd {
    pthread_t thread;
    uint32_t seed;
    size_t failures;
};

static uint32_t draw(struct crowd *crowd, uint32_t n)
{
    crowd->seed = crowd->seed * 1664525u + 1013904223u;
    return (crowd->seed >> 8) % n;
}

/* Orders of users, visitors and addresses, of which each names the user of its number now and then. */
static struct say crowd_say(struct crowd *crowd, char texts[4][24], int64_t at)
{
    uint32_t kind = draw(crowd, 8), user = draw(crowd, CROWD_USERS);
    struct say say = {.event = NAME_ORDER, .json = texts[3], .at = at};

    (void)snprintf(texts[0], sizeof texts[0], "u%u", user);
    (void)snprintf(texts[1], sizeof texts[1], "a%u", user + CROWD_USERS * draw(crowd, 20));
    (void)snprintf(texts[2], sizeof texts[2], "e%u@x", user + CROWD_USERS * draw(crowd, 10));
    (void)snprintf(texts[3], sizeof texts[3], ORDER("%u"), draw(crowd, 8));
    say.user = kind < 2 || kind == 6 ? texts[0] : NULL;
    say.anonymous = (kind >= 2 && kind < 4) || kind == 6 ? texts[1] : NULL;
    say.email = kind == 4 || kind == 5 ? texts[2] : NULL;
    if (kind == 7) {
        say = (struct say){.user = draw(crowd, 3) ? texts[0] : NULL, .anonymous = texts[1], .email = texts[2], .at = at};
        say.anonymous = say.user && draw(crowd, 2) ? NULL : say.anonymous;
    }
    return say;
}

static void *crowd_run(void *context)
{
    struct crowd *crowd = context;
    struct db *db = store_open(run_database());
    struct name_cache *names = name_cache_new(NAMES_MAX_DEFAULT);

    for (int batch = 0; batch < CROWD_BATCHES; batch++) {
        struct say says[CROWD_BATCH];
        char texts[CROWD_BATCH][4][24];
        struct ingest_job *job;

        for (int i = 0; i < CROWD_BATCH; i++)
            says[i] = crowd_say(crowd, texts[i], (int64_t)draw(crowd, 100000));
        job = say_job(says, CROWD_BATCH);
        while (db_ingest(db, names, &job, 1) != DB_OK)
            crowd->failures++;
        if (job->n_stored + job->n_duplicate != CROWD_BATCH)
            crowd->failures += 1000;
        ingest_job_free(job);
    }
    db_free(db);
    name_cache_free(names);
    return NULL;
}

START_TEST(test_a_crowd)
{
    struct crowd all[THREADS];

    for (int i = 0; i < THREADS; i++) {
        all[i] = (struct crowd){.seed = 11 + (uint32_t)i};
        ck_assert_int_eq(pthread_create(&all[i].thread, NULL, crowd_run, &all[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(all[i].thread, NULL), 0);
        ck_assert_uint_lt(all[i].failures, 100); /* deadlocks, which are tried again */
    }
    ck_assert_int_gt(ask("SELECT count(*) FROM merge_log WHERE events > 0"), CROWD_USERS);
    ck_assert_int_le(ask("SELECT max(n) FROM (SELECT count(*) AS n FROM order_seen GROUP BY profile_id) AS o"), 8);
    expect_sound();
}
END_TEST

RUN_TESTS_WITH(store_begin, store_end, "orders", test_a_second_report_is_a_double, test_what_is_another_order, test_reports_in_one_batch,
               test_a_repeated_order_still_links, test_a_repeated_order_makes_a_user, test_a_late_retry_of_a_repeated_order,
               test_a_retry_of_a_stored_order, test_a_merge_keeps_the_first, test_a_merge_keeps_the_first_of_the_survivor,
               test_a_merge_moves_first_seen, test_merged_orders_stay_with_the_survivor, test_a_late_retry_of_what_a_merge_dropped,
               test_two_merges_at_once, test_a_large_merge, test_beside_a_culprit, test_four_ids_of_one_person_at_once,
               test_a_merge_of_two_reports_waits_for_all_ids_of_the_survivor, test_orders_beside_merges, test_a_crowd)
