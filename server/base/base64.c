/* Base64, read leniently in what clients differ in (alphabet, padding) and strictly in all else: a text that is not of the form
 * gives nothing rather than half of something.
 * Bits left over at the end are not looked at. */
#include "server/base/base64.h"

#include <stdint.h>
#include <string.h>

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '-' ? digits + 62 : c == '_' ? digits + 63 : strchr(digits, c);

    return at && *at ? (int)(at - digits) : -1;
}

size_t base64_bytes(const char *text, void *ret_bytes, size_t size)
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
