/* Reads a path. The one idea: one walk over the text that unescapes into the name at hand and closes it at a dot or at the end. A
 * name keeps at least one character; a backslash stands before a dot, a bracket or a backslash only; [] ends a name. The SQL function
 * value_at reads the same paths. */
#include "segment/path.h"

#include <string.h>

static bool fail(const char **ret_code, const char **ret_why, const char *code, const char *why)
{
    *ret_code = code;
    *ret_why = why;
    return false;
}

/* One name from *at, which is left at its dot or at the end. Writes the name to *out and moves that behind its NUL. */
static const char *read_name(const char **at, char **out, bool *ret_each)
{
    const char *in = *at;
    char *begin = *out, *end = begin;

    for (; *in && *in != '.' && *in != '['; in++) {
        if (*in == ']')
            return "a ] without its [ ahead: write \\] for a bracket in a name";
        if (*in == '\\' && (!*++in || !strchr(".[]\\", *in)))
            return "a backslash that is not before a dot, a bracket or a backslash";
        *end++ = *in;
    }
    *ret_each = *in == '[';
    if (*ret_each) {
        if (in[1] != ']')
            return "a [ that is not followed by ]: write \\[ for a bracket in a name";
        in += 2;
        if (*in && *in != '.')
            return "[] not at the end of a name";
    }
    if (end == begin)
        return "a name is empty";
    *end = '\0';
    *out = end + 1;
    *at = in;
    return NULL;
}

bool path_read(struct segment *segment, const char *text, struct path *ret_path, const char **ret_code, const char **ret_why)
{
    struct path path = {.text = text};
    char *out = segment_alloc(segment, strlen(text) + PATH_NAMES_MAX);
    const char *why;

    for (;; text++) {
        if (path.n == PATH_NAMES_MAX)
            return fail(ret_code, ret_why, "limit", "a path has at most 10 names");
        path.steps[path.n].name = out;
        why = read_name(&text, &out, &path.steps[path.n].each);
        if (why)
            return fail(ret_code, ret_why, "bad_path", why);
        path.many |= path.steps[path.n].each;
        path.n++;
        if (!*text)
            break;
    }
    *ret_path = path;
    return true;
}
