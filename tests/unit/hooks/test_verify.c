/* Signatures: published vectors where there are any, and what must not pass. */
#include "tests/unit/hooks/given.h"

static const char standard_entry[] =
    "{\"verify\":{\"scheme\":\"hmac\",\"signature\":\"header:webhook-signature\",\"encoding\":\"base64\",\"separator\":\" \",\"prefix\":\"v1,\","
    "\"timestamp\":\"header:webhook-timestamp\",\"signed\":\"{header:webhook-id}.{timestamp}.{body}\",\"key_prefix\":\"whsec_\",\"key_encoding\":\"base64\"},"
    "\"person\":{\"email\":\"email\"},\"map\":{}}";

/* The vector of the Standard Webhooks libraries. */
static struct given *standard(const char *signature, int64_t now_s)
{
    struct given *given = given_new("{\"test\": 2432232314}", now_s);

    given_entry(given, standard_entry);
    given_secret(given, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    given->headers[0] = "webhook-id";
    given->headers[1] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    given->headers[2] = "webhook-timestamp";
    given->headers[3] = "1614265330";
    given->headers[4] = "webhook-signature";
    given->headers[5] = signature;
    return given;
}

START_TEST(test_standard_webhooks)
{
    static const struct {
        const char *signature;
        int64_t now_s;
        enum hook_verdict verdict;
    } cases[] = {
        {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1614265330, HOOK_GENUINE},
        {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1614265330 + 300, HOOK_GENUINE},
        {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1614265330 + 301, HOOK_STALE},
        {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1614265330 - 301, HOOK_STALE},
        {"v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,xyz v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1614265330,
         HOOK_GENUINE},
        {"v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1614265330, HOOK_FORGED},
        {"g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1614265330, HOOK_FORGED},
        {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=", 1614265330, HOOK_FORGED},
        {"v1,", 1614265330, HOOK_FORGED},
        {"", 1614265330, HOOK_FORGED},
        {NULL, 1614265330, HOOK_FORGED},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct given *given = standard(cases[i].signature, cases[i].now_s);

        ck_assert_msg(given_verdict(given) == cases[i].verdict, "case %zu", i);
        given_free(given);
    }
}
END_TEST

START_TEST(test_several_secrets_and_none)
{
    struct given *given = standard("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1614265330);

    given->secrets[0] = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    ck_assert_int_eq(given_verdict(given), HOOK_FORGED);
    given_secret(given, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    ck_assert_int_eq(given_verdict(given), HOOK_GENUINE);
    given->request.n_secrets = 0;
    ck_assert_int_eq(given_verdict(given), HOOK_UNVERIFIABLE);
    given_free(given);
}
END_TEST

/* The vector of SendGrid's own helper libraries. */
START_TEST(test_sendgrid)
{
    static const char body[] = "[{\"email\":\"hello@world.com\",\"event\":\"dropped\",\"reason\":\"Bounced Address\","
                               "\"sg_event_id\":\"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA\","
                               "\"sg_message_id\":\"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0\","
                               "\"smtp-id\":\"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>\",\"timestamp\":1600112492}]\r\n";
    struct given *given = given_new(body, 1600112502);

    given_provider(given, "sendgrid");
    given_secret(
        given,
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==");
    given->headers[0] = "X-Twilio-Email-Event-Webhook-Signature";
    given->headers[1] = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=";
    given->headers[2] = "X-Twilio-Email-Event-Webhook-Timestamp";
    given->headers[3] = "1600112502";
    ck_assert_int_eq(given_verdict(given), HOOK_GENUINE);
    given->request.len -= 2; /* without its line end it is another text */
    ck_assert_int_eq(given_verdict(given), HOOK_FORGED);
    given->request.len += 2;
    given->headers[3] = "1600112503";
    ck_assert_int_eq(given_verdict(given), HOOK_FORGED);
    given->headers[3] = "1600112502";
    given->request.now_us += 2 * 86400 * US_PER_S;
    ck_assert_int_eq(given_verdict(given), HOOK_STALE);
    given_free(given);
}
END_TEST

START_TEST(test_mandrill)
{
    /* HMAC-SHA1 of the URL and the sorted fields; made with Python's hmac */
    struct given *given = given_new("b=2+3&a=%C3%A9", 0);

    given_provider(given, "mandrill");
    given_secret(given, "key");
    given->headers[0] = "X-Mandrill-Signature";
    given->headers[1] = "lRZUUgfLJcqmmudyjWQRSJ8tpjk=";
    ck_assert_int_eq(given_verdict(given), HOOK_GENUINE);
    given->request.url = "https://events.shop.example/v1/hooks/test/";
    ck_assert_int_eq(given_verdict(given), HOOK_FORGED);
    given_free(given);
}
END_TEST

START_TEST(test_tokens)
{
    static const struct {
        const char *authorization;
        enum hook_verdict verdict;
    } cases[] = {
        {"Basic dXNlcjpwYXNz", HOOK_GENUINE}, /* user:pass */
        {"Basic YW55OnBhc3M=", HOOK_GENUINE}, /* any:pass */
        {"Bearer pass", HOOK_GENUINE},
        {"bearer pass", HOOK_GENUINE},
        {"Bearer pas", HOOK_FORGED},
        {"Bearer passs", HOOK_FORGED},
        {"Bearer ", HOOK_FORGED},
        {"pass", HOOK_FORGED},
        {"Basic cGFzcw", HOOK_GENUINE},  /* pass alone */
        {"Basic dXNlcjo=", HOOK_FORGED}, /* user: */
        {NULL, HOOK_FORGED},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct given *given = given_new("{}", 0);

        given_provider(given, "postmark");
        given_secret(given, "pass");
        given->headers[0] = "Authorization";
        given->headers[1] = cases[i].authorization;
        ck_assert_msg(given_verdict(given) == cases[i].verdict, "%s", cases[i].authorization);
        given_free(given);
    }
}
END_TEST

START_TEST(test_key_in_the_body)
{
    static const struct {
        const char *body;
        enum hook_verdict verdict;
    } cases[] = {{"{\"google_key\":\"k\"}", HOOK_GENUINE},
                 {"{\"google_key\":\"k2\"}", HOOK_FORGED},
                 {"{\"google_key\":[\"k\"]}", HOOK_FORGED},
                 {"{\"google_key\":\"k\"", HOOK_FORGED},
                 {"", HOOK_FORGED}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct given *given = given_new(cases[i].body, 0);

        given_provider(given, "google_leads");
        given_secret(given, "k");
        ck_assert_msg(given_verdict(given) == cases[i].verdict, "%s", cases[i].body);
        given_free(given);
    }
}
END_TEST

START_TEST(test_secrets_of_the_right_form)
{
    static const struct {
        const char *provider, *secret;
        bool ok;
    } cases[] = {{"sendgrid", "no key", false}, {"resend", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true},
                 {"resend", "whsec_!", false},  {"ses", "arn:aws:sns:eu-west-1:123456789012:mail", true},
                 {"ses", "mail", false},        {"shopify", "anything", true}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct given *given = given_new("", 0);
        struct err err = ERR_INIT;

        given_provider(given, cases[i].provider);
        ck_assert_msg(hook_secret_ok(given->entry, cases[i].secret, "/secret", &err) == cases[i].ok, "%s", cases[i].secret);
        given_free(given);
    }
}
END_TEST

RUN_TESTS("verify", test_standard_webhooks, test_several_secrets_and_none, test_sendgrid, test_mandrill, test_tokens, test_key_in_the_body,
          test_secrets_of_the_right_form)
