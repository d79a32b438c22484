/* Settings: default, environment, flag, in rising order; what is unknown or out of range is told.
 * The environment is a table of the test's.
 * What a setting does is not tested here. */
#include "server/config.h"

#include <string.h>

#include "tests/unit/run.h"

static char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static char *some_environment(const char *name)
{
    static char listen[] = "0.0.0.0:1", loops[] = "3", empty[] = "";

    if (strcmp(name, "COHORTD_LISTEN") == 0)
        return listen;
    if (strcmp(name, "COHORTD_LOG_LEVEL") == 0)
        return empty;
    return strcmp(name, "COHORTD_LOOPS") == 0 ? loops : NULL;
}

static char *bad_environment(const char *name)
{
    static char loops[] = "many";

    return strcmp(name, "COHORTD_LOOPS") == 0 ? loops : NULL;
}

struct words {
    char text[8][64];
    char *argv[8];
};

static bool read_config(struct config *config, struct words *words, unsigned commands, const char *line, char *error)
{
    struct config_input input = {.commands = commands, .argv = words->argv, .get = no_environment};

    while (*line) {
        size_t len = strcspn(line, " ");

        (void)snprintf(words->text[input.argc], sizeof words->text[0], "%.*s", (int)len, line);
        words->argv[input.argc] = words->text[input.argc];
        input.argc++;
        line += len + (line[len] == ' ');
    }
    return config_read(&input, config, error);
}

START_TEST(test_defaults)
{
    struct config config;
    struct words words;
    char error[CONFIG_ERROR];

    ck_assert(read_config(&config, &words, FOR_SERVE, "", error));
    ck_assert_str_eq(config.listen, "127.0.0.1:8080");
    ck_assert_str_eq(config.database_url, "");
    ck_assert_str_eq(config.log_format, "logfmt");
    ck_assert_int_eq(config.body_max, 4 << 20);
    ck_assert_int_eq(config.message_max, 128 << 10);
    ck_assert_int_eq(config.loops, 1);
    ck_assert(!config.help && config.n_args == 0);
}
END_TEST

START_TEST(test_flags)
{
    struct config config;
    struct words words;
    char error[CONFIG_ERROR];

    ck_assert(read_config(&config, &words, FOR_SERVE, "--listen [::1]:0 --loops=2 --help", error));
    ck_assert_str_eq(config.listen, "[::1]:0");
    ck_assert_int_eq(config.loops, 2);
    ck_assert(config.help);
    ck_assert(read_config(&config, &words, FOR_IMPORT, "a.ndjson --source shop - b", error));
    ck_assert_uint_eq(config.n_args, 3);
    ck_assert_str_eq(config.args[0], "a.ndjson");
    ck_assert_str_eq(config.args[1], "-");
    ck_assert_str_eq(config.args[2], "b");
    ck_assert_str_eq(config.source, "shop");
    ck_assert(read_config(&config, &words, FOR_SERVE, "--loops 2 --loops 4", error));
    ck_assert_int_eq(config.loops, 4);
}
END_TEST

START_TEST(test_what_is_wrong_is_told)
{
    static const struct {
        unsigned commands;
        const char *line, *told;
    } cases[] = {
        {FOR_SERVE, "--colour red", "--colour"},
        {FOR_DEMO, "--listen x", "--listen"},
        {FOR_SERVE, "--listen", "--listen needs a value"},
        {FOR_SERVE, "--loops many", "COHORTD_LOOPS"},
        {FOR_SERVE, "--loops 0", "from 1 to 16"},
        {FOR_SERVE, "--loops 17", "from 1 to 16"},
        {FOR_SERVE, "--loops=", "--loops"},
        {FOR_SERVE, "--loops 2x", "\"2x\""},
        {FOR_SERVE, "--list x", "--list"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config config;
        struct words words;
        char error[CONFIG_ERROR] = "";

        ck_assert_msg(!read_config(&config, &words, cases[i].commands, cases[i].line, error), "%s", cases[i].line);
        ck_assert_msg(strstr(error, cases[i].told) != NULL, "%s: %s", cases[i].line, error);
    }
}
END_TEST

START_TEST(test_environment)
{
    char flag[] = "--listen=x:1", *argv[] = {flag};
    struct config_input input = {.commands = FOR_SERVE, .argc = 0, .argv = argv, .get = some_environment};
    struct config config;
    char error[CONFIG_ERROR];

    ck_assert(config_read(&input, &config, error));
    ck_assert_str_eq(config.listen, "0.0.0.0:1");
    ck_assert_int_eq(config.loops, 3);
    ck_assert_str_eq(config.log_level, "info"); /* an empty variable is none */
    input.argc = 1;
    ck_assert(config_read(&input, &config, error));
    ck_assert_str_eq(config.listen, "x:1");
    input.get = bad_environment;
    ck_assert(!config_read(&input, &config, error));
    input.commands = FOR_DEMO; /* does not know it */
    input.argc = 0;
    ck_assert(config_read(&input, &config, error));
}
END_TEST

RUN_TESTS("config", test_defaults, test_flags, test_what_is_wrong_is_told, test_environment)
