/* Orders: for one person an order (an event `Order Completed` with a usable order_id) is stored once, whoever reports it how often. The
 * unique key of order_seen decides; here are the statements, to be sent as part of a transaction that holds the locks of ingest
 * (docs/exactness.md). Each is to be received as one. */
#pragma once

#include "db/conn.h"
#include "db/message.h"
#include "db/move.h"

/* One message that reports an order. */
struct order_report {
    struct id profile; /* whose it is, after all merges of the transaction */
    int32_t name_id;
    const struct message *message; /* with an order_id; borrowed */
};

/* Takes the orders: the rows are the positions, from 0, of the reports that are the first of their order, here and in the store, by
 * the order of the array; and of those that are the very message that is stored for it, sent again, which the key of event finds. May wait
 * for a transaction that takes one of the same. */
void db_order_send_take(struct db *db, const struct order_report *reports, size_t n);

/* Merges, before new orders are taken: the survivors take the orders of those that go. */
void db_order_send_move(struct db *db, const struct move *moves, size_t n);
/* After it: the raw ids of survivors that now have an order by two reports; without such, none. All their locks must be held alone for
 * what follows. */
void db_order_send_clashes(struct db *db, const struct move *moves, size_t n);
/* When events, identities and profiles are moved and written: of two reports of an order that a merge has brought together the one that was
 * received first stays; the event of the other is deleted, its message remembered as repeated, and first_seen and last_seen go by what
 * is left. Tells the worker. */
void db_order_send_settle(struct db *db, const struct move *moves, size_t n);
