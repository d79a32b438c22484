/* Small texts of HTTP: what several files of the API need and libc does not have.
 * Everything here is pure; a text that is not of its form gives nothing
 * rather than half of something. */
#include "api/text.h"

#include <string.h>

void text_percent(struct buf *buf, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-._~", c);

        if (plain)
            buf_add_char(buf, (char)c);
        else
            buf_addf(buf, "%%%02X", c);
    }
}

bool text_has_word(const char *list, const char *word, size_t len)
{
    for (; *list; list += strspn(list, " ")) {
        size_t n = strcspn(list, " ");

        if (n == len && memcmp(list, word, len) == 0)
            return true;
        list += n;
    }
    return false;
}
