/* What the messages of a batch say about consent. The one idea: they are handed over as they are, with the profile that is theirs after all merges of
 * the batch, and folded by the statement that stores them; where no message says anything, nothing is sent. Doubles say nothing: they were
 * dropped before. What a statement means is db/consent.c's. */
#include "db/consent.h"
#include "db/ingest_batch.h"

bool ingest_send_consent(const struct batch *batch)
{
    VEC(struct consent_said) said = VEC_INIT;
    bool any;

    for (size_t i = batch->from; i < batch->to; i++) {
        const struct item *item = &batch->items[i];
        const struct message *message = item->message;

        if (item->dropped || (!message->consent.at && !message->opted_out))
            continue;
        *VEC_ADD(&said) = (struct consent_said){.profile = batch->people.profiles.at[identity_living(&batch->people, item->profile)].id,
                                                .stated = message->consent,
                                                .signal = message->opted_out,
                                                .at_us = message->ts_us};
    }
    any = said.n > 0;
    if (any)
        db_consent_send_said(batch->db, said.at, said.n);
    vec_free(&said);
    return any;
}
