/* The reject log: messages that were refused, with the reason and the first 2 KiB of what was sent. */
#pragma once

#include "db/conn.h"
#include "db/message.h"

enum { REJECT_PAYLOAD_MAX = 2048 };

/* Sends, as part of a pipeline, the statement that writes n rejects; to be received as one. Their texts may hold any bytes: what is no
 * UTF-8 is written as U+FFFD. */
void db_reject_send(struct db *db, const struct reject *const *rejects, size_t n);

/* Columns of a listing. */
enum { REJECT_ID, REJECT_AT, REJECT_SOURCE, REJECT_CODE, REJECT_DETAIL, REJECT_PAYLOAD };
/* At most limit rejects with an id below before_id (INT64_MAX: all), newest first: id bigint, at, source's name (null: unknown), code,
 * detail, payload. */
enum db_status db_reject_list(struct db *db, int64_t before_id, size_t limit, struct db_rows *ret_rows) MUST_CHECK;
