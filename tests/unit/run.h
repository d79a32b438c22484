/* The main of a unit test: runs its checks, prints Check's summary. */
#pragma once

#include <check.h>
#include <stdlib.h>

enum { RUN_TIMEOUT_S = 120 }; /* of one test; a busy machine is slow */

/* A test that runs once for each of n cases, _i being which. */
struct run_case {
    const TTest *test;
    size_t n;
};

/* Test after test. */
#define RUN_TESTS(name, ...) RUN_TESTS_WITH(NULL, NULL, name, __VA_ARGS__)

/* The same, each between setup and teardown (either may be NULL). */
#define RUN_TESTS_WITH(setup, teardown, name, ...)                                                                                         \
    int main(void)                                                                                                                         \
    {                                                                                                                                      \
        const TTest *const tests[] = {__VA_ARGS__};                                                                                        \
        TCase *tcase = tcase_create(name);                                                                                                 \
                                                                                                                                           \
        tcase_add_checked_fixture(tcase, (setup), (teardown));                                                                             \
        for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)                                                                        \
            tcase_add_test(tcase, tests[i]);                                                                                               \
        return run_tcase(name, tcase);                                                                                                     \
    }

/* Tests over tables: {test, ARRAY_LEN(TABLE)}, …; {test, 1} for one without. */
#define RUN_CASES(name, ...)                                                                                                               \
    int main(void)                                                                                                                         \
    {                                                                                                                                      \
        const struct run_case cases[] = {__VA_ARGS__};                                                                                     \
        TCase *tcase = tcase_create(name);                                                                                                 \
                                                                                                                                           \
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)                                                                        \
            tcase_add_loop_test(tcase, cases[i].test, 0, (int)cases[i].n);                                                                 \
        return run_tcase(name, tcase);                                                                                                     \
    }

/* 0 when all passed: main's result. */
static inline int run_tcase(const char *name, TCase *tcase)
{
    Suite *suite = suite_create(name);
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, RUN_TIMEOUT_S);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* The empty database that scripts/unit makes for a program. */
static inline const char *run_database(void)
{
    const char *url = getenv("TEST_DATABASE_URL");

    if (!url)
        ck_abort_msg("TEST_DATABASE_URL is not set: run by make test");
    return url;
}
