/* Ids by api.md's "Ids": what is one, what counts as absent, what is too long. */
#include "api/collect/person.h"
#include "server/base/buf.h"
#include "tests/unit/collect/job.h"

/* The user's id of a track whose userId is this JSON; an anonymousId is there too. NULL span: it counts as absent. */
static void assert_id(const char *json, const char *want)
{
    struct buf text AUTO_BUF = BUF_INIT(2000);
    struct asked asked;
    struct ingest_job *job;

    buf_addf(&text, "{'event':'e','anonymousId':'a','userId':%s}", json);
    ask(&asked, "track");
    job = job_of(&asked, buf_text(&text));
    if (want)
        assert_span(message_of(job)->user.external, want);
    else
        ck_assert_msg(!message_of(job)->user.external.at, "%s", json);
    assert_span(message_of(job)->anonymous.external, "a");
    job_free(job);
}

START_TEST(test_ids)
{
    assert_id("'u1'", "u1");
    assert_id("' u 1 '", " u 1 ");
    assert_id("'\\u00e9'", "\xc3\xa9");
    assert_id("'anon:x'", "anon:x");
    assert_id("5", "5");
    assert_id("1.50", "1.50");
    assert_id("1e3", "1e3");
    assert_id("-2", "-2");
    assert_id("12345678901234567890", "12345678901234567890");
    assert_id("'Null'", "Null");
    assert_id("'00'", "00");
    assert_id("'...'", "...");
    assert_id("'00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001");
    assert_id("'a\\u0000'", "a\xef\xbf\xbd");
    assert_id("'\xc2\xa0'", "\xc2\xa0");
}
END_TEST

START_TEST(test_no_ids)
{
    static const char *const words[] = {"null",
                                        "''",
                                        "true",
                                        "{}",
                                        "['u']",
                                        "'null'",
                                        "'undefined'",
                                        "'anonymous'",
                                        "'none'",
                                        "'0'",
                                        "0",
                                        "'-1'",
                                        "-1",
                                        "'NaN'",
                                        "'[object Object]'",
                                        "'.'",
                                        "'..'",
                                        "'n\\u0075ll'",
                                        "'00000000-0000-0000-0000-000000000000'",
                                        "'00000000000000000000000000000000'",
                                        "'a\\nb'",
                                        "'\\u001f'",
                                        "'a\x7f'",
                                        "'a\xc2\x80'",
                                        "'\xc2\x9f'"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        assert_id(words[i], NULL);
}
END_TEST

START_TEST(test_length_is_counted_in_bytes)
{
    static const char *const members[] = {"userId", "anonymousId"};

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        struct buf text AUTO_BUF = BUF_INIT(2000);
        struct asked asked;
        struct ingest_job *job;

        buf_addf(&text, "{'event':'e','%s':'", members[i]);
        for (int k = 0; k < 127; k++)
            buf_add_text(&text, "\xc3\xa9");
        buf_add_text(&text, "\\u00e9'}");
        ask(&asked, "track");
        job = job_of(&asked, buf_text(&text));
        ck_assert_uint_eq(message_of(job)->user.external.len + message_of(job)->anonymous.external.len, 256);
        job_free(job);
        text.len -= 2;
        buf_add_text(&text, "x'}");
        assert_rejected("track", buf_text(&text), "id_too_long");
    }
}
END_TEST

START_TEST(test_a_long_id_of_any_kind_is_rejected)
{
    static const struct {
        const char *type, *members;
    } cases[] = {{"track", "'event':'e','userId':'u','anonymousId':"},
                 {"alias", "'userId':'u','previousId':"},
                 {"group", "'userId':'u','groupId':"},
                 {"identify", "'userId':"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text AUTO_BUF = BUF_INIT(2000);

        buf_addf(&text, "{%s'%0257d'}", cases[i].members, 1);
        assert_rejected(cases[i].type, buf_text(&text), "id_too_long");
    }
}
END_TEST

/* The email of a message of that type with these members; NULL: none. */
static void assert_email(const char *type, const char *members, const char *want)
{
    struct buf text AUTO_BUF = BUF_INIT(8000);
    struct asked asked;
    struct ingest_job *job;

    buf_addf(&text, "{'event':'e',%s}", members);
    ask(&asked, type);
    job = job_of(&asked, buf_text(&text));
    if (want) {
        struct id raw = id_person("email", want, strlen(want));

        assert_span(message_of(job)->email.external, want);
        ck_assert(id_equal(&message_of(job)->email.raw, &raw));
    } else {
        ck_assert_msg(!message_of(job)->email.external.at, "%s", members);
    }
    job_free(job);
}

START_TEST(test_emails_of_an_identify)
{
    assert_email("identify", "'userId':'u','traits':{'email':'a@example.com'}", "a@example.com");
    assert_email("identify", "'anonymousId':'a','traits':{'email':' A.B+c@Example.COM\\n'}", "a.b+c@example.com");
    assert_email("identify", "'traits':{'email':'\\u0041@x'}", "a@x");
    assert_email("identify", "'traits':{'email':'\\ufeff\\u00a0a@x \\u200b\\u00a0\\n'}", "a@x"); /* copied from a web page */
    assert_email("identify", "'userId':'u','traits':{'email':'\\u00a0'}", NULL);
    assert_email("identify", "'traits':{'email':'\xc3\x89v\x40\xc3\xa9t\xc3\xa9.fr'}", "\xc3\x89v@\xc3\xa9t\xc3\xa9.fr");
    assert_email("identify", "'userId':'u','context':{'traits':{'email':'c@x'}}", "c@x");
    assert_email("identify", "'userId':'u','traits':{'email':'t@x'},'context':{'traits':{'email':'c@x'}}", "t@x");
    assert_email("identify", "'userId':'u','traits':{'email':'none'},'context':{'traits':{'email':'c@x'}}", "c@x");
    assert_email("identify", "'userId':'u','properties':{'email':'p@x'}", NULL);
}
END_TEST

START_TEST(test_emails_of_other_messages)
{
    assert_email("track", "'userId':'u','traits':{'email':'a@x'},'properties':{'email':'a@x'}", NULL);
    assert_email("track", "'anonymousId':'a','context':{'traits':{'email':'a@x'}}", NULL);
    assert_email("track", "'userId':'null','properties':{'email':'a@x'}", "a@x");
    assert_email("page", "'properties':{'email':'p@x'},'traits':{'email':'t@x'}", "t@x");
    assert_email("track", "'properties':{'email':'p@x'},'traits':{'email':'t@x'},'context':{'traits':{'email':'c@x'}}", "c@x");
    assert_email("group", "'groupId':'g','context':{'traits':{'email':'c@x'}}", "c@x");
    assert_rejected("track", "{'event':'e','properties':{'email':'x'}}", "no_user_anon_id");
    assert_rejected("alias", "{'previousId':'p','context':{'traits':{'email':'c@x'}}}", "no_user_anon_id");
}
END_TEST

START_TEST(test_what_is_no_email)
{
    static const char *const words[] = {"null",    "5",       "''",       "'a'",           "'@'",         "'@x'",
                                        "'a@'",    "'a@b@c'", "'a b@c'",  "'a@b\\u0001c'", "'a@\\u0085'", "{'email':'a@x'}",
                                        "['a@x']", "' @ '",   "'a\\tb@c'"};
    char most[EMAIL_MAX + 1] = "a@";

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct buf text AUTO_BUF = BUF_INIT(2000);

        buf_addf(&text, "'userId':'u','traits':{'email':%s}", words[i]);
        assert_email("identify", buf_text(&text), NULL);
    }
    memset(most + 2, 'x', EMAIL_MAX - 2);
    for (int more = 0; more < 2; more++) {
        struct buf text AUTO_BUF = BUF_INIT(2000);

        buf_addf(&text, "'userId':'u','traits':{'email':'%s%s'}", most, more ? "x" : "");
        assert_email("identify", buf_text(&text), more ? NULL : most);
    }
}
END_TEST

RUN_TESTS("person", test_ids, test_no_ids, test_length_is_counted_in_bytes, test_a_long_id_of_any_kind_is_rejected,
          test_emails_of_an_identify, test_emails_of_other_messages, test_what_is_no_email)
