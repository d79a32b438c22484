/* A source's webhooks as they are written. The one idea: provider, entry and secrets hang together (a secret is checked by its entry),
 * so a patch of one is read over what is stored of the others, and they are stored together or not at all. Another provider needs
 * another secret. A secret goes in and never comes out. */
#include "api/hook_settings.h"

#include <stdlib.h>
#include <string.h>

#include "api/hooks/hook.h"
#include "server/base/alloc.h"

enum { PROVIDER_LENGTH = 40 };
#define CUSTOM "custom"

void hook_settings_release(struct hook_settings *settings)
{
    texts_release(&settings->secret_texts);
    free(settings->provider_text);
    free(settings->hook_text);
}

bool hook_settings_given(const struct hook_settings *settings)
{
    return settings->provider.type != JSON_T_NONE || settings->secret.type != JSON_T_NONE || settings->secrets.type != JSON_T_NONE ||
           settings->hook.type != JSON_T_NONE;
}

static struct json checked(char *text, size_t len)
{
    size_t bad_numbers;
    struct json_flaw flaw;
    struct json root;

    return json_check(text, len, &root, &bad_numbers, &flaw) ? root : JSON_NONE;
}

struct json hook_of_provider(const char *provider, char **ret_table)
{
    size_t len;
    const char *table = hook_providers(&len);
    struct json_iter iter;
    struct json entry;

    *ret_table = mem_strndup(table, len);
    for (iter = json_iter(checked(*ret_table, len)); json_next_element(&iter, &entry);)
        if (json_is(json_get(entry, "key"), provider))
            return json_get(entry, "hook");
    return JSON_NONE;
}

/* The texts of secret or secrets, or what is stored. */
static bool read_secrets(struct hook_settings *in, const struct db_rows *now, bool other_provider, struct err *err)
{
    static const struct texts_limit limit = {.n = HOOK_SECRETS_MAX, .length = HOOK_SECRET_LENGTH};
    struct db_array stored;

    if (in->secret.type != JSON_T_NONE && in->secrets.type != JSON_T_NONE)
        return err_set(err, "bad_value", "/secrets", "secret or secrets, not both");
    if (in->secrets.type == JSON_T_ARRAY)
        return body_texts(in->secrets, "/secrets", &limit, &in->secret_texts, err);
    if (in->secret.type == JSON_T_STRING) {
        char *text = body_prose(in->secret, "/secret", 1, HOOK_SECRET_LENGTH, err); /* a PEM has lines */

        if (!text)
            return false;
        in->secret_texts.at = mem_grow(NULL, 1, sizeof *in->secret_texts.at);
        in->secret_texts.at[in->secret_texts.n++] = text;
        return true;
    }
    if (!now || other_provider || in->secret.type == JSON_T_NULL || in->secrets.type == JSON_T_NULL)
        return true;
    stored = db_array(now, 0, SOURCE_HOOK_SECRETS);
    in->secret_texts.at = mem_grow(NULL, stored.left + 1, sizeof *in->secret_texts.at);
    while (stored.left) {
        size_t len;
        const char *text = db_array_next_text(&stored, &len);

        in->secret_texts.at[in->secret_texts.n++] = mem_strndup(text ? text : "", text ? len : 0);
    }
    return true;
}

/* The provider that holds after this; NULL: none. */
static bool read_provider(struct hook_settings *in, const struct db_rows *now, struct err *err)
{
    const char *stored = now ? db_text(now, 0, SOURCE_HOOK_PROVIDER) : NULL;

    if (in->provider.type == JSON_T_STRING)
        in->provider_text = body_text(in->provider, "/provider", 1, PROVIDER_LENGTH, err);
    else if (in->provider.type == JSON_T_NONE && stored)
        in->provider_text = mem_strdup(stored);
    return !err->code;
}

/* The entry that holds after this: the table's, the body's or the stored one. */
static bool read_entry(struct hook_settings *in, const struct db_rows *now, char **table, struct json *ret_entry, struct err *err)
{
    bool custom = strcmp(in->provider_text, CUSTOM) == 0;
    const char *stored = now ? db_text(now, 0, SOURCE_HOOK_ENTRY) : NULL;

    if (!custom) {
        if (in->hook.type == JSON_T_OBJECT)
            return err_set(err, "bad_value", "/hook", "belongs to the provider custom alone");
        *ret_entry = hook_of_provider(in->provider_text, table);
        return ret_entry->type != JSON_T_NONE
                   ? true
                   : err_set(err, "bad_value", "/provider", "there is no such provider: GET /v1/hooks/providers");
    }
    if (in->hook.type != JSON_T_OBJECT && !stored)
        return err_set(err, "missing_member", "/hook", "is missing: how a custom provider is verified and mapped");
    in->hook_text = in->hook.type == JSON_T_OBJECT ? mem_strndup(in->hook.at, in->hook.len) : mem_strdup(stored);
    *table = mem_strdup(in->hook_text);
    *ret_entry = checked(*table, strlen(*table));
    return in->hook.type != JSON_T_OBJECT || hook_check(*ret_entry, "/hook", err);
}

static bool check_secrets(const struct hook_settings *in, struct json entry, struct err *err)
{
    for (size_t i = 0; i < in->secret_texts.n; i++) {
        char pointer[40] = "/secret";

        if (in->secrets.type == JSON_T_ARRAY)
            (void)snprintf(pointer, sizeof pointer, "/secrets/%zu", i);
        if (!hook_secret_ok(entry, in->secret_texts.at[i], pointer, err))
            return false;
    }
    return true;
}

bool hook_settings_read(struct hook_settings *settings, const char *name, const struct db_rows *now, struct source_edit *edit,
                        struct err *err)
{
    const char *stored = now ? db_text(now, 0, SOURCE_HOOK_PROVIDER) : NULL;
    char *table AUTO_FREE = NULL;
    struct json entry = JSON_NONE;
    bool other;

    if (!read_provider(settings, now, err))
        return false;
    edit->has_hook = true;
    if (!settings->provider_text) {
        if (settings->secret.type == JSON_T_STRING || settings->secrets.type == JSON_T_ARRAY || settings->hook.type == JSON_T_OBJECT)
            return err_set(err, "missing_member", "/provider", "is missing: whose webhooks these are");
        return true;
    }
    if (strcmp(name, "providers") == 0)
        return err_set(err, "reserved", "/name", "a source with webhooks cannot be called providers");
    other = !stored || strcmp(stored, settings->provider_text) != 0;
    if (!read_secrets(settings, now, other, err) || !read_entry(settings, now, &table, &entry, err) || !check_secrets(settings, entry, err))
        return false;
    edit->provider = settings->provider_text;
    edit->hook = settings->hook_text;
    edit->secrets = (const char *const *)settings->secret_texts.at;
    edit->n_secrets = settings->secret_texts.n;
    return true;
}
