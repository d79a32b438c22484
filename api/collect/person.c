/* Whose message it is. The one idea: a field that holds no usable id (null, "", "undefined", …) counts as absent, because SDKs send such
 * texts for want of an id, and one profile named "undefined" would swallow everybody; only an id that is too long is an error of its
 * own. Whether two ids are one person is not decided here. */
#include "api/collect/item.h"

#include <string.h>

static bool has_control_character(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && (unsigned char)text.at[i + 1] < 0xa0) /* U+0080 to U+009F; the text is UTF-8, so there is a next byte */
            return true;
    }
    return false;
}

static bool is_refused_word(struct span text)
{
    static const char *const words[] = {"null",
                                        "undefined",
                                        "anonymous",
                                        "none",
                                        "0",
                                        "-1",
                                        "NaN",
                                        "[object Object]",
                                        ".",
                                        "..",
                                        "00000000-0000-0000-0000-000000000000",
                                        "00000000000000000000000000000000"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i]) == text.len && memcmp(words[i], text.at, text.len) == 0)
            return true;
    return false;
}

enum id_verdict id_judge(struct span text)
{
    if (text.len == 0)
        return ID_ABSENT;
    if (text.len > COLLECT_ID_MAX)
        return ID_TOO_LONG;
    return is_refused_word(text) || has_control_character(text) ? ID_ABSENT : ID_USABLE;
}

/* Bytes of the blank that the text begins with, 0: none. No-break spaces and those of no width come along when an address is copied. */
static size_t blank_at(struct span text)
{
    static const char *const wide[] = {"\xc2\xa0", "\xe2\x80\x8b", "\xe2\x80\xaf", "\xef\xbb\xbf"};

    if (text.len && (*text.at == ' ' || (*text.at >= '\t' && *text.at <= '\r')))
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(wide); i++)
        if (text.len >= strlen(wide[i]) && memcmp(text.at, wide[i], strlen(wide[i])) == 0)
            return strlen(wide[i]);
    return 0;
}

static struct span trim(struct span text)
{
    size_t n;

    while ((n = blank_at(text)))
        text = (struct span){.at = text.at + n, .len = text.len - n};
    for (size_t back = 1; back <= 3 && back <= text.len; back++)
        if (blank_at((struct span){.at = text.at + text.len - back, .len = back}) == back) {
            text.len -= back;
            back = 0;
        }
    return text;
}

bool text_is_blank(struct span text)
{
    return trim(text).len == 0;
}

size_t email_normalize(struct span text, char *ret_text)
{
    const char *at;

    text = trim(text);
    at = text.len && text.len <= EMAIL_MAX ? memchr(text.at, '@', text.len) : NULL;
    if (!at || at == text.at || at == text.at + text.len - 1 || memchr(at + 1, '@', text.len - (size_t)(at + 1 - text.at)) ||
        memchr(text.at, ' ', text.len) || has_control_character(text))
        return 0;
    for (size_t i = 0; i < text.len; i++)
        ret_text[i] = text.at[i] >= 'A' && text.at[i] <= 'Z' ? (char)(text.at[i] - 'A' + 'a') : text.at[i];
    return text.len;
}

static enum id_verdict read_id(struct item *item, struct json value, struct span *ret_id)
{
    struct span text = item_text(&item->in->arena, value);
    enum id_verdict verdict = id_judge(text);

    if (verdict == ID_USABLE)
        *ret_id = text;
    return verdict;
}

/* True also when the person is absent. */
static bool read_person(struct item *item, struct json value, const char *kind, struct person *ret_person)
{
    switch (read_id(item, value, &ret_person->external)) {
    case ID_ABSENT:
        return true;
    case ID_USABLE:
        ret_person->raw = id_person(kind, ret_person->external.at, ret_person->external.len);
        return true;
    case ID_TOO_LONG:
        return item_refuse(item, "id_too_long", "an id is longer than 256 bytes");
    }
    BUG("impossible id_verdict");
}

enum { EMAIL_JSON_MAX = 6 * EMAIL_MAX + 100 }; /* all of it escaped, and some blanks */

/* The address that an object of traits or properties has as `email`. False: none. */
static bool read_email(struct item *item, struct json object)
{
    struct json value = json_get(object, "email");
    char text[EMAIL_JSON_MAX], email[EMAIL_MAX], *kept;
    size_t len;

    if (value.type != JSON_T_STRING || value.len > sizeof text)
        return false;
    len = email_normalize((struct span){.at = text, .len = json_decode_to(value, text)}, email);
    if (!len)
        return false;
    kept = arena_room(&item->in->arena, len);
    memcpy(kept, email, len);
    arena_added(&item->in->arena, len);
    item->message.email = (struct person){.external = {.at = kept, .len = len}, .raw = id_person("email", email, len)};
    return true;
}

/* identify says whose address it is; any other message only tells of one, which counts where nothing better says whose it is. */
static void find_email(struct item *item)
{
    const struct fields *fields = &item->fields;
    struct json of_context;

    if (item->type != CALL_IDENTIFY && (item->message.user.external.at || item->message.anonymous.external.at))
        return;
    of_context = json_get(fields->context, "traits");
    if (of_context.type == JSON_T_NONE)
        of_context = json_get(item->in->defaults, "traits");
    if (item->type == CALL_IDENTIFY)
        (void)(read_email(item, fields->traits) || read_email(item, of_context));
    else
        (void)(read_email(item, of_context) || read_email(item, fields->traits) || read_email(item, fields->properties));
}

static bool read_group(struct item *item)
{
    struct span group;

    switch (read_id(item, item->fields.group_id, &group)) {
    case ID_ABSENT:
        return item_refuse(item, "missing_group_id", "groupId is missing or not usable");
    case ID_USABLE:
        return true;
    case ID_TOO_LONG:
        return item_refuse(item, "id_too_long", "groupId is longer than 256 bytes");
    }
    BUG("impossible id_verdict");
}

bool item_people(struct item *item)
{
    struct message *message = &item->message;
    bool alias = item->type == CALL_ALIAS;

    if (!read_person(item, item->fields.user_id, "user", &message->user) ||
        !read_person(item, alias ? item->fields.previous_id : item->fields.anonymous_id, "anonymous", &message->anonymous))
        return false;
    if (alias && !message->user.external.at)
        return item_refuse(item, "no_user_anon_id", "userId is missing or not usable");
    if (alias && !message->anonymous.external.at)
        return item_refuse(item, "missing_previous_id", "previousId is missing or not usable");
    find_email(item);
    if (!message->user.external.at && !message->anonymous.external.at && !message->email.external.at)
        return item_refuse(item, "no_user_anon_id", "userId and anonymousId are missing or not usable, and there is no email address");
    return item->type != CALL_GROUP || read_group(item);
}
