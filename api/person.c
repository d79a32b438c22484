/* How a person is named: in a path a user id as it is, anon: before an anonymous id, email: before an address, and user: before a user
 * id that begins with one of these words; in an answer by one of three members.
 * Whether there is such a person is the database's to say. */
#include "api/person.h"

#include <string.h>

enum { EXTERNAL_MAX = 256 };

/* Reads the word, if there is one, and the id behind it. False: no address where there should be one. */
static bool split(const char *text, struct person_named *named)
{
    static const struct {
        const char *word;
        enum person_kind kind;
    } words[] = {{"anon:", PERSON_ANONYMOUS}, {"email:", PERSON_EMAIL}, {"user:", PERSON_USER}};

    named->kind = PERSON_USER;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t len = strlen(words[i].word);

        if (strncmp(text, words[i].word, len) != 0)
            continue;
        named->kind = words[i].kind;
        text += len;
        break;
    }
    named->person.external = (struct span){.at = text, .len = strlen(text)};
    if (named->kind == PERSON_EMAIL) {
        named->person.external.len = email_normalize(named->person.external, named->room);
        named->person.external.at = named->room;
    }
    return named->person.external.len >= 1 && named->person.external.len <= EXTERNAL_MAX;
}

static void hash(struct person_named *named)
{
    named->person.raw = id_person(person_kind_text(named->kind), named->person.external.at, named->person.external.len);
}

bool person_read(const char *text, struct id *ret_raw)
{
    struct person_named named;

    if (!split(text, &named))
        return false;
    hash(&named);
    *ret_raw = named.person.raw;
    return true;
}

bool person_name(const char *text, struct person_named *ret_named)
{
    if (!split(text, ret_named) || id_judge(ret_named->person.external) != ID_USABLE)
        return false;
    hash(ret_named);
    return true;
}

void person_put(struct json_out *out, const struct who *who)
{
    json_add_text(out, "user_id", who->user_id);
    json_add_text(out, "anonymous_id", who->user_id ? NULL : who->anonymous_id);
    json_add_text(out, "email", who->user_id || who->anonymous_id ? NULL : who->email);
}
