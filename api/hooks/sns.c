/* Amazon SNS. The one idea: the envelope names the certificate that it is to be held against, so before anything is fetched that URL
 * must be Amazon's to the letter, and the topic must be one the source was told of: a signature by Amazon alone proves only that
 * somebody has an account there. Confirmation URLs are held to the same rule. It fetches nothing itself. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "api/hooks/codec.h"
#include "api/hooks/look.h"
#include "server/base/alloc.h"
#include "server/base/instant.h"

enum { URL_LENGTH = 2048, TEXT_SLACK = 4096, TOLERANCE_DEFAULT_S = 2 * 3600 };
#define US_PER_S INT64_C(1000000)

void hook_sns_release(struct hook_sns *sns)
{
    free(sns->certificate);
    free(sns->subscribe_url);
    free(sns->topic);
    free(sns->text);
    free(sns->signature);
    *sns = (struct hook_sns){.text = NULL};
}

bool hook_sns_url_ok(const char *url, const char *suffix)
{
    static const char scheme[] = "https://sns.", aws[] = ".amazonaws.com", china[] = ".cn";
    size_t len = strlen(url);

    if (len > URL_LENGTH || strncmp(url, scheme, sizeof scheme - 1) != 0)
        return false;
    for (const char *at = url; *at; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f || *at == '\\' || *at == '@' || *at == '#')
            return false;
    if (suffix && (len < strlen(suffix) || strcmp(url + len - strlen(suffix), suffix) != 0 || strchr(url, '?')))
        return false;
    url += sizeof scheme - 1;
    len = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (!len || strncmp(url + len, aws, sizeof aws - 1) != 0)
        return false;
    url += len + sizeof aws - 1;
    if (strncmp(url, china, sizeof china - 1) == 0)
        url += sizeof china - 1;
    return *url == '/';
}

static char *take(struct json root, const char *name)
{
    struct json value = json_get(root, name);

    return value.type == JSON_T_STRING ? json_text(value) : NULL;
}

/* Name\nvalue\n for each member, in this order; Subject only where there is one. */
static bool sign_text(struct json root, bool confirmation, struct buf *text)
{
    static const char *const notification[] = {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type", NULL};
    static const char *const subscription[] = {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type", NULL};

    for (const char *const *name = confirmation ? subscription : notification; *name; name++) {
        char *value AUTO_FREE = take(root, *name);

        if (!value && strcmp(*name, "Subject") == 0)
            continue;
        if (!value)
            return false;
        buf_addf(text, "%s\n", *name);
        buf_add_text(text, value);
        buf_add_char(text, '\n');
    }
    return buf_ok(text);
}

static bool topic_known(const struct hook_request *request, const char *topic)
{
    for (size_t i = 0; topic && i < request->n_secrets; i++)
        if (strcmp(request->secrets[i], topic) == 0)
            return true;
    return false;
}

static bool read_signature(struct json root, struct hook_sns *sns)
{
    char *version AUTO_FREE = take(root, "SignatureVersion"), *signature AUTO_FREE = take(root, "Signature");

    if (!version || !signature || (strcmp(version, "1") != 0 && strcmp(version, "2") != 0))
        return false;
    sns->version = *version - '0';
    sns->signature = mem_alloc(strlen(signature) + 1);
    return base64_read(signature, strlen(signature), sns->signature, &sns->signature_len);
}

static bool read_time(struct json root, struct hook_sns *sns)
{
    struct json value = json_get(root, "Timestamp");
    enum instant_form form;

    return value.type == JSON_T_STRING && instant_read(value.at + 1, value.len - 2, &sns->sent_us, &form);
}

static const char *read_envelope(struct json root, const struct hook_request *request, struct hook_sns *sns)
{
    char *type AUTO_FREE = take(root, "Type");
    struct buf text = BUF_INIT(2 * request->len + TEXT_SLACK);
    bool ok;

    if (!type || (strcmp(type, "Notification") != 0 && strcmp(type, "SubscriptionConfirmation") != 0 &&
                  strcmp(type, "UnsubscribeConfirmation") != 0))
        return "it is no message of SNS";
    sns->confirmation = strcmp(type, "SubscriptionConfirmation") == 0;
    sns->topic = take(root, "TopicArn");
    if (!topic_known(request, sns->topic))
        return "the topic is not the source's";
    sns->certificate = take(root, "SigningCertURL");
    if (!sns->certificate || !hook_sns_url_ok(sns->certificate, ".pem"))
        return "the certificate's URL is not Amazon's";
    sns->subscribe_url = take(root, "SubscribeURL");
    if (sns->confirmation && (!sns->subscribe_url || !hook_sns_url_ok(sns->subscribe_url, NULL)))
        return "the confirmation's URL is not Amazon's";
    ok = sign_text(root, strcmp(type, "Notification") != 0, &text);
    sns->text_len = text.len;
    sns->text = buf_take(&text);
    return ok && read_signature(root, sns) && read_time(root, sns) ? NULL : "what was signed is missing or malformed";
}

enum hook_verdict hook_sns_read(const struct hook_request *request, struct hook_sns *ret_sns, const char **ret_why)
{
    char *body AUTO_FREE = mem_alloc(request->len + 1);
    struct hook_sns sns = {.text = NULL};
    size_t bad_numbers;
    struct json_flaw flaw;
    struct json root;

    *ret_why = "the source has no topic";
    if (!request->n_secrets)
        return HOOK_UNVERIFIABLE;
    memcpy(body, request->body, request->len);
    if (!json_check(body, request->len, &root, &bad_numbers, &flaw))
        root = JSON_NONE;
    *ret_why = read_envelope(root, request, &sns);
    if (*ret_why) {
        hook_sns_release(&sns);
        return HOOK_FORGED;
    }
    *ret_sns = sns;
    return HOOK_GENUINE;
}

/* The certificate's RSA key, if it is valid now; NULL otherwise. The caller's. */
static EVP_PKEY *key_of(const char *pem, size_t len, int64_t now_us)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    time_t now = (time_t)(now_us / US_PER_S);
    EVP_PKEY *key = NULL;

    if (certificate && X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0 &&
        X509_cmp_time(X509_get0_notAfter(certificate), &now) > 0)
        key = X509_get_pubkey(certificate);
    if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    X509_free(certificate);
    BIO_free(bio);
    return key;
}

enum hook_verdict hook_sns_verify(struct json entry, const struct hook_sns *sns, const struct hook_certificate *certificate, int64_t now_us,
                                  const char **ret_why)
{
    int64_t tolerance_s = TOLERANCE_DEFAULT_S;
    EVP_PKEY *key = key_of(certificate->pem, certificate->len, now_us);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = key && context && EVP_DigestVerifyInit(context, NULL, sns->version == 2 ? EVP_sha256() : EVP_sha1(), NULL, key) == 1 &&
              EVP_DigestVerify(context, sns->signature, sns->signature_len, (const uint8_t *)sns->text, sns->text_len) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    *ret_why = "the signature does not fit";
    if (!ok)
        return HOOK_FORGED;
    if (!json_int(json_get(json_get(entry, "verify"), "tolerance"), 1, INT32_MAX, &tolerance_s))
        tolerance_s = TOLERANCE_DEFAULT_S;
    *ret_why = "it was signed too long ago, or in the future";
    if (sns->sent_us < now_us - tolerance_s * US_PER_S || sns->sent_us > now_us + tolerance_s * US_PER_S)
        return HOOK_STALE;
    return HOOK_GENUINE;
}
