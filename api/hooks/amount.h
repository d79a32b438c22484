/* Amounts of money as exact decimals. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/buf.h"

enum { AMOUNT_DIGITS_MAX = 18 };

/* digits × 10^-scale */
struct amount {
    int64_t digits;
    unsigned scale;
};

/* Reads -?digits(.digits)? of at most 18 digits: no exponent, no grouping. */
bool amount_read(const char *text, size_t len, struct amount *ret_amount) MUST_CHECK;
/* a + b, or a − b; false when it does not fit. */
bool amount_add(struct amount *a, struct amount b, bool minus) MUST_CHECK;
/* Appends it with all its decimals: 19.90. */
void amount_print(struct amount amount, struct buf *buf);
/* How many decimals the minor unit of a currency has, by ISO 4217: 0 for JPY, 3 for KWD, 2 for most and for what is no currency. Any
 * case. */
unsigned amount_decimals(const char *currency, size_t len);
