/* Ids are hashes (docs/architecture.md): computed, never allocated, the same in every process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/attr.h"

enum { ID_SIZE = 16, ID_TEXT = 37, KEY_HASH_SIZE = 32 };

struct id {
    uint8_t bytes[ID_SIZE];
};

/* The raw id of a person: the first 16 bytes of SHA-256(kind ‖ 0x00 ‖ external id). kind is "user", "anonymous" or "email". */
struct id id_person(const char *kind, const char *external, size_t len);
/* The first 16 bytes of SHA-256 of the text: a message id. */
struct id id_hash(const void *bytes, size_t len);
/* 16 random bytes. */
struct id id_random(void);
/* The last one there can be; the first is zero. */
struct id id_last(void);
bool id_is_last(const struct id *id);

int id_compare(const struct id *a, const struct id *b); /* as memcmp, the order of uuid in PostgreSQL */
int id_order(const void *a, const void *b);             /* the same of two struct id, for qsort and bsearch */
bool id_equal(const struct id *a, const struct id *b);

/* The uuid form, "xxxxxxxx-xxxx-…" with its NUL, and back (false: not a uuid). */
void id_print(const struct id *id, char ret_text[ID_TEXT]);
bool id_read(const char *text, struct id *ret_id) MUST_CHECK;

/* SHA-256 whole. */
void sha256(const void *bytes, size_t len, uint8_t ret_digest[KEY_HASH_SIZE]);
/* Fills with random bytes of the operating system. */
void random_bytes(void *ret_bytes, size_t len);
/* base64url without padding of len bytes; ret_text holds 4 × (len + 2) / 3 + 1. */
void base64url(const void *bytes, size_t len, char *ret_text);
