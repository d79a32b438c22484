/* Validates JSON in one pass. The one idea: nothing is built; the text itself, once checked, is the parsed form, and json_walk.c finds its
 * way in it again. Plain bytes of a string are passed eight at a time; an open container is one bit, so depth costs nothing.
 * Invariant: what json_check accepts, json_walk.c may walk without asking again whether it is well-formed.
 * The only bytes ever written are the six of an escape that no text can hold (NUL, half a surrogate pair). */
#include "server/base/json_scan.h"

#include <string.h>

#include "server/base/hex.h"
#include "server/base/json_swar.h"
#include "server/base/utf8.h"

enum { NUMBER_CHARS_MAX = 50, EXPONENT_DIGITS_MAX = 2, ESCAPE_U_LEN = 6 };

struct scan {
    char *at;
    char *end;
    uint64_t objects; /* bit d: the container at depth d + 1 is an object */
    unsigned depth;
    struct json_numbers numbers;
    const char *flaw;
};

static bool flaw(struct scan *scan, const char *what)
{
    if (!scan->flaw)
        scan->flaw = what;
    return false;
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The next byte that is no white space; NUL, which is no JSON, at the end. */
static inline char peek(struct scan *scan)
{
    while (scan->at < scan->end && is_space(*scan->at))
        scan->at++;
    return scan->at < scan->end ? *scan->at : '\0';
}

/* The four hex digits of \uXXXX, or -1. */
static int hex4(const char *at, const char *end)
{
    int code = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);

        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

static bool scan_escape_u(struct scan *scan)
{
    int code = hex4(scan->at + 2, scan->end), low = -1;

    if (code < 0)
        return flaw(scan, "bad \\u escape");
    if (code >= 0xd800 && code <= 0xdbff && scan->end - scan->at >= 2 * ESCAPE_U_LEN && scan->at[6] == '\\' && scan->at[7] == 'u')
        low = hex4(scan->at + 8, scan->end);
    if (low >= 0xdc00 && low <= 0xdfff)
        scan->at += ESCAPE_U_LEN;
    else if (code == 0 || (code >= 0xd800 && code <= 0xdfff)) {
        memcpy(scan->at, "\\ufffd", ESCAPE_U_LEN);
        scan->numbers.mended++;
    }
    scan->at += ESCAPE_U_LEN;
    return true;
}

static bool scan_escape(struct scan *scan)
{
    if (scan->end - scan->at < 2)
        return flaw(scan, "string without end");
    if (scan->at[1] == 'u')
        return scan_escape_u(scan);
    if (!scan->at[1] || !strchr("\"\\/bfnrt", scan->at[1]))
        return flaw(scan, "unknown escape");
    scan->at += 2;
    return true;
}

/* At the opening quote. */
static bool scan_string(struct scan *scan)
{
    scan->at++;
    for (;;) {
        size_t n;

        scan->at += json_plain(scan->at, scan->end);
        if (scan->at == scan->end)
            return flaw(scan, "string without end");
        if (*scan->at == '"') {
            scan->at++;
            return true;
        }
        if (*scan->at == '\\') {
            if (!scan_escape(scan))
                return false;
            continue;
        }
        if ((unsigned char)*scan->at < 0x20)
            return flaw(scan, "control character in a string");
        n = utf8_char(scan->at, scan->end);
        if (!n)
            return flaw(scan, "bytes that are not UTF-8");
        scan->at += n;
    }
}

/* One digit or more; how many, 0 being a flaw. */
static size_t scan_digits(struct scan *scan)
{
    const char *from = scan->at;

    while (scan->at < scan->end && is_digit(*scan->at))
        scan->at++;
    if (scan->at == from)
        flaw(scan, "bad number");
    return (size_t)(scan->at - from);
}

static bool scan_number(struct scan *scan)
{
    const char *from = scan->at;
    size_t exponent = 0;

    if (*scan->at == '-')
        scan->at++;
    if (scan->at < scan->end && *scan->at == '0')
        scan->at++;
    else if (!scan_digits(scan))
        return false;
    if (scan->at < scan->end && *scan->at == '.') {
        scan->at++;
        if (!scan_digits(scan))
            return false;
    }
    if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
        scan->at++;
        if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
            scan->at++;
        exponent = scan_digits(scan);
        if (!exponent)
            return false;
    }
    scan->numbers.with_exponents += exponent > 0;
    if (scan->at - from > NUMBER_CHARS_MAX || exponent > EXPONENT_DIGITS_MAX)
        scan->numbers.bad++;
    return true;
}

static bool scan_word(struct scan *scan, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
        return flaw(scan, "unknown word");
    scan->at += len;
    return true;
}

static bool scan_key(struct scan *scan)
{
    if (peek(scan) != '"')
        return flaw(scan, "a member's name is missing");
    if (!scan_string(scan))
        return false;
    if (peek(scan) != ':')
        return flaw(scan, "a colon is missing");
    scan->at++;
    return true;
}

/* At an opening bracket; *ret_empty says that the container is closed already. */
static bool scan_open(struct scan *scan, bool *ret_empty)
{
    bool object = *scan->at == '{';

    if (scan->depth == JSON_DEPTH_MAX)
        return flaw(scan, "depth over 64");
    scan->at++;
    *ret_empty = peek(scan) == (object ? '}' : ']');
    if (*ret_empty) {
        scan->at++;
        return true;
    }
    scan->objects = (scan->objects & ~(UINT64_C(1) << scan->depth)) | (uint64_t)object << scan->depth;
    scan->depth++;
    return !object || scan_key(scan);
}

/* After a value: passes closing brackets up to where the next value stands, or to the end of the outermost. */
static bool scan_after(struct scan *scan)
{
    while (scan->depth) {
        bool object = scan->objects >> (scan->depth - 1) & 1;
        char c = peek(scan);

        if (c != ',' && c != (object ? '}' : ']'))
            return flaw(scan, "a comma or closing bracket is missing");
        scan->at++;
        if (c == ',')
            return !object || scan_key(scan);
        scan->depth--;
    }
    return true;
}

/* A value, of a container no more than its beginning; *ret_open says that a value must follow inside it. */
static bool scan_value(struct scan *scan, bool *ret_open)
{
    bool empty, ok;

    *ret_open = false;
    switch (peek(scan)) {
    case '"':
        return scan_string(scan);
    case '{':
    case '[':
        ok = scan_open(scan, &empty);
        *ret_open = ok && !empty;
        return ok;
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        if (scan->at < scan->end && (*scan->at == '-' || is_digit(*scan->at)))
            return scan_number(scan);
        return flaw(scan, scan->at == scan->end ? "a value is missing" : "unexpected character");
    }
}

static bool scan_text(struct scan *scan)
{
    bool open;

    do {
        if (!scan_value(scan, &open))
            return false;
        if (!open && !scan_after(scan))
            return false;
    } while (scan->depth);
    (void)peek(scan);
    return scan->at == scan->end || flaw(scan, "text after the value");
}

bool json_check(char *text, size_t len, struct json *ret_root, size_t *ret_bad_numbers, struct json_flaw *ret_flaw)
{
    struct json_numbers numbers;

    if (!json_check_numbers(text, len, ret_root, &numbers, ret_flaw))
        return false;
    *ret_bad_numbers = numbers.bad;
    return true;
}

bool json_check_numbers(char *text, size_t len, struct json *ret_root, struct json_numbers *ret_numbers, struct json_flaw *ret_flaw)
{
    struct scan scan = {.at = text, .end = text + len};

    if (!scan_text(&scan)) {
        *ret_flaw = (struct json_flaw){.offset = (size_t)(scan.at - text), .what = scan.flaw};
        return false;
    }
    *ret_root = json_value(text, text + len);
    *ret_numbers = scan.numbers;
    return true;
}

bool json_number_ok(const char *text, size_t len)
{
    struct scan scan = {.at = NULL};
    char copy[NUMBER_CHARS_MAX];

    if (!len || len > NUMBER_CHARS_MAX || (text[0] != '-' && !is_digit(text[0])))
        return false;
    memcpy(copy, text, len);
    scan.at = copy;
    scan.end = copy + len;
    return scan_number(&scan) && scan.at == scan.end && !scan.numbers.bad;
}
