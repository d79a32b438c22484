/* The settings. The one idea: one table says everything about a setting, so flag, environment twin, default, range and help
 * cannot drift apart. A value is text or a whole number; the last one given wins: default, environment, flag. Nothing here acts
 * on a value. */
#include "server/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct setting {
    const char *flag; /* without "--" */
    const char *env;
    const char *fallback;
    const char *word; /* what the value is, in the help */
    const char *help;
    unsigned commands;
    size_t offset;
    int64_t low; /* of a number; both 0: a text */
    int64_t high;
};

#define TEXT(field)              offsetof(struct config, field), 0, 0
#define NUMBER(field, low, high) offsetof(struct config, field), (low), (high)

static const struct setting settings[] = {
    {"listen", "COHORTD_LISTEN", "127.0.0.1:8080", "ADDRESS", "where to serve; port 0: any free one", FOR_SERVE | FOR_HEALTH, TEXT(listen)},
    {"operate-listen", "COHORTD_OPERATE_LISTEN", "", "ADDRESS", "serve /healthz, /readyz and /metrics there alone", FOR_SERVE | FOR_HEALTH,
     TEXT(operate_listen)},
    {"public-url", "COHORTD_PUBLIC_URL", "", "URL", "how clients reach the service, for absolute links; else the request's Host", FOR_SERVE,
     TEXT(public_url)},
    {"tracker-path", "COHORTD_TRACKER_PATH", "/c.js", "PATH", "where web pages load our script from; a neutral path passes ad blockers",
     FOR_SERVE, TEXT(tracker_path)},
    {"collect-prefix", "COHORTD_COLLECT_PREFIX", "/e", "PATH", "a neutral path for events: itself is /v1/b, PATH/v1/… is /v1/…", FOR_SERVE,
     TEXT(collect_prefix)},
    {"trusted-proxies", "COHORTD_TRUSTED_PROXIES", "", "LIST",
     "addresses and networks (10.0.0.0/8, ::1) of proxies in front, whose X-Forwarded-For says who a client is", FOR_SERVE,
     TEXT(trusted_proxies)},
    {"database-url", "DATABASE_URL", "", "URL", "PostgreSQL 15; without one cohortd runs its own under the data directory",
     FOR_DATABASE | FOR_DEMO, TEXT(database_url)},
    {"data-dir", "COHORTD_DATA_DIR", "", "DIR",
     "home of the embedded PostgreSQL; else $XDG_DATA_HOME/cohortd, ~/.local/share/cohortd, as root /var/lib/cohortd",
     FOR_DATABASE | FOR_DEMO, TEXT(data_dir)},
    {"log-format", "COHORTD_LOG_FORMAT", "logfmt", "NAME", "logfmt or json", FOR_ALL, TEXT(log_format)},
    {"log-level", "COHORTD_LOG_LEVEL", "info", "NAME", "debug, info, warn or error", FOR_ALL, TEXT(log_level)},
    {"loops", "COHORTD_LOOPS", "1", "N", "HTTP threads", FOR_SERVE, NUMBER(loops, 1, 16)},
    {"connections", "COHORTD_CONNECTIONS", "4096", "N", "most connections at once; each takes 80 KiB once it has asked", FOR_SERVE,
     NUMBER(connections, 8, 1000000)},
    {"connections-per-ip", "COHORTD_CONNECTIONS_PER_IP", "0", "N", "the same for one address; 0: no limit", FOR_SERVE,
     NUMBER(connections_per_ip, 0, 1000000)},
    {"idle-timeout", "COHORTD_IDLE_TIMEOUT", "75", "SECONDS", "after which a silent connection is closed", FOR_SERVE,
     NUMBER(idle_timeout_s, 1, 3600)},
    {"request-timeout", "COHORTD_REQUEST_TIMEOUT", "10", "SECONDS", "after which a waiting request gets 503", FOR_SERVE,
     NUMBER(request_timeout_s, 1, 600)},
    {"body-max", "COHORTD_BODY_MAX", "4194304", "BYTES", "most bytes of a request's body, decompressed", FOR_SERVE,
     NUMBER(body_max, 1024, 1 << 30)},
    {"message-max", "COHORTD_MESSAGE_MAX", "131072", "BYTES", "most bytes of one message", FOR_SERVE | FOR_IMPORT,
     NUMBER(message_max, 1024, 16 << 20)},
    {"gzip-ratio", "COHORTD_GZIP_RATIO", "200", "N", "most bytes a compressed byte may become", FOR_SERVE, NUMBER(gzip_ratio, 10, 2000)},
    {"writers", "COHORTD_WRITERS", "2", "N", "threads that store events", FOR_SERVE, NUMBER(writers, 1, 8)},
    {"queue-max", "COHORTD_QUEUE_MAX", "134217728", "BYTES", "most bytes of events that wait to be stored; then 503", FOR_SERVE,
     NUMBER(queue_max, 1 << 20, INT64_C(1) << 36)},
    {"names-max", "COHORTD_NAMES_MAX", "10000", "N", "most different event names of a source, more are rejected; 0: no limit",
     FOR_SERVE | FOR_IMPORT, NUMBER(names_max, 0, 1000000000)},
    {"quick-threads", "COHORTD_QUICK_THREADS", "4", "N", "threads for short queries", FOR_SERVE, NUMBER(quick_threads, 1, 64)},
    {"long-threads", "COHORTD_LONG_THREADS", "2", "N", "threads for exports and verification", FOR_SERVE, NUMBER(long_threads, 1, 64)},
    {"query-queue", "COHORTD_QUERY_QUEUE", "512", "N", "most queries that wait for a thread, of each kind; then 503", FOR_SERVE,
     NUMBER(query_queue, 1, 100000)},
    {"drain", "COHORTD_DRAIN", "20", "SECONDS", "how long requests may take to end when the program is asked to stop", FOR_SERVE,
     NUMBER(drain_s, 0, 600)},
    {"wait", "COHORTD_WAIT", "30", "SECONDS", "how long to wait for a database that cannot be reached", FOR_ONCE, NUMBER(wait_s, 1, 86400)},
    {"role", "COHORTD_ROLE", "", "ROLE", "of the new key: write, read or admin", FOR_KEYS, TEXT(role)},
    {"source", "COHORTD_SOURCE", "", "NAME", "the source a write key or an import belongs to; made when missing; \"default\" if not given",
     FOR_KEYS | FOR_IMPORT, TEXT(source)},
    {"format", "COHORTD_FORMAT", "ndjson", "NAME", "ndjson or csv", FOR_EXPORT, TEXT(format)},
    {"reachable", "COHORTD_REACHABLE", "", "CHANNELS", "only people whom all these channels reach, such as email,third_party", FOR_EXPORT,
     TEXT(reachable)},
    {"url", "COHORTD_URL", "http://127.0.0.1:8080", "URL", "the server to send to", FOR_DEMO, TEXT(url)},
    {"write-key", "COHORTD_WRITE_KEY", "", "KEY", "the key to send with; else one is made for the time of the run, of the source demo",
     FOR_DEMO, TEXT(key)},
    {"rate", "COHORTD_RATE", "10", "N", "events a second", FOR_DEMO, NUMBER(rate, 1, 1000)},
};

static const char **text_of(struct config *config, const struct setting *setting)
{
    return (const char **)((char *)config + setting->offset);
}

static bool is_number(const struct setting *setting)
{
    return setting->high > 0;
}

struct reader {
    const struct config_input *input;
    struct config *config;
    int at;      /* the next word of argv */
    char *error; /* CONFIG_ERROR bytes */
};

/* Would a browser send it as it stands, and is it none of the service's own? */
static bool is_path(const char *value)
{
    size_t len = strlen(value);

    return value[0] == '/' && value[len - 1] != '/' && strncmp(value, "/v1/", 4) != 0 &&
           strspn(value, "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == len;
}

static bool set(struct reader *in, const struct setting *setting, const char *value)
{
    char *end;
    long long number;

    if (strcmp(setting->word, "PATH") == 0 && *value && !is_path(value)) {
        (void)snprintf(in->error, CONFIG_ERROR, "--%s (%s) must be a path such as %s, not \"%s\"", setting->flag, setting->env,
                       setting->fallback, value);
        return false;
    }
    if (!is_number(setting)) {
        *text_of(in->config, setting) = value;
        return true;
    }
    errno = 0;
    number = strtoll(value, &end, 10);
    if (errno == 0 && end != value && *end == '\0' && number >= setting->low && number <= setting->high) {
        *(int64_t *)((char *)in->config + setting->offset) = number;
        return true;
    }
    (void)snprintf(in->error, CONFIG_ERROR, "--%s (%s) must be a whole number from %" PRId64 " to %" PRId64 ", not \"%s\"", setting->flag,
                   setting->env, setting->low, setting->high, value);
    return false;
}

/* The setting of a flag such as "listen" or "listen=…". */
static const struct setting *find(unsigned commands, const char *flag)
{
    size_t len = strcspn(flag, "=");

    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if ((settings[i].commands & commands) && strlen(settings[i].flag) == len && memcmp(settings[i].flag, flag, len) == 0)
            return &settings[i];
    return NULL;
}

static bool read_flag(struct reader *in)
{
    const char *word = in->input->argv[in->at++] + 2;
    const char *equals = strchr(word, '=');
    const struct setting *setting;

    if (strcmp(word, "help") == 0)
        return in->config->help = true;
    setting = find(in->input->commands, word);
    if (!setting) {
        (void)snprintf(in->error, CONFIG_ERROR, "there is no --%.*s here", (int)strcspn(word, "="), word);
        return false;
    }
    if (equals)
        return set(in, setting, equals + 1);
    if (in->at < in->input->argc)
        return set(in, setting, in->input->argv[in->at++]);
    (void)snprintf(in->error, CONFIG_ERROR, "--%s needs a value: %s", setting->flag, setting->word);
    return false;
}

static bool read_environment(struct reader *in)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const char *value = settings[i].commands & in->input->commands ? in->input->get(settings[i].env) : NULL;

        if (!set(in, &settings[i], value && *value ? value : settings[i].fallback))
            return false;
    }
    return true;
}

bool config_read(const struct config_input *input, struct config *ret_config, char ret_error[CONFIG_ERROR])
{
    struct reader in = {.input = input, .config = ret_config, .error = ret_error};

    *ret_config = (struct config){.args = input->argv};
    if (!read_environment(&in))
        return false;
    while (in.at < input->argc) {
        char *word = input->argv[in.at];

        if (strncmp(word, "--", 2) != 0) {
            ret_config->args[ret_config->n_args++] = word;
            in.at++;
        } else if (!read_flag(&in)) {
            return false;
        }
    }
    return true;
}

void config_print(unsigned commands, FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        char flag[64];

        if (!(settings[i].commands & commands))
            continue;
        (void)snprintf(flag, sizeof flag, "--%s %s", settings[i].flag, settings[i].word);
        fprintf(out, "  %-28s %s\n  %-28s %s", flag, settings[i].help, "", settings[i].env);
        fprintf(out, *settings[i].fallback ? ", default %s\n" : "\n", settings[i].fallback);
    }
}
