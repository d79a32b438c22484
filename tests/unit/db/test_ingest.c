/* What is stored, message by message, against a real PostgreSQL: people, merges, doubles, odd messages,
 * traits, the worker's rows, refused messages. Two connections at once and failures are in
 * test_ingest_race.c, random messages in test_batches.c. */
#include "tests/unit/db/store.h"

/* Events of a user's profile. */
static int64_t events_of(const char *kind, const char *external)
{
    AUTO_BUF struct buf sql = BUF_INIT(1024);

    buf_addf(&sql, "SELECT count(*) FROM event JOIN identity USING (profile_id) WHERE kind = '%s' AND external_id = '%s'", kind, external);
    return ask(buf_text(&sql));
}

static void expect_traits(const char *user, const char *traits)
{
    AUTO_BUF struct buf sql = BUF_INIT(1024);

    buf_addf(&sql, "SELECT traits::text FROM profile JOIN identity USING (profile_id) WHERE external_id = '%s'", user);
    expect_text(buf_text(&sql), traits);
}

/* --- People --- */

START_TEST(test_a_user_and_a_visitor)
{
    TELL(2, 0, {.user = "u", .event = "Seen"}, {.anonymous = "a", .event = "Seen"});
    ck_assert_int_eq(ask("SELECT count(*) FROM profile"), 2);
    ck_assert_int_eq(ask("SELECT count(*) FROM profile WHERE user_id = 'u' AND anonymous_id IS NULL"), 1);
    ck_assert_int_eq(ask("SELECT count(*) FROM profile WHERE user_id IS NULL AND anonymous_id = 'a'"), 1);
    expect_sound();
}
END_TEST

START_TEST(test_a_visitor_becomes_a_user)
{
    TELL(2, 0, {.anonymous = "a", .event = "Seen", .at = 1}, {.anonymous = "a", .event = "Read", .at = 2});
    TELL(1, 0, {.user = "u", .anonymous = "a", .at = 3});
    ck_assert_int_eq(ask("SELECT count(*) FROM profile"), 1);
    ck_assert_int_eq(events_of("user", "u"), 3);
    ck_assert_int_eq(events_of("anonymous", "a"), 3);
    ck_assert_int_eq(ask("SELECT events FROM merge_log"), 2);
    TELL(1, 0, {.anonymous = "a", .event = "Seen", .at = 4});
    ck_assert_int_eq(events_of("user", "u"), 4);
    expect_sound();
}
END_TEST

START_TEST(test_all_in_one_batch)
{
    TELL(5, 0, {.anonymous = "a", .event = "Seen", .at = 1}, {.user = "u1", .anonymous = "a", .at = 2},
         {.anonymous = "a", .event = "Seen", .at = 3}, {.user = "u2", .anonymous = "a", .at = 4},
         {.anonymous = "a", .event = "Seen", .at = 5});
    ck_assert_int_eq(events_of("user", "u1"), 3);
    ck_assert_int_eq(events_of("user", "u2"), 2);
    ck_assert_int_eq(ask("SELECT cardinality(former) FROM identity WHERE kind = 'anonymous'"), 2);
    ck_assert_int_eq(ask("SELECT count(*) FROM profile"), 2);
    expect_sound();
}
END_TEST

START_TEST(test_a_second_user_of_one_browser)
{
    TELL(1, 0, {.user = "u1", .anonymous = "a", .event = "Seen", .at = 1});
    TELL(1, 0, {.user = "u2", .anonymous = "a", .event = "Seen", .at = 2});
    TELL(1, 0, {.anonymous = "a", .event = "Seen", .at = 3});
    ck_assert_int_eq(events_of("user", "u1"), 1);
    ck_assert_int_eq(events_of("user", "u2"), 2);
    ck_assert_int_eq(ask("SELECT count(*) FROM merge_log"), 0);
    expect_sound();
}
END_TEST

START_TEST(test_two_visitors_of_one_user)
{
    TELL(2, 0, {.anonymous = "a", .event = "Seen", .at = 1}, {.anonymous = "b", .event = "Seen", .at = 2});
    TELL(2, 0, {.user = "u", .anonymous = "a", .at = 3}, {.user = "u", .anonymous = "b", .at = 4});
    ck_assert_int_eq(events_of("user", "u"), 4);
    ck_assert_int_eq(ask("SELECT count(*) FROM profile"), 1);
    expect_sound();
}
END_TEST

START_TEST(test_alias)
{
    TELL(1, 0, {.anonymous = "a", .event = "Seen", .at = 1});
    TELL(1, 0, {.user = "u", .anonymous = "a", .event = "$alias", .at = 2, .json = "{\"previousId\":\"a\"}"});
    ck_assert_int_eq(events_of("user", "u"), 2);
    expect_sound();
}
END_TEST

START_TEST(test_alias_of_two_users_merges_nothing)
{
    TELL(2, 0, {.user = "u1", .event = "Seen", .at = 1}, {.user = "u2", .event = "Seen", .at = 1});
    TELL(1, 0, {.user = "u2", .anonymous = "u1", .event = "$alias", .at = 2});
    ck_assert_int_eq(ask("SELECT count(*) FROM profile"), 2);
    ck_assert_int_eq(events_of("user", "u1"), 1);
    ck_assert_int_eq(events_of("user", "u2"), 2);
    expect_sound();
}
END_TEST

START_TEST(test_former_keeps_the_last_32)
{
    for (int i = 0; i < 40; i++) {
        char user[16];

        (void)snprintf(user, sizeof user, "u%d", i);
        TELL(1, 0, {.user = user, .anonymous = "a", .event = "Seen", .at = i});
    }
    ck_assert_int_eq(ask("SELECT cardinality(former) FROM identity WHERE kind = 'anonymous'"), 32);
    ck_assert_int_eq(ask("SELECT count(*) FROM identity a JOIN identity u ON u.raw_id = a.former[1] WHERE u.external_id = 'u38'"), 1);
    expect_sound();
}
END_TEST

START_TEST(test_a_large_merge_is_made_alone)
{
    TELL(1, 0, {.anonymous = "a", .event = "Seen", .at = 1});
    store_run("INSERT INTO event SELECT profile_id, name_id, source_id, ts + g * interval '1 ms', gen_random_uuid(), received_at"
              " FROM event, generate_series(1, 10500) g");
    TELL(3, 1, {.anonymous = "b", .event = "Seen", .at = 2}, {.user = "u", .anonymous = "a", .at = 3},
         {.anonymous = "a", .event = "Read", .at = 4, .id = "m"}, {.anonymous = "a", .event = "Read", .at = 4, .id = "m"});
    ck_assert_int_eq(events_of("user", "u"), 10503);
    ck_assert_int_eq(ask("SELECT count(*) FROM touched"), 5); /* a; b; the moved ones, the identify; Read */
    expect_sound();
}
END_TEST

/* All of a person known by an address comes along when a visitor who has just met it becomes a user: traits, and ids that are not in the batch. */
START_TEST(test_an_address_met_and_merged_in_one_batch)
{
    TELL(3, 0, {.email = "e", .anonymous = "far", .json = "{\"x\":1}", .at = 1}, {.email = "e", .event = "Seen", .at = 1},
         {.anonymous = "a", .event = "Seen", .at = 1});
    TELL(2, 0, {.email = "e", .anonymous = "a", .at = 2}, {.user = "u", .anonymous = "a", .json = "{\"y\":1}", .at = 3});
    expect_traits("u", "{\"x\": 1, \"y\": 1}");
    TELL(1, 0, {.anonymous = "far", .event = "Seen", .at = 4});
    ck_assert_int_eq(events_of("user", "u"), 6);
    expect_sound();
}
END_TEST

/* An id follows the one it comes with, which follows another: a retry of what it did before is looked for where it was. */
START_TEST(test_a_retry_in_a_batch_that_points_twice)
{
    const struct say seen = {.anonymous = "a", .event = "Seen", .at = 2, .id = "m"};

    TELL(3, 0, {.user = "u1", .email = "e", .at = 1}, {.email = "e", .anonymous = "a", .at = 1}, seen);
    TELL(2, 1, {.user = "u2", .email = "e", .at = 3}, {.email = "e", .anonymous = "a", .at = 3}, seen);
    ck_assert_int_eq(events_of("user", "u2"), 2);
    expect_sound();
}
END_TEST

/* A removal holds against what the person had, not against what comes by a later merge. */
START_TEST(test_a_removal_before_a_merge)
{
    TELL(2, 0, {.user = "u", .json = "{\"x\":1,\"y\":1}", .at = 1}, {.anonymous = "a", .json = "{\"x\":2}", .at = 1});
    TELL(3, 0, {.user = "u", .json = "{\"x\":null,\"y\":null}", .at = 2}, {.user = "u", .anonymous = "a", .event = "Seen", .at = 3},
         {.user = "u", .json = "{\"z\":1}", .at = 4});
    expect_traits("u", "{\"x\": 2, \"z\": 1}");
}
END_TEST

/* A program that was fed fat traits by the public write key once ended on a full buffer, when it merged their owners. */
START_TEST(test_merges_of_fat_traits)
{
    TELL(3, 0, {.anonymous = "a", .json = "{}", .at = 1}, {.anonymous = "b", .json = "{}", .at = 1},
         {.anonymous = "c", .json = "{}", .at = 1});
    store_run("ALTER TABLE profile DROP CONSTRAINT profile_traits_check; UPDATE profile SET traits ="
              " (SELECT jsonb_object_agg(anonymous_id || i, repeat('x', 100000)) FROM generate_series(1, 170) i)");
    TELL(4, 0, {.user = "u", .anonymous = "a", .at = 2}, {.user = "v", .anonymous = "b", .at = 2}, {.user = "w", .anonymous = "c", .at = 2},
         {.user = "x", .event = "Seen", .at = 3});
    ck_assert_int_eq(ask("SELECT count(*) FROM profile WHERE (SELECT count(*) FROM jsonb_object_keys(traits)) = 170"), 3);
    ck_assert_int_eq(ask("SELECT count(*) FROM touched"), 7); /* the first; two of each merge, alone but for the last, with Seen */
    expect_sound();
}
END_TEST

START_TEST(test_traits_have_a_limit)
{
    char json[120000] = "{\"key1\":\"";
    size_t len = strlen(json);

    memset(json + len, 'x', sizeof json - 3 - len);
    memcpy(json + sizeof json - 3, "\"}", 3);
    for (int i = 0; i < 9; i++) {
        json[5] = (char)('1' + i);
        TELL(i == 8 ? 1 : 2, 0, {.user = "u", .json = json, .at = i}, {.user = "v", .event = "Seen", .at = i});
    }
    ck_assert_int_eq(ask("SELECT count(*) FROM reject WHERE code = 'traits_too_large'"), 1);
    ck_assert_int_eq(ask("SELECT count(*) FROM profile, jsonb_object_keys(traits)"), 8);
    TELL(1, 0, {.user = "u", .event = "Seen", .at = 20});
    expect_sound();
}
END_TEST

/* --- Traits --- */

START_TEST(test_traits)
{
    TELL(1, 0, {.user = "u", .json = "{\"plan\":\"free\",\"n\":19.90,\"deep\":{\"x\":null}}", .at = 1});
    expect_traits("u", "{\"n\": 19.90, \"deep\": {\"x\": null}, \"plan\": \"free\"}");
    TELL(1, 0, {.user = "u", .json = " {} ", .at = 2});
    TELL(3, 0, {.user = "u", .json = "{\"plan\":\"pro\",\"n\":null}", .at = 3}, {.user = "u", .json = "{ }", .at = 4},
         {.user = "u", .json = "{\"plan\":\"max\"}", .at = 2});
    expect_traits("u", "{\"deep\": {\"x\": null}, \"plan\": \"max\"}");
    TELL(1, 0, {.user = "v", .json = "{\"none\":null,\"some\":1}", .at = 1});
    expect_traits("v", "{\"some\": 1}");
}
END_TEST

START_TEST(test_traits_of_a_merge)
{
    TELL(2, 0, {.anonymous = "a", .json = "{\"plan\":\"free\",\"seen\":1,\"gone\":1}", .at = 1},
         {.user = "u", .json = "{\"plan\":\"pro\"}", .at = 1});
    TELL(2, 0, {.anonymous = "a", .json = "{\"gone\":null,\"late\":2}", .at = 2},
         {.user = "u", .anonymous = "a", .json = "{\"now\":3}", .at = 3});
    expect_traits("u", "{\"now\": 3, \"late\": 2, \"plan\": \"pro\", \"seen\": 1}");
    expect_text("SELECT string_agg(path, ',' ORDER BY path) FROM (SELECT unnest(fact_path) AS path FROM touched WHERE touched_id >"
                " (SELECT min(touched_id) FROM touched)) f",
                "late,now,plan,seen");
}
END_TEST

START_TEST(test_a_late_retry_sets_no_old_trait)
{
    TELL(1, 0, {.user = "u", .json = "{\"plan\":\"free\"}", .at = 1, .id = "m1"});
    TELL(1, 0, {.user = "u", .json = "{\"plan\":\"pro\"}", .at = 2, .id = "m2"});
    TELL(0, 1, {.user = "u", .json = "{\"plan\":\"free\"}", .at = 1, .id = "m1"});
    expect_traits("u", "{\"plan\": \"pro\"}");
}
END_TEST

START_TEST(test_a_late_retry_links_nothing)
{
    TELL(1, 0, {.user = "u1", .anonymous = "a", .event = "Seen", .at = 1, .id = "m1"});
    TELL(1, 0, {.user = "u2", .anonymous = "a", .event = "Seen", .at = 2, .id = "m2"});
    TELL(0, 1, {.user = "u1", .anonymous = "a", .event = "Seen", .at = 1, .id = "m1"});
    TELL(1, 0, {.anonymous = "a", .event = "Seen", .at = 3});
    ck_assert_int_eq(events_of("user", "u2"), 2);
    /* Nor does one that comes in a batch that links the id again. */
    TELL(1, 1, {.user = "u1", .anonymous = "a", .event = "Seen", .at = 4},
         {.user = "u2", .anonymous = "a", .event = "Seen", .at = 2, .id = "m2"});
    TELL(1, 0, {.anonymous = "a", .event = "Seen", .at = 5});
    ck_assert_int_eq(events_of("user", "u1"), 3);
    expect_sound();
}
END_TEST

/* --- Doubles --- */

START_TEST(test_a_retry_is_a_double)
{
    const struct say say = {.user = "u", .event = "Seen", .at = 1, .id = "m"};

    TELL(1, 0, say);
    TELL(0, 1, say);
    TELL(1, 2, say, say, {.user = "u", .event = "Seen", .at = 1, .id = "other"});
    TELL(1, 1, {.user = "u", .event = "Seen", .at = 9, .id = "twice"}, {.user = "u", .event = "Seen", .at = 9, .id = "twice"});
}
END_TEST

START_TEST(test_what_is_no_double)
{
    TELL(5, 0, {.user = "u", .event = "Seen", .at = 1, .id = "m"}, {.user = "v", .event = "Seen", .at = 1, .id = "m"},
         {.user = "u", .event = "Read", .at = 1, .id = "m"}, {.user = "u", .event = "Seen", .at = 2, .id = "m"},
         {.anonymous = "u", .event = "Seen", .at = 1, .id = "m"});
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), 5);
}
END_TEST

START_TEST(test_a_retry_without_timestamp)
{
    TELL(1, 0, {.user = "u", .event = "Seen", .at = 1, .id = "m", .no_own = true});
    TELL(0, 1, {.user = "u", .event = "Seen", .at = 5, .id = "m", .no_own = true});
    TELL(0, 1, {.user = "u", .event = "Seen", .at = 6, .id = "m"});
    TELL(1, 2, {.user = "u", .event = "Seen", .at = 7, .id = "n", .no_own = true},
         {.user = "u", .event = "Seen", .at = 8, .id = "n", .no_own = true}, {.user = "u", .event = "Seen", .at = 7, .id = "n"});
    TELL(1, 0, {.user = "v", .event = "Seen", .at = 6, .id = "m", .no_own = true});
}
END_TEST

START_TEST(test_a_retry_of_a_clock_ahead)
{
    TELL(1, 0, {.user = "u", .event = "Seen", .at = 1, .own = 30, .odd = true, .id = "m"});
    TELL(0, 1, {.user = "u", .event = "Seen", .at = 7, .own = 30, .odd = true, .id = "m"});
    TELL(0, 1, {.user = "u", .event = "Seen", .at = 30, .id = "m"}); /* by now it lies in the past */
    TELL(1, 0, {.user = "u", .event = "Seen", .at = 7, .own = 31, .odd = true, .id = "m"});
}
END_TEST

START_TEST(test_a_retry_shifted_otherwise)
{
    TELL(1, 0, {.user = "u", .event = "Seen", .at = 360, .own = 60, .odd = true, .id = "m"});
    TELL(0, 1, {.user = "u", .event = "Seen", .at = 420, .own = 60, .odd = true, .id = "m"});
    TELL(0, 1, {.user = "u", .event = "Seen", .at = 60, .id = "m"});
    /* First believed, then shifted. */
    TELL(1, 0, {.user = "u", .event = "Seen", .at = 80, .id = "n"});
    TELL(0, 1, {.user = "u", .event = "Seen", .at = 380, .own = 80, .odd = true, .id = "n"});
}
END_TEST

START_TEST(test_a_retry_after_a_merge)
{
    TELL(3, 0, {.anonymous = "a", .event = "Seen", .at = 1, .id = "m"},
         {.anonymous = "a", .event = "Seen", .at = 2, .id = "n", .no_own = true},
         {.anonymous = "a", .json = "{\"plan\":\"free\"}", .at = 2, .id = "i"});
    TELL(1, 0, {.user = "u", .anonymous = "a", .json = "{\"plan\":\"pro\"}", .at = 3});
    TELL(0, 3, {.anonymous = "a", .event = "Seen", .at = 1, .id = "m"},
         {.anonymous = "a", .event = "Seen", .at = 5, .id = "n", .no_own = true},
         {.anonymous = "a", .json = "{\"plan\":\"free\"}", .at = 2, .id = "i"});
    expect_traits("u", "{\"plan\": \"pro\"}");
    /* Sent under both ids, each once before the merge: one of them stays. */
    TELL(2, 0, {.anonymous = "b", .event = "Seen", .at = 1, .id = "both"}, {.user = "u", .event = "Seen", .at = 1, .id = "both"});
    TELL(1, 0, {.user = "u", .anonymous = "b", .event = "$group", .at = 3});
    ck_assert_int_eq(events_of("user", "u"), 6);
    expect_sound();
}
END_TEST

START_TEST(test_a_retry_after_re_pointing)
{
    TELL(1, 0, {.user = "u1", .anonymous = "a", .at = 1});
    TELL(2, 0, {.anonymous = "a", .event = "Seen", .at = 2, .id = "m"},
         {.anonymous = "a", .event = "Seen", .at = 3, .id = "n", .no_own = true});
    TELL(1, 0, {.user = "u2", .anonymous = "a", .at = 4});
    TELL(0, 2, {.anonymous = "a", .event = "Seen", .at = 2, .id = "m"},
         {.anonymous = "a", .event = "Seen", .at = 9, .id = "n", .no_own = true});
    /* In the batch that points it elsewhere. */
    TELL(2, 1, {.anonymous = "a", .event = "Seen", .at = 5, .id = "o"}, {.user = "u3", .anonymous = "a", .at = 6},
         {.anonymous = "a", .event = "Seen", .at = 5, .id = "o"});
    ck_assert_int_eq(events_of("user", "u1"), 3);
    ck_assert_int_eq(events_of("user", "u2"), 2);
    ck_assert_int_eq(events_of("user", "u3"), 1);
    expect_sound();
}
END_TEST

/* --- The worker's rows --- */

static void expect_touched(const char *columns, const char *expected)
{
    AUTO_BUF struct buf sql = BUF_INIT(1024);

    buf_addf(&sql, "SELECT concat_ws('|', %s) FROM touched ORDER BY touched_id DESC LIMIT 1", columns);
    expect_text(buf_text(&sql), expected);
}

START_TEST(test_touched)
{
    const struct say say = {.user = "u", .event = "Seen", .at = 1, .id = "m"};

    TELL(4, 0, say, {.user = "u", .event = "Seen", .at = 3}, {.user = "u", .json = "{\"a\":1,\"b\":null}", .at = 9},
         {.anonymous = "x", .event = "Read", .at = 2});
    expect_touched("cardinality(pair_profile), cardinality(pair_name), cardinality(created), cardinality(gone), stat_events",
                   "2|2|2|0|{2,1}");
    expect_touched("(SELECT array_agg(f ORDER BY f) FROM unnest(fact_path) f)", "{$first_seen,$first_seen,a,b}");
    expect_touched("extract(epoch FROM max_ts)::bigint - 1790000000", "9");
    ck_assert_int_eq(ask("SELECT count(*) FROM touched"), 1);
    TELL(0, 1, say); /* nothing new: nobody is woken */
    ck_assert_int_eq(ask("SELECT count(*) FROM touched"), 1);
    TELL(1, 1, say, {.user = "u", .event = "Read", .at = 2});
    expect_touched("cardinality(pair_profile), cardinality(created), fact_path, stat_events", "1|0|{}|{1}");
    TELL(1, 0, {.user = "u", .event = "Read", .at = -5});
    expect_touched("fact_path", "{$first_seen}");
    ck_assert_int_eq(ask("SELECT count(*) FROM touched, unnest(pair_name || stat_name) n WHERE n < 4"), 0);
}
END_TEST

START_TEST(test_touched_by_a_merge)
{
    TELL(3, 0, {.anonymous = "a", .event = "Seen", .at = 1}, {.anonymous = "a", .event = "Read", .at = 2},
         {.user = "u", .event = "Seen", .at = 5});
    TELL(1, 0, {.user = "u", .anonymous = "a", .event = "$group", .at = 6});
    ck_assert_int_eq(
        ask("SELECT count(*) FROM touched WHERE cardinality(gone) = 1 AND cardinality(gone_into) = 1 AND cardinality(pair_name) = 2"
            " AND pair_profile[1] = gone_into[1] AND cardinality(stat_name) = 0"),
        1);
    expect_touched("fact_path", "{$first_seen}"); /* the user's oldest event is now the visitor's */
    expect_sound();
}
END_TEST

/* --- What PostgreSQL refuses --- */

START_TEST(test_a_culprit_is_found)
{
    TELL(6, 1, {.user = "u", .event = "Seen", .at = 1}, {.user = "v", .event = "Seen", .at = 1},
         {.user = "u", .event = "Seen", .at = 2, .json = "{broken"}, {.user = "u", .event = "Seen", .at = 3, .id = "m"},
         {.user = "u", .event = "Seen", .at = 3, .id = "m"}, {.user = "u", .json = "{\"plan\":\"pro\"}", .at = 4},
         {.anonymous = "a", .event = "Seen", .at = 5}, {.user = "u", .event = "Bad", .at = 6, .json = "{\"x\":\"\\u0000\"}"},
         {.user = "u", .anonymous = "a", .event = "Seen", .at = 7});
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), 6);
    ck_assert_int_eq(ask("SELECT count(*) FROM reject WHERE code = 'refused_by_store' AND source_id = 1"), 2);
    expect_text("SELECT payload FROM reject ORDER BY reject_id LIMIT 1", "{broken");
    TELL(0, 0, {.user = "u", .event = "Seen", .at = 2, .json = "{broken"});
    ck_assert_int_eq(ask("SELECT count(*) FROM reject"), 3);
    expect_sound();
}
END_TEST

START_TEST(test_rejects_of_any_bytes)
{
    struct ingest_job *job = say_job(&(struct say){.user = "u", .event = "Seen", .at = 1}, 1);
    char long_text[5000];

    memset(long_text, 'x', sizeof long_text);
    memcpy(long_text + 2046, "\xe2\x82\xac", 3);
    job->rejects = mem_zalloc(2 * sizeof *job->rejects);
    job->n_rejects = 2;
    job->rejects[0] =
        (struct reject){.code = "invalid_json", .detail = "why", .payload = {.at = "\0a\xff\xc3", .len = 4}, .received_us = T0};
    job->rejects[1] =
        (struct reject){.code = "too_large", .detail = "", .payload = {.at = long_text, .len = sizeof long_text}, .received_us = T0};
    ck_assert_int_eq(db_ingest(store_db, store_names, &job, 1), DB_OK);
    ck_assert_uint_eq(job->n_stored, 1);
    ck_assert_uint_eq(job->n_rejected, 2);
    expect_text("SELECT payload FROM reject WHERE code = 'invalid_json'", "\xef\xbf\xbd"
                                                                          "a\xef\xbf\xbd\xef\xbf\xbd");
    ck_assert_int_eq(ask("SELECT octet_length(payload) FROM reject WHERE code = 'too_large'"), 2046);
    job->n_messages = 0; /* a request of rejects only */
    ck_assert_int_eq(db_ingest(store_db, store_names, &job, 1), DB_OK);
    ck_assert_int_eq(ask("SELECT count(*) FROM reject"), 4);
    ingest_job_free(job);
}
END_TEST

START_TEST(test_too_many_names)
{
    store_run("INSERT INTO event_name (name, source_id) SELECT 'n' || g, 1 FROM generate_series(1, 9999) g");
    TELL(3, 0, {.user = "u", .event = "n1", .at = 1}, {.user = "u", .event = "A", .at = 2}, {.user = "u", .event = "n2", .at = 3});
    TELL(2, 0, {.user = "u", .event = "n1", .at = 4}, {.user = "u", .event = "B", .at = 5}, {.user = "u", .event = "A", .at = 6});
    TELL(1, 0, {.user = "u", .event = "C", .at = 7}, {.user = "u", .at = 8});
    ck_assert_int_eq(ask("SELECT count(*) FROM reject WHERE code = 'too_many_names'"), 2);
    ck_assert_int_eq(ask("SELECT count(*) FROM event_name WHERE source_id = 1"), 10000);
}
END_TEST

START_TEST(test_names_without_a_limit)
{
    struct name_cache *limited = store_names;

    store_run("INSERT INTO event_name (name, source_id) SELECT 'n' || g, 1 FROM generate_series(1, 10000) g");
    store_names = name_cache_new(0);
    TELL(1, 0, {.user = "u", .event = "A", .at = 1});
    name_cache_free(store_names);
    store_names = name_cache_new(10001);
    TELL(1, 0, {.user = "u", .event = "A", .at = 2}, {.user = "u", .event = "B", .at = 3});
    name_cache_free(store_names);
    store_names = limited;
    ck_assert_int_eq(ask("SELECT count(*) FROM reject WHERE detail LIKE '%--names-max%'"), 1);
}
END_TEST

START_TEST(test_names_as_long_as_they_may_be)
{
    char name[4 * 1024 + 1] = "";
    uint32_t random = 1;

    for (int i = 0; i < 1024; i++) { /* characters of four bytes, in no order that could be compressed */
        random = random * 1664525u + 1013904223u;
        name[4 * i] = '\xf0';
        name[4 * i + 1] = (char)(0x90 + (random >> 28));
        name[4 * i + 2] = (char)(0x80 + (random >> 22 & 0x3f));
        name[4 * i + 3] = (char)(0x80 + (random >> 16 & 0x3f));
    }
    TELL(3, 0, {.user = "u", .event = "Seen", .at = 1}, {.user = "u", .event = name, .at = 2}, {.user = "u", .event = "Seen", .at = 3});
    TELL(1, 0, {.user = "u", .event = name, .at = 4});
    ck_assert_int_eq(ask("SELECT count(*) FROM event_name WHERE length(name) = 1024"), 1);
    ck_assert_int_eq(ask("SELECT count(*) FROM reject"), 0);
}
END_TEST

START_TEST(test_a_missing_partition_is_made)
{
    store_run("DO $$ DECLARE p text; BEGIN FOR p IN SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event'::regclass"
              " AND inhrelid::regclass::text >= 'event_2026q2' AND inhrelid::regclass::text < 'event_a' LOOP EXECUTE 'DROP TABLE ' || p; "
              "END LOOP;"
              " END $$");
    TELL(2, 0, {.user = "u", .event = "Seen", .at = 1}, {.user = "u", .event = "Seen", .at = -86400 * 100});
    ck_assert_int_eq(ask("SELECT count(*) FROM event"), 2);
}
END_TEST

RUN_TESTS_WITH(store_begin, store_end, "ingest", test_a_user_and_a_visitor, test_a_visitor_becomes_a_user, test_all_in_one_batch,
               test_a_second_user_of_one_browser, test_two_visitors_of_one_user, test_alias, test_alias_of_two_users_merges_nothing,
               test_former_keeps_the_last_32, test_a_large_merge_is_made_alone, test_an_address_met_and_merged_in_one_batch,
               test_a_retry_in_a_batch_that_points_twice, test_a_removal_before_a_merge, test_merges_of_fat_traits,
               test_traits_have_a_limit, test_traits, test_traits_of_a_merge, test_a_late_retry_sets_no_old_trait,
               test_a_late_retry_links_nothing, test_a_retry_is_a_double, test_what_is_no_double, test_a_retry_without_timestamp,
               test_a_retry_of_a_clock_ahead, test_a_retry_shifted_otherwise, test_a_retry_after_a_merge, test_a_retry_after_re_pointing,
               test_touched, test_touched_by_a_merge, test_a_culprit_is_found, test_rejects_of_any_bytes, test_too_many_names,
               test_names_without_a_limit, test_names_as_long_as_they_may_be, test_a_missing_partition_is_made)
