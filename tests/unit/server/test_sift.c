/* Which candidates a tick decides without asking, by the names and times of events above all, and which it asks in SQL; members are right either way. */
#include "tests/unit/server/world.h"

/* So many segments that look at all events that reading these pays. */
static void many_segments(void)
{
    for (int n = 11; n <= 17; n++) {
        AUTO_BUF struct buf key = BUF_INIT(8), definition = BUF_INIT(64);

        buf_addf(&key, "v%d", n);
        buf_addf(&definition, "{\"event\":\"View\",\"eq\":%d}", n);
        segment(buf_text(&key), buf_text(&definition));
    }
}

/* With several segments for a person the names and times of her events decide where they can; the rest is asked. */
START_TEST(names_and_times_decide)
{
    segment("twice", "{\"event\":\"View\",\"gte\":2}");
    segment("late", "{\"event\":\"View\",\"window\":{\"last\":\"10s\"}}");
    segment("keen", "{\"all\":[{\"event\":\"View\",\"gte\":2},{\"event\":\"View\",\"where\":{\"property\":\"n\",\"eq\":1}}]}");
    segment("never", "{\"not\":{\"event\":\"View\"}}");
    segment("other", "{\"all\":[{\"event\":\"View\"},{\"not\":{\"segment\":\"twice\"}}]}");
    many_segments();
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "View", .at = 100});
    tick_at(101);
    ck_assert_uint_eq(world.result.decided, 11); /* one alone of its level is asked */
    expect_members("late", "ada");
    expect_members("other", "ada");
    expect_members("never", "");
    TELL(2, 0, {.user = "ada", .event = "View", .json = "{\"n\":1}", .at = 102}, {.anonymous = "web", .event = "View", .at = 1});
    tick_at(103);
    ck_assert_uint_eq(world.result.decided, 21);
    ck_assert_uint_eq(world.result.evaluated, 24);
    expect_members("twice", "ada");
    expect_members("keen", "ada");
    expect_members("other", "(web)");
    expect_right();
    TELL(1, 0, {.user = "ada", .anonymous = "web", .event = "$identify", .at = 104});
    tick_at(105);
    expect_members("other", "");
    expect_right();
}
END_TEST

/* Few that look at all events are left to SQL; what is read for the others ends where their windows do. */
START_TEST(few_that_look_at_all_events_are_asked)
{
    segment("ever", "{\"event\":\"View\",\"gte\":2}");
    segment("old", "{\"any\":[{\"trait\":\"x\",\"eq\":1},{\"event\":\"Old\",\"where\":{\"property\":\"n\",\"eq\":1}},"
                   "{\"event\":\"View\",\"where\":{\"property\":\"n\",\"eq\":1},\"gte\":9}]}");
    segment("c", "{\"not\":{\"event\":\"View\",\"window\":{\"last\":\"30s\",\"skip\":\"10s\"}}}");
    segment("b", "{\"event\":\"View\",\"window\":{\"last\":\"20s\"},\"gte\":2}");
    segment("a", "{\"event\":\"View\",\"window\":{\"last\":\"10s\"}}");
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "Old", .json = "{\"n\":1}", .at = 50});
    for (int64_t at = 100; at <= 140; at += 10)
        TELL(1, 0, {.user = "ada", .event = "View", .at = at});
    tick_at(141);
    ck_assert_uint_eq(world.result.decided, 3);
    ck_assert_uint_eq(world.result.evaluated, 5);
    expect_members("ever", "ada");
    expect_members("old", "ada");
    expect_members("b", "ada");
    expect_members("c", "");
    expect_right();
}
END_TEST

/* Of a segment referred to counts what is stored, the changes of this tick with it. */
START_TEST(references_are_what_is_stored)
{
    segment("base", "{\"event\":\"View\",\"gte\":2}");
    segment("both", "{\"all\":[{\"segment\":\"base\"},{\"event\":\"View\",\"window\":{\"last\":\"10s\"}}]}");
    segment("either", "{\"any\":[{\"segment\":\"base\"},{\"event\":\"View\",\"window\":{\"last\":\"10s\"},\"gte\":5}]}");
    segment("neither", "{\"all\":[{\"not\":{\"segment\":\"base\"}},{\"event\":\"View\",\"window\":{\"last\":\"10s\"}}]}");
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "View", .at = 100});
    tick_at(101);
    ck_assert_uint_eq(world.result.decided, 3);
    expect_members("both", "");
    expect_members("neither", "ada");
    TELL(1, 0, {.user = "ada", .event = "View", .at = 102});
    tick_at(103);
    ck_assert_uint_eq(world.result.decided, 3);
    expect_members("both", "ada");
    expect_members("either", "ada");
    expect_members("neither", "");
    expect_right();
}
END_TEST

START_TEST(who_has_very_many_events_is_asked)
{
    segment("once", "{\"event\":\"View\"}");
    segment("often", "{\"event\":\"View\",\"gte\":1001}");
    segment("never", "{\"not\":{\"event\":\"View\"}}");
    many_segments();
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "View", .at = 100});
    tick_at(101);
    ck_assert_uint_eq(world.result.decided, 10);
    store_run("INSERT INTO event (profile_id, name_id, source_id, ts, message_id, received_at) SELECT profile_id, name_id, source_id,"
              " ts + i * interval '1 ms', gen_random_uuid(), ts FROM event, generate_series(1, 999) i");
    TELL(1, 0, {.user = "ada", .event = "View", .at = 102});
    tick_at(103);
    ck_assert_uint_eq(world.result.decided, 0);
    ck_assert_uint_eq(world.result.evaluated, 10);
    expect_members("often", "ada");
    expect_right();
}
END_TEST

/* Three segments that look back a little, so that the facts of who views something are read. */
static void short_segments(void)
{
    segment("a", "{\"event\":\"View\",\"window\":{\"last\":\"10s\"}}");
    segment("b", "{\"event\":\"View\",\"window\":{\"last\":\"20s\"}}");
    segment("c", "{\"not\":{\"event\":\"View\",\"window\":{\"last\":\"30s\",\"skip\":\"10s\"}}}");
}

/* A visitor without traits and consents is asked nothing about them, and nobody about a random share. */
START_TEST(who_has_no_traits_is_not_asked)
{
    short_segments();
    segment("free", "{\"trait\":\"x\",\"neq\":true}");
    segment("pro", "{\"all\":[{\"trait\":\"x\",\"eq\":true},{\"event\":\"View\"}]}");
    segment("mute", "{\"consent\":\"email\",\"neq\":\"granted\"}");
    segment("some", "{\"bucket\":\"salt\",\"from\":0,\"to\":50}");
    segment("rest", "{\"bucket\":\"salt\",\"from\":50,\"to\":100}");
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "View", .at = 100});
    tick_at(101);
    ck_assert_uint_eq(world.result.evaluated, 8);
    ck_assert_uint_eq(world.result.decided, 7); /* "pro" looks at all events */
    expect_members("free", "ada");
    expect_members("mute", "ada");
    expect_right();
    TELL(2, 0, {.user = "bob", .json = "{\"x\":true}", .at = 102}, {.user = "bob", .event = "View", .at = 102});
    tick_at(103);
    ck_assert_uint_eq(world.result.evaluated, 8);
    ck_assert_uint_eq(world.result.decided, 6);
    expect_members("free", "ada");
    expect_members("pro", "bob");
    expect_members("mute", "ada bob");
    TELL(2, 0, {.user = "cid", .consent = "{\"email\":\"granted\"}", .at = 104}, {.user = "cid", .event = "View", .at = 104});
    tick_at(105);
    ck_assert_uint_eq(world.result.evaluated, 8);
    ck_assert_uint_eq(world.result.decided, 6);
    expect_members("free", "ada cid");
    expect_members("mute", "ada bob");
    expect_right();
}
END_TEST

/* Whoever comes in for a trait alone is asked: nothing is read for her sake. Those around her in the order of ids are decided. */
START_TEST(who_changes_a_trait_is_asked)
{
    short_segments();
    segment("free", "{\"trait\":\"plan\",\"neq\":\"pro\"}");
    segment("gold", "{\"trait\":\"plan\",\"eq\":\"gold\"}");
    segment("none", "{\"trait\":\"plan\",\"exists\":false}");
    segment("some", "{\"trait\":\"plan\",\"exists\":true}");
    segment("half", "{\"bucket\":\"salt\",\"from\":0,\"to\":60}");
    for (int n = 0; n < 6; n++) {
        char *user = mem_strdup("u0");

        user[1] = (char)('0' + n);
        TELL(1, 0, {.user = user, .json = "{\"plan\":\"gold\"}", .at = 1});
        free(user);
    }
    settle_at(10);
    expect_members("gold", "u0 u1 u2 u3 u4 u5");
    /* by ids: v1 u1 v2 u2 v0 u4 */
    TELL(3, 0, {.user = "u4", .json = "{\"plan\":null}", .at = 100}, {.user = "u1", .json = "{\"plan\":null}", .at = 100},
         {.user = "u2", .json = "{\"plan\":null}", .at = 100});
    TELL(3, 0, {.user = "v0", .event = "View", .at = 100}, {.user = "v1", .event = "View", .at = 100},
         {.user = "v2", .event = "View", .at = 100});
    tick_at(101);
    ck_assert_uint_eq(world.result.evaluated, 12 + 18);
    ck_assert_uint_eq(world.result.decided, 18);
    expect_members("gold", "u0 u3 u5");
    expect_members("none", "u1 u2 u4 v0 v1 v2");
    expect_members("some", "u0 u3 u5");
    expect_members("half", "u0 u3 v0");
    expect_members("free", "u0 u1 u2 u3 u4 u5 v0 v1 v2");
    expect_right();
}
END_TEST

RUN_TESTS_WITH(world_begin, world_end, "sift", names_and_times_decide, few_that_look_at_all_events_are_asked, references_are_what_is_stored,
               who_has_very_many_events_is_asked, who_has_no_traits_is_not_asked, who_changes_a_trait_is_asked)
