/* Lists in ticks: edits, merges, erasures, lists that rules refer to; and that members equal the replayed feed throughout. */
#include "db/list.h"

#include "db/tick.h"
#include "tests/unit/server/world.h"

static void list(const char *key)
{
    AUTO_BUF struct buf sql = BUF_INIT(1024);

    buf_addf(&sql,
             "WITH made AS (INSERT INTO segment (key, name, kind) VALUES ('%s', '%s', 'list') RETURNING segment_id)"
             " INSERT INTO segment_version (segment_id, version, definition, timezone, state) SELECT segment_id, 1, 'null', 'UTC', 'live'"
             " FROM made",
             key, key);
    store_run(buf_text(&sql));
    store_run("UPDATE segment s SET serving_version_id = version_id FROM segment_version v WHERE v.segment_id = s.segment_id"
              " AND s.kind = 'list'");
}

static int compare_people(const void *a, const void *b)
{
    return id_compare(&((const struct person *)a)->raw, &((const struct person *)b)->raw);
}

/* Queues an edit for people, parted by spaces, anonymous ones in parentheses; new ones are made if `make`. */
static int64_t edit(const char *key, enum list_mode mode, const char *people, bool make)
{
    struct person named[2][64];
    struct id raw[64];
    size_t n[2] = {0}, n_raw = 0;
    struct list_edit step = {.key = key, .mode = mode, .people = raw};
    int64_t op_id;

    for (const char *at = people; *at; at += *at == ' ') {
        bool anonymous = *at == '(';
        size_t len = strcspn(at, " ");
        struct span id = {.at = at + anonymous, .len = len - 2 * anonymous};
        struct person person = {.external = id, .raw = id_person(anonymous ? "anonymous" : "user", id.at, id.len)};

        named[anonymous][n[anonymous]++] = person;
        raw[n_raw++] = person.raw;
        at += len;
    }
    step.n = n_raw;
    for (size_t i = 0; i < 2 && make; i++) {
        qsort(named[i], n[i], sizeof *named[i], compare_people);
        ck_assert_int_eq(db_list_people(store_db, named[i], n[i], i == 0 ? PERSON_USER : PERSON_ANONYMOUS), DB_OK);
    }
    ck_assert_int_eq(db_list_put(store_db, &step, &op_id), DB_OK);
    return op_id;
}

static void expect_outcome(int64_t op_id, int64_t added, int64_t removed, int64_t unchanged)
{
    struct list_outcome outcome;

    ck_assert_int_eq(db_list_read(store_db, op_id, &outcome), DB_OK);
    ck_assert(outcome.done);
    ck_assert_int_eq(outcome.added, added);
    ck_assert_int_eq(outcome.removed, removed);
    ck_assert_int_eq(outcome.unchanged, unchanged);
}

static void expect_pending(int64_t n)
{
    struct db_worker_status status;

    ck_assert_int_eq(db_worker_status(store_db, &status), DB_OK);
    ck_assert_int_eq(status.pending, n);
}

START_TEST(an_edit_is_applied_by_the_next_tick)
{
    struct list_outcome outcome;
    int64_t op_id;

    list("vip");
    tick_at(0);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 1});
    op_id = edit("vip", LIST_ADD, "ada bob (x)", true);
    ck_assert_int_eq(db_list_read(store_db, op_id, &outcome), DB_OK);
    ck_assert(!outcome.done);
    expect_pending(4); /* two rows of the messages, one of the people made, the edit */
    tick_at(2);
    expect_pending(0);
    ck_assert_uint_eq(world.result.lists.applied, 1);
    expect_outcome(op_id, 3, 0, 0);
    expect_members("vip", "ada bob (x)");
    expect_text("SELECT string_agg(DISTINCT op || ' ' || cause, ', ') FROM change", "enter list");
    expect_text("SELECT size || ' ' || identified FROM segment_version", "3 2");
    expect_feed();
    expect_sound();
    op_id = edit("vip", LIST_ADD, "ada eve", true);
    tick_at(3);
    expect_outcome(op_id, 1, 0, 1);
    op_id = edit("vip", LIST_REMOVE, "ada nobody (x)", false);
    tick_at(4);
    expect_outcome(op_id, 0, 2, 1);
    expect_members("vip", "bob eve");
    expect_text("SELECT string_agg(DISTINCT cause, ' ') FROM change WHERE op = 'exit'", "list");
    expect_text("SELECT count(*)::text FROM list_op WHERE people <> '{}'", "0");
    expect_feed();
}
END_TEST

START_TEST(replace_leaves_exactly_those_named)
{
    int64_t op_id, entered;

    list("vip");
    op_id = edit("vip", LIST_REPLACE, "ada bob", true);
    tick_at(1);
    expect_outcome(op_id, 2, 0, 0);
    entered = ask("SELECT (extract(epoch FROM min(entered_at)) * 1000000)::bigint FROM membership");
    op_id = edit("vip", LIST_REPLACE, "bob (x) (y)", true);
    tick_at(2);
    expect_outcome(op_id, 2, 1, 1);
    expect_members("vip", "bob (x) (y)");
    ck_assert_int_eq(ask("SELECT (extract(epoch FROM min(entered_at)) * 1000000)::bigint FROM membership"), entered);
    expect_feed();
    op_id = edit("vip", LIST_REPLACE, "", true);
    tick_at(3);
    expect_outcome(op_id, 0, 3, 0);
    expect_members("vip", "");
    expect_feed();
}
END_TEST

START_TEST(edits_of_one_tick_are_applied_in_order)
{
    int64_t first, second, third;

    list("vip");
    first = edit("vip", LIST_ADD, "ada bob", true);
    second = edit("vip", LIST_REMOVE, "ada", true);
    third = edit("vip", LIST_ADD, "ada bob", true);
    tick_at(1);
    expect_outcome(first, 2, 0, 0);
    expect_outcome(second, 0, 1, 0);
    expect_outcome(third, 1, 0, 1);
    expect_members("vip", "ada bob");
    expect_feed();
}
END_TEST

START_TEST(who_refers_to_a_list_moves_in_the_same_tick)
{
    list("vip");
    segment("vip-buyer", "{\"all\":[{\"segment\":\"vip\"},{\"event\":\"Order Completed\"}]}");
    segment("not-vip", "{\"not\":{\"segment\":\"vip\"}}");
    settle_at(0);
    TELL(2, 0, {.user = "ada", .event = "Order Completed", .at = 1}, {.user = "bob", .event = "Page Viewed", .at = 1});
    tick_at(2);
    expect_members("not-vip", "ada bob");
    (void)edit("vip", LIST_ADD, "ada eve", true);
    tick_at(3);
    expect_members("vip-buyer", "ada");
    expect_members("not-vip", "bob");
    expect_text("SELECT cause FROM change WHERE segment_key = 'vip-buyer'", "segment");
    expect_text("SELECT cause FROM change WHERE segment_key = 'not-vip' AND op = 'exit'", "segment");
    (void)edit("vip", LIST_REPLACE, "bob", true);
    tick_at(4);
    expect_members("vip-buyer", "");
    expect_members("not-vip", "ada eve");
    expect_right();
}
END_TEST

START_TEST(a_merge_moves_the_membership)
{
    list("vip");
    segment("vip-too", "{\"segment\":\"vip\"}");
    settle_at(0);
    (void)edit("vip", LIST_ADD, "(x) (y) eve", true);
    tick_at(1);
    (void)edit("vip", LIST_ADD, "ada", true);
    tick_at(5);
    TELL(2, 0, {.user = "ada", .anonymous = "x", .at = 6}, {.user = "bob", .anonymous = "y", .at = 6});
    tick_at(7);
    expect_members("vip", "ada bob eve");
    expect_members("vip-too", "ada bob eve");
    expect_text("SELECT string_agg(op || ' ' || coalesce(user_id, anonymous_id), ', ' ORDER BY op DESC, user_id, anonymous_id) FROM change"
                " WHERE cause = 'merge' AND segment_key = 'vip'",
                "exit x, exit y, enter bob");
    ck_assert_int_eq(ask("SELECT count(DISTINCT entered_at) FROM membership"), 1); /* the earlier one */
    expect_text("SELECT size || ' ' || identified FROM segment_version v JOIN segment s USING (segment_id) WHERE key = 'vip'", "3 3");
    expect_right();
}
END_TEST

START_TEST(an_edit_and_a_merge_in_one_tick)
{
    list("vip");
    (void)edit("vip", LIST_ADD, "(x) (y)", true);
    tick_at(1);
    TELL(2, 0, {.user = "ada", .anonymous = "x", .at = 2}, {.user = "bob", .anonymous = "y", .at = 2});
    (void)edit("vip", LIST_REMOVE, "ada", true);
    (void)edit("vip", LIST_ADD, "(x)", false); /* ada's by now */
    (void)edit("vip", LIST_REMOVE, "(y)", true);
    tick_at(3);
    expect_members("vip", "ada");
    expect_feed();
}
END_TEST

START_TEST(an_erased_person_leaves_a_list)
{
    list("vip");
    (void)edit("vip", LIST_ADD, "ada bob", true);
    tick_at(1);
    store_run("WITH gone AS (DELETE FROM profile WHERE user_id = 'ada' RETURNING profile_id)"
              " INSERT INTO touched (max_ts, gone, gone_into) SELECT '-infinity', ARRAY[profile_id], ARRAY[profile_id] FROM gone");
    (void)edit("vip", LIST_ADD, "ada", false);
    tick_at(2);
    expect_members("vip", "bob");
    expect_last_change("exit ada erase");
    expect_text("SELECT size::text FROM segment_version", "1");
    expect_feed();
}
END_TEST

START_TEST(new_people_are_part_of_the_population)
{
    list("vip");
    segment("not", NOT_BOUGHT);
    settle_at(0);
    (void)edit("vip", LIST_ADD, "ada (x)", true);
    (void)edit("vip", LIST_ADD, "ada (x)", true);
    tick_at(1);
    expect_members("not", "ada (x)");
    expect_right();
    expect_sound();
    ck_assert_int_eq(ask("SELECT count(*) FROM touched"), 0);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 2});
    tick_at(3);
    expect_members("not", "(x)");
    expect_sound();
    expect_right();
}
END_TEST

START_TEST(an_edit_waits_for_the_queue)
{
    int64_t op_id;
    struct list_outcome outcome;

    list("vip");
    (void)edit("vip", LIST_ADD, "(x)", true);
    tick_at(1);
    world.tick.weight = 1; /* a row at a time */
    TELL(1, 0, {.user = "eve", .event = "Page Viewed", .at = 2});
    TELL(1, 0, {.user = "ada", .anonymous = "x", .at = 2});
    op_id = edit("vip", LIST_REPLACE, "ada", true);
    for (int i = 0; i < 10; i++) {
        world.tick.weight = 1;
        tick_at(3 + i);
        expect_feed();
    }
    world.tick.weight = 100;
    tick_at(20);
    ck_assert_int_eq(db_list_read(store_db, op_id, &outcome), DB_OK);
    ck_assert(outcome.done);
    expect_members("vip", "ada");
    expect_feed();
}
END_TEST

START_TEST(an_edit_of_a_deleted_list_goes)
{
    struct list_outcome outcome;
    int64_t op_id;

    list("vip");
    op_id = edit("vip", LIST_ADD, "ada", true);
    store_run("UPDATE segment SET deleted_at = now(), key = '~1:vip'");
    tick_at(1);
    ck_assert_int_eq(db_list_read(store_db, op_id, &outcome), DB_NONE);
    ck_assert_int_eq(ask("SELECT count(*) FROM membership"), 0);
    ck_assert_int_eq(db_list_put(store_db, &(struct list_edit){.key = "vip", .n = 0}, &op_id), DB_NONE);
}
END_TEST

START_TEST(many_people)
{
    enum { PEOPLE = 25000 };
    struct person *people = mem_grow(NULL, PEOPLE, sizeof *people);
    struct id *raw = mem_grow(NULL, PEOPLE, sizeof *raw);
    char(*names)[16] = mem_grow(NULL, PEOPLE, sizeof *names);
    struct list_edit step = {.key = "vip", .people = raw, .n = PEOPLE};
    int64_t op_id;

    list("vip");
    segment("vip-too", "{\"segment\":\"vip\"}");
    settle_at(0);
    for (int i = 0; i < PEOPLE; i++) {
        (void)snprintf(names[i], sizeof names[i], "u%d", i);
        people[i] = say_person("user", names[i]);
    }
    qsort(people, PEOPLE, sizeof *people, compare_people);
    for (int i = 0; i < PEOPLE; i++)
        raw[i] = people[i].raw;
    ck_assert_int_eq(db_list_people(store_db, people, PEOPLE, PERSON_USER), DB_OK);
    ck_assert_int_eq(db_list_put(store_db, &step, &op_id), DB_OK);
    for (int i = 1; i < 8; i++)
        tick_at(i);
    expect_outcome(op_id, PEOPLE, 0, 0);
    expect_feed();
    expect_sound();
    ck_assert_int_eq(ask("SELECT count(*) FROM membership"), 2 * PEOPLE);
    step = (struct list_edit){.key = "vip", .mode = LIST_REPLACE, .people = raw, .n = 5};
    ck_assert_int_eq(db_list_put(store_db, &step, &op_id), DB_OK);
    tick_at(8);
    expect_outcome(op_id, 0, PEOPLE - 5, 5);
    ck_assert_int_eq(ask("SELECT count(*) FROM membership"), 10);
    expect_right();
    free(people);
    free(raw);
    free(names);
}
END_TEST

RUN_TESTS_WITH(world_begin, world_end, "lists", an_edit_is_applied_by_the_next_tick, replace_leaves_exactly_those_named,
               edits_of_one_tick_are_applied_in_order, who_refers_to_a_list_moves_in_the_same_tick, a_merge_moves_the_membership,
               an_edit_and_a_merge_in_one_tick, an_erased_person_leaves_a_list, new_people_are_part_of_the_population,
               an_edit_waits_for_the_queue, an_edit_of_a_deleted_list_goes, many_people)
