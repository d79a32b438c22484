/* The scanner against jansson: both accept and refuse the same texts, the documented cases apart (depth, NUL escapes and lone
 * surrogates, numbers past a double's range). Then everything in an accepted text is walked, and every span must lie inside what it was
 * cut from. The input is copied into memory of exactly its length, so that a step past the end is seen. */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "server/base/alloc.h"
#include "server/base/json_scan.h"

enum { DECODED_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Does jansson take it? *ret_range: no, but only for a number beyond a double. */
static bool jansson_takes(const char *text, size_t len, bool *ret_range)
{
    json_error_t error;
    json_t *root = json_loadb(text, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);

    *ret_range = !root && json_error_code(&error) == json_error_numeric_overflow;
    json_decref(root);
    return root != NULL;
}

static void inside(struct json part, struct json whole)
{
    ASSERT(part.type != JSON_T_NONE && part.len > 0);
    ASSERT(part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static void read_scalar(struct json value)
{
    struct buf buf AUTO_BUF = BUF_INIT(DECODED_MAX);
    int64_t number = 0;

    if (value.type == JSON_T_NUMBER) {
        ASSERT(json_has_bad_number(value) == !json_number_ok(value.at, value.len));
        if (json_int(value, -1000, 1000, &number))
            ASSERT(number >= -1000 && number <= 1000);
    }
    if (value.type == JSON_T_STRING) {
        json_decode(value, &buf);
        ASSERT(strlen(buf_text(&buf)) == buf.len && buf.len <= value.len - 2);
        ASSERT(json_is(value, buf_text(&buf)));
        ASSERT(json_length(value) <= buf.len);
    }
}

/* How many bad numbers there are, counted one by one. */
static size_t walk(struct json value)
{
    struct json_iter iter = json_iter(value);
    struct json key, part;
    size_t bad = 0, n = 0;

    if (value.type == JSON_T_OBJECT) {
        for (; json_next_member(&iter, &key, &part); n++) {
            inside(key, value);
            inside(part, value);
            ASSERT(key.type == JSON_T_STRING && key.at + key.len <= part.at);
            read_scalar(key);
            bad += walk(part);
        }
    } else {
        for (; json_next_element(&iter, &part); n++) {
            inside(part, value);
            bad += walk(part);
        }
    }
    ASSERT(n == json_count(value));
    read_scalar(value);
    ASSERT(json_has_bad_number(value) == (bad > 0 || (value.type == JSON_T_NUMBER && !json_number_ok(value.at, value.len))));
    return bad + (value.type == JSON_T_NUMBER && !json_number_ok(value.at, value.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text AUTO_FREE = mem_alloc(size);
    struct json root = JSON_NONE, again = JSON_NONE;
    struct json_flaw flaw = {0};
    size_t bad_numbers = 0, bad_again = 0;
    bool range, ours;

    if (size)
        memcpy(text, data, size);
    ours = json_check(text, size, &root, &bad_numbers, &flaw);
    if (!ours) {
        ASSERT(flaw.what && flaw.offset <= size);
        ASSERT(strcmp(flaw.what, "depth over 64") == 0 ||
               (size && memchr(data, '\0', size)) || /* jansson loses a NUL byte after a number */
               !jansson_takes((const char *)data, size, &range));
        return 0;
    }
    ASSERT(jansson_takes(text, size, &range) || (range && bad_numbers)); /* of the repaired text */
    ASSERT(walk(root) == bad_numbers);
    ASSERT(json_check(text, size, &again, &bad_again, &flaw)); /* a repaired text stays as it is */
    ASSERT(again.at == root.at && again.len == root.len && bad_again == bad_numbers);
    return 0;
}
