/* Making keys. The one idea: the random part alone is the secret, so its hash needs no salt and can be looked
 * up; the word before it (cw_, cr_, ca_) lets a person, or a scanner of leaked secrets, see what a key is. It
 * stores nothing. */
#include "api/key_make.h"

#include <stdio.h>
#include <string.h>

enum { KEY_BYTES = 32 };

struct made_key key_make(const char *role)
{
    struct made_key key;
    uint8_t secret[KEY_BYTES];
    int head = snprintf(key.text, sizeof key.text, "c%c_", role[0]);

    random_bytes(secret, sizeof secret);
    base64url(secret, sizeof secret, key.text + head);
    memcpy(key.prefix, key.text, KEY_PREFIX - 1);
    key.prefix[KEY_PREFIX - 1] = '\0';
    sha256(key.text, strlen(key.text), key.hash);
    return key;
}
