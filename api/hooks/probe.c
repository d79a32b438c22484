/* What a provider asks before there is anything to verify. The one idea: an entry says which unsigned posts are only tests and which
 * parameter of a GET is to be echoed or signed, so that a webhook can be made at all; nothing is stored for either. What is echoed is
 * held to the characters of a code, for it comes from whoever asks. */
#include <stdlib.h>
#include <string.h>

#include "api/hooks/secret.h"
#include "server/base/alloc.h"
#include "server/base/json_write.h"

enum { CHALLENGE_MAX = 256, PING_MAX = 64 };

static bool is(struct json text, const char *wanted)
{
    return text.type == JSON_T_STRING && json_is(text, wanted);
}

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

    if (!request->n_secrets || !secret_hmac(json_get(entry, "verify"), request->secrets[0],
                                            &(struct secret_text){.at = challenge, .len = strlen(challenge)}, &digest))
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
    const char *challenge, *given;
    char *key AUTO_FREE = name.type == JSON_T_STRING ? json_text(name) : NULL;
    char *token_key AUTO_FREE = token.type == JSON_T_STRING ? json_text(token) : NULL;

    *ret_probe = (struct hook_probe){.text = NULL, .type = "text/plain"};
    challenge = key ? request->query(request->context, key) : NULL;
    if (!challenge)
        return true;
    given = token_key ? request->query(request->context, token_key) : NULL;
    if (token_key && (!given || (!secret_given(request, given) && !secret_same(given, strlen(given), source, strlen(source)))))
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
