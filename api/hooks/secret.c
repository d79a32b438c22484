/* What a source's webhooks are verified with. The one idea: a secret is text as the provider shows it, and what it means (bytes of an
 * HMAC, a public key, a topic, a token) is its entry's to say; it is checked by that when it is written. Comparing takes the same time
 * whatever is compared: texts by their SHA-256, so not even a length shows. It keeps no secret. */
#include "api/hooks/secret.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "api/hooks/codec.h"
#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/base/id.h"

static bool is(struct json text, const char *wanted)
{
    return text.type == JSON_T_STRING && json_is(text, wanted);
}

/* The bytes of an HMAC key; false: the secret is none. */
static bool key_bytes(struct json rules, const char *secret, uint8_t *ret_key, size_t *ret_len)
{
    struct json prefix = json_get(rules, "key_prefix");
    size_t len = strlen(secret), prefix_len = prefix.type == JSON_T_STRING ? prefix.len - 2 : 0;

    if (len > HOOK_SECRET_LENGTH * 4)
        return false;
    if (prefix_len && len > prefix_len && memcmp(secret, prefix.at + 1, prefix_len) == 0) {
        secret += prefix_len;
        len -= prefix_len;
    }
    if (is(json_get(rules, "key_encoding"), "base64"))
        return base64_read(secret, len, ret_key, ret_len);
    memcpy(ret_key, secret, len);
    *ret_len = len;
    return len > 0;
}

bool secret_hmac(struct json rules, const char *secret, const struct secret_text *text, struct digest *ret_digest)
{
    const char *hash = is(json_get(rules, "hash"), "sha1") ? "SHA1" : "SHA256";
    uint8_t *key AUTO_FREE = mem_alloc(strlen(secret) + 1);
    size_t key_len;

    return key_bytes(rules, secret, key, &key_len) && EVP_Q_mac(NULL, "HMAC", NULL, hash, NULL, key, key_len, text->at, text->len,
                                                                ret_digest->bytes, sizeof ret_digest->bytes, &ret_digest->len);
}

EVP_PKEY *secret_public_key(const char *secret)
{
    uint8_t *der AUTO_FREE = mem_alloc(strlen(secret) + 1);
    struct buf text AUTO_BUF = BUF_INIT(HOOK_SECRET_LENGTH * 4);
    char group[32] = "";
    size_t len, group_len;
    const uint8_t *at = der;
    EVP_PKEY *key;

    for (const char *line = secret; *line;) {
        size_t n = strcspn(line, "\r\n");

        if (strncmp(line, "-----", 5) != 0)
            buf_add(&text, line, n);
        line += n + strspn(line + n, "\r\n");
    }
    if (!base64_read(buf_text(&text), text.len, der, &len))
        return NULL;
    key = d2i_PUBKEY(NULL, &at, (long)len);
    if (key && EVP_PKEY_get_group_name(key, group, sizeof group, &group_len) == 1 && strcmp(group, "prime256v1") == 0)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

bool secret_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    uint8_t x[KEY_HASH_SIZE], y[KEY_HASH_SIZE];

    sha256(a, a_len, x);
    sha256(b, b_len, y);
    return CRYPTO_memcmp(x, y, KEY_HASH_SIZE) == 0;
}

bool secret_given(const struct hook_request *request, const char *text)
{
    bool same = false;

    for (size_t i = 0; i < request->n_secrets; i++)
        same |= secret_same(text, strlen(text), request->secrets[i], strlen(request->secrets[i]));
    return same;
}

bool hook_secret_ok(struct json entry, const char *secret, const char *pointer, struct err *err)
{
    struct json rules = json_get(entry, "verify"), scheme = json_get(rules, "scheme");
    uint8_t *key AUTO_FREE = mem_alloc(strlen(secret) + 1);
    size_t len;

    if (is(scheme, "sns") && (strncmp(secret, "arn:aws", 7) != 0 || !strstr(secret, ":sns:")))
        return err_set(err, "bad_value", pointer, "must be the ARN of the topic: arn:aws:sns:REGION:ACCOUNT:NAME");
    if (is(scheme, "hmac") && !key_bytes(rules, secret, key, &len))
        return err_set(err, "bad_value", pointer, "is no key of this provider");
    if (is(scheme, "ecdsa")) {
        EVP_PKEY *public_key = secret_public_key(secret);

        EVP_PKEY_free(public_key);
        if (!public_key)
            return err_set(err, "bad_value", pointer, "must be a public key of P-256 in base64");
    }
    return true;
}
