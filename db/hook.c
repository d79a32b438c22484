/* Tokens of webhooks. The one idea: the primary key decides which body a token belongs to, in one statement that commits before anything of
 * the body is stored; so it holds over restarts and between processes, and a request that died half way is let in again with the same
 * bytes. Bounded: each look takes away some that are past their time, more than it adds. */
#include "db/hook.h"

/* The rows that are taken away are older than any clock is wrong: never the one that is asked for. */
#define PAST " < clock_timestamp() - interval '10 minutes'"

DB_STATEMENT(hook_once, "iuuz",
             "WITH past AS (DELETE FROM hook_token WHERE (source_id, token) IN (SELECT source_id, token FROM hook_token WHERE until" PAST
             " ORDER BY until LIMIT 10 FOR UPDATE SKIP LOCKED)) "
             "INSERT INTO hook_token AS t (source_id, token, body, until) VALUES ($1, $2, $3, $4)"
             " ON CONFLICT (source_id, token) DO UPDATE SET until = t.until WHERE t.body = excluded.body RETURNING 1");

enum db_status db_hook_once(struct db *db, const struct hook_token *token)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_int(&args, token->source_id);
    db_arg_id(&args, &token->token);
    db_arg_id(&args, &token->body);
    db_arg_instant(&args, token->until_us);
    return db_run(db, &hook_once, &args, NULL);
}
