/* cohortd: the program. The one idea: a table of commands, each with its settings (server/config.c) and its function. The signals
 * that stop us are blocked before any thread starts and are waited for by the commands that run long, so no handler and no global
 * flag is needed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/command.h"

struct command {
    const char *name;
    const char *arguments;
    int (*run)(const struct config *config);
    unsigned settings;
    const char *summary;
};

static const struct command commands[] = {
    {"serve", "", command_serve, FOR_SERVE, "migrate, serve, work; ends on SIGTERM after draining"},
    {"migrate", "", command_migrate, FOR_MIGRATE, "bring the database's schema up to date"},
    {"keys", "create", command_keys, FOR_KEYS, "make a key and print it, alone, on stdout"},
    {"import", "FILE…", command_import, FOR_IMPORT, "store events of NDJSON files, also gzipped; - is stdin"},
    {"export", "SEGMENT", command_export, FOR_EXPORT, "print a segment's members as NDJSON or CSV"},
    {"verify", "[SEGMENT]", command_verify, FOR_VERIFY, "compare members with a fresh evaluation; status 0: equal"},
    {"demo", "", command_demo, FOR_DEMO, "send plausible traffic of a shop to a running server"},
    {"healthcheck", "", command_healthcheck, FOR_HEALTH, "ask a running server on this machine; status 0: healthy"},
    {"version", "", command_version, 0, "print the version"},
};

static void print_usage(FILE *out)
{
    fprintf(out, "cohortd %s: behavioural segments of an event stream, exact and live\n\nusage: cohortd COMMAND [--SETTING VALUE]…\n\n",
            COHORTD_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        char words[64];

        (void)snprintf(words, sizeof words, "%s %s", commands[i].name, commands[i].arguments);
        fprintf(out, "  %-20s %s\n", words, commands[i].summary);
    }
    fprintf(out, "\n`cohortd COMMAND --help` lists its settings; each is an environment variable, too.\n");
}

static void print_help(const struct command *command)
{
    printf("usage: cohortd %s %s%s[--SETTING VALUE]…\n\n%s\n\n", command->name, command->arguments, *command->arguments ? " " : "",
           command->summary);
    config_print(command->settings, stdout);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct config_input input = {.commands = command->settings, .argc = argc, .argv = argv, .get = getenv};
    struct config config;
    char error[CONFIG_ERROR];

    if (!config_read(&input, &config, error)) {
        fprintf(stderr, "cohortd: %s\n", error);
        return 2;
    }
    if (config.help) {
        print_help(command);
        return 0;
    }
    if (command->settings && log_setup(config.log_format, config.log_level) != 0) {
        fprintf(stderr, "cohortd: --log-format is logfmt or json, --log-level debug, info, warn or error\n");
        return 2;
    }
    return command->run(&config);
}

static void prepare_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    prepare_signals();
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return run(&commands[i], argc - 2, argv + 2);
    if (strcmp(name, "--version") == 0)
        return command_version(NULL);
    print_usage(strcmp(name, "--help") == 0 || strcmp(name, "help") == 0 ? stdout : stderr);
    return strcmp(name, "--help") == 0 || strcmp(name, "help") == 0 ? 0 : 2;
}
