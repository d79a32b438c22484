/* Consent as it is stored: the newest statement, of one instant the more cautious, the signal where nothing is stated; in whatever order
 * they and merges come, and telling the worker of exactly what was written. */
#include "db/consent.h"

#include "tests/unit/db/store.h"

/* "channel state" of all rows about somebody, by channel, parted by commas. */
static void expect_states(const char *external, const char *expected)
{
    AUTO_BUF struct buf sql = BUF_INIT(1024);

    buf_addf(&sql,
             "SELECT string_agg(channel || ' ' || state, ', ' ORDER BY channel) FROM consent JOIN identity USING (profile_id)"
             " WHERE external_id = '%s' AND state <> 'unknown'",
             external);
    expect_text(buf_text(&sql), expected);
}

static void expect_facts(const char *expected)
{
    expect_text(
        "SELECT string_agg(p.user_id || ' ' || f.path, ', ' ORDER BY p.user_id, f.path) FROM touched t,"
        " unnest(t.fact_profile, t.fact_path) AS f (profile_id, path) JOIN profile p USING (profile_id) WHERE f.path LIKE '$consent%'",
        expected);
    store_run("DELETE FROM touched");
}

/* Three statements about c of somebody, in each order, in one batch and in three. */
static void expect_of_three(const struct say three[3], const char *expected)
{
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    char users[12][8];

    for (size_t i = 0; i < 12; i++) {
        const int *order = orders[i / 2];
        struct say says[] = {three[order[0]], three[order[1]], three[order[2]]};

        (void)snprintf(users[i], sizeof users[i], "u%zu", i);
        for (size_t k = 0; k < 3; k++)
            says[k].user = users[i];
        if (i % 2)
            tell(says, 3, 3, 0);
        else
            for (size_t k = 0; k < 3; k++)
                tell(&says[k], 1, 1, 0);
        expect_states(users[i], expected);
    }
    store_run("TRUNCATE consent, event, profile, identity");
}

#define GRANTED "{\"third_party\":\"granted\"}"
#define DENIED  "{\"third_party\":\"denied\"}"
#define UNKNOWN "{\"third_party\":null}"

START_TEST(test_the_newest_statement_holds)
{
    expect_of_three((struct say[]){{.consent = GRANTED, .at = 1}, {.consent = DENIED, .at = 2}, {.consent = GRANTED, .at = 3}},
                    "third_party granted");
    expect_of_three((struct say[]){{.consent = DENIED, .at = 1}, {.consent = GRANTED, .at = 2}, {.consent = DENIED, .at = 3}},
                    "third_party denied");
    expect_of_three((struct say[]){{.consent = GRANTED, .at = 1}, {.consent = DENIED, .at = 2}, {.consent = UNKNOWN, .at = 3}}, "(null)");
    expect_of_three((struct say[]){{.consent = UNKNOWN, .at = 1}, {.consent = DENIED, .at = 0}, {.consent = GRANTED, .at = 2}},
                    "third_party granted");
}
END_TEST

START_TEST(test_of_one_instant_the_more_cautious_holds)
{
    expect_of_three((struct say[]){{.consent = GRANTED, .at = 1}, {.consent = DENIED, .at = 1}, {.consent = UNKNOWN, .at = 1}},
                    "third_party denied");
    expect_of_three((struct say[]){{.consent = GRANTED, .at = 1}, {.consent = UNKNOWN, .at = 1}, {.consent = DENIED, .at = 0}}, "(null)");
}
END_TEST

START_TEST(test_a_signal_counts_where_nothing_is_stated)
{
    expect_of_three((struct say[]){{.consent = GRANTED, .at = 1}, {.opted_out = true, .at = 2}, {.event = "Seen", .at = 3}},
                    "third_party granted");
    expect_of_three((struct say[]){{.opted_out = true, .at = 1}, {.event = "Seen", .opted_out = true, .at = 2}, {.event = "Seen", .at = 3}},
                    "third_party denied");
    expect_of_three((struct say[]){{.consent = GRANTED, .at = 1}, {.consent = UNKNOWN, .at = 2}, {.opted_out = true, .at = 0}},
                    "third_party denied");
    expect_of_three(
        (struct say[]){{.consent = "{\"email\":\"granted\"}", .at = 1}, {.opted_out = true, .at = 2}, {.consent = "{\"sms\":null}"}},
        "email granted, third_party denied");
}
END_TEST

START_TEST(test_a_signal_is_written_once)
{
    char *place AUTO_FREE = NULL;

    TELL(1, 0, {.user = "u", .event = "Seen", .opted_out = true, .at = 1});
    place = ask_text("SELECT concat(ctid, xmax, signal_at) FROM consent");
    TELL(2, 0, {.user = "u", .event = "Seen", .opted_out = true, .at = 2}, {.user = "u", .event = "Seen", .opted_out = true, .at = 3});
    expect_text("SELECT concat(ctid, xmax, signal_at) FROM consent", place); /* neither written nor locked */
    expect_facts("u $consent.third_party");
}
END_TEST

START_TEST(test_the_worker_is_told)
{
    TELL(2, 0, {.user = "u", .consent = "{\"a\":\"granted\",\"b\":null}", .at = 5},
         {.user = "v", .consent = "{\"a\":\"denied\"}", .at = 5});
    expect_facts("u $consent.a, u $consent.b, v $consent.a");
    TELL(1, 0, {.user = "u", .consent = "{\"a\":\"denied\",\"c\":\"granted\"}", .at = 4});
    expect_facts("u $consent.c");
    TELL(2, 0, {.user = "u", .consent = "{}", .at = 9}, {.anonymous = "a", .consent = "{\"a\":\"denied\",\"d\":\"denied\"}", .at = 6});
    store_run("DELETE FROM touched");
    TELL(1, 0, {.user = "u", .anonymous = "a", .at = 7});
    expect_facts("u $consent.a, u $consent.d");
}
END_TEST

START_TEST(test_a_double_states_nothing)
{
    TELL(1, 0, {.user = "u", .id = "m", .consent = "{\"a\":\"granted\"}", .no_own = true, .at = 1});
    TELL(1, 0, {.user = "u", .consent = "{\"a\":\"denied\"}", .at = 2});
    TELL(0, 1, {.user = "u", .id = "m", .consent = "{\"a\":\"granted\"}", .no_own = true, .at = 3}); /* stored later by its clock */
    expect_states("u", "a denied");
}
END_TEST

START_TEST(test_channels_have_a_limit)
{
    TELL(1, 0, {.user = "u", .consent = "{\"a\":\"granted\"}", .at = 1});
    store_run("INSERT INTO consent SELECT profile_id, 'c' || n, 'granted' FROM profile, generate_series(1, 999) n");
    TELL(1, 0, {.user = "u", .consent = "{\"a\":\"denied\",\"new\":\"granted\"}", .opted_out = true, .at = 2});
    expect_text("SELECT string_agg(channel || ' ' || state, ', ' ORDER BY channel) FROM consent WHERE channel !~ '^c'",
                "a denied, third_party denied");
}
END_TEST

START_TEST(test_merges)
{
    TELL(2, 0, {.user = "u", .consent = "{\"a\":\"granted\",\"b\":\"granted\",\"c\":null,\"d\":\"granted\"}", .at = 2},
         {.anonymous = "v",
          .consent = "{\"a\":\"denied\",\"b\":\"denied\",\"c\":\"granted\",\"e\":\"denied\"}",
          .opted_out = true,
          .at = 1});
    TELL(1, 0, {.anonymous = "v", .consent = "{\"b\":\"denied\"}", .at = 2});
    TELL(1, 0, {.user = "u", .anonymous = "v", .at = 3});
    expect_states("u", "a granted, b denied, d granted, e denied, third_party denied");
    expect_states("v", "a granted, b denied, d granted, e denied, third_party denied");
    ck_assert_int_eq(ask("SELECT count(*) FROM consent"), 6);
    expect_sound();
}
END_TEST

START_TEST(test_two_visitors_of_one_user_in_one_batch)
{
    TELL(2, 0, {.anonymous = "v", .consent = "{\"a\":\"granted\",\"b\":\"denied\"}", .at = 1},
         {.anonymous = "w", .consent = "{\"a\":\"denied\",\"b\":\"granted\"}", .at = 2});
    TELL(3, 0, {.user = "u", .anonymous = "v", .at = 3}, {.user = "u", .anonymous = "w", .at = 4},
         {.anonymous = "w", .consent = "{\"c\":\"granted\"}", .at = 5});
    expect_states("u", "a denied, b granted, c granted");
    ck_assert_int_eq(ask("SELECT count(*) FROM consent"), 3);
    expect_sound();
}
END_TEST

START_TEST(test_an_object_is_no_trait)
{
    TELL(2, 0, {.user = "u", .json = "{\"x\":1,\"consent\":{\"a\":true}}", .at = 1},
         {.user = "u", .json = "{\"y\":{\"consent\":{}}}", .at = 2});
    expect_text("SELECT traits::text FROM profile", "{\"x\": 1, \"y\": {\"consent\": {}}}");
    TELL(1, 0, {.user = "u", .json = "{\"consent\":\"yes\"}", .at = 3});
    expect_text("SELECT traits ->> 'consent' FROM profile", "yes");
}
END_TEST

static enum db_status set(const char *user, const char *stated, int64_t at)
{
    struct consent_edit edit = {
        .raw = id_person("user", user, strlen(user)), .stated = {.at = stated, .len = strlen(stated)}, .at_us = T0 + at * US_PER_S};
    struct id profile_id;

    return db_consent_set(store_db, &edit, &profile_id);
}

START_TEST(test_set_comes_after_all_before_it)
{
    TELL(1, 0, {.user = "u", .consent = "{\"a\":\"denied\",\"b\":\"denied\"}", .at = 5});
    store_run("DELETE FROM touched");
    ck_assert_int_eq(set("u", "{\"a\":\"granted\",\"c\":\"granted\"}", 1), DB_OK);
    expect_states("u", "a granted, b denied, c granted");
    expect_facts("u $consent.a, u $consent.c");
    ck_assert_int_eq(set("u", "{}", 9), DB_OK);
    ck_assert_int_eq(ask("SELECT count(*) FROM touched"), 0);
    ck_assert_int_eq(set("nobody", "{\"a\":\"granted\"}", 9), DB_NONE);
    ck_assert_int_eq(ask("SELECT count(*) FROM consent"), 3);
    ck_assert(!db_in_transaction(store_db));
}
END_TEST

RUN_TESTS_WITH(store_begin, store_end, "consent", test_the_newest_statement_holds, test_of_one_instant_the_more_cautious_holds,
               test_a_signal_counts_where_nothing_is_stated, test_a_signal_is_written_once, test_the_worker_is_told,
               test_a_double_states_nothing, test_channels_have_a_limit, test_merges, test_two_visitors_of_one_user_in_one_batch,
               test_an_object_is_no_trait, test_set_comes_after_all_before_it)
