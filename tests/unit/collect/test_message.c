/* One item: what each type of call becomes, its name, times, properties and context, and every code with which it can be refused. */
#include "server/base/buf.h"
#include "tests/unit/collect/job.h"

#define WHO "'userId':'u1'"

START_TEST(test_track)
{
    struct asked asked;
    struct ingest_job *job;
    const struct message *message;
    struct id user = id_person("user", "u1", 2), anonymous = id_person("anonymous", "a1", 2), message_id = id_hash("m1", 2);

    ask(&asked, "track");
    job =
        job_of(&asked, "{'event':'Order \\u00e9','userId':'u1','anonymousId':'a1','messageId':'m1','timestamp':'2026-11-21T17:37:01.516Z',"
                       "'properties':{'total': 19.990},'context':{'b':1},'integrations':{'All':true},'receivedAt':'2001-01-01'}");
    message = message_of(job);
    ck_assert_int_eq(message->kind, MESSAGE_EVENT);
    assert_span(message->user.external, "u1");
    assert_span(message->anonymous.external, "a1");
    ck_assert(id_equal(&message->user.raw, &user) && id_equal(&message->anonymous.raw, &anonymous));
    ck_assert(id_equal(&message->message_id, &message_id));
    assert_span(message->name, "Order \xc3\xa9");
    assert_span(message->properties, "{'total': 19.990}");
    assert_span(message->context, "{'b':1}");
    ck_assert_int_eq(message->own_ts_us, INT64_C(1795282621516000));
    ck_assert_int_eq(message->ts_us, message->own_ts_us);
    ck_assert(!message_is_odd(message));
    ck_assert_int_eq(message->received_us, NOW_US + 2);
    ck_assert_int_eq(message->source_id, 7);
    ck_assert_uint_ge(job->bytes, 100);
    ck_assert_ptr_null(job->done);
    job_free(job);
}
END_TEST

START_TEST(test_page_and_screen)
{
    static const struct {
        const char *type, *text, *name, *properties;
    } cases[] = {
        {"page", "{" WHO "}", "Page Viewed", NULL},
        {"page", "{" WHO ",'name':'Home','category':'Shop'}", "Page Viewed", "{'name':'Home','category':'Shop'}"},
        {"screen", "{" WHO ",'name':'Home','properties':{'name':'x','a':1}}", "Screen Viewed", "{'name':'x','a':1,'name':'Home'}"},
        {"page", "{" WHO ",'category':'Shop','properties':{ }}", "Page Viewed", "{'category':'Shop'}"},
        {"page", "{" WHO ",'name':'','category':null,'properties':{'name':'x'}}", "Page Viewed", "{'name':'x'}"},
        {"screen", "{" WHO ",'name':'a\\u0022b','event':'mine'}", "Screen Viewed", "{'name':'a\\u0022b'}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct asked asked;
        struct ingest_job *job;

        ask(&asked, cases[i].type);
        job = job_of(&asked, cases[i].text);
        ck_assert_int_eq(message_of(job)->kind, MESSAGE_EVENT);
        assert_span(message_of(job)->name, cases[i].name);
        if (cases[i].properties)
            assert_span(message_of(job)->properties, cases[i].properties);
        else
            ck_assert_ptr_null(message_of(job)->properties.at);
        job_free(job);
    }
}
END_TEST

START_TEST(test_names_are_kept_as_sent)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, "track");
    job = job_of(&asked, "{" WHO ",'event':'  Order  e\xcc\x81 \\t '}");
    assert_span(message_of(job)->name, "  Order  e\xcc\x81 \t ");
    job_free(job);
}
END_TEST

START_TEST(test_a_track_call_has_no_name_and_category)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, "track");
    job = job_of(&asked, "{" WHO ",'event':'e','name':'Home','category':'Shop','properties':{'a':1}}");
    assert_span(message_of(job)->properties, "{'a':1}");
    job_free(job);
}
END_TEST

START_TEST(test_identify)
{
    static const struct {
        const char *text, *traits;
    } cases[] = {
        {"{" WHO "}", NULL},
        {"{" WHO ",'traits':null,'context':{'traits':null}}", NULL},
        {"{" WHO ",'traits':{'a':1}}", "{'a':1}"},
        {"{" WHO ",'context':{'traits':{'a':1}}}", "{'a':1}"},
        {"{" WHO ",'traits':{'a':2,'b':null},'context':{'traits':{'a':1,'c':3}}}", "{'a':1,'c':3,'a':2,'b':null}"},
        {"{" WHO ",'traits':{},'context':{'traits':{'a':1}}}", "{'a':1}"},
        {"{" WHO ",'traits':{'a':1},'context':{'traits':{}}}", "{'a':1}"},
        {"{" WHO ",'traits':{'a':1},'context':{'traits':'x'}}", "{'a':1}"},
        {"{" WHO ",'traits':{'a':1},'properties':{'b':1}}", "{'a':1}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct asked asked;
        struct ingest_job *job;

        ask(&asked, "identify");
        job = job_of(&asked, cases[i].text);
        ck_assert_int_eq(message_of(job)->kind, MESSAGE_IDENTIFY);
        assert_span(message_of(job)->name, NAME_IDENTIFY);
        if (cases[i].traits)
            assert_span(message_of(job)->properties, cases[i].traits);
        else
            ck_assert_ptr_null(message_of(job)->properties.at);
        job_free(job);
    }
}
END_TEST

START_TEST(test_traits_stay_in_the_context)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, "identify");
    job = job_of(&asked, "{" WHO ",'traits':{'a':2},'context':{'traits':{'a':1}}}");
    assert_span(message_of(job)->context, "{'traits':{'a':1}}");
    job_free(job);
    ask(&asked, "track");
    job = job_of(&asked, "{" WHO ",'event':'e','context':{'traits':{'a':1}}}");
    assert_span(message_of(job)->context, "{'traits':{'a':1}}");
    ck_assert_ptr_null(message_of(job)->properties.at);
    job_free(job);
}
END_TEST

START_TEST(test_alias_and_group)
{
    struct id previous = id_person("anonymous", "old", 3);
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, "alias");
    job = job_of(&asked, "{" WHO ",'previousId':'old','anonymousId':'not this','properties':{'a':1}}");
    ck_assert_int_eq(message_of(job)->kind, MESSAGE_ALIAS);
    assert_span(message_of(job)->name, NAME_ALIAS);
    assert_span(message_of(job)->anonymous.external, "old");
    ck_assert(id_equal(&message_of(job)->anonymous.raw, &previous));
    assert_span(message_of(job)->properties, "{'previousId':'old'}");
    job_free(job);

    ask(&asked, "group");
    job = job_of(&asked, "{'anonymousId':'a','groupId':12,'traits':{'plan':'pro'}}");
    ck_assert_int_eq(message_of(job)->kind, MESSAGE_GROUP);
    assert_span(message_of(job)->name, NAME_GROUP);
    assert_span(message_of(job)->properties, "{'groupId':'12','traits':{'plan':'pro'}}");
    job_free(job);
    job = job_of(&asked, "{" WHO ",'groupId':'g\\u0041'}");
    assert_span(message_of(job)->properties, "{'groupId':'g\\u0041'}");
    job_free(job);
}
END_TEST

START_TEST(test_the_body_s_type_before_the_endpoint_s)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, "track");
    job = job_of(&asked, "{" WHO ",'type':'page'}");
    assert_span(message_of(job)->name, "Page Viewed");
    job_free(job);
    job = job_of(&asked, "{" WHO ",'type':null,'event':'e'}");
    assert_span(message_of(job)->name, "e");
    job_free(job);
}
END_TEST

START_TEST(test_keys_with_escapes_and_doubles)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, NULL);
    job = job_of(&asked, "{'b\\u0061tch':[{'t\\u0079pe':'tr\\u0061ck','user\\u0049d':'u\\/1','event':'x','event':'y'}]}");
    assert_span(message_of(job)->user.external, "u/1");
    assert_span(message_of(job)->name, "y");
    job_free(job);
}
END_TEST

START_TEST(test_message_ids)
{
    static const struct {
        const char *member, *hashed; /* NULL: random */
    } cases[] = {
        {"'messageId':'a\\u0062'", "ab"},
        {"'messageId':1.50", "1.50"},
        {"'messageId':''", NULL},
        {"'messageId':null", NULL},
        {"'messageId':{}", NULL},
        {"'x':1", NULL},
        {"'messageId':'0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "012345678901234567890123456789012345678901234567890'",
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "012345678901234567890123456789012345678901234567890"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text AUTO_BUF = BUF_INIT(1000);
        struct ingest_job *job, *again;
        struct asked asked;
        struct id want;

        buf_addf(&text, "{" WHO ",'event':'e',%s}", cases[i].member);
        ask(&asked, "track");
        job = job_of(&asked, buf_text(&text));
        again = job_of(&asked, buf_text(&text));
        if (cases[i].hashed) {
            want = id_hash(cases[i].hashed, strlen(cases[i].hashed));
            ck_assert(id_equal(&message_of(job)->message_id, &want));
        } else {
            ck_assert(!id_equal(&message_of(job)->message_id, &message_of(again)->message_id));
        }
        job_free(job);
        job_free(again);
    }
}
END_TEST

START_TEST(test_times)
{
    static const struct {
        const char *members;
        int64_t own_us, ts_us;
    } cases[] = {
        {"'x':1", INSTANT_NONE, NOW_US + 2},
        {"'timestamp':null", INSTANT_NONE, NOW_US + 2},
        {"'timestamp':'2026-11-21'", INT64_C(1795219200000000), INT64_C(1795219200000000)},
        {"'timestamp':'2026-11-21T17:37:01'", INT64_C(1795282621000000), INT64_C(1795282621000000)},
        {"'timestamp':'2026-11-21T19:37:01.123456789\\u002b02:00'", INT64_C(1795282621123457), INT64_C(1795282621123457)},
        {"'timestamp':'2026-11-21','originalTimestamp':'2026-11-22'", INT64_C(1795305600000000), INT64_C(1795305600000000)},
        {"'timestamp':'2026-11-21','originalTimestamp':null", INT64_C(1795219200000000), INT64_C(1795219200000000)},
        /* sent when it arrived, to the second: trusted */
        {"'timestamp':'2099-12-31T23:00:00Z','sentAt':'2100-01-01T00:00:01Z'", NOW_US - INT64_C(3600000000), NOW_US - INT64_C(3600000000)},
        /* a device an hour and 10 s behind */
        {"'timestamp':'2099-12-31T22:00:00Z','sentAt':'2099-12-31T22:59:50Z'", NOW_US - INT64_C(7200000000), NOW_US - INT64_C(3600000000)},
        /* an unreadable sentAt is none */
        {"'timestamp':'2099-12-31T22:00:00Z','sentAt':'yesterday'", NOW_US - INT64_C(7200000000), NOW_US - INT64_C(7200000000)},
        {"'timestamp':'2099-12-31T22:00:00Z','sentAt':5", NOW_US - INT64_C(7200000000), NOW_US - INT64_C(7200000000)},
        /* the future is now */
        {"'timestamp':'2100-01-01T00:00:30Z'", NOW_US + INT64_C(30000000), NOW_US + 2},
        {"'timestamp':'1970-01-01'", 0, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text AUTO_BUF = BUF_INIT(1000);
        struct asked asked;
        struct ingest_job *job;

        buf_addf(&text, "{" WHO ",'event':'e',%s}", cases[i].members);
        ask(&asked, "track");
        job = job_of(&asked, buf_text(&text));
        ck_assert_msg(message_of(job)->own_ts_us == cases[i].own_us, "%s", cases[i].members);
        ck_assert_msg(message_of(job)->ts_us == cases[i].ts_us, "%s: %lld", cases[i].members, (long long)message_of(job)->ts_us);
        ck_assert_int_eq(message_is_odd(message_of(job)), cases[i].own_us != cases[i].ts_us);
        job_free(job);
    }
}
END_TEST

START_TEST(test_bad_times)
{
    static const char *const bad[] = {"'2026-02-30'",
                                      "'yesterday'",
                                      "''",
                                      "1795282621000",
                                      "true",
                                      "{}",
                                      "'1969-12-31T23:59:59.999999Z'",
                                      "'2026-11-21T17:37:01+16:00'",
                                      "'2026-11-21T17:37:01Z, and more than any instant ever has, to the end of the buffer'"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf text AUTO_BUF = BUF_INIT(1000);

        buf_addf(&text, "{" WHO ",'event':'e','timestamp':%s}", bad[i]);
        assert_rejected("track", buf_text(&text), "bad_timestamp");
        buf_clear(&text);
        buf_addf(&text, "{" WHO ",'event':'e','timestamp':'2026-01-01','originalTimestamp':%s}", bad[i]);
        assert_rejected("track", buf_text(&text), "bad_timestamp");
    }
}
END_TEST

START_TEST(test_order_ids)
{
    static const struct {
        const char *event, *properties, *order_id;
    } cases[] = {
        {"Order Completed", "{'order_id':'1001'}", "'1001'"},
        {"Order Completed", "{'a':{'order_id':1},'order_id':1001.0}", "1001.0"},
        {"Order \\u0043ompleted", "{'order\\u005fid':0}", "0"},
        {"Order Completed", "{'order_id':1,'order_id':'2'}", "'2'"},
        {"Order Completed", "{'order_id':1,'order_id':null}", NULL},
        {"Order Completed", "{'order_id':''}", NULL},
        {"Order Completed", "{'order_id':true}", NULL},
        {"Order Completed", "{'order_id':['1']}", NULL},
        {"Order Completed", "{'order_id':{'id':1}}", NULL},
        {"Order Completed", "{'orderId':1}", NULL},
        {"Order Completed", "null", NULL},
        {"order completed", "{'order_id':1}", NULL},
        {"Order Refunded", "{'order_id':1}", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf text = BUF_INIT(1024);
        struct asked asked;
        struct ingest_job *job;

        buf_addf(&text, "{" WHO ",'event':'%s','properties':%s}", cases[i].event, cases[i].properties);
        ask(&asked, "track");
        job = job_of(&asked, buf_text(&text));
        if (cases[i].order_id)
            assert_span(message_of(job)->order_id, cases[i].order_id);
        else
            ck_assert_ptr_null(message_of(job)->order_id.at);
        job_free(job);
    }
}
END_TEST

START_TEST(test_retention)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, "track");
    asked.call.floor_us = INT64_C(1795219200000000);
    job = job_of(&asked, "{" WHO ",'event':'e','timestamp':'2026-11-21'}");
    ck_assert_uint_eq(job->n_messages, 0);
    ck_assert_str_eq(job->rejects[0].code, "too_old");
    job_free(job);
    job = job_of(&asked, "{" WHO ",'event':'e','timestamp':'2026-11-21T00:00:00.000001Z'}");
    (void)message_of(job);
    job_free(job);
}
END_TEST

START_TEST(test_refused)
{
    static const struct {
        const char *type, *text, *code;
    } cases[] = {
        {"track", "{'type':'order','userId':'u','event':'e'}", "unknown_type"},
        {"track", "{'type':'Track','userId':'u','event':'e'}", "unknown_type"},
        {"track", "{'type':'','userId':'u','event':'e'}", "unknown_type"},
        {"track", "{'type':5,'userId':'u','event':'e'}", "unknown_type"},
        {"track", "{'event':'e'}", "no_user_anon_id"},
        {"track", "{'event':'e','userId':null,'anonymousId':''}", "no_user_anon_id"},
        {"group", "{'groupId':'g'}", "no_user_anon_id"},
        {"group", "{" WHO "}", "missing_group_id"},
        {"group", "{" WHO ",'groupId':'undefined'}", "missing_group_id"},
        {"group", "{" WHO ",'groupId':{}}", "missing_group_id"},
        {"alias", "{'previousId':'a'}", "no_user_anon_id"},
        {"alias", "{" WHO "}", "missing_previous_id"},
        {"alias", "{" WHO ",'anonymousId':'a'}", "missing_previous_id"},
        {"track", "{" WHO "}", "missing_event"},
        {"track", "{" WHO ",'event':''}", "missing_event"},
        {"track", "{" WHO ",'event':null}", "missing_event"},
        {"track", "{" WHO ",'event':5}", "missing_event"},
        {"track", "{" WHO ",'event':'$identify'}", "reserved_name"},
        {"track", "{" WHO ",'event':'$al\\u0069as'}", "reserved_name"},
        {"track", "{" WHO ",'event':'$group'}", "reserved_name"},
        {"track", "{" WHO ",'event':'e','properties':[]}", "bad_properties"},
        {"track", "{" WHO ",'event':'e','properties':''}", "bad_properties"},
        {"page", "{" WHO ",'properties':5}", "bad_properties"},
        {"identify", "{" WHO ",'traits':[]}", "bad_traits"},
        {"group", "{" WHO ",'groupId':'g','traits':false}", "bad_traits"},
        {"track", "{" WHO ",'event':'e','context':'x'}", "bad_context"},
        {"identify", "{" WHO ",'context':[]}", "bad_context"},
        {"track", "{" WHO ",'event':'e','properties':{'n':1e400}}", "bad_number"},
        {"track", "{" WHO ",'event':'e','unknown':[[1e-100]]}", "bad_number"},
        {"track", "{" WHO ",'event':'e','context':{'n':123456789012345678901234567890123456789012345678901}}", "bad_number"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_rejected(cases[i].type, cases[i].text, cases[i].code);
}
END_TEST

START_TEST(test_good_neighbours_of_what_is_refused)
{
    static const char *const good[] = {
        "{" WHO ",'event':'$identify2','properties':null,'context':null}",
        "{" WHO ",'event':'$groupidentify'}",
        "{" WHO ",'event':' ','traits':5}",
        "{" WHO ",'event':'e','properties':{'n':12345678901234567890123456789012345678901234567890,'m':1e99,'s':'1e400'}}",
        "{'anonymousId':'a','event':'e','userId':'0'}",
    };

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct asked asked;
        struct ingest_job *job;

        ask(&asked, "track");
        job = job_of(&asked, good[i]);
        (void)message_of(job);
        job_free(job);
    }
}
END_TEST

static void add_repeated(struct buf *buf, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_add_text(buf, text);
}

START_TEST(test_name_length_counts_characters)
{
    struct buf text AUTO_BUF = BUF_INIT(10000);
    struct asked asked;
    struct ingest_job *job;

    buf_add_text(&text, "{" WHO ",'event':'");
    add_repeated(&text, "\xc3\xa9", 1023);
    buf_add_text(&text, "\\u00e9'}");
    ask(&asked, "track");
    job = job_of(&asked, buf_text(&text));
    ck_assert_uint_eq(message_of(job)->name.len, 2048);
    job_free(job);
    text.len -= 2;
    buf_add_text(&text, "x'}");
    assert_rejected("track", buf_text(&text), "name_too_long");
}
END_TEST

START_TEST(test_size)
{
    struct buf text AUTO_BUF = BUF_INIT(1000);
    struct asked asked;
    struct ingest_job *job;

    buf_add_text(&text, "{" WHO ",'event':'e'}");
    ask(&asked, "track");
    asked.call.message_max = text.len;
    job = job_of(&asked, buf_text(&text));
    (void)message_of(job);
    job_free(job);
    asked.call.message_max = text.len - 1;
    job = job_of(&asked, buf_text(&text));
    ck_assert_uint_eq(job->n_messages, 0);
    ck_assert_str_eq(job->rejects[0].code, "too_large");
    job_free(job);
}
END_TEST

START_TEST(test_number_of_properties)
{
    static const struct {
        const char *type, *member;
    } places[] = {{"track", "properties"}, {"identify", "traits"}, {"track", "context"}, {"group", "traits"}};

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        for (int n = 10000; n <= 10001; n++) {
            struct buf text AUTO_BUF = BUF_INIT(200000);
            struct asked asked;
            struct ingest_job *job;

            buf_addf(&text, "{" WHO ",'event':'e','groupId':'g','%s':{'':0", places[i].member);
            add_repeated(&text, ",'':0", (size_t)n - 1);
            buf_add_text(&text, "}}");
            ask(&asked, places[i].type);
            job = job_of(&asked, buf_text(&text));
            ck_assert_uint_eq(job->n_messages, n == 10000);
            if (n > 10000)
                ck_assert_str_eq(job->rejects[0].code, "too_many_properties");
            job_free(job);
        }
    }
}
END_TEST

RUN_TESTS("message", test_track, test_page_and_screen, test_names_are_kept_as_sent, test_a_track_call_has_no_name_and_category,
          test_identify, test_traits_stay_in_the_context, test_alias_and_group, test_the_body_s_type_before_the_endpoint_s,
          test_keys_with_escapes_and_doubles, test_message_ids, test_times, test_bad_times, test_order_ids, test_retention, test_refused,
          test_good_neighbours_of_what_is_refused, test_name_length_counts_characters, test_size, test_number_of_properties)
