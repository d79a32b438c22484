/* What a consent object may hold: the names of channels and the words for a state. Pure; any thread. */
#pragma once

#include "db/message.h"
#include "server/base/json_scan.h"

enum {
    CONSENT_CHANNEL_MAX = 256,  /* bytes of a channel's name */
    CONSENT_CHANNELS_MAX = 100, /* of one consent object */
    CONSENT_STATE_MAX = 9       /* bytes that consent_state gives at most */
};

/* May a channel be named so? 1 to 256 bytes without control characters. */
bool consent_channel_ok(struct span channel);
/* The same of a JSON string (or key), decoded. */
bool consent_key_ok(struct json key);
/* The state as JSON: "granted" for itself and true, "denied" for itself and false, null (unknown) for itself; NULL for anything else. Static. */
const char *consent_state(struct json value);
