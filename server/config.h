/* What the program can be told: one table of settings, each a flag with an environment twin. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server/base/attr.h"

/* Which commands know a setting. */
enum {
    FOR_SERVE = 1 << 0,
    FOR_MIGRATE = 1 << 1,
    FOR_KEYS = 1 << 2,
    FOR_IMPORT = 1 << 3,
    FOR_EXPORT = 1 << 4,
    FOR_VERIFY = 1 << 5,
    FOR_DEMO = 1 << 6,
    FOR_HEALTH = 1 << 7,
    FOR_DATABASE = FOR_SERVE | FOR_MIGRATE | FOR_KEYS | FOR_IMPORT | FOR_EXPORT | FOR_VERIFY,
    FOR_ONCE = FOR_DATABASE & ~FOR_SERVE,
    FOR_ALL = FOR_DATABASE | FOR_DEMO | FOR_HEALTH
};

/* Texts are borrowed from the arguments, the environment or the table; "" when not given. */
struct config {
    const char *listen;
    const char *operate_listen;
    const char *public_url;
    const char *trusted_proxies;
    const char *tracker_path;
    const char *collect_prefix;
    const char *database_url;
    const char *data_dir;
    const char *log_format;
    const char *log_level;
    int64_t loops;
    int64_t connections;
    int64_t connections_per_ip;
    int64_t idle_timeout_s;
    int64_t request_timeout_s;
    int64_t body_max;
    int64_t message_max;
    int64_t gzip_ratio;
    int64_t writers;
    int64_t queue_max;
    int64_t names_max;
    int64_t quick_threads;
    int64_t long_threads;
    int64_t query_queue;
    int64_t drain_s;
    int64_t wait_s;
    const char *role;
    const char *source;
    const char *format;
    const char *reachable;
    const char *url;
    const char *key;
    int64_t rate;
    bool help;
    char **args; /* what is left: the command's own arguments */
    size_t n_args;
};

enum { CONFIG_ERROR = 256 };

struct config_input {
    unsigned commands; /* bits of FOR_… */
    int argc;
    char **argv;                    /* without the program and the command; words that are no flags are moved to its front */
    char *(*get)(const char *name); /* the environment: getenv */
};

/* Reads defaults, then the environment, then the flags: `--listen ADDRESS` or `--listen=ADDRESS`. Other words are the command's own arguments, in order.
 * False with a sentence in ret_error: a flag that none of the commands knows, a value out of range. */
bool config_read(const struct config_input *input, struct config *ret_config, char ret_error[CONFIG_ERROR]) MUST_CHECK;
/* Prints the settings that `commands` know: flag, environment twin, default, help. */
void config_print(unsigned commands, FILE *out);
