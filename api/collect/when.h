/* The clock rule of api.md ("Time"). Pure. */
#pragma once

#include <stdint.h>

#include "server/base/instant.h"

/* The instant under which a message is stored. own_us: the client's timestamp; sent_us: its sentAt; either may be INSTANT_NONE.
 * arrived_us is when the request came, received_us the message's stamp, both by the database's clock; the result is never later than
 * received_us. */
int64_t when_stored(int64_t own_us, int64_t sent_us, int64_t arrived_us, int64_t received_us);
