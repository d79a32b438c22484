/* Ids: the hash of a person is the one that other programs compute (values from sha256sum), texts go there and back. */
#include "server/base/id.h"

#include <string.h>

#include "tests/unit/run.h"

static const char *print(struct id id)
{
    static char text[ID_TEXT];

    id_print(&id, text);
    return text;
}

START_TEST(test_person)
{
    char longest[256], longer[2000];

    /* printf 'user\0u1' | sha256sum */
    ck_assert_str_eq(print(id_person("user", "u1", 2)), "433f5a03-1e86-909a-46b5-e2bac60e2452");
    ck_assert_str_eq(print(id_person("anonymous", "u1", 2)), "424e66d2-c298-45fe-047b-a186838a009a");
    memset(longest, 'x', sizeof longest);
    ck_assert_str_eq(print(id_person("user", longest, sizeof longest)), "d3e14cdb-09ad-fbc6-e877-7f87782ff3c4");
    memset(longer, 'x', sizeof longer);
    ck_assert_str_eq(print(id_person("anonymous", longer, sizeof longer)), "d9bae60b-c731-f258-8b16-12f160d82da5");
}
END_TEST

START_TEST(test_hash)
{
    uint8_t digest[KEY_HASH_SIZE];
    struct id id = id_hash("abc", 3);

    ck_assert_str_eq(print(id), "ba7816bf-8f01-cfea-4141-40de5dae2223");
    sha256("abc", 3, digest);
    ck_assert_mem_eq(digest, id.bytes, ID_SIZE);
    ck_assert_uint_eq(digest[KEY_HASH_SIZE - 1], 0xad);
}
END_TEST

START_TEST(test_read_is_the_inverse_of_print)
{
    struct id id = id_random(), back, other = id_random();

    ck_assert(id_read(print(id), &back));
    ck_assert(id_equal(&id, &back));
    ck_assert(!id_equal(&id, &other));
    ck_assert(id_read("BA7816BF-8F01-CFEA-4141-40DE5DAE2223", &back));
    ck_assert_str_eq(print(back), "ba7816bf-8f01-cfea-4141-40de5dae2223");
}
END_TEST

START_TEST(test_read_refuses)
{
    static const char *const texts[] = {"",
                                        "ba7816bf-8f01-cfea-4141-40de5dae222",
                                        "ba7816bf-8f01-cfea-4141-40de5dae22233",
                                        "ba7816bf8f01-cfea-4141-40de5dae-2223",
                                        "ba7816bf-8f01-cfea-4141-40de5dae222g",
                                        "{a7816bf-8f01-cfea-4141-40de5dae222}"};
    struct id id;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        ck_assert_msg(!id_read(texts[i], &id), "%s", texts[i]);
}
END_TEST

START_TEST(test_compare_is_by_bytes)
{
    struct id low = {{0x7f, 0xff}}, high = {{0x80}};

    ck_assert_int_lt(id_compare(&low, &high), 0);
    ck_assert_int_gt(id_compare(&high, &low), 0);
    ck_assert_int_eq(id_compare(&low, &low), 0);
    for (size_t i = 0; i < ID_SIZE; i++) { /* each byte counts, the first most, and none is negative */
        struct id a = {.bytes = {0}}, b = {.bytes = {0}};

        a.bytes[i] = 0x80;
        b.bytes[i] = 0x7f;
        if (i + 1 < ID_SIZE)
            b.bytes[i + 1] = 0xff;
        ck_assert_int_gt(id_compare(&a, &b), 0);
        ck_assert_int_lt(id_order(&b, &a), 0);
        ck_assert(!id_equal(&a, &b));
    }
}
END_TEST

START_TEST(test_base64url)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"\xfb\xff\xbf", "-_-_"}};
    char text[16];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        base64url(cases[i].bytes, strlen(cases[i].bytes), text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(test_random_bytes_fill_all)
{
    unsigned char bytes[64] = {0}, seen[64] = {0};

    for (int round = 0; round < 20; round++) {
        random_bytes(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
            seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        ck_assert_uint_ne(seen[i], 0);
}
END_TEST

RUN_TESTS("id", test_person, test_hash, test_read_is_the_inverse_of_print, test_read_refuses, test_compare_is_by_bytes, test_base64url,
          test_random_bytes_fill_all)
