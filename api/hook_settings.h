/* What a source's body says of its webhooks: provider, secret or secrets, hook. For sources.c and hooks.c. */
#pragma once

#include "api/body.h"
#include "db/source.h"

struct hook_settings {
    struct json provider, secret, secrets, hook; /* as they stand in the body; JSON_T_NONE: not given */
    struct texts secret_texts;
    char *provider_text;
    char *hook_text;
};
void hook_settings_release(struct hook_settings *settings);

/* Are any given? */
bool hook_settings_given(const struct hook_settings *settings);
/* Checks what is given, together with the row that db_source_hook found (NULL: a new source), and sets edit's webhooks; its texts are
 * the settings'. False: err says what is wrong, with its pointer. A source's name stands in the URL of its webhooks. */
bool hook_settings_read(struct hook_settings *settings, const char *name, const struct db_rows *now, struct source_edit *edit,
                        struct err *err) MUST_CHECK;

/* The `hook` of a provider of the table, whose text *ret_table is the caller's and must live as long; JSON_NONE: there is no such
 * provider. */
struct json hook_of_provider(const char *provider, char **ret_table);
