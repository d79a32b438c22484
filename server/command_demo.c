/* cohortd demo: plausible traffic of a shop. The one idea: each visitor walks a small machine of steps (look, add, check out, pay, or go), so segments of every
 * kind find members: buyers, lapsed carts, big spenders, readers of mail. Batches go out ten times a second at the asked rate until a signal comes.
 * It knows nothing of the server but its HTTP face. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/key_make.h"
#include "db/key.h"
#include "db/source.h"
#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/base/id.h"
#include "server/base/instant.h"
#include "server/base/json_write.h"
#include "server/base/loopback.h"
#include "server/command.h"
#include "server/database.h"

enum { VISITORS = 500, PULSE_MS = 100, PULSES_A_SECOND = 1000 / PULSE_MS, TIMEOUT_MS = 5000, BATCH_MAX = 4 << 20 };

enum step { STEP_AWAY, STEP_LOOKING, STEP_CART, STEP_CHECKOUT };

struct shop {
    uint64_t random;
    uint64_t n_sent;
    enum step steps[VISITORS];
    char run[9]; /* makes message ids of one run differ from another's */
};

struct product {
    const char *name;
    const char *category;
    unsigned cents;
};

static const struct product products[] = {
    {"Trail Boot", "shoes", 14900},    {"City Sneaker", "shoes", 8990},
    {"Rain Jacket", "jackets", 11950}, {"Wool Scarf", "accessories", 3499},
    {"Day Pack", "bags", 6400},        {"Tent for Two", "camping", 24900},
    {"Camp Stove", "camping", 5999},   {"Water Bottle", "accessories", 1999},
};

/* xorshift64: plausible is enough. In [0, below). */
static unsigned pick(struct shop *shop, unsigned below)
{
    shop->random ^= shop->random << 13;
    shop->random ^= shop->random >> 7;
    shop->random ^= shop->random << 17;
    return (unsigned)((shop->random >> 32) % below);
}

static void begin_message(struct shop *shop, struct json_out *out, const char *type, unsigned visitor)
{
    char now[INSTANT_TEXT], text[64];

    instant_print(clock_wall_us(), now);
    json_open(out, '{');
    json_add_text(out, "type", type);
    (void)snprintf(text, sizeof text, "demo-%s-%" PRIu64, shop->run, ++shop->n_sent);
    json_add_text(out, "messageId", text);
    json_add_text(out, "timestamp", now);
    (void)snprintf(text, sizeof text, "demo-%04u", visitor);
    json_add_text(out, visitor % 4 ? "userId" : "anonymousId", text); /* every fourth never says who it is */
}

static void put_money(struct json_out *out, const char *key, unsigned cents)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%u.%02u", cents / 100, cents % 100);
    json_add_raw(out, key, text);
}

static void put_product(struct json_out *out, const struct product *product)
{
    json_add_text(out, "name", product->name);
    json_add_text(out, "category", product->category);
    put_money(out, "price", product->cents);
}

static void put_event(struct shop *shop, struct json_out *out, unsigned visitor, const char *event)
{
    const struct product *product = &products[pick(shop, ARRAY_LEN(products))];
    unsigned quantity = 1 + pick(shop, 3);

    begin_message(shop, out, "track", visitor);
    json_add_text(out, "event", event);
    json_key(out, "properties");
    json_open(out, '{');
    if (strcmp(event, "Order Completed") == 0) {
        put_money(out, "total", product->cents * quantity);
        json_add_text(out, "currency", "EUR");
        json_key(out, "products");
        json_open(out, '[');
        json_open(out, '{');
        put_product(out, product);
        json_add_int(out, "quantity", quantity);
        json_close(out, '}');
        json_close(out, ']');
    } else {
        put_product(out, product);
    }
    json_close(out, '}');
    json_close(out, '}');
}

static void put_person(struct shop *shop, struct json_out *out, unsigned visitor)
{
    static const char *const plans[] = {"free", "plus", "pro"};
    char email[64];

    begin_message(shop, out, "identify", visitor);
    json_key(out, "traits");
    json_open(out, '{');
    (void)snprintf(email, sizeof email, "demo-%04u@shop.example", visitor);
    json_add_text(out, "email", email);
    json_add_text(out, "plan", plans[visitor % ARRAY_LEN(plans)]);
    json_close(out, '}');
    json_close(out, '}');
}

/* The visitor's next step, and what it sends. */
static void take_step(struct shop *shop, struct json_out *out, unsigned visitor)
{
    unsigned chance = pick(shop, 100);
    enum step *step = &shop->steps[visitor];

    switch (*step) {
    case STEP_AWAY:
        if (visitor % 4 && chance < 15)
            put_person(shop, out, visitor);
        else
            put_event(shop, out, visitor, chance < 30 ? "Email Opened" : chance < 40 ? "Product List Viewed" : "Session Started");
        *step = STEP_LOOKING;
        return;
    case STEP_LOOKING:
        put_event(shop, out, visitor, chance < 25 ? "Product Added" : "Product Viewed");
        *step = chance < 25 ? STEP_CART : chance < 60 ? STEP_LOOKING : STEP_AWAY;
        return;
    case STEP_CART:
        put_event(shop, out, visitor, chance < 50 ? "Checkout Started" : "Cart Viewed");
        *step = chance < 50 ? STEP_CHECKOUT : chance < 75 ? STEP_LOOKING : STEP_AWAY;
        return;
    case STEP_CHECKOUT:
        put_event(shop, out, visitor, chance < 65 ? "Order Completed" : "Coupon Entered");
        *step = chance < 65 ? STEP_AWAY : STEP_CHECKOUT;
        return;
    }
    BUG("impossible step");
}

/* Some visitors come much more often than others. */
static unsigned pick_visitor(struct shop *shop)
{
    unsigned one = pick(shop, VISITORS), other = pick(shop, VISITORS);

    return one < other ? one : other;
}

static bool send_batch(struct shop *shop, const struct loopback_request *to, unsigned n)
{
    AUTO_BUF struct buf body = BUF_INIT(BATCH_MAX), answer = BUF_INIT(4096);
    struct json_out out = JSON_OUT(&body);
    struct loopback_request request = *to;
    unsigned status = 0;

    json_open(&out, '{');
    json_key(&out, "batch");
    json_open(&out, '[');
    for (unsigned i = 0; i < n; i++)
        take_step(shop, &out, pick_visitor(shop));
    json_close(&out, ']');
    json_close(&out, '}');
    request.body = body.data;
    request.body_len = body.len;
    if (loopback_send(&request, &status, &answer) && status == 200)
        return true;
    fprintf(stderr, "cohortd: %s answered %u\n", to->path, status);
    return false;
}

/* Sends until a signal comes; the exit status. */
static int run(const struct config *config, const char *key)
{
    struct shop *shop AUTO_FREE = mem_zalloc(sizeof *shop);
    char host[LOOPBACK_HOST], port[LOOPBACK_PORT];
    struct loopback_request request = {
        .host = host, .port = port, .method = "POST", .path = "/v1/batch", .key = key, .timeout_ms = TIMEOUT_MS};
    int64_t due = 0; /* events × pulses a second */

    if (!loopback_split(config->url, host, port)) {
        fprintf(stderr, "cohortd: --url is not http://HOST:PORT: %s\n", config->url);
        return 2;
    }
    random_bytes(&shop->random, sizeof shop->random);
    shop->random |= 1;
    (void)snprintf(shop->run, sizeof shop->run, "%08x", pick(shop, UINT32_MAX));
    fprintf(stderr, "cohortd: %" PRId64 " events a second to %s; stop with Ctrl-C\n", config->rate, config->url);
    do {
        unsigned n;

        due += config->rate;
        n = (unsigned)(due / PULSES_A_SECOND);
        due -= (int64_t)n * PULSES_A_SECOND;
        if (n && !send_batch(shop, &request, n))
            return 1;
    } while (!wait_for_signal(PULSE_MS));
    return 0;
}

/* With a write key that lives as long as the run. */
static int run_with_key(const struct config *config, struct db *db)
{
    struct made_key made = key_make("write");
    struct key_new key = {.role = "write", .source = "demo", .name = "cohortd demo", .prefix = made.prefix, .hash = made.hash};
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct id key_id;
    int status;

    if (db_connect(db) != DB_OK || db_source_ensure(db, key.source) != DB_OK || db_key_insert(db, &key, &rows) != DB_OK) {
        fprintf(stderr, "cohortd: no key could be made; give one with --write-key\n");
        return 1;
    }
    key_id = db_key_row(&rows, 0).key_id;
    status = run(config, made.text);
    if (db_connect(db) != DB_OK || db_key_revoke(db, &key_id) != DB_OK)
        fprintf(stderr, "cohortd: the key %s… was not revoked\n", made.prefix);
    return status;
}

int command_demo(const struct config *config)
{
    struct database *database;
    struct db_config how = {.role = "demo"};
    struct db *db;
    int status;

    if (*config->key)
        return run(config, config->key);
    database = database_open(config);
    if (!database)
        return 1;
    how.url = database_url(database);
    db = db_new(&how);
    status = run_with_key(config, db);
    db_free(db);
    database_close(database);
    return status;
}
