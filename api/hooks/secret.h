/* Secrets of webhooks: for verify.c and probe.c. Pure; any thread. */
#pragma once

#include <openssl/evp.h>

#include "api/hooks/hook.h"

struct digest {
    uint8_t bytes[EVP_MAX_MD_SIZE];
    size_t len;
};
struct secret_text {
    const void *at;
    size_t len;
};
/* The HMAC of a text by the entry's `verify` (hash, key_prefix, key_encoding). False: the secret is no key. */
bool secret_hmac(struct json rules, const char *secret, const struct secret_text *text, struct digest *ret_digest) MUST_CHECK;
/* The key of P-256 that the secret is: SPKI in base64, with or without the lines of PEM. NULL: it is none. The caller's. */
EVP_PKEY *secret_public_key(const char *secret);
/* Are two texts the same? In constant time. */
bool secret_same(const char *a, size_t a_len, const char *b, size_t b_len);
/* Is the text one of the source's secrets? In constant time. */
bool secret_given(const struct hook_request *request, const char *text);
