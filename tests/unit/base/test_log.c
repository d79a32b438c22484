/* The log: one line an event in both forms, whatever a value holds, and only from the least level on. */
#include "server/base/log.h"

#include <string.h>
#include <unistd.h>

#include "server/base/attr.h"
#include "server/base/json_scan.h"
#include "tests/unit/run.h"

enum { PIPE_SIZE = 60000 };

static char line[PIPE_SIZE];

/* Calls write_line with stderr caught, and leaves what it wrote in `line`. */
static void caught(void (*write_line)(void))
{
    int ends[2], saved = dup(STDERR_FILENO);
    ssize_t n;

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
    write_line();
    (void)dup2(saved, STDERR_FILENO);
    close(ends[1]);
    close(saved);
    n = read(ends[0], line, sizeof line - 1);
    close(ends[0]);
    ck_assert_int_ge(n, 0);
    line[n] = '\0';
}

static void write_plain(void)
{
    log_debug("hidden");
    log_info("segment built", LOG_FIELD("segment", LOG_TEXT("big_spenders")), LOG_FIELD("took_ms", LOG_INT(12)), );
}

static void write_odd(void)
{
    log_warn("odd", LOG_FIELD("a", LOG_TEXT("x y")), LOG_FIELD("b", LOG_TEXT("")), LOG_FIELD("c", LOG_TEXT(NULL)),
             LOG_FIELD("d", LOG_TEXT("1\nlevel=error \"q\"\\")), LOG_FIELD("e", LOG_TEXT("k=v")), LOG_FIELD("f", LOG_TEXT("\xff")),
             LOG_FIELD("g", LOG_INT(-1)), );
}

static void write_long(void)
{
    static char text[10000];

    memset(text, '\x01', sizeof text - 1);
    log_error("long", LOG_FIELD("text", LOG_TEXT(text)), LOG_FIELD("after", LOG_INT(1)), );
}

START_TEST(test_logfmt)
{
    ck_assert_int_eq(log_setup("logfmt", "info"), 0);
    caught(write_plain);
    ck_assert_mem_eq(line, "ts=2", 4);
    ck_assert_str_eq(strchr(line, ' '), " level=info msg=\"segment built\" segment=big_spenders took_ms=12\n");
    caught(write_odd);
    ck_assert_str_eq(strchr(line, ' '), " level=warn msg=\"odd\" a=\"x y\" b=\"\" c=\"\" d=\"1\\nlevel=error \\\"q\\\"\\\\\" "
                                        "e=\"k=v\" f=\xef\xbf\xbd g=-1\n");
}
END_TEST

static void assert_json_line(const char *key, const char *value)
{
    struct json_flaw flaw;
    struct json root;
    size_t bad_numbers;

    ck_assert(json_check(line, strlen(line), &root, &bad_numbers, &flaw));
    ck_assert(json_is(json_get(root, key), value));
}

START_TEST(test_json)
{
    ck_assert_int_eq(log_setup("json", "warn"), 0);
    caught(write_plain);
    ck_assert_str_eq(line, "");
    caught(write_odd);
    ck_assert_str_eq(strstr(line, "\"level\""), "\"level\":\"warn\",\"msg\":\"odd\",\"a\":\"x y\",\"b\":\"\",\"c\":\"\","
                                                "\"d\":\"1\\nlevel=error \\\"q\\\"\\\\\",\"e\":\"k=v\",\"f\":\"\xef\xbf\xbd\",\"g\":-1}\n");
    assert_json_line("d", "1\nlevel=error \"q\"\\");
}
END_TEST

START_TEST(test_a_long_value_is_cut_and_the_line_stays_whole)
{
    ck_assert_int_eq(log_setup("json", "debug"), 0);
    caught(write_long);
    assert_json_line("msg", "long");
    ck_assert_ptr_nonnull(strstr(line, ",\"after\":1}\n"));
    ck_assert_uint_lt(strlen(line), 13000);
}
END_TEST

START_TEST(test_setup_refuses_unknown_names)
{
    ck_assert_int_eq(log_setup("xml", "info"), -1);
    ck_assert_int_eq(log_setup("json", "trace"), -1);
    ck_assert_int_eq(log_setup("logfmt", "error"), 0);
}
END_TEST

RUN_TESTS("log", test_logfmt, test_json, test_a_long_value_is_cut_and_the_line_stays_whole, test_setup_refuses_unknown_names)
