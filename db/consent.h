/* Consent: what people stated about a channel (email, sms, third_party, …), granted or denied, and what their browsers signal. A statement
 * counts by its own instant, not by its arrival: the newest holds, of two of one instant the more cautious (denied, taken back, granted).
 * A signal (Sec-GPC, DNT) is about the channel third_party and counts as denied where nothing is stated. So statements, signals and merges may
 * come in any order, and more than once. docs/consent.md says it to users. */
#pragma once

#include "db/conn.h"
#include "db/message.h"
#include "db/move.h"

#define CONSENT_SIGNAL_CHANNEL "third_party"

/* SQL, to be true of whom all channels of the text array `channels` reach; of everybody when it is empty. A channel reaches whose consent is not denied
 * and, email: who has an address (trait email or an identity), sms: who has a trait phone. id and traits are columns of a live profile. */
#define CONSENT_REACHABLE(id, traits, channels)                                                                                            \
    "(cardinality(" channels ") = 0 OR (NOT EXISTS (SELECT FROM consent rc WHERE rc.profile_id = " id " AND rc.channel = ANY (" channels   \
    ") AND rc.state = 'denied' OFFSET 0) AND ('email' <> ALL (" channels ") OR coalesce(" traits " ->> 'email' LIKE '_%@_%', false)"       \
    " OR EXISTS (SELECT FROM identity ri WHERE ri.profile_id = " id " AND ri.kind = 'email' OFFSET 0)) AND ('sms' <> ALL (" channels       \
    ") OR coalesce(jsonb_typeof(" traits " -> 'phone') IN ('string', 'number') AND " traits " ->> 'phone' <> '', false))))"

/* What one message says of a profile: a statement, an object of channel to "granted", "denied" or null as JSON text, or a signal. */
struct consent_said {
    struct id profile;
    struct span stated; /* at NULL: none */
    bool signal;
    int64_t at_us;
};

/* Send, as part of a pipeline in a transaction that holds the locks of all ids concerned (db/ingest.h), the statement that stores what was said,
 * or that gives what each `gone` has to its `into`; and tells the worker. To be received as one. */
void db_consent_send_said(struct db *db, const struct consent_said *said, size_t n);
void db_consent_send_move(struct db *db, const struct move *moves, size_t n);

/* What a profile has, without channels that are unknown; by channel. DB_NONE: nothing. */
struct consent_row {
    const char *channel;
    const char *state;
    int64_t at_us;
    bool stated; /* or signalled */
};
enum db_status db_consent_read(struct db *db, const struct id *profile_id, struct db_rows *ret_rows) MUST_CHECK;
struct consent_row db_consent_row(const struct db_rows *rows, size_t i);

/* Stores a statement (as above) about the person that the raw id means, later than all before it, in a transaction of its own; wakes the worker.
 * DB_NONE: nobody. */
struct consent_edit {
    struct id raw;
    struct span stated;
    int64_t at_us;
};
enum db_status db_consent_set(struct db *db, const struct consent_edit *edit, struct id *ret_profile) MUST_CHECK;
