/* Uploaded files: whom their rows name, and which rows are told to be bad, with their lines. */
#include "api/collect/upload.h"

#include <string.h>

#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "tests/unit/run.h"

struct asked {
    char *text;
    struct upload upload;
    struct err err;
    bool ok;
};

static void ask(struct asked *asked, enum upload_form form, const char *text)
{
    *asked = (struct asked){.text = mem_strdup(text), .upload = UPLOAD_INIT};
    asked->ok = upload_read(asked->text, strlen(text), form, &asked->upload, &asked->err);
}

static void release(struct asked *asked)
{
    upload_release(&asked->upload);
    free(asked->text);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Appends the people as "user:ID", "anon:ID" or "email:ADDRESS", in order, parted by spaces. */
static void put_people(const struct upload *upload, struct buf *text)
{
    static const char *const words[] = {[PERSON_USER] = "user:", [PERSON_EMAIL] = "email:", [PERSON_ANONYMOUS] = "anon:"};
    size_t n = 0, most = upload->people[0].n + upload->people[1].n + upload->people[2].n;
    char **texts = mem_grow(NULL, most + 1, sizeof *texts);

    for (size_t kind = 0; kind < PERSON_KINDS; kind++)
        for (size_t i = 0; i < upload->people[kind].n; i++) {
            struct buf one = BUF_INIT(300);

            buf_add_text(&one, words[kind]);
            buf_add(&one, upload->people[kind].at[i].external.at, upload->people[kind].at[i].external.len);
            texts[n++] = buf_take(&one);
        }
    qsort(texts, n, sizeof *texts, compare_texts);
    for (size_t i = 0; i < n; i++) {
        buf_addf(text, "%s%s", i ? " " : "", texts[i]);
        free(texts[i]);
    }
    free(texts);
}

/* The bad rows as "LINE:code". */
static void check(enum upload_form form, const char *file, const char *people, const char *errors)
{
    AUTO_BUF struct buf found = BUF_INIT(10000), bad = BUF_INIT(10000);
    struct asked asked;

    ask(&asked, form, file);
    ck_assert_msg(asked.ok, "%s: %s", file, asked.err.detail);
    put_people(&asked.upload, &found);
    for (size_t i = 0; i < asked.upload.errors.n; i++)
        buf_addf(&bad, "%s%zu:%s", i ? " " : "", asked.upload.errors.at[i].line, asked.upload.errors.at[i].code);
    ck_assert_str_eq(buf_text(&found), people);
    ck_assert_str_eq(buf_text(&bad), errors);
    ck_assert_uint_eq(asked.upload.rejected, asked.upload.errors.n);
    release(&asked);
}

static void check_refused(enum upload_form form, const char *file, const char *code)
{
    struct asked asked;

    ask(&asked, form, file);
    ck_assert_msg(!asked.ok, "%s", file);
    ck_assert_str_eq(asked.err.code, code);
    release(&asked);
}

START_TEST(test_lines)
{
    check(UPLOAD_NDJSON, "{\"user_id\":\"b\"}\n{\"anonymous_id\":\"a\"}\n", "anon:a user:b", "");
    check(UPLOAD_NDJSON, "{\"user_id\":\"b\"}\r\n\r\n \t\n{\"user_id\":\"c\"}", "user:b user:c", "");
    check(UPLOAD_NDJSON, "{\"user_id\":\"u\",\"anonymous_id\":null,\"entered_at\":\"2026-01-01\",\"traits\":{\"a\":1}}", "user:u", "");
    check(UPLOAD_NDJSON, "{\"user_id\":5}\n{\"user_id\":\"\\u00e9\\\"\"}", "user:5 user:\xc3\xa9\"", "");
    check(UPLOAD_NDJSON, "", "", "");
}
END_TEST

START_TEST(test_the_user_counts_where_both_are_given)
{
    check(UPLOAD_NDJSON, "{\"user_id\":\"u\",\"anonymous_id\":\"a\"}\n{\"user_id\":\"null\",\"anonymous_id\":\"a\"}", "anon:a user:u", "");
    check(UPLOAD_CSV, "anonymous_id,user_id\na,u\nb,\n,v\n", "anon:b user:u user:v", "");
}
END_TEST

START_TEST(test_a_person_is_there_once)
{
    check(UPLOAD_NDJSON, "{\"user_id\":\"u\"}\n{\"user_id\":\"u\"}\n{\"anonymous_id\":\"u\"}\n", "anon:u user:u", "");
    check(UPLOAD_CSV, "user_id\nu\nu\n\"u\"\n", "user:u", "");
}
END_TEST

START_TEST(test_bad_lines)
{
    check(UPLOAD_NDJSON,
          "{\"user_id\":\"u\"}\n\n{\n5\n{\"user_id\":\"v\"}\n{}\n{\"user_id\":\"undefined\"}\n{\"user_id\":{}}\n{\"mail\":\"x\"}",
          "user:u user:v", "3:invalid_json 4:not_an_object 6:no_user_anon_id 7:no_user_anon_id 8:no_user_anon_id 9:unknown_member");
}
END_TEST

START_TEST(test_csv)
{
    check(UPLOAD_CSV, "user_id\nu\nv", "user:u user:v", "");
    check(UPLOAD_CSV, "\xef\xbb\xbfuser_id,name\r\nu,\"Doe, \"\"J\"\"\nof x\"\r\n\r\nv,\r\nw\r\n", "user:u user:v user:w", "");
    check(UPLOAD_CSV, "name;user_id\nx,y;u\n", "user:u", "");
    check(UPLOAD_CSV, "name\tanonymous_id\n\"a\tb\"\ta1\n", "anon:a1", "");
    check(UPLOAD_CSV, "\"user_id\"\n\"a \"\"b\"\"\"\n c \n", "user: c  user:a \"b\"", "");
    check(UPLOAD_CSV, "user_id\n", "", "");
    check(UPLOAD_CSV, "user_id", "", "");
    check(UPLOAD_CSV, "user_id,anonymous_id,entered_at\nu,,2026-01-01T00:00:00.000000Z\n", "user:u", "");
}
END_TEST

START_TEST(test_bad_records)
{
    check(UPLOAD_CSV, "user_id,n\nu,1,2\n,1\nnull,1\nv,\"2\n3\"\nw\n", "user:v user:w", "2:bad_csv 3:no_user_anon_id 4:no_user_anon_id");
    check(UPLOAD_CSV, "user_id\nu\xff\nv\n\x01w\n", "user:v", "2:no_user_anon_id 4:no_user_anon_id");
}
END_TEST

START_TEST(test_a_stray_quote_swallows_nothing)
{
    check(UPLOAD_CSV, "user_id,n\na,1\n\"b,2\nc,3\nd,\"4\n", "user:a user:c", "3:bad_csv 5:bad_csv");
    check(UPLOAD_CSV, "user_id,n\n\"a\"x,1\nb,2\n", "user:b", "2:bad_csv");
    check(UPLOAD_CSV, "user_id,n\na,\"1\n2\",\"3\nb,4\n", "user:b", "2:bad_csv");
}
END_TEST

START_TEST(test_lines_are_those_of_the_file)
{
    check(UPLOAD_CSV, "\n\nuser_id,n\n\na,\"1\n2\n3\"\n,1\n", "user:a", "8:no_user_anon_id");
}
END_TEST

START_TEST(test_long_ids)
{
    AUTO_BUF struct buf text = BUF_INIT(2000), member = BUF_INIT(300);

    buf_addf(&text, "user_id,anonymous_id\n%0256d,\n%0257d,a\n,%0257d\n", 1, 1, 1);
    buf_addf(&member, "user:%0256d", 1);
    check(UPLOAD_CSV, buf_text(&text), buf_text(&member), "3:id_too_long 4:id_too_long");
}
END_TEST

START_TEST(test_headers)
{
    check_refused(UPLOAD_CSV, "", "bad_header");
    check_refused(UPLOAD_CSV, "\n\n", "bad_header");
    check_refused(UPLOAD_CSV, "mail\nu\n", "bad_header");
    check_refused(UPLOAD_CSV, "User_id\nu\n", "bad_header");
    check_refused(UPLOAD_CSV, "user_id,user_id\nu,v\n", "bad_header");
    check_refused(UPLOAD_CSV, "\"user_id\nu\n", "bad_header");
}
END_TEST

START_TEST(test_too_many_rows)
{
    AUTO_BUF struct buf text = BUF_INIT(16 << 20);

    for (int i = 0; i < UPLOAD_ROWS_MAX; i++)
        buf_add_text(&text, "{}\n");
    buf_add_text(&text, "\n");
    {
        struct asked asked;

        ask(&asked, UPLOAD_NDJSON, buf_text(&text));
        ck_assert(asked.ok);
        ck_assert_uint_eq(asked.upload.rejected, UPLOAD_ROWS_MAX);
        ck_assert_uint_eq(asked.upload.errors.n, UPLOAD_ERRORS_MAX);
        release(&asked);
    }
    buf_add_text(&text, "{}");
    check_refused(UPLOAD_NDJSON, buf_text(&text), "limit");
}
END_TEST

START_TEST(test_addresses)
{
    check(UPLOAD_NDJSON,
          "{\"email\":\" A@X.org \"}\n{\"email\":\"a@x.org\",\"user_id\":null}\n{\"email\":\"b@x\",\"user_id\":\"u\"}\n{\"email\":\"x\"}\n"
          "{\"email\":\"c@\\u0058\",\"anonymous_id\":\"\\u0061\"}\n{\"email\":\"d@\\u0058\"}",
          "anon:a email:a@x.org email:d@x user:u", "4:no_user_anon_id");
    check(UPLOAD_CSV, "Name,email\nA,A@x\n,b@x\nB,\n", "email:a@x email:b@x", "4:no_user_anon_id");
    check(UPLOAD_CSV, "user_id,anonymous_id,entered_at,email,email\nu,,,,t@x\n,,,c@x,t@x\n", "email:c@x user:u", ""); /* an export */
}
END_TEST

RUN_TESTS("upload", test_addresses, test_lines, test_the_user_counts_where_both_are_given, test_a_person_is_there_once, test_bad_lines,
          test_csv, test_bad_records, test_a_stray_quote_swallows_nothing, test_lines_are_those_of_the_file, test_long_ids, test_headers,
          test_too_many_rows)
