/* Amazon SNS with a key and certificate of our own; what must never be fetched. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "server/base/buf.h"
#include "tests/unit/hooks/given.h"

enum { NOW_S = 1700000000, BASE64_MAX = 1024 };
#define TOPIC "arn:aws:sns:eu-west-1:123456789012:mail"
#define CERT  "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem"
#define TIME  "2023-11-14T22:13:20.000Z"

static EVP_PKEY *make_key(void)
{
    return EVP_RSA_gen(2048);
}

/* A certificate of the key, as PEM; valid around NOW_S. */
static void make_certificate(EVP_PKEY *key, struct buf *pem)
{
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len;

    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    ASN1_TIME_set(X509_getm_notBefore(certificate), NOW_S - 1000);
    ASN1_TIME_set(X509_getm_notAfter(certificate), NOW_S + 100000);
    X509_set_pubkey(certificate, key);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    ck_assert_int_eq(PEM_write_bio_X509(bio, certificate), 1);
    len = BIO_get_mem_data(bio, &text);
    buf_add(pem, text, (size_t)len);
    BIO_free(bio);
    X509_free(certificate);
}

static void sign(EVP_PKEY *key, const char *text, int version, char ret_base64[BASE64_MAX])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t signature[512];
    size_t len = sizeof signature;

    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, version == 2 ? EVP_sha256() : EVP_sha1(), NULL, key), 1);
    ck_assert_int_eq(EVP_DigestSign(context, signature, &len, (const uint8_t *)text, strlen(text)), 1);
    EVP_EncodeBlock((uint8_t *)ret_base64, signature, (int)len);
    EVP_MD_CTX_free(context);
}

struct envelope {
    const char *signed_text;
    const char *members; /* JSON, without the signature's */
    int version;
};

static const struct envelope notification = {
    "Message\n{\"a\":1}\nMessageId\nid-1\nSubject\nhello\nTimestamp\n" TIME "\nTopicArn\n" TOPIC "\nType\nNotification\n",
    "\"Message\":\"{\\\"a\\\":1}\",\"MessageId\":\"id-1\",\"Subject\":\"hello\",\"Timestamp\":\"" TIME "\",\"TopicArn\":\"" TOPIC
    "\",\"Type\":\"Notification\"",
    1};
static const struct envelope confirmation = {
    "Message\nm\nMessageId\nid-2\nSubscribeURL\nhttps://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t\nTimestamp\n" TIME
    "\nToken\nt\nTopicArn\n" TOPIC "\nType\nSubscriptionConfirmation\n",
    "\"Message\":\"m\",\"MessageId\":\"id-2\",\"SubscribeURL\":\"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t\","
    "\"Timestamp\":\"" TIME "\",\"Token\":\"t\",\"TopicArn\":\"" TOPIC "\",\"Type\":\"SubscriptionConfirmation\"",
    2};

static enum hook_verdict verdict_of(const struct envelope *envelope, EVP_PKEY *signer, EVP_PKEY *owner, int64_t now_s)
{
    struct buf body AUTO_BUF = BUF_INIT(10000), pem AUTO_BUF = BUF_INIT(10000);
    char signature[BASE64_MAX];
    enum hook_verdict verdict;
    struct given *given;
    struct hook_sns sns;
    const char *why;

    sign(signer, envelope->signed_text, envelope->version, signature);
    buf_addf(&body, "{%s,\"SignatureVersion\":\"%d\",\"Signature\":\"%s\",\"SigningCertURL\":\"" CERT "\"}", envelope->members,
             envelope->version, signature);
    make_certificate(owner, &pem);
    given = given_new(buf_text(&body), now_s);
    given_provider(given, "ses");
    given_secret(given, "arn:aws:sns:eu-west-1:123456789012:other");
    given_secret(given, TOPIC);
    verdict = hook_sns_read(&given->request, &sns, &why);
    ck_assert_int_eq(verdict, HOOK_GENUINE);
    ck_assert_str_eq(sns.certificate, CERT);
    verdict =
        hook_sns_verify(given->entry, &sns, &(struct hook_certificate){.pem = buf_text(&pem), .len = pem.len}, now_s * US_PER_S, &why);
    ck_assert_int_eq(sns.confirmation, envelope == &confirmation);
    hook_sns_release(&sns);
    given_free(given);
    return verdict;
}

START_TEST(test_signatures)
{
    EVP_PKEY *key = make_key(), *other = make_key();
    struct envelope changed = notification;

    ck_assert_int_eq(verdict_of(&notification, key, key, NOW_S), HOOK_GENUINE);
    ck_assert_int_eq(verdict_of(&confirmation, key, key, NOW_S), HOOK_GENUINE);
    ck_assert_int_eq(verdict_of(&notification, other, key, NOW_S), HOOK_FORGED);
    changed.signed_text =
        "Message\n{\"a\":2}\nMessageId\nid-1\nSubject\nhello\nTimestamp\n" TIME "\nTopicArn\n" TOPIC "\nType\nNotification\n";
    ck_assert_int_eq(verdict_of(&changed, key, key, NOW_S), HOOK_FORGED);
    ck_assert_int_eq(verdict_of(&notification, key, key, NOW_S + 3 * 3600), HOOK_STALE);
    ck_assert_int_eq(verdict_of(&notification, key, key, NOW_S + 200000), HOOK_FORGED); /* the certificate has run out */
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}
END_TEST

START_TEST(test_urls)
{
    static const char *const good[] = {CERT, "https://sns.us-gov-west-1.amazonaws.com/a.pem",
                                       "https://sns.cn-north-1.amazonaws.com.cn/a.pem"};
    static const char *const bad[] = {"",
                                      "http://sns.eu-west-1.amazonaws.com/a.pem",
                                      "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
                                      "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
                                      "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
                                      "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem",
                                      "https://sns.evil.example#.amazonaws.com/a.pem",
                                      "https://sns.evil.example/.amazonaws.com/a.pem",
                                      "https://sns..amazonaws.com/a.pem",
                                      "https://sns.a.b.amazonaws.com/a.pem",
                                      "https://sns.EU.amazonaws.com/a.pem",
                                      "https://sns.eu-west-1.amazonaws.com\\@evil.example/a.pem",
                                      "https://sns.eu-west-1.amazonaws.com/a.pem?x=.pem",
                                      "https://sns.eu-west-1.amazonaws.com/a.pem#",
                                      "https://sns.eu-west-1.amazonaws.com/a.txt",
                                      "https://sns.eu-west-1.amazonaws.com",
                                      "https://user@sns.eu-west-1.amazonaws.com/a.pem",
                                      "https://sns.eu-west-1.amazonaws.com/ a.pem",
                                      "https://sns.eu-west-1.amazonaws.com/\n.pem",
                                      "https://bucket.s3.amazonaws.com/a.pem",
                                      "https://snsXeu-west-1.amazonaws.com/a.pem"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert_msg(hook_sns_url_ok(good[i], ".pem"), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!hook_sns_url_ok(bad[i], ".pem"), "%s", bad[i]);
}
END_TEST

START_TEST(test_envelopes_refused)
{
    static const char *const bodies[] = {
        "",
        "{}",
        "[]",
        "1",
        "{\"Type\":\"Notification\"}",
        "{\"Type\":\"Notification\",\"TopicArn\":\"arn:aws:sns:eu-west-1:1:other\",\"SigningCertURL\":\"" CERT "\"}",
        "{\"Type\":\"Notification\",\"TopicArn\":\"" TOPIC "\",\"SigningCertURL\":\"https://evil.example/a.pem\"}",
        "{\"Type\":\"Notification\",\"TopicArn\":\"" TOPIC "\",\"SigningCertURL\":\"" CERT "\",\"Message\":\"m\"}",
        "{\"Type\":\"SubscriptionConfirmation\",\"TopicArn\":\"" TOPIC "\",\"SigningCertURL\":\"" CERT
        "\",\"SubscribeURL\":\"https://evil.example/\"}"};

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct given *given = given_new(bodies[i], NOW_S);
        struct hook_sns sns;
        const char *why;

        ck_assert_int_eq(hook_sns_read(&given->request, &sns, &why), HOOK_UNVERIFIABLE);
        given_secret(given, TOPIC);
        ck_assert_msg(hook_sns_read(&given->request, &sns, &why) == HOOK_FORGED, "%s", bodies[i]);
        given_free(given);
    }
}
END_TEST

RUN_TESTS("sns", test_signatures, test_urls, test_envelopes_refused)
