/* Webhooks of other tools, verified and turned into messages. Pure: bytes in, JSON text out; no connection, no clock, no network.
 *
 * What is special about a provider is data: an entry of providers.json, or the `hook` of a custom source. docs/sources.md ("A provider
 * of your own") has its members. An entry is read where it stands (no compiled form); hook_check holds it true, once, when it is
 * written.
 *
 *     hook_verify, then hook_map; of Amazon SNS: hook_sns_read, hook_sns_verify, then hook_map. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/collect/person.h"
#include "server/base/attr.h"
#include "server/base/err.h"
#include "server/base/id.h"
#include "server/base/json_scan.h"
#include "server/base/vec.h"

enum {
    HOOK_ENTRY_MAX = 64 << 10,     /* bytes of a custom entry */
    HOOK_SECRETS_MAX = 10,         /* of a source at once: two are a rotation */
    HOOK_SECRET_LENGTH = 4096,     /* characters of one */
    HOOK_EVENTS_MAX = 5000,        /* events of one body, recipients counted */
    HOOK_BATCH_MAX = 8 << 20,      /* bytes of what is made of it */
    HOOK_TOLERANCE_DEFAULT_S = 300 /* how far a signed time may be from ours */
};

/* A request as it came, and what the source says of it; all borrowed. */
struct hook_request {
    const char *body; /* the bytes that were signed, */
    size_t len;       /* so many */
    const char *url;  /* absolute, as the provider has it */
    int64_t now_us;
    const char *provider; /* begins each messageId */
    const char *const *secrets;
    size_t n_secrets;
    const char *(*header)(void *context, const char *name); /* NULL when missing */
    const char *(*query)(void *context, const char *name);  /* decoded; NULL when missing */
    void *context;
};

enum hook_verdict {
    HOOK_GENUINE,
    HOOK_FORGED,      /* the signature is missing or is not the provider's */
    HOOK_STALE,       /* genuine, but signed too long ago, or in the future */
    HOOK_UNVERIFIABLE /* nothing to hold it against: no secret, or none that can be one */
};

/* Checks entry as a whole: unknown members, wrong types, paths and templates that cannot be read. pointer is where it stands in the body
 * that err is about ("/hook"). */
bool hook_check(struct json entry, const char *pointer, struct err *err) MUST_CHECK;
/* Can this be a secret of a source with this entry (a key that decodes, a topic's ARN)? False: err "bad_value" at the pointer. */
bool hook_secret_ok(struct json entry, const char *secret, const char *pointer, struct err *err) MUST_CHECK;

/* What a provider with `"replay": "once"` signed, which is not the body: it stands for the first body that came with it, and for no other.
 * Whoever captured a request can send that again, and nothing else. */
struct hook_once {
    bool wanted;      /* else the rest is unset */
    struct id token;  /* hash of what was signed */
    struct id body;   /* hash of the body */
    int64_t until_us; /* from then on it is stale */
};

/* Is the request the provider's? In constant time, over the raw bytes, before anything in them is used; a body is parsed before only
 * where the signature itself stands in it (`body:`). Whether ret_once has come before with another body is for the caller to find out.
 * *ret_why is static, for the answer. Not for the scheme sns (hook_is_sns). */
enum hook_verdict hook_verify(struct json entry, const struct hook_request *request, struct hook_once *ret_once,
                              const char **ret_why) MUST_CHECK;
bool hook_is_sns(struct json entry);

/* Is this one of the entry's `ping`s: what a provider posts unsigned when a webhook is made, before there can be a secret? It is
 * answered, and means nothing. */
bool hook_is_ping(struct json entry, const struct hook_request *request);

/* What a GET asks of the entry's `challenge`: true and the answer (malloc'd, the caller's) with its static content type, or false:
 * nothing, or a wrong token. */
struct hook_probe {
    char *text; /* NULL: nothing was asked */
    const char *type;
};
bool hook_probe(struct json entry, const struct hook_request *request, const char *source, struct hook_probe *ret_probe) MUST_CHECK;

/* An address that became another one: both are one person's. Normalized, with their NUL. */
struct hook_readdress {
    char was[EMAIL_MAX + 1];
    char is[EMAIL_MAX + 1];
};
struct hook_addresses { /* a VEC */
    struct hook_readdress *at;
    size_t n, cap;
};

struct hook_batch {
    char *text; /* a Segment batch body: {"batch":[…]}; malloc'd, the caller's */
    size_t len;
    size_t messages;                 /* in it */
    size_t ignored;                  /* events of the body that mean nothing to us */
    struct hook_addresses addresses; /* to be tied before the messages are stored; vec_free is the caller's */
};
/* Makes messages of the events of a verified body. False: err says why (malformed, too many events, too large); nothing is kept. */
bool hook_map(struct json entry, const struct hook_request *request, struct hook_batch *ret_batch, struct err *err) MUST_CHECK;

/* --- Amazon SNS --- */

struct hook_sns {
    bool confirmation;   /* SubscriptionConfirmation: subscribe_url is to be fetched once it is verified */
    char *certificate;   /* URL of the certificate; allowed, */
    char *subscribe_url; /* allowed, or NULL */
    char *topic;
    char *text; /* what was signed */
    size_t text_len;
    int version; /* 1: SHA-1, 2: SHA-256 */
    uint8_t *signature;
    size_t signature_len;
    int64_t sent_us;
};
void hook_sns_release(struct hook_sns *sns);
/* Reads the envelope, which is not trusted yet: HOOK_GENUINE: go on; HOOK_FORGED: a URL that is not Amazon's, a topic that is not one of
 * the secrets, a member missing; HOOK_UNVERIFIABLE: the source has no topic. */
enum hook_verdict hook_sns_read(const struct hook_request *request, struct hook_sns *ret_sns, const char **ret_why) MUST_CHECK;
/* certificate: what sns->certificate names. */
struct hook_certificate {
    const char *pem;
    size_t len;
};
enum hook_verdict hook_sns_verify(struct json entry, const struct hook_sns *sns, const struct hook_certificate *certificate, int64_t now_us,
                                  const char **ret_why) MUST_CHECK;
/* ^https://sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/, without user, port or anything else; suffix (may be NULL) ends the path. */
bool hook_sns_url_ok(const char *url, const char *suffix);

/* --- The table --- */

/* providers.json: an array of {key, title, secret, url, events, hook}. */
const char *hook_providers(size_t *ret_len);
