/* UTF-8 by the table of the Unicode Standard ("Well-Formed UTF-8 Byte Sequences", table 3-7): the first byte gives the length
 * and the range of the second; all others are 80..BF. So overlong forms, surrogates and what lies past U+10FFFF need no test of
 * their own. Nothing is decoded here, only measured. */
#include "server/base/utf8.h"

struct lead {
    unsigned char first, last; /* of the first byte */
    unsigned char len;
    unsigned char low, high; /* of the second byte */
};

static const struct lead leads[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f},
    {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t utf8_char(const char *at, const char *end)
{
    const struct lead *lead = leads;
    unsigned char first, second;

    if (at == end)
        return 0;
    first = (unsigned char)*at;
    if (first < 0x80)
        return 1;
    while (first > lead->last)
        if (++lead == leads + sizeof leads / sizeof leads[0])
            return 0;
    if (first < lead->first || (size_t)(end - at) < lead->len)
        return 0;
    second = (unsigned char)at[1];
    if (second < lead->low || second > lead->high)
        return 0;
    for (size_t i = 2; i < lead->len; i++)
        if (!is_tail(at[i]))
            return 0;
    return lead->len;
}

bool utf8_ok(const char *text, size_t len)
{
    const char *end = text + len;

    while (text < end) {
        size_t n = utf8_char(text, end);

        if (!n)
            return false;
        text += n;
    }
    return true;
}
