/* Ids: hashes and random bytes. The one idea: whoever knows the external id computes the same profile id, so nothing is looked up or
 * allocated, and ids are uniform. SHA-256 is OpenSSL's; the operating system is the only source of randomness. Which external ids are
 * acceptable is decided before (api/collect/person.c). */
#include "server/base/id.h"

#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#include "server/base/alloc.h"
#include "server/base/hex.h"

enum { PERSON_TEXT_MAX = 16 + 256 }; /* a kind and the longest id that collect accepts; longer ones are only asked for */

void sha256(const void *bytes, size_t len, uint8_t ret_digest[KEY_HASH_SIZE])
{
    if (EVP_Digest(bytes, len, ret_digest, NULL, EVP_sha256(), NULL) != 1)
        BUG("SHA-256 is not to be had");
}

struct id id_hash(const void *bytes, size_t len)
{
    uint8_t digest[KEY_HASH_SIZE];
    struct id id;

    sha256(bytes, len, digest);
    memcpy(id.bytes, digest, ID_SIZE);
    return id;
}

struct id id_person(const char *kind, const char *external, size_t len)
{
    char small[PERSON_TEXT_MAX];
    size_t kind_len = strlen(kind) + 1;
    char *large AUTO_FREE = len > sizeof small - kind_len ? mem_alloc(kind_len + len) : NULL;
    char *text = large ? large : small;

    ASSERT(kind_len <= sizeof small);
    memcpy(text, kind, kind_len);
    memcpy(text + kind_len, external, len);
    return id_hash(text, kind_len + len);
}

void random_bytes(void *ret_bytes, size_t len)
{
    char *at = ret_bytes;

    while (len) {
        ssize_t got = getrandom(at, len, 0);

        if (got < 0 && errno != EINTR)
            BUG("no random bytes");
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

struct id id_random(void)
{
    struct id id;

    random_bytes(id.bytes, sizeof id.bytes);
    return id;
}

struct id id_last(void)
{
    struct id last;

    memset(last.bytes, 0xff, sizeof last.bytes);
    return last;
}

bool id_is_last(const struct id *id)
{
    struct id last = id_last();

    return id_equal(id, &last);
}

/* By halves: sorting ids is much of what a tick does in C, and memcmp is a call. */
int id_compare(const struct id *a, const struct id *b)
{
    uint64_t x[2], y[2];

    memcpy(x, a->bytes, ID_SIZE);
    memcpy(y, b->bytes, ID_SIZE);
    for (size_t i = 0; i < ARRAY_LEN(x); i++)
        if (x[i] != y[i])
            return be64toh(x[i]) < be64toh(y[i]) ? -1 : 1;
    return 0;
}

int id_order(const void *a, const void *b)
{
    return id_compare(a, b);
}

bool id_equal(const struct id *a, const struct id *b)
{
    return memcmp(a->bytes, b->bytes, ID_SIZE) == 0;
}

/* Is there a hyphen before this byte in the uuid form? */
static bool after_hyphen(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void id_print(const struct id *id, char ret_text[ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    char *at = ret_text;

    for (size_t i = 0; i < ID_SIZE; i++) {
        if (after_hyphen(i))
            *at++ = '-';
        *at++ = digits[id->bytes[i] >> 4];
        *at++ = digits[id->bytes[i] & 15];
    }
    *at = '\0';
}

bool id_read(const char *text, struct id *ret_id)
{
    struct id id;

    if (strnlen(text, ID_TEXT) != ID_TEXT - 1)
        return false;
    for (size_t i = 0; i < ID_SIZE; i++) {
        int high, low;

        if (after_hyphen(i) && *text++ != '-')
            return false;
        high = hex_digit(*text++);
        low = hex_digit(*text++);
        if (high < 0 || low < 0)
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_id = id;
    return true;
}

void base64url(const void *bytes, size_t len, char *ret_text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *in = bytes;
    uint32_t bits = 0;
    unsigned n_bits = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | in[i];
        for (n_bits += 8; n_bits >= 6; n_bits -= 6)
            *ret_text++ = digits[bits >> (n_bits - 6) & 63];
    }
    if (n_bits)
        *ret_text++ = digits[bits << (6 - n_bits) & 63];
    *ret_text = '\0';
}
