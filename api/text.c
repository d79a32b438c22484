/* Small texts of HTTP: what several files of the API need and libc does not have.
 * Everything here is pure; a text that is not of its form gives nothing
 * rather than half of something. */
#include "api/text.h"

#include <stdint.h>
#include <string.h>

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '-' ? digits + 62 : c == '_' ? digits + 63 : strchr(digits, c);

    return at && *at ? (int)(at - digits) : -1;
}

size_t text_base64(const char *text, void *ret_bytes, size_t size)
{
    uint8_t *bytes = ret_bytes;
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;

    for (; *text && *text != '='; text++) {
        int digit = base64_digit(*text);

        if (digit < 0)
            return 0;
        bits = bits << 6 | (uint32_t)digit;
        n_bits += 6;
        if (n_bits < 8)
            continue;
        if (n == size)
            return 0;
        n_bits -= 8;
        bytes[n++] = (uint8_t)(bits >> n_bits);
    }
    return text[strspn(text, "=")] ? 0 : n;
}

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
