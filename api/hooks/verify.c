/* Is a request its provider's? The one idea: every provider says the same few things (where the signature stands, how it is encoded, what exactly was signed,
 * with what key, when), so the scheme is code and the rest is the entry's `verify`. Invariants: what is signed is put together from the raw bytes; digests are
 * compared in constant time, and tokens by their SHA-256, so that not even their length shows; each of several secrets is tried. A time is looked at only
 * once the signature is good. SNS is sns.c's. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/hooks/amount.h"
#include "api/hooks/codec.h"
#include "api/hooks/form.h"
#include "api/hooks/look.h"
#include "server/base/alloc.h"
#include "server/base/id.h"
#include "server/base/json_write.h"

enum { SIGNATURE_MAX = 4096, SIGNATURES_MAX = 20, SIGNED_SLACK = 64 << 10, CHALLENGE_MAX = 256, PING_MAX = 64 };
#define US_PER_S INT64_C(1000000)

struct check {
    struct json rules; /* the entry's `verify` */
    struct look look;
    char *body;      /* a copy, where the signature stands in the body */
    char *timestamp; /* as it was sent, or NULL */
};

static void check_release(struct check *check)
{
    scratch_release(check->look.scratch);
    free(check->body);
    free(check->timestamp);
}

static bool is(struct json text, const char *wanted)
{
    return text.type == JSON_T_STRING && json_is(text, wanted);
}

/* --- What the request says --- */

/* The body is looked into only for what stands in it: a place beginning with "body:". */
static void read_body(struct check *check)
{
    const struct hook_request *request = check->look.request;
    size_t bad_numbers;
    struct json_flaw flaw;

    if (check->body)
        return;
    check->body = mem_alloc(request->len + 1);
    memcpy(check->body, request->body, request->len);
    if (!json_check(check->body, request->len, &check->look.root, &bad_numbers, &flaw))
        check->look.root = JSON_NONE;
    check->look.here = check->look.root;
}

/* The text at a place, malloc'd; NULL: nothing. */
static char *place_text(struct check *check, const char *place, size_t len)
{
    static const char body[] = "body:";
    char text[64];
    struct json value;

    if (len > sizeof body - 1 && memcmp(place, body, sizeof body - 1) == 0) {
        read_body(check);
        place += sizeof body - 1;
        len -= sizeof body - 1;
    }
    value = look_text(&check->look, place, len);
    if (value.type == JSON_T_STRING)
        return json_text(value);
    if (value.type != JSON_T_NUMBER || value.len >= sizeof text)
        return NULL;
    return mem_strndup(value.at, value.len);
}

static char *rule_place(struct check *check, const char *name)
{
    struct json place = json_get(check->rules, name);

    return place.type == JSON_T_STRING ? place_text(check, place.at + 1, place.len - 2) : NULL;
}

/* The next of the texts that a separator parts (or the whole), without its prefix; those without it are passed over. */
struct candidates {
    const char *at; /* NULL: no more */
    char separator;
    char prefix[33];
};

static struct candidates candidates_of(const struct check *check, const char *text, const char *prefix_name)
{
    struct json separator = json_get(check->rules, "separator"), prefix = json_get(check->rules, prefix_name);
    struct candidates candidates = {.at = text};

    if (separator.type == JSON_T_STRING && separator.len == 3)
        candidates.separator = separator.at[1];
    if (prefix.type == JSON_T_STRING && prefix.len < sizeof candidates.prefix)
        candidates.prefix[json_decode_to(prefix, candidates.prefix)] = '\0';
    return candidates;
}

static bool next_candidate(struct candidates *candidates, const char **ret_at, size_t *ret_len)
{
    size_t prefix = strlen(candidates->prefix);

    while (candidates->at) {
        const char *at = candidates->at, *stop = candidates->separator ? strchr(at, candidates->separator) : NULL;
        size_t len = stop ? (size_t)(stop - at) : strlen(at);

        candidates->at = stop ? stop + 1 : NULL;
        while (len && *at == ' ') {
            at++;
            len--;
        }
        if (len >= prefix && memcmp(at, candidates->prefix, prefix) == 0) {
            *ret_at = at + prefix;
            *ret_len = len - prefix;
            return true;
        }
    }
    return false;
}

/* check->timestamp, when the entry has one. False: it should be there and is not. */
static bool read_timestamp(struct check *check)
{
    char *text AUTO_FREE = rule_place(check, "timestamp");
    struct candidates candidates;
    const char *at;
    size_t len;

    if (json_get(check->rules, "timestamp").type == JSON_T_NONE)
        return true;
    if (!text)
        return false;
    candidates = candidates_of(check, text, "timestamp_prefix");
    if (json_get(check->rules, "timestamp_prefix").type == JSON_T_NONE)
        candidates.separator = '\0';
    if (!next_candidate(&candidates, &at, &len))
        return false;
    check->timestamp = mem_strndup(at, len);
    return true;
}

static bool part_is(struct template_part part, const char *name)
{
    return part.len == strlen(name) && memcmp(part.at, name, part.len) == 0;
}

static bool add_part(struct check *check, struct template_part part, struct buf *text)
{
    const struct hook_request *request = check->look.request;

    if (!part.name) {
        buf_add(text, part.at, part.len);
    } else if (part_is(part, "body")) {
        buf_add(text, request->body, request->len);
    } else if (part_is(part, "url")) {
        buf_add_text(text, request->url);
    } else if (part_is(part, "form")) {
        return form_sorted(request->body, request->len, text);
    } else if (part_is(part, "timestamp")) {
        if (check->timestamp)
            buf_add_text(text, check->timestamp);
        return check->timestamp != NULL;
    } else {
        char *value AUTO_FREE = place_text(check, part.at, part.len);

        if (value)
            buf_add_text(text, value);
        return value != NULL;
    }
    return true;
}

/* Puts together what was signed. */
static bool signed_text(struct check *check, struct buf *text)
{
    static const char whole[] = "{body}";
    struct json signed_as = json_get(check->rules, "signed");
    struct template template = {.at = whole, .end = whole + sizeof whole - 1};
    struct template_part part;

    if (signed_as.type == JSON_T_STRING)
        template = (struct template){.at = signed_as.at + 1, .end = signed_as.at + signed_as.len - 1};
    while (template_next(&template, &part))
        if (!add_part(check, part, text))
            return false;
    return buf_ok(text);
}

/* --- Schemes --- */

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

struct digest {
    uint8_t bytes[EVP_MAX_MD_SIZE];
    size_t len;
};

static bool hmac(struct json rules, const char *secret, const void *text, size_t len, struct digest *ret_digest)
{
    const char *hash = is(json_get(rules, "hash"), "sha1") ? "SHA1" : "SHA256";
    uint8_t *key AUTO_FREE = mem_alloc(strlen(secret) + 1);
    size_t key_len;

    return key_bytes(rules, secret, key, &key_len) && EVP_Q_mac(NULL, "HMAC", NULL, hash, NULL, key, key_len, text, len, ret_digest->bytes,
                                                                sizeof ret_digest->bytes, &ret_digest->len);
}

static bool read_signature(struct json rules, const char *text, size_t len, uint8_t *ret_bytes, size_t *ret_len)
{
    if (len > SIGNATURE_MAX)
        return false;
    return is(json_get(rules, "encoding"), "base64") ? base64_read(text, len, ret_bytes, ret_len) : hex_read(text, len, ret_bytes, ret_len);
}

/* SPKI in base64, with or without the lines of PEM. NULL: it is no key of P-256. The caller's. */
static EVP_PKEY *read_public_key(const char *secret)
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

static bool ecdsa_fits(const char *secret, const struct buf *text, const uint8_t *signature, size_t len)
{
    EVP_PKEY *key = read_public_key(secret);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = key && context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(context, signature, len, (const uint8_t *)buf_text(text), text->len) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return ok;
}

static bool hmac_fits(struct json rules, const char *secret, const struct buf *text, const uint8_t *signature, size_t len)
{
    struct digest digest;

    return hmac(rules, secret, buf_text(text), text->len, &digest) && digest.len == len && CRYPTO_memcmp(digest.bytes, signature, len) == 0;
}

/* Does any of the signatures fit any of the secrets? */
static bool some_fit(struct check *check, const char *signatures, const struct buf *text)
{
    const struct hook_request *request = check->look.request;
    struct candidates candidates = candidates_of(check, signatures, "prefix");
    bool ecdsa = is(json_get(check->rules, "scheme"), "ecdsa"), fits = false;
    uint8_t bytes[SIGNATURE_MAX];
    size_t n = 0, len, candidate_len;
    const char *at;

    while (n++ < SIGNATURES_MAX && next_candidate(&candidates, &at, &candidate_len)) {
        if (!read_signature(check->rules, at, candidate_len, bytes, &len))
            continue;
        for (size_t i = 0; i < request->n_secrets; i++)
            fits |=
                ecdsa ? ecdsa_fits(request->secrets[i], text, bytes, len) : hmac_fits(check->rules, request->secrets[i], text, bytes, len);
    }
    return fits;
}

static enum hook_verdict verify_time(const struct check *check, const char **ret_why)
{
    int64_t tolerance_s = HOOK_TOLERANCE_DEFAULT_S;
    struct json given = json_get(check->rules, "tolerance");
    int64_t now_s = check->look.request->now_us / US_PER_S;
    struct amount seconds;

    if (!check->timestamp)
        return HOOK_GENUINE;
    if (given.type != JSON_T_NONE && !json_int(given, 1, INT32_MAX, &tolerance_s))
        tolerance_s = HOOK_TOLERANCE_DEFAULT_S;
    *ret_why = "the signed time is not a number of seconds";
    if (!amount_read(check->timestamp, strlen(check->timestamp), &seconds) || seconds.scale || seconds.digits < 0)
        return HOOK_FORGED;
    *ret_why = "it was signed too long ago, or in the future";
    if (seconds.digits < now_s - tolerance_s || seconds.digits > now_s + tolerance_s)
        return HOOK_STALE;
    return HOOK_GENUINE;
}

static enum hook_verdict verify_signature(struct check *check, const char **ret_why)
{
    AUTO_BUF struct buf text = BUF_INIT(2 * check->look.request->len + SIGNED_SLACK);
    char *signatures AUTO_FREE = rule_place(check, "signature");

    *ret_why = "there is no signature";
    if (!signatures || !read_timestamp(check))
        return HOOK_FORGED;
    *ret_why = "what was signed is missing or malformed";
    if (!signed_text(check, &text))
        return HOOK_FORGED;
    *ret_why = "the signature does not fit";
    if (!some_fit(check, signatures, &text))
        return HOOK_FORGED;
    return verify_time(check, ret_why);
}

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    uint8_t x[KEY_HASH_SIZE], y[KEY_HASH_SIZE];

    sha256(a, a_len, x);
    sha256(b, b_len, y);
    return CRYPTO_memcmp(x, y, KEY_HASH_SIZE) == 0;
}

static bool is_secret(const struct check *check, const char *text)
{
    const struct hook_request *request = check->look.request;
    bool same = false;

    for (size_t i = 0; i < request->n_secrets; i++)
        same |= same_text(text, strlen(text), request->secrets[i], strlen(request->secrets[i]));
    return same;
}

/* Authorization: Basic …: the secret is user:password, or the password alone. */
static bool basic_fits(const struct check *check, const char *header)
{
    static const char scheme[] = "Basic ";
    size_t len = header ? strlen(header) : 0, n;
    char *text AUTO_FREE = mem_zalloc(len + 1), *colon;
    bool whole;

    if (len <= sizeof scheme - 1 || strncasecmp(header, scheme, sizeof scheme - 1) != 0)
        return false;
    if (!base64_read(header + sizeof scheme - 1, len - (sizeof scheme - 1), (uint8_t *)text, &n))
        return false;
    text[n] = '\0';
    colon = strchr(text, ':');
    whole = is_secret(check, text);
    return (colon && is_secret(check, colon + 1)) || whole;
}

static bool bearer_fits(const struct check *check, const char *header)
{
    static const char scheme[] = "Bearer ";

    return header && strncasecmp(header, scheme, sizeof scheme - 1) == 0 && is_secret(check, header + sizeof scheme - 1);
}

static enum hook_verdict verify_token(struct check *check, const char **ret_why)
{
    const struct hook_request *request = check->look.request;
    struct json_iter iter = json_iter(json_get(check->rules, "in"));
    const char *authorization = request->header(request->context, "Authorization");
    struct json place;
    bool fits = false;

    while (json_next_element(&iter, &place)) {
        if (is(place, "basic")) {
            fits |= basic_fits(check, authorization);
        } else if (is(place, "bearer")) {
            fits |= bearer_fits(check, authorization);
        } else {
            char *text AUTO_FREE = place_text(check, place.at + 1, place.len - 2);

            fits |= text && is_secret(check, text);
        }
    }
    *ret_why = "the secret is missing or wrong";
    return fits ? HOOK_GENUINE : HOOK_FORGED;
}

bool hook_is_sns(struct json entry)
{
    return is(json_get(json_get(entry, "verify"), "scheme"), "sns");
}

enum hook_verdict hook_verify(struct json entry, const struct hook_request *request, const char **ret_why)
{
    struct scratch scratch = {.pieces = NULL};
    CLEANUP(check_release)
    struct check check = {.rules = json_get(entry, "verify"), .look = {.request = request, .scratch = &scratch}};
    struct json scheme = json_get(check.rules, "scheme");

    *ret_why = "the source has no secret";
    if (!request->n_secrets)
        return HOOK_UNVERIFIABLE;
    if (is(scheme, "token"))
        return verify_token(&check, ret_why);
    if (is(scheme, "hmac") || is(scheme, "ecdsa"))
        return verify_signature(&check, ret_why);
    *ret_why = "the source has no way to be verified";
    return HOOK_UNVERIFIABLE;
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
        EVP_PKEY *public_key = read_public_key(secret);

        EVP_PKEY_free(public_key);
        if (!public_key)
            return err_set(err, "bad_value", pointer, "must be a public key of P-256 in base64");
    }
    return true;
}

/* --- Pings and challenges --- */

bool hook_is_ping(struct json entry, const struct hook_request *request)
{
    struct json_iter iter = json_iter(json_get(entry, "ping"));
    struct json ping;

    while (request->len <= PING_MAX && json_next_element(&iter, &ping))
        if (request->len >= ping.len - 2 && memcmp(request->body, ping.at + 1, ping.len - 2) == 0)
            return true;
    return false;
}

static char *hmac_answer(struct json entry, const struct hook_request *request, const char *name, const char *challenge)
{
    struct buf text = BUF_INIT(CHALLENGE_MAX * 8);
    struct json_out out = JSON_OUT(&text);
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    struct digest digest;

    if (!request->n_secrets || !hmac(json_get(entry, "verify"), request->secrets[0], challenge, strlen(challenge), &digest))
        return NULL;
    for (size_t i = 0; i < digest.len; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest.bytes[i]);
    json_open(&out, '{');
    json_add_text(&out, name, challenge);
    json_add_text(&out, "challengeResponse", hex);
    json_close(&out, '}');
    return buf_take(&text);
}

bool hook_probe(struct json entry, const struct hook_request *request, const char *source, struct hook_probe *ret_probe)
{
    struct json rules = json_get(entry, "challenge"), name = json_get(rules, "query"), token = json_get(rules, "token");
    struct check check = {.look = {.request = request}};
    const char *challenge, *given;
    char *key AUTO_FREE = name.type == JSON_T_STRING ? json_text(name) : NULL;
    char *token_key AUTO_FREE = token.type == JSON_T_STRING ? json_text(token) : NULL;

    *ret_probe = (struct hook_probe){.text = NULL, .type = "text/plain"};
    challenge = key ? request->query(request->context, key) : NULL;
    if (!challenge)
        return true;
    given = token_key ? request->query(request->context, token_key) : NULL;
    if (token_key && (!given || (!is_secret(&check, given) && !same_text(given, strlen(given), source, strlen(source)))))
        return false;
    if (strlen(challenge) > CHALLENGE_MAX ||
        challenge[strspn(challenge, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")])
        return false;
    if (!is(json_get(rules, "answer"), "hmac")) {
        ret_probe->text = mem_strdup(challenge);
        return true;
    }
    ret_probe->type = "application/json";
    ret_probe->text = hmac_answer(entry, request, key, challenge);
    return ret_probe->text != NULL;
}
