/* A new key: 256 random bits behind a word that says what it is for. Shown once, stored as its hash. */
#pragma once

#include "server/base/id.h"

enum { KEY_TEXT = 64, KEY_PREFIX = 9 };

struct made_key {
    char text[KEY_TEXT];     /* such as "cw_…": what its owner gets */
    char prefix[KEY_PREFIX]; /* its first 8 characters, to tell keys apart */
    uint8_t hash[KEY_HASH_SIZE];
};

/* role is "write", "read" or "admin". Any thread. */
struct made_key key_make(const char *role);
