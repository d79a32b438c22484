/* What an external id may be. Pure; any thread. */
#pragma once

#include "db/message.h"

enum id_verdict {
    ID_ABSENT, /* empty, with control characters, or a word that clients send for want of an id */
    ID_USABLE,
    ID_TOO_LONG /* over 256 bytes */
};

/* Of a text that is UTF-8. */
enum id_verdict id_judge(struct span text);

/* Nothing, or only blanks of any width. Of a text that is UTF-8. */
bool text_is_blank(struct span text);

enum { EMAIL_MAX = 254 }; /* bytes: RFC 5321, 4.5.3.1.3 less the brackets */
/* Does the text, trimmed of blanks, look like an address: one @ with something on both sides, no blanks, no control characters, at most
 * EMAIL_MAX bytes? Then it is written in lower case (of ASCII) to ret_text, which has room for EMAIL_MAX bytes. Returns its length, 0: it does
 * not. Of a text that is UTF-8. */
size_t email_normalize(struct span text, char *ret_text);
