/* The advisory locks of cohortd, as texts for SQL: a class of our own and a number in it, so that nothing else in the database uses the
 * same. */
#pragma once

#define DB_LOCK_CLASS_IDENTITY "1668246386" /* + a number of 0 to 255: the first byte of a raw id (docs/exactness.md) */
#define DB_LOCK_SCHEMA         "1668246387, 0"
#define DB_LOCK_PARTITION      "1668246387, 1"
#define DB_LOCK_SEGMENTS       "1668246387, 2"
enum { LOCKS = 256 };
