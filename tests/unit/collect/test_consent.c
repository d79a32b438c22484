/* Consent as identify calls carry it: every form becomes one, what is bad is left out alone, and the arena has room for all of it. */
#include "job.h"
#include "server/base/buf.h"

static void expect_consent(const char *type, const char *text, const char *consent)
{
    struct asked asked;
    struct ingest_job *job;
    struct span found;

    ask(&asked, type);
    job = job_of(&asked, text);
    ck_assert_ptr_nonnull(job);
    ck_assert_uint_eq(job->n_messages, 1);
    found = job->messages[0].consent;
    if (consent)
        assert_span(found, consent);
    else
        ck_assert_ptr_null(found.at);
    job_free(job);
}

#define WHO "'userId':'u','messageId':'m'"

START_TEST(test_traits)
{
    static const struct {
        const char *consent, *expected;
    } cases[] = {
        {"{'email':'granted','sms':'denied','push':null}", "{'email':'granted','sms':'denied','push':null}"},
        {"{'a':true,'b':false}", "{'a':'granted','b':'denied'}"},
        {"{ 'a' : true , 'b' : 'yes', 'c':1, 'd':[], 'e':{}, 'f':'', 'g':'Denied' }", "{'a':'granted'}"},
        {"{'a':'\\u0067ranted','\\u0062\\\"':true}", "{'a':'granted','\\u0062\\\"':'granted'}"},
        {"{'':true,'new\\nline':true,'del\x7f':true}", NULL},
        {"{}", NULL},
        {"'granted'", NULL},
        {"true", NULL},
        {"null", NULL},
        {"['email']", NULL},
    };
    char text[512];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)snprintf(text, sizeof text, "{" WHO ",'traits':{'a':1,'consent':%s}}", cases[i].consent);
        expect_consent("identify", text, cases[i].expected);
        (void)snprintf(text, sizeof text, "{" WHO ",'context':{'traits':{'consent':%s}},'traits':{'a':1}}", cases[i].consent);
        expect_consent("identify", text, cases[i].expected);
        (void)snprintf(text, sizeof text, "{" WHO ",'event':'e','traits':{'consent':%s},'properties':{'consent':{'a':true}}}",
                       cases[i].consent);
        expect_consent("track", text, NULL);
    }
    expect_consent("identify", "{" WHO ",'context':{'traits':{'consent':{'a':true}}},'traits':{'consent':{'b':true}}}", "{'b':'granted'}");
    expect_consent("identify", "{" WHO ",'context':{'traits':{'consent':{'a':true}}},'traits':{'consent':'no'}}", NULL);
}
END_TEST

START_TEST(test_category_preferences)
{
    expect_consent("identify", "{" WHO ",'context':{'consent':{'categoryPreferences':{'Ads':true,'Site':false,'x':null}}}}",
                   "{'Ads':'granted','Site':'denied','x':null}");
    expect_consent("identify", "{" WHO ",'traits':{'consent':{'Ads':false}},'context':{'consent':{'categoryPreferences':{'Ads':true}}}}",
                   "{'Ads':'granted','Ads':'denied'}"); /* of two equal keys the last holds */
    expect_consent("identify", "{" WHO ",'context':{'consent':{'Ads':true}}}", NULL);
    expect_consent("identify", "{" WHO ",'context':{'consent':{'categoryPreferences':['Ads']}}}", NULL);
    expect_consent("track", "{" WHO ",'event':'e','context':{'consent':{'categoryPreferences':{'Ads':true}}}}", NULL);
    expect_consent(
        NULL,
        "{'context':{'consent':{'categoryPreferences':{'Ads':true}},'traits':{'consent':{'a':true}}},'batch':[{'type':'identify'," WHO
        "}]}",
        "{'Ads':'granted','a':'granted'}");
}
END_TEST

/* n channels of names of that many characters. */
static char *many(int n, int length, const char *value)
{
    struct buf text = BUF_INIT(1 << 20);

    for (int i = 0; i < n; i++)
        buf_addf(&text, "%s\"%0*d\":%s", i ? "," : "{", length, i, value);
    buf_add_char(&text, '}');
    return buf_take(&text);
}

static size_t channels_of(const char *consent)
{
    struct buf text = BUF_INIT(1 << 20);
    struct asked asked;
    struct ingest_job *job;
    size_t n = 0;

    buf_addf(&text, "{" WHO ",'traits':{'consent':%s},'context':{'traits':{'consent':%s},'consent':{'categoryPreferences':%s}}}", consent,
             consent, consent);
    ask(&asked, "identify");
    job = job_of(&asked, buf_text(&text));
    ck_assert_ptr_nonnull(job);
    for (size_t i = 0; i < job->messages[0].consent.len; i++)
        n += job->messages[0].consent.at[i] == ':';
    job_free(job);
    buf_release(&text);
    return n;
}

START_TEST(test_limits)
{
    static const struct {
        int n, length;
        size_t left;
    } cases[] = {{1, 256, 2}, {1, 257, 0}, {50, 2, 100}, {51, 2, 100}, {1000, 3, 100}, {60, 256, 100}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *consent AUTO_FREE = many(cases[i].n, cases[i].length, "true");

        ck_assert_uint_eq(channels_of(consent), cases[i].left);
    }
}
END_TEST

RUN_TESTS("consent", test_traits, test_category_preferences, test_limits)
