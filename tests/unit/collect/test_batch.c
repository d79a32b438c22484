/* Bodies: envelopes, what a batch gives to its items (context, sentAt, the client's address), what refuses a whole body, and files. */
#include "server/base/buf.h"
#include "tests/unit/collect/job.h"

#define ITEM "'type':'track','userId':'u','event':'e'"

START_TEST(test_items_in_order_bad_ones_apart)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, NULL);
    job = job_of(&asked, "{'batch':[{" ITEM ",'messageId':'1'}, 5, {" ITEM ",'properties':{'n':1e400}},{'type':'page'},\n"
                         " {" ITEM ",'messageId':'2','properties':{'n':\"\\u0000\"}}], 'writeKey':'k'}");
    ck_assert_uint_eq(job->n_messages, 2);
    ck_assert_uint_eq(job->n_rejects, 3);
    ck_assert_int_eq(job->messages[0].received_us, NOW_US + 2);
    ck_assert_int_eq(job->messages[1].received_us, NOW_US + 6);
    assert_span(job->messages[1].properties, "{'n':'\\ufffd'}");
    ck_assert_str_eq(job->rejects[0].code, "not_an_object");
    assert_span(job->rejects[0].payload, "5");
    ck_assert_int_eq(job->rejects[0].received_us, NOW_US + 3);
    ck_assert_str_eq(job->rejects[1].code, "bad_number");
    ck_assert_str_eq(job->rejects[2].code, "no_user_anon_id");
    assert_span(job->rejects[2].payload, "{'type':'page'}");
    job_free(job);
}
END_TEST

START_TEST(test_many_rejects)
{
    struct buf text AUTO_BUF = BUF_INIT(10000);
    struct asked asked;
    struct ingest_job *job;

    buf_add_text(&text, "{'batch':[0");
    for (int i = 1; i < 100; i++)
        buf_addf(&text, ",%d", i);
    buf_add_text(&text, "]}");
    ask(&asked, NULL);
    job = job_of(&asked, buf_text(&text));
    ck_assert_uint_eq(job->n_rejects, 100);
    assert_span(job->rejects[99].payload, "99");
    job_free(job);
}
END_TEST

START_TEST(test_an_empty_batch_is_an_empty_job)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, NULL);
    job = job_of(&asked, "{'batch':[]}");
    ck_assert_ptr_nonnull(job);
    ck_assert_uint_eq(job->n_messages + job->n_rejects, 0);
    job_free(job);
}
END_TEST

START_TEST(test_whole_bodies_refused)
{
    static const struct {
        const char *type, *text, *code;
    } cases[] = {
        {NULL, "", "invalid_json"},
        {"track", "{'event':'e'", "invalid_json"},
        {"track", "event=e&userId=u", "invalid_json"},
        {NULL, "[{" ITEM "}]", "not_an_object"},
        {"track", "[]", "not_an_object"},
        {"track", "'x'", "not_an_object"},
        {NULL, "{}", "missing_batch"},
        {NULL, "{" ITEM "}", "missing_batch"},
        {NULL, "{'batch':{}}", "missing_batch"},
        {NULL, "{'batch':null}", "missing_batch"},
        {NULL, "{'batch':[1],'batch':2}", "missing_batch"},
        {NULL, "{'batch':[],'context':[]}", "bad_context"},
        {NULL, "{'batch':[],'context':'x'}", "bad_context"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct asked asked;

        ask(&asked, cases[i].type);
        ck_assert_ptr_null(job_of(&asked, cases[i].text));
        ck_assert_msg(strcmp(asked.code, cases[i].code) == 0, "%s: %s", cases[i].text, asked.code);
    }
}
END_TEST

START_TEST(test_deep_bodies_are_refused)
{
    struct buf text AUTO_BUF = BUF_INIT(1000);
    struct asked asked;

    for (int i = 0; i < 65; i++)
        buf_add_text(&text, "{'a':");
    ask(&asked, "track");
    ck_assert_ptr_null(job_of(&asked, buf_text(&text)));
    ck_assert_str_eq(asked.code, "invalid_json");
}
END_TEST

START_TEST(test_number_of_items)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, NULL);
    asked.call.items_max = 3;
    job = job_of(&asked, "{'batch':[1,2,3]}");
    ck_assert_uint_eq(job->n_rejects, 3);
    job_free(job);
    ck_assert_ptr_null(job_of(&asked, "{'batch':[1,2,3,4]}"));
    ck_assert_str_eq(asked.code, "batch_too_long");
}
END_TEST

START_TEST(test_write_key)
{
    static const struct {
        const char *text, *key;
    } cases[] = {
        {"{'writeKey':'k\\u0031'}", "k1"}, {"{'writeKey':''}", NULL}, {"{'writeKey':5}", NULL}, {"{'batch':[{'writeKey':'k'}]}", NULL}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct collect *collect;
        struct err err = ERR_INIT;
        char *key;

        ck_assert(collect_open(unquoted(cases[i].text, strlen(cases[i].text)), strlen(cases[i].text), &collect, &err));
        key = collect_write_key(collect);
        if (cases[i].key)
            ck_assert_str_eq(key, cases[i].key);
        else
            ck_assert_ptr_null(key);
        free(key);
        collect_free(collect);
    }
    collect_free(NULL);
}
END_TEST

/* What context the item has in the end; NULL: none. */
static void assert_context(struct asked *asked, const char *text, const char *context)
{
    struct ingest_job *job = job_of(asked, text);

    if (context)
        assert_span(message_of(job)->context, context);
    else
        ck_assert_ptr_null(message_of(job)->context.at);
    job_free(job);
}

START_TEST(test_default_context)
{
    struct asked asked;

    ask(&asked, NULL);
    assert_context(&asked, "{'batch':[{" ITEM "}],'context':{'a':1}}", "{'a':1}");
    assert_context(&asked, "{'batch':[{" ITEM ",'context':{'b':2}}],'context':{'a':1}}", "{'a':1,'b':2}");
    assert_context(&asked, "{'context':{'a':{'x':1}},'batch':[{" ITEM ",'context':{'a':{'y':2}}}]}", "{'a':{'x':1},'a':{'y':2}}");
    assert_context(&asked, "{'batch':[{" ITEM ",'context':{ }}],'context':{'a':1}}", "{'a':1}");
    assert_context(&asked, "{'batch':[{" ITEM ",'context':{'a':1}}],'context':{ }}", "{'a':1}");
    assert_context(&asked, "{'batch':[{" ITEM ",'context':null}],'context':null}", NULL);
    assert_context(&asked, "{'batch':[{" ITEM "}]}", NULL);
    assert_context(&asked, "{'batch':[{" ITEM ",'context':{}}],'context':{}}", "{}");
}
END_TEST

START_TEST(test_a_single_call_has_no_defaults)
{
    struct asked asked;

    ask(&asked, "track");
    assert_context(&asked, "{" ITEM ",'context':{'a':1}}", "{'a':1}");
}
END_TEST

START_TEST(test_default_traits_of_an_identify)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, NULL);
    job = job_of(&asked, "{'batch':[{'type':'identify','userId':'u','traits':{'b':2},'context':{}}],'context':{'traits':{'a':1}}}");
    assert_span(message_of(job)->properties, "{'a':1,'b':2}");
    assert_span(message_of(job)->context, "{'traits':{'a':1}}");
    job_free(job);
    job = job_of(&asked, "{'batch':[{'type':'identify','userId':'u','context':{'traits':{'c':3}}}],'context':{'traits':{'a':1}}}");
    assert_span(message_of(job)->properties, "{'c':3}");
    job_free(job);
}
END_TEST

START_TEST(test_defaults_count_for_each_item)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, NULL);
    asked.call.message_max = strlen("{" ITEM "}") + strlen("{'a':1}");
    job = job_of(&asked, "{'batch':[{" ITEM "}],'context':{'a':1}}");
    (void)message_of(job);
    job_free(job);
    job = job_of(&asked, "{'batch':[{" ITEM "}],'context':{'a':10}}");
    ck_assert_str_eq(job->rejects[0].code, "too_large");
    job_free(job);
    job = job_of(&asked, "{'batch':[{" ITEM "}],'context':{'a':1e9}}"); /* longer when written out */
    ck_assert_str_eq(job->rejects[0].code, "too_large");
    job_free(job);
    asked.call.message_max = COLLECT_MESSAGE_MAX;
    job = job_of(&asked, "{'batch':[{" ITEM "}, {}],'context':{'a':1e400}}");
    ck_assert_str_eq(job->rejects[0].code, "bad_number");
    ck_assert_str_eq(job->rejects[1].code, "bad_number");
    job_free(job);
}
END_TEST

/* The worst that an item may ask of the arena: everything has escapes, and the defaults are written twice. */
START_TEST(test_the_arena_holds_the_worst_item)
{
    struct buf text AUTO_BUF = BUF_INIT(1 << 20);
    struct asked asked;
    struct ingest_job *job;

    buf_add_text(&text, "{'context':{'direct':true,'traits':{'t':'");
    for (int i = 0; i < 1000; i++)
        buf_add_text(&text, "x");
    buf_add_text(&text, "'}},'batch':[");
    for (int i = 0; i < 100; i++)
        buf_addf(&text,
                 "%s{'type':'identify','userId':'\\\\u','anonymousId':'\\\\a','messageId':'\\\\m','traits':{'a':1},'context':{'b':1}}",
                 i ? "," : "");
    buf_add_text(&text, "]}");
    ask(&asked, NULL);
    asked.call.ip = "2001:0db8:0000:0000:0000:0000:0000:0001";
    job = job_of(&asked, buf_text(&text));
    ck_assert_uint_eq(job->n_messages, 100);
    ck_assert_uint_gt(job->bytes, text.len + 200000);
    job_free(job);
}
END_TEST

START_TEST(test_a_small_body_cannot_make_a_large_job)
{
    struct buf text AUTO_BUF = BUF_INIT(1 << 20);
    struct asked asked;

    buf_add_text(&text, "{'context':{'a':'");
    for (int i = 0; i < 10000; i++)
        buf_add_text(&text, "x");
    buf_add_text(&text, "'},'batch':[{}");
    for (int i = 1; i < 2000; i++)
        buf_add_text(&text, ",{}");
    buf_add_text(&text, "]}");
    ask(&asked, NULL);
    ck_assert_ptr_null(job_of(&asked, buf_text(&text)));
    ck_assert_str_eq(asked.code, "context_too_large");
}
END_TEST

START_TEST(test_sent_at_of_the_batch)
{
    static const struct {
        const char *text;
        int64_t ago_us; /* stored so long before now */
    } cases[] = {
        /* the batch's clock is an hour behind */
        {"{'sentAt':'2099-12-31T23:00:00Z','batch':[{" ITEM ",'timestamp':'2099-12-31T22:00:00Z'}]}", INT64_C(3600000000)},
        /* the item's own sentAt comes first */
        {"{'sentAt':'2099-12-31T23:00:00Z','batch':[{" ITEM ",'timestamp':'2099-12-31T22:00:00Z','sentAt':'2100-01-01T00:00:00Z'}]}",
         INT64_C(7200000000)},
        {"{'sentAt':'2099-12-31T23:00:00Z','batch':[{" ITEM ",'timestamp':'2099-12-31T22:00:00Z','sentAt':null}]}", INT64_C(3600000000)},
        {"{'sentAt':'2099-12-31T23:00:00Z','batch':[{" ITEM ",'timestamp':'2099-12-31T22:00:00Z','sentAt':'x'}]}", INT64_C(3600000000)},
        {"{'sentAt':'never','batch':[{" ITEM ",'timestamp':'2099-12-31T22:00:00Z'}]}", INT64_C(7200000000)},
        /* a batch's own timestamp is no event field */
        {"{'timestamp':'2020-01-01','messageId':'x','batch':[{" ITEM ",'timestamp':'2099-12-31T22:00:00Z'}]}", INT64_C(7200000000)},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct asked asked;
        struct ingest_job *job;

        ask(&asked, NULL);
        job = job_of(&asked, cases[i].text);
        ck_assert_msg(message_of(job)->ts_us == NOW_US - cases[i].ago_us, "%s", cases[i].text);
        job_free(job);
    }
}
END_TEST

START_TEST(test_the_client_s_address)
{
    struct asked asked;

    ask(&asked, "track");
    asked.call.ip = "192.0.2.1";
    asked.call.sender = SENDER_SERVER;
    assert_context(&asked, "{" ITEM "}", NULL);
    assert_context(&asked, "{" ITEM ",'context':{'direct':true}}", "{'direct':true,'ip':'192.0.2.1'}");
    assert_context(&asked, "{" ITEM ",'context':{'direct':'true'}}", "{'direct':'true'}");
    asked.call.sender = SENDER_CLIENT;
    assert_context(&asked, "{" ITEM "}", "{'ip':'192.0.2.1'}");
    assert_context(&asked, "{" ITEM ",'context':{'a':1}}", "{'a':1,'ip':'192.0.2.1'}");
    assert_context(&asked, "{" ITEM ",'context':{'ip':null}}", "{'ip':null,'ip':'192.0.2.1'}");
    assert_context(&asked, "{" ITEM ",'context':{'ip':'10.0.0.1'}}", "{'ip':'10.0.0.1'}");
    asked.call.ip = "2001:db8::1";
    assert_context(&asked, "{" ITEM "}", "{'ip':'2001:db8::1'}");
    asked.call.ip = "1\",\"x\":\"";
    assert_context(&asked, "{" ITEM "}", NULL);
    asked.call.ip = NULL;
    assert_context(&asked, "{" ITEM "}", NULL);
    asked.call.type = NULL;
    asked.call.ip = "192.0.2.1";
    assert_context(&asked, "{'batch':[{" ITEM "}],'context':{'ip':'x'}}", "{'ip':'x'}");
    assert_context(&asked, "{'batch':[{" ITEM "}],'context':{'a':1}}", "{'a':1,'ip':'192.0.2.1'}");
}
END_TEST

START_TEST(test_the_address_where_the_library_says_who_sends)
{
    static const struct {
        const char *library;
        bool client;
    } cases[] = {{"{'name':'analytics-python'}", false},
                 {"{'name':'@rudderstack/rudder-sdk-node'}", false},
                 {"{'name':'Analytics.NET'}", false},
                 {"{'name':'go'}", false},
                 {"{'name':'analytics.js'}", true},
                 {"{'name':'RudderLabs JavaScript SDK'}", true},
                 {"{'name':'analytics-kotlin'}", true},
                 {"{'name':'@segment/analytics-react-native'}", true},
                 {"{'name':'analytics-javascript'}", true},
                 {"{'name':''}", true},
                 {"{'name':5}", true},
                 {"{}", true},
                 {"'python'", true},
                 {"null", true}};
    struct asked asked;

    ask(&asked, "track");
    asked.call.ip = "192.0.2.1";
    asked.call.sender = SENDER_UNKNOWN;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[256], context[256];

        (void)snprintf(text, sizeof text, "{" ITEM ",'context':{'library':%s}}", cases[i].library);
        (void)snprintf(context, sizeof context, "{'library':%s%s}", cases[i].library, cases[i].client ? ",'ip':'192.0.2.1'" : "");
        assert_context(&asked, text, context);
    }
    assert_context(&asked, "{" ITEM "}", "{'ip':'192.0.2.1'}");
}
END_TEST

START_TEST(test_the_signal_and_the_policy)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, NULL);
    asked.call.opted_out = true;
    asked.call.privacy = PRIVACY_FIRST_PARTY;
    assert_context(&asked, "{'batch':[{" ITEM "}]}", "{'consent':{'gpc':true}}");
    assert_context(&asked, "{'batch':[{" ITEM ",'context':{'consent':{'a':1}}}]}", "{'consent':{'a':1},'consent':{'a':1,'gpc':true}}");
    assert_context(&asked, "{'batch':[{" ITEM ",'context':{'consent':'x'}}]}", "{'consent':'x','consent':{'gpc':true}}");
    assert_context(&asked, "{'batch':[{" ITEM ",'context':{'consent':{'gpc':true}}}]}", "{'consent':{'gpc':true}}");
    assert_context(&asked, "{'batch':[{" ITEM "}],'context':{'consent':{'b':2}}}", "{'consent':{'b':2},'consent':{'b':2,'gpc':true}}");
    asked.call.privacy = PRIVACY_DROP;
    job = job_of(&asked, "{'batch':[{" ITEM "},5,{'type':'x'}]}");
    ck_assert(job->n_dropped == 3 && !job->n_messages && !job->n_rejects);
    job_free(job);
    asked.call.opted_out = false;
    job = job_of(&asked, "{'batch':[{" ITEM "},{" ITEM ",'context':{'consent':{'gpc':true}}}]}");
    ck_assert(job->n_dropped == 1 && job->n_messages == 1 && !message_of(job)->opted_out);
    job_free(job);
    asked.call.privacy = PRIVACY_IGNORE;
    job = job_of(&asked, "{'batch':[{" ITEM ",'context':{'consent':{'gpc':true}}}]}");
    ck_assert(job->n_messages == 1 && !message_of(job)->opted_out);
    job_free(job);
}
END_TEST

START_TEST(test_lines)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, NULL);
    asked.call.items_max = 1;
    job = job_of_lines(&asked, "{" ITEM ",'messageId':'1','timestamp':'2026-01-01'}\r\n"
                               "\n \t\r\n"
                               "{bad}\n"
                               "{" ITEM ",'properties':{'n':1e400}}\n"
                               "{" ITEM ",'properties':{'n':1}}\n"
                               "{" ITEM ",'context':{'a':'\xff'}}\n"
                               "[]\n"
                               "{'userId':'u'}\n"
                               "  {" ITEM ",'timestamp':'2099-12-31T22:00:00Z','sentAt':'2099-12-31T23:00:00Z'}");
    ck_assert_uint_eq(job->n_messages, 3);
    ck_assert_uint_eq(job->n_rejects, 5);
    ck_assert_int_eq(job->messages[0].ts_us, INT64_C(1767225600000000));
    assert_span(job->messages[1].properties, "{'n':1}");
    ck_assert_int_eq(job->messages[2].ts_us, NOW_US - INT64_C(7200000000)); /* sentAt does not count */
    ck_assert_str_eq(job->rejects[0].code, "invalid_json");
    assert_span(job->rejects[0].payload, "{bad}");
    ck_assert_str_eq(job->rejects[1].code, "bad_number");
    ck_assert_str_eq(job->rejects[2].code, "invalid_json");
    assert_span(job->rejects[2].payload, "{" ITEM ",'context':{'a':'?'}}");
    ck_assert_str_eq(job->rejects[3].code, "not_an_object");
    ck_assert_str_eq(job->rejects[4].code, "unknown_type");
    job_free(job);
}
END_TEST

START_TEST(test_a_nul_in_a_line_does_not_reach_the_log)
{
    struct asked asked;
    struct ingest_job *job;
    char *text = mem_alloc(4);

    memcpy(text, "a\0b\n", 4);
    ask(&asked, NULL);
    job = collect_lines(text, 4, &asked.call);
    ck_assert_uint_eq(job->n_rejects, 1);
    assert_span(job->rejects[0].payload, "a?b");
    job_free(job);
}
END_TEST

START_TEST(test_no_lines)
{
    struct asked asked;
    struct ingest_job *job;

    ask(&asked, NULL);
    job = job_of_lines(&asked, "");
    ck_assert_uint_eq(job->n_messages + job->n_rejects, 0);
    job_free(job);
    job = job_of_lines(&asked, "\n\n");
    ck_assert_uint_eq(job->n_messages + job->n_rejects, 0);
    job_free(job);
}
END_TEST

RUN_TESTS("batch", test_items_in_order_bad_ones_apart, test_many_rejects, test_an_empty_batch_is_an_empty_job, test_whole_bodies_refused,
          test_deep_bodies_are_refused, test_number_of_items, test_write_key, test_default_context, test_a_single_call_has_no_defaults,
          test_default_traits_of_an_identify, test_defaults_count_for_each_item, test_the_arena_holds_the_worst_item,
          test_a_small_body_cannot_make_a_large_job, test_sent_at_of_the_batch, test_the_client_s_address,
          test_the_address_where_the_library_says_who_sends, test_the_signal_and_the_policy, test_lines,
          test_a_nul_in_a_line_does_not_reach_the_log, test_no_lines)
