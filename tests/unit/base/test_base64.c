/* Base64 in both alphabets, padded or not, and what is none. */
#include "server/base/base64.h"

#include <string.h>

#include "server/base/attr.h"
#include "tests/unit/run.h"

START_TEST(test_base64)
{
    static const struct {
        const char *text, *bytes;
    } cases[] = {{"a2V5Og==", "key:"}, {"a2V5Og", "key:"}, {"a2V5", "key"}, {"_-8", "\xff\xef"}, {"/+8=", "\xff\xef"}, {"", ""},
                 {"a2V5!", ""},        {"a2V5==x", ""},    {"\xff", ""}};
    char bytes[16];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len = base64_bytes(cases[i].text, bytes, sizeof bytes);

        ck_assert_msg(len == strlen(cases[i].bytes) && memcmp(bytes, cases[i].bytes, len) == 0, "case %zu", i);
    }
    ck_assert_uint_eq(base64_bytes("a2V5Og==", bytes, 3), 0); /* does not fit */
}
END_TEST

RUN_TESTS("base64", test_base64)
