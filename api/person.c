/* How a person is named in a path: a user id as it is; anon: before an anonymous one; and
 * user: before a user id that begins with either word.
 * Whether there is such a person is the database's to say. */
#include "api/person.h"

#include <string.h>

enum { EXTERNAL_MAX = 256 };

bool person_read(const char *text, struct id *ret_raw)
{
    bool anonymous = strncmp(text, "anon:", 5) == 0, user = strncmp(text, "user:", 5) == 0;
    size_t len;

    text += anonymous || user ? 5 : 0;
    len = strlen(text);
    if (len < 1 || len > EXTERNAL_MAX)
        return false;
    *ret_raw = id_person(anonymous ? "anonymous" : "user", text, len);
    return true;
}
