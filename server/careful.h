/* Asking with care, after a tick has failed or when a profile set aside is due for another try. Inside a tick's transaction, unless it says otherwise. Worker
 * thread only. */
#pragma once

#include "server/differ.h"

/* Evaluates all versions of a level, one after the other, each SELECT under a savepoint of its own. A version whose statement fails, or takes too long for many
 * profiles, is marked failed with those that refer to it; a single profile that takes too long is set aside. DB_RETRY or DB_ERROR: the connection. */
enum db_status careful_level(struct differ *differ, size_t level) MUST_CHECK;

/* Is the profile set aside for the version? */
bool careful_has(const struct differ *differ, int32_t version_id, const struct id *profile);
/* Is one of them, of a version that is kept up, due for another try? */
bool careful_due(const struct differ *differ, int64_t now_us);
/* Reads the profiles set aside. Outside a transaction. */
enum db_status careful_load(struct differ *differ) MUST_CHECK;
