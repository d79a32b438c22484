/* Decimals. The one idea: an amount is a whole number and where its point stands, so nothing is ever rounded and a shop's 19.90 stays
 * 19.90. What does not fit into 18 digits is no amount. It knows no provider: where one departs from ISO 4217, its entry says so.
 * Overflow is seen by the compiler's checked arithmetic, never guessed. */
#include "api/hooks/amount.h"

#include <string.h>
#include <strings.h>

bool amount_read(const char *text, size_t len, struct amount *ret_amount)
{
    struct amount amount = {.digits = 0};
    bool minus = len && *text == '-', point = false;
    size_t i = minus, n = 0;

    for (; i < len; i++) {
        if (text[i] == '.' && !point && n && i + 1 < len) {
            point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9' || ++n > AMOUNT_DIGITS_MAX)
            return false;
        amount.digits = amount.digits * 10 + (text[i] - '0');
        amount.scale += point;
    }
    if (!n)
        return false;
    if (minus)
        amount.digits = -amount.digits;
    *ret_amount = amount;
    return true;
}

static bool rescale(struct amount *amount, unsigned scale)
{
    while (amount->scale < scale) {
        if (__builtin_mul_overflow(amount->digits, 10, &amount->digits))
            return false;
        amount->scale++;
    }
    return true;
}

bool amount_add(struct amount *a, struct amount b, bool minus)
{
    if (!rescale(a, b.scale) || !rescale(&b, a->scale))
        return false;
    return minus ? !__builtin_sub_overflow(a->digits, b.digits, &a->digits) : !__builtin_add_overflow(a->digits, b.digits, &a->digits);
}

void amount_print(struct amount amount, struct buf *buf)
{
    uint64_t digits = amount.digits < 0 ? 0 - (uint64_t)amount.digits : (uint64_t)amount.digits;
    char text[64];
    size_t at = sizeof text;

    for (unsigned i = 0; digits || i <= amount.scale; i++) {
        if (i && i == amount.scale)
            text[--at] = '.';
        text[--at] = (char)('0' + digits % 10);
        digits /= 10;
    }
    if (amount.digits < 0)
        text[--at] = '-';
    buf_add(buf, text + at, sizeof text - at);
}

unsigned amount_decimals(const char *currency, size_t len)
{
    static const char *const others[] = {"0BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
                                         "3BHD IQD JOD KWD LYD OMR TND", "4CLF UYW"};

    for (size_t i = 0; len == 3 && i < sizeof others / sizeof *others; i++)
        for (const char *at = others[i] + 1; *at; at += at[3] ? 4 : 3)
            if (strncasecmp(at, currency, 3) == 0)
                return (unsigned)(*others[i] - '0');
    return 2;
}
