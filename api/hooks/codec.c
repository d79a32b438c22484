/* base64 and hex, strictly: one text for one value, so nothing that is not a signature passes for one. Lengths are public, contents are
 * compared elsewhere, in constant time. It knows no keys
 * and no schemes. */
#include "api/hooks/codec.h"

#include "server/base/hex.h"

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_read(const char *text, size_t len, uint8_t *ret_bytes, size_t *ret_len)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;

    for (size_t pad = 0; len && pad < 2 && text[len - 1] == '=' && len % 4 != 1; pad++)
        len--;
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text[i]);

        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            ret_bytes[n++] = (uint8_t)(bits >> n_bits);
        }
    }
    *ret_len = n;
    return n && n_bits < 6 && !(bits & ((1U << n_bits) - 1));
}

bool hex_read(const char *text, size_t len, uint8_t *ret_bytes, size_t *ret_len)
{
    for (size_t i = 0; i + 1 < len; i += 2) {
        int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

        if (high < 0 || low < 0)
            return false;
        ret_bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    *ret_len = len / 2;
    return len && len % 2 == 0;
}
