/* The main of a unit test: runs its checks, prints Check's summary. */
#pragma once

#include <check.h>
#include <stdlib.h>

enum { RUN_TIMEOUT_S = 60 }; /* of one test; a busy machine is slow */

#define RUN_TESTS(name, ...)                                                                                                               \
    int main(void)                                                                                                                         \
    {                                                                                                                                      \
        const TTest *const tests[] = {__VA_ARGS__};                                                                                        \
                                                                                                                                           \
        return run_tests((name), tests, sizeof tests / sizeof tests[0]);                                                                   \
    }

/* 0 when all passed: main's result. */
static inline int run_tests(const char *name, const TTest *const *tests, size_t n_tests)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, RUN_TIMEOUT_S);
    for (size_t i = 0; i < n_tests; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
