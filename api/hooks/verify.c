/* Is a request its provider's? The one idea: every provider says the same few things (where the signature stands, how it is encoded,
 * what exactly was signed, with what key, when), so the scheme is code and the rest is the entry's `verify`. Invariants: what is signed
 * is put together from the raw bytes; digests are compared in constant time; each of several secrets is tried. A time is looked at only
 * once the signature is good. What may come once is the signed text as a whole, not a part of it: where a time and a token are signed
 * without anything between them, one could lend the other its digits. Remembering it is not done here. SNS is sns.c's. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/hooks/amount.h"
#include "api/hooks/codec.h"
#include "api/hooks/form.h"
#include "api/hooks/look.h"
#include "api/hooks/secret.h"
#include "server/base/alloc.h"

enum { SIGNATURE_MAX = 512, SIGNATURES_MAX = 10, SIGNED_SLACK = 64 << 10 };
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

static bool read_signature(struct json rules, const char *text, size_t len, uint8_t *ret_bytes, size_t *ret_len)
{
    if (len > SIGNATURE_MAX) /* as text; decoded it is shorter */
        return false;
    return is(json_get(rules, "encoding"), "base64") ? base64_read(text, len, ret_bytes, ret_len) : hex_read(text, len, ret_bytes, ret_len);
}

static bool ecdsa_fits(const char *secret, const struct buf *text, const uint8_t *signature, size_t len)
{
    EVP_PKEY *key = secret_public_key(secret);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = key && context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(context, signature, len, (const uint8_t *)buf_text(text), text->len) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return ok;
}

/* Signatures as they were sent, decoded. */
struct signatures {
    struct {
        uint8_t bytes[SIGNATURE_MAX];
        size_t len;
    } at[SIGNATURES_MAX];
    size_t n;
};

/* Those of one place. False: nothing stands there. */
static bool add_signatures(struct check *check, struct json place, struct signatures *signatures)
{
    char *text AUTO_FREE = place.type == JSON_T_STRING ? place_text(check, place.at + 1, place.len - 2) : NULL;
    struct candidates candidates = candidates_of(check, text, "prefix");
    const char *at;
    size_t len;

    while (signatures->n < SIGNATURES_MAX && next_candidate(&candidates, &at, &len))
        if (read_signature(check->rules, at, len, signatures->at[signatures->n].bytes, &signatures->at[signatures->n].len))
            signatures->n++;
    return text != NULL;
}

/* Of all places where one may stand. False: nothing stands anywhere. */
static bool read_signatures(struct check *check, struct signatures *ret_signatures)
{
    struct json places = json_get(check->rules, "signature"), place;
    struct json_iter iter = json_iter(places);
    bool some = false;

    ret_signatures->n = 0;
    if (places.type != JSON_T_ARRAY)
        return add_signatures(check, places, ret_signatures);
    while (json_next_element(&iter, &place))
        some |= add_signatures(check, place, ret_signatures);
    return some;
}

/* Does any of the signatures fit the secret? The text is hashed once, however many there are. */
static bool secret_fits(const struct check *check, const char *secret, const struct buf *text, const struct signatures *signatures)
{
    bool ecdsa = is(json_get(check->rules, "scheme"), "ecdsa"), fits = false;
    struct digest digest;

    if (!ecdsa && !secret_hmac(check->rules, secret, &(struct secret_text){.at = buf_text(text), .len = text->len}, &digest))
        return false;
    for (size_t i = 0; i < signatures->n; i++) {
        const uint8_t *bytes = signatures->at[i].bytes;
        size_t len = signatures->at[i].len;

        fits |= ecdsa ? ecdsa_fits(secret, text, bytes, len) : digest.len == len && CRYPTO_memcmp(digest.bytes, bytes, len) == 0;
    }
    return fits;
}

static bool some_fit(const struct check *check, const struct signatures *signatures, const struct buf *text)
{
    const struct hook_request *request = check->look.request;
    bool fits = false;

    for (size_t i = 0; signatures->n && i < request->n_secrets; i++)
        fits |= secret_fits(check, request->secrets[i], text, signatures);
    return fits;
}

/* *ret_until_us: from then on it is too long ago. */
static enum hook_verdict verify_time(const struct check *check, int64_t *ret_until_us, const char **ret_why)
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
    *ret_until_us = (seconds.digits + tolerance_s + 1) * US_PER_S;
    return HOOK_GENUINE;
}

static enum hook_verdict verify_signature(struct check *check, struct hook_once *ret_once, const char **ret_why)
{
    const struct hook_request *request = check->look.request;
    AUTO_BUF struct buf text = BUF_INIT(2 * request->len + SIGNED_SLACK);
    struct signatures signatures;

    *ret_why = "there is no signature";
    if (!read_signatures(check, &signatures) || !read_timestamp(check))
        return HOOK_FORGED;
    *ret_why = "what was signed is missing or malformed";
    if (!signed_text(check, &text))
        return HOOK_FORGED;
    *ret_why = "the signature does not fit";
    if (!some_fit(check, &signatures, &text))
        return HOOK_FORGED;
    *ret_once = (struct hook_once){.wanted = is(json_get(check->rules, "replay"), "once"),
                                   .token = id_hash(buf_text(&text), text.len),
                                   .body = id_hash(request->body, request->len)};
    return verify_time(check, &ret_once->until_us, ret_why);
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
    whole = secret_given(check->look.request, text);
    return (colon && secret_given(check->look.request, colon + 1)) || whole;
}

static bool bearer_fits(const struct check *check, const char *header)
{
    static const char scheme[] = "Bearer ";

    return header && strncasecmp(header, scheme, sizeof scheme - 1) == 0 && secret_given(check->look.request, header + sizeof scheme - 1);
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

            fits |= text && secret_given(check->look.request, text);
        }
    }
    *ret_why = "the secret is missing or wrong";
    return fits ? HOOK_GENUINE : HOOK_FORGED;
}

bool hook_is_sns(struct json entry)
{
    return is(json_get(json_get(entry, "verify"), "scheme"), "sns");
}

enum hook_verdict hook_verify(struct json entry, const struct hook_request *request, struct hook_once *ret_once, const char **ret_why)
{
    struct scratch scratch = {.pieces = NULL};
    CLEANUP(check_release)
    struct check check = {.rules = json_get(entry, "verify"), .look = {.request = request, .scratch = &scratch}};
    struct json scheme = json_get(check.rules, "scheme");

    *ret_once = (struct hook_once){.wanted = false};
    *ret_why = "the source has no secret";
    if (!request->n_secrets)
        return HOOK_UNVERIFIABLE;
    if (is(scheme, "token"))
        return verify_token(&check, ret_why);
    if (is(scheme, "hmac") || is(scheme, "ecdsa"))
        return verify_signature(&check, ret_once, ret_why);
    *ret_why = "the source has no way to be verified";
    return HOOK_UNVERIFIABLE;
}
