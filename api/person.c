/* How a person is named in a path: a user id as it is; anon: before an anonymous one; and
 * user: before a user id that begins with either word.
 * Whether there is such a person is the database's to say. */
#include "api/person.h"

#include <string.h>

#include "api/collect/person.h"

enum { EXTERNAL_MAX = 256 };

/* The id behind the word, if there is one. */
static struct span split(const char *text, bool *ret_user)
{
    bool anonymous = strncmp(text, "anon:", 5) == 0, user = strncmp(text, "user:", 5) == 0;

    *ret_user = !anonymous;
    text += anonymous || user ? 5 : 0;
    return (struct span){.at = text, .len = strlen(text)};
}

bool person_read(const char *text, struct id *ret_raw)
{
    bool user;
    struct span id = split(text, &user);

    if (id.len < 1 || id.len > EXTERNAL_MAX)
        return false;
    *ret_raw = id_person(user ? "user" : "anonymous", id.at, id.len);
    return true;
}

bool person_name(const char *text, struct person *ret_person, bool *ret_user)
{
    struct span id = split(text, ret_user);

    if (id_judge(id) != ID_USABLE)
        return false;
    *ret_person = (struct person){.external = id, .raw = id_person(*ret_user ? "user" : "anonymous", id.at, id.len)};
    return true;
}
