/* A request and an entry for the tests of api/hooks. */
#pragma once

#include <string.h>

#include "api/hooks/hook.h"
#include "server/base/alloc.h"
#include "tests/unit/run.h"

#define US_PER_S INT64_C(1000000)

struct given {
    struct hook_request request;
    const char *headers[16]; /* name, value, …, NULL */
    const char *secrets[4];
    char *entry_text;
    struct json entry;
};

static inline const char *given_find(const char *const *pairs, const char *name)
{
    for (; *pairs; pairs += 2)
        if (strcasecmp(*pairs, name) == 0)
            return pairs[1];
    return NULL;
}

static inline const char *given_header(void *context, const char *name)
{
    return given_find(((struct given *)context)->headers, name);
}

static inline const char *given_query(void *context, const char *name)
{
    (void)context;
    (void)name;
    return NULL;
}

/* Checked JSON; text is changed in place. */
static inline struct json json_of(char *text, size_t len)
{
    size_t bad_numbers;
    struct json_flaw flaw;
    struct json root;

    ck_assert_msg(json_check(text, len, &root, &bad_numbers, &flaw), "%s at %zu", flaw.what, flaw.offset);
    return root;
}

/* The `hook` of a provider of the table. */
static inline struct json provider_hook(struct json table, const char *key)
{
    struct json_iter iter = json_iter(table);
    struct json provider;

    while (json_next_element(&iter, &provider))
        if (json_is(json_get(provider, "key"), key))
            return json_get(provider, "hook");
    return JSON_NONE;
}

static inline struct given *given_new(const char *body, int64_t now_s)
{
    struct given *given = mem_zalloc(sizeof *given);

    given->request = (struct hook_request){.body = body,
                                           .len = strlen(body),
                                           .url = "https://events.shop.example/v1/hooks/test",
                                           .now_us = now_s * US_PER_S,
                                           .provider = "test",
                                           .secrets = given->secrets,
                                           .header = given_header,
                                           .query = given_query,
                                           .context = given};
    return given;
}

static inline void given_provider(struct given *given, const char *key)
{
    size_t len;
    const char *table = hook_providers(&len);

    given->entry_text = mem_strndup(table, len);
    given->entry = provider_hook(json_of(given->entry_text, len), key);
    given->request.provider = key;
    ck_assert_int_eq(given->entry.type, JSON_T_OBJECT);
}

static inline void given_entry(struct given *given, const char *text)
{
    given->entry_text = mem_strdup(text);
    given->entry = json_of(given->entry_text, strlen(text));
}

static inline void given_secret(struct given *given, const char *secret)
{
    given->secrets[given->request.n_secrets++] = secret;
}

static inline enum hook_verdict given_verdict(struct given *given)
{
    struct hook_once once;
    const char *why;

    return hook_verify(given->entry, &given->request, &once, &why);
}

static inline void given_free(struct given *given)
{
    free(given->entry_text);
    free(given);
}
