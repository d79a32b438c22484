/* What providers signed that may come with one body only (api/hooks/hook.h). Outside any transaction. */
#pragma once

#include <stdint.h>

#include "db/conn.h"

struct hook_token {
    int32_t source_id;
    struct id token;  /* hash of what was signed */
    struct id body;   /* hash of the body it came with */
    int64_t until_us; /* it is refused for its age from then on */
};
/* Remembers the body that came with the token, unless there is one; committed when it returns, and so the same for every process. DB_OK:
 * it is this body's; DB_NONE: another's. Some tokens that are past their time go. */
enum db_status db_hook_once(struct db *db, const struct hook_token *token) MUST_CHECK;
