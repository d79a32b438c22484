/* Does a path fit a route's template? Pure texts. The one idea: the raw path is split at its slashes first and each parameter
 * decoded after, so an id that holds a slash travels as %2F. Literal segments are compared as they are sent: no client escapes
 * letters. Which route wins is the caller's order. */
#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"
#include "server/base/hex.h"
#include "server/base/utf8.h"
#include "server/http/private.h"

size_t percent_decode(const char *text, size_t len, bool plus, char *ret_text, bool *ret_bad)
{
    size_t n = 0;

    *ret_bad = false;
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && len - i > 2 ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

        if (low >= 0) {
            ret_text[n++] = (char)(high * 16 + low);
            i += 2;
            continue;
        }
        *ret_bad |= text[i] == '%';
        ret_text[n++] = plus && text[i] == '+' ? ' ' : text[i];
    }
    return n;
}

/* One segment of the path as a parameter; NULL when it is none. */
static char *decode_param(const char *segment, size_t len)
{
    char *text = mem_alloc(len + 1);
    bool bad;
    size_t n = percent_decode(segment, len, false, text, &bad);

    text[n] = '\0';
    if (!bad && n && !memchr(text, '\0', n) && utf8_ok(text, n))
        return text;
    free(text);
    return NULL;
}

/* Steps over the parameter that starts at *template and *path. */
static bool take_param(const char **template, const char **path, struct route_match *match)
{
    const char *end = strchr(*template, '}');
    size_t len = strcspn(*path, "/");

    ASSERT(end && match->n_params < HTTP_PARAMS_MAX);
    if (!len)
        return false;
    match->params[match->n_params] = decode_param(*path, len);
    if (!match->params[match->n_params])
        return false;
    match->n_params++;
    *template = end + 1;
    *path += len;
    return true;
}

bool route_match(const char *template, const char *path, struct route_match *ret_match)
{
    struct route_match match = {.n_params = 0};

    for (;;) {
        if (*template == '{') {
            if (take_param(&template, &path, &match))
                continue;
            break;
        }
        if (*template && *template == *path) {
            template ++;
            path++;
            continue;
        }
        if (!*template && (!*path || (path[0] == '/' && !path[1]))) {
            *ret_match = match;
            return true;
        }
        break;
    }
    route_match_release(&match);
    return false;
}

void route_match_release(struct route_match *match)
{
    while (match->n_params)
        free(match->params[--match->n_params]);
}
