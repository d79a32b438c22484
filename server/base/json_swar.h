/* What json_scan.c and json_walk.c share: eight bytes of a string at a time ("SIMD within a register"), hex digits, and the value that
 * starts in a checked text. For these two files only. */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "server/base/json_scan.h"

#define SWAR_ONES UINT64_C(0x0101010101010101)
#define SWAR_TOPS UINT64_C(0x8080808080808080)

/* The eight bytes at `at`, the first one lowest. */
static inline uint64_t swar_load(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

/* The top bit of each byte that is below n (n <= 128). A byte above the lowest one found may be wrong: look at the lowest only. */
static inline uint64_t swar_below(uint64_t word, unsigned char n)
{
    return (word - SWAR_ONES * n) & ~word & SWAR_TOPS;
}

static inline uint64_t swar_equal(uint64_t word, unsigned char c)
{
    return swar_below(word ^ SWAR_ONES * c, 1);
}

static inline size_t swar_first(uint64_t found)
{
    return (size_t)__builtin_ctzll(found) / 8;
}

/* How many bytes from `at` on are ASCII, no control character, quote or backslash. */
static inline size_t json_plain(const char *at, const char *end)
{
    const char *from = at;

    for (; end - at >= 8; at += 8) {
        uint64_t word = swar_load(at);
        uint64_t found = (word & SWAR_TOPS) | swar_below(word, 0x20) | swar_equal(word, '"') | swar_equal(word, '\\');

        if (found)
            return (size_t)(at - from) + swar_first(found);
    }
    while (at < end && (unsigned char)(*at - 0x20) < 0x60 && *at != '"' && *at != '\\')
        at++;
    return (size_t)(at - from);
}

/* The value that starts at `at`, white space before it skipped, in a checked text that ends at or after the value's end. */
struct json json_value(const char *at, const char *end);
