/* Guards against formulas in CSV: what gets one, and that taking it off gives exactly what was. Reading records is in test_upload.c. */
#include "api/collect/csv.h"
#include "job.h"

static struct span span_of(const char *text)
{
    return (struct span){.at = text, .len = strlen(text)};
}

START_TEST(test_what_is_guarded)
{
    static const char *const guarded[] = {"=1+1", "=",   "@anna", "@",  "+A1",    "-A1", "-2+3+cmd|' /C calc'!A0", "+49/1", "\t=1", "\r=1",
                                          "\n",   "'=1", "''=1",  "'@", "'+49 1", "'-5"};
    static const char *const plain[] = {"",     "a", "u-1", "5",  "-5",  "+5",  "-7.50",    "+49 (30) 123-45",
                                        "-1,5", "'", "''",  "'a", "a=b", " =1", "{\"a\":1}"};

    for (size_t i = 0; i < ARRAY_LEN(guarded); i++)
        ck_assert_msg(csv_needs_guard(span_of(guarded[i])), "%s", guarded[i]);
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        ck_assert_msg(!csv_needs_guard(span_of(plain[i])), "%s", plain[i]);
}
END_TEST

/* Every text of up to five of these characters. */
START_TEST(test_a_guard_comes_off)
{
    static const char alphabet[] = "'=+-@\t1a ";
    enum { LENGTH = 5, LETTERS = sizeof alphabet - 1 };
    size_t n = 1;

    for (int length = 0; length <= LENGTH; length++, n *= LETTERS) {
        for (size_t number = 0; number < n; number++) {
            char written[LENGTH + 2] = "'";
            struct span cell = {.at = written + 1, .len = (size_t)length}, back;
            size_t rest = number;

            for (int i = 0; i < length; i++, rest /= LETTERS)
                written[1 + i] = alphabet[rest % LETTERS];
            back = csv_unguarded(csv_needs_guard(cell) ? (struct span){.at = written, .len = cell.len + 1} : cell);
            ck_assert_msg(back.at == cell.at && back.len == cell.len, "%s", written + 1);
        }
    }
}
END_TEST

RUN_TESTS("csv", test_what_is_guarded, test_a_guard_comes_off)
