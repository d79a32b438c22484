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
