/* The orders of a batch. The one idea: whether an order is new is decided by the unique key of order_seen, in a trip of its own between the
 * walk and the writes, so that the writes can leave out what is not stored, with all that would follow from it. Only a batch with orders, or with
 * a merge of somebody who has some, makes that trip. A message that repeats an order still says whose ids it names (it was walked)
 * and what the browser's signal is; it is remembered like an odd one, so that its own retry is found and says nothing. */
#include "db/ingest_batch.h"
#include "db/order.h"
#include "server/base/alloc.h"

struct move *ingest_moves(const struct batch *batch)
{
    const struct identities *people = &batch->people;
    struct move *moves = mem_grow(NULL, people->merges.n + 1, sizeof *moves);

    for (size_t i = 0; i < people->merges.n; i++)
        moves[i] = (struct move){.gone = people->profiles.at[people->merges.at[i].gone].id,
                                 .into = people->profiles.at[identity_living(people, people->merges.at[i].into)].id};
    return moves;
}

static bool merges_orders(const struct batch *batch)
{
    const struct identities *people = &batch->people;

    for (size_t i = 0; i < people->merges.n; i++)
        if (people->profiles.at[people->merges.at[i].gone].orders)
            return true;
    return false;
}

struct reports {
    struct order_report *at; /* owned */
    size_t n;
    size_t cap;
};

/* All orders of the attempt, as repeated until the database says otherwise. */
static struct reports reports_of(struct batch *batch, size_t **ret_items)
{
    struct reports reports = VEC_INIT;

    *ret_items = mem_grow(NULL, batch->to - batch->from + 1, sizeof **ret_items);
    for (size_t i = batch->from; i < batch->to; i++) {
        struct item *item = &batch->items[i];

        item->repeated = !item->dropped && item->message->order_id.at;
        if (!item->repeated)
            continue;
        (*ret_items)[reports.n] = i;
        *VEC_ADD(&reports) = (struct order_report){.profile = batch->people.profiles.at[identity_living(&batch->people, item->profile)].id,
                                                   .name_id = item->name_id,
                                                   .message = item->message};
    }
    return reports;
}

static void send(struct batch *batch, const struct reports *reports)
{
    struct move *moves AUTO_FREE = ingest_moves(batch);

    if (batch->merges_orders)
        db_order_send_move(batch->db, moves, batch->people.merges.n);
    if (reports->n)
        db_order_send_take(batch->db, reports->at, reports->n);
    if (batch->merges_orders)
        db_order_send_clashes(batch->db, moves, batch->people.merges.n);
    db_sync(batch->db);
}

/* The first failure of a pipeline is the one that counts. */
static void receive(struct batch *batch, struct db_rows *ret_rows, enum db_status *status)
{
    enum db_status one = db_receive(batch->db, ret_rows);

    if (*status == DB_OK && one != DB_NONE)
        *status = one;
}

static enum db_status receive_all(struct batch *batch, const struct reports *reports, struct db_rows *ret_taken,
                                  struct db_rows *ret_clashes)
{
    enum db_status status = DB_OK, end;

    if (batch->merges_orders)
        receive(batch, NULL, &status);
    if (reports->n)
        receive(batch, ret_taken, &status);
    if (batch->merges_orders)
        receive(batch, ret_clashes, &status);
    end = db_receive_sync(batch->db);
    return status == DB_OK ? end : status;
}

enum db_status ingest_orders(struct batch *batch)
{
    AUTO_DB_ROWS struct db_rows taken = DB_ROWS_INIT, clashes = DB_ROWS_INIT;
    size_t *items AUTO_FREE = NULL;
    struct reports reports = reports_of(batch, &items);
    enum db_status status = DB_OK;

    batch->merges_orders = merges_orders(batch);
    if (reports.n || batch->merges_orders) {
        send(batch, &reports);
        status = receive_all(batch, &reports, &taken, &clashes);
    }
    for (size_t i = 0; i < db_rows_count(&taken); i++)
        batch->items[items[db_int(&taken, i, 0)]].repeated = false;
    for (size_t i = 0; i < db_rows_count(&clashes); i++) {
        struct id raw = db_id(&clashes, i, 0);

        if (ingest_needs_alone(batch, &raw) && status == DB_OK)
            status = DB_NONE;
    }
    vec_free(&reports);
    return status;
}
