/* The partitions of event. */
#pragma once

#include "db/conn.h"

/* Makes the partitions of event that are missing: one for each quarter from the oldest there is (at the first call: from 2 years before
 * now_us) to two quarters after now_us, and at the first call one for all that is older. Each is made and attached in a transaction of
 * its own, which blocks nobody who inserts. DB_OK when all are there. To be called outside a transaction, at start, once an hour, and
 * when an insert found no partition. Any process at any time. */
enum db_status db_partitions_ensure(struct db *db, int64_t now_us) MUST_CHECK;
