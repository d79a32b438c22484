/* Brings a database to the schema that this program knows. */
#pragma once

#include "db/conn.h"

/* Runs the migrations that the database lacks, each in a transaction with its row in schema_migration, one process at a time, and makes
 * the partitions of the present; a database that has them all is left as it is. DB_OK; DB_ERROR (logged): a schema or an encoding this
 * program does not know, or SQL that was refused; DB_RETRY: not reachable. A call for start-up, on a connection of its own: it waits
 * for as long as the work takes. */
enum db_status db_migrate(const char *url) MUST_CHECK;
