/* Mapping: paths, conversions, exact amounts, ids, limits. Whole providers are held by tests/integration/test_hooks.py. */
#include "api/hooks/amount.h"
#include "api/hooks/form.h"
#include "server/base/buf.h"
#include "tests/unit/hooks/given.h"

static char *quoted(const char *text)
{
    char *copy = mem_strdup(text);

    for (char *at = copy; *at; at++)
        if (*at == '\'')
            *at = '"';
    return copy;
}

/* What becomes of a body by an entry, with ' for ", or "!code". */
static char *mapped(const char *entry, const char *body)
{
    char *entry_text AUTO_FREE = quoted(entry), *body_text AUTO_FREE = quoted(body);
    struct given *given = given_new(body_text, 0);
    struct err err = ERR_INIT;
    struct hook_batch batch;
    char *result;

    given_entry(given, entry_text);
    if (hook_map(given->entry, &given->request, &batch, &err)) {
        ck_assert_uint_eq(strlen(batch.text), batch.len);
        result = batch.text;
        vec_free(&batch.addresses);
    } else {
        result = mem_alloc(strlen(err.code) + 2);
        (void)snprintf(result, strlen(err.code) + 2, "!%s", err.code);
    }
    given_free(given);
    return result;
}

static void assert_mapped(const char *entry, const char *body, const char *wanted)
{
    char *got AUTO_FREE = mapped(entry, body), *text AUTO_FREE = quoted(wanted);

    ck_assert_str_eq(got, text);
}

/* The properties of one event with one property x. */
static void assert_property(const char *spec, const char *body, const char *wanted)
{
    struct buf entry AUTO_BUF = BUF_INIT(10000), whole AUTO_BUF = BUF_INIT(10000);

    buf_addf(&entry, "{'person':{'user_id':'u'},'id':'{i}','map':{'*':{'event':'E','properties':{'x':%s}}}}", spec);
    buf_addf(
        &whole,
        "{'batch':[{'type':'track','userId':'1','messageId':'test:7','event':'E','properties':{%s},'context':{'library':{'name':'test'}}}]}",
        wanted);
    assert_mapped(buf_text(&entry), body, buf_text(&whole));
}

START_TEST(test_conversions)
{
    static const struct {
        const char *spec, *value, *wanted;
    } cases[] = {
        {"'v'", "'a'", "'x':'a'"},
        {"'v'", "19.90", "'x':19.90"},
        {"'v'", "null", ""},
        {"'v'", "''", ""},
        {"['w','v']", "[1,{'a':2}]", "'x':[1,{'a':2}]"},
        {"{'path':'v','as':'number'}", "'19.90'", "'x':19.90"},
        {"{'path':'v','as':'number'}", "'123456789012345678901.10'", "'x':123456789012345678901.10"},
        {"{'path':'v','as':'number'}", "'1,5'", "'x':'1,5'"},
        {"{'path':'v','as':'text'}", "450789469", "'x':'450789469'"},
        {"{'path':'v','as':'upper'}", "'eur'", "'x':'EUR'"},
        {"{'path':'v','as':'bool'}", "'true'", "'x':true"},
        {"{'value':true,'when':{'path':'v','is':'a'}}", "'a'", "'x':true"},
        {"{'value':true,'when':{'path':'v','is':['b','c']}}", "'a'", ""},
        {"{'value':0,'when':{'path':'v','not':'b'}}", "'a'", "'x':0"},
        {"{'value':1,'when':{'path':'w','exists':false}}", "'a'", "'x':1"},
        {"{'sum':['v.*.n'],'minus':['i']}", "[{'n':'10.10'},{'n':'0.1'}]", "'x':3.20"},
        {"{'minus':['v']}", "'-10.00'", "'x':10.00"},
        {"{'sum':['v']}", "'ten'", ""},
        {"'v.1.n'", "[{'n':1},{'n':2}]", "'x':2"},
        {"'v.[k=b].n'", "[{'k':'a','n':1},{'k':'b','n':2}]", "'x':2"},
        {"{'each':'v.*','properties':{'p':'a','q':'event:i'}}", "[{'a':1},{'a':2}]", "'x':[{'p':1,'q':7},{'p':2,'q':7}]"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf body AUTO_BUF = BUF_INIT(1000);

        buf_addf(&body, "{'u':1,'i':7,'v':%s}", cases[i].value);
        assert_property(cases[i].spec, buf_text(&body), cases[i].wanted);
    }
}
END_TEST

START_TEST(test_minor_units)
{
    static const struct {
        const char *amount, *currency, *wanted;
    } cases[] = {
        {"1999", "'usd'", "19.99"}, {"5", "'EUR'", "0.05"},    {"-5", "'eur'", "-0.05"},
        {"0", "'eur'", "0.00"},     {"500", "'jpy'", "500"},   {"500", "'KRW'", "500"},
        {"5120", "'kwd'", "5.120"}, {"500", "'isk'", "500"},   {"'1250'", "'usd'", "12.50"},
        {"12.5", "'usd'", "0.125"}, {"1999", "null", "19.99"}, {"900719925474099312", "'usd'", "9007199254740993.12"},
        {"10", "'clf'", "0.0010"},  {"100", "'xyz'", "1.00"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf body AUTO_BUF = BUF_INIT(1000), wanted AUTO_BUF = BUF_INIT(1000);

        buf_addf(&body, "{'u':1,'i':7,'v':%s,'c':%s}", cases[i].amount, cases[i].currency);
        buf_addf(&wanted, "'x':%s", cases[i].wanted);
        assert_property("{'path':'v','as':'minor_units','currency':'c'}", buf_text(&body), buf_text(&wanted));
    }
    assert_property("{'path':'v','as':'minor_units','currency':'c','decimals':{'ISK':2}}", "{'u':1,'i':7,'v':500,'c':'isk'}", "'x':5.00");
    assert_property("{'path':'v','as':'minor_units','currency':'c'}", "{'u':1,'i':7,'v':1e3,'c':'usd'}", "");
}
END_TEST

START_TEST(test_times)
{
    static const struct {
        const char *unit, *value, *wanted;
    } cases[] = {
        {"'s'", "1521472262.908181", "2018-03-19T15:11:02.908181Z"},
        {"'s'", "'1600112492'", "2020-09-14T19:41:32.000000Z"},
        {"'ms'", "1600112492123", "2020-09-14T19:41:32.123000Z"},
        {"'rfc3339'", "'2019-11-05T16:33:54.9070259Z'", "2019-11-05T16:33:54.907026Z"},
        {"'rfc3339'", "'2024-01-02T09:12:30-05:00'", "2024-01-02T14:12:30.000000Z"},
        {"'rfc3339'", "'2009-03-26 21:35:57'", "2009-03-26T21:35:57.000000Z"},
        {"'s'", "-5", NULL},
        {"'s'", "99999999999999", NULL},
        {"'s'", "'soon'", NULL},
        {"'rfc3339'", "1600112492", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf entry AUTO_BUF = BUF_INIT(1000), body AUTO_BUF = BUF_INIT(1000);
        char *got;

        buf_addf(&entry, "{'timestamp':{'path':'t','unit':%s},'person':{'user_id':'u'},'map':{'*':{'event':'E'}}}", cases[i].unit);
        buf_addf(&body, "{'u':'a','t':%s}", cases[i].value);
        got = mapped(buf_text(&entry), buf_text(&body));
        if (cases[i].wanted)
            ck_assert_msg(strstr(got, cases[i].wanted) != NULL, "%s: %s", cases[i].value, got);
        else
            ck_assert_msg(strstr(got, "timestamp") == NULL, "%s: %s", cases[i].value, got);
        free(got);
    }
}
END_TEST

START_TEST(test_rules_and_people)
{
    static const char entry[] =
        "{'events':'*','type':'t','id':['{i}','{j}'],'person':{'user_id':'u','email':'e','anonymous_id':'o:{o}'},"
        "'map':{'a':[{'event':'A1','when':{'path':'x','is':1}},{'event':'A2'}],'b':{'identify':true,'traits':{'n':'n'}},"
        "'c':{'event':'C','each':'to.*','person':{'email':'item:'}}}}";

    assert_mapped(
        entry, "[{'t':'a','i':1,'x':1,'u':'p'},{'t':'a','j':2,'e':'m@x'},{'t':'?'}]",
        "{'batch':[{'type':'track','userId':'p','messageId':'test:1','event':'A1','properties':{},'context':{'library':{'name':'test'}}},"
        "{'type':'track','messageId':'test:2','event':'A2','properties':{},'context':{'library':{'name':'test'},'traits':{'email':'m@x'}}}]}");
    assert_mapped(
        entry, "[{'t':'b','i':1,'u':'p','e':'m@x','o':'9','n':'N'}]",
        "{'batch':[{'type':'identify','userId':'p','anonymousId':'o:9','messageId':'test:1:identify','traits':{'n':'N','email':'m@x'},"
        "'context':{'library':{'name':'test'},'traits':{'email':'m@x'}}}]}");
    assert_mapped(
        entry, "[{'t':'c','i':1,'to':['a@x','b@x']}]",
        "{'batch':[{'type':'track','messageId':'test:1:0','event':'C','properties':{},'context':{'library':{'name':'test'},'traits':{'email':'a@x'}}},"
        "{'type':'track','messageId':'test:1:1','event':'C','properties':{},'context':{'library':{'name':'test'},'traits':{'email':'b@x'}}}]}");
    assert_mapped(
        entry, "{'t':'a','i':1,'o':5}", /* one alone; an order without a person */
        "{'batch':[{'type':'track','anonymousId':'o:5','messageId':'test:1','event':'A2','properties':{},'context':{'library':{'name':'test'}}}]}");
    assert_mapped(entry, "[]", "{'batch':[]}");
    assert_mapped(entry, "[1,null,[],'x']", "{'batch':[]}");
    assert_mapped(entry, "1", "!not_an_object");
    assert_mapped(entry, "{", "!invalid_json");
    assert_mapped(entry, "", "!invalid_json");
}
END_TEST

START_TEST(test_without_an_id_the_bytes_are_the_id)
{
    static const char entry[] = "{'events':'*','id':'{i}','person':{'user_id':'u'},'map':{'*':{'event':'E'}}}";
    char *once AUTO_FREE = mapped(entry, "[{'u':1}]"), *again AUTO_FREE = mapped(entry, "[{'u':1}]"),
               *other AUTO_FREE = mapped(entry, "[{'u': 1}]");

    ck_assert_str_eq(once, again);
    ck_assert_str_ne(once, other);
}
END_TEST

START_TEST(test_forms)
{
    static const struct {
        const char *form, *json;
    } cases[] = {
        {"", "{}"},
        {"a=b&data%5Bemail%5D=x%40y.z&c=1+2", "{\"a\":\"b\",\"data[email]\":\"x@y.z\",\"c\":\"1 2\"}"},
        {"a&b=&&c=%22", "{\"a\":\"\",\"b\":\"\",\"c\":\"\\\"\"}"},
        {"a=%", NULL},
        {"a=%4", NULL},
        {"a=%zz", NULL},
        {"a=%00", NULL},
        {"a=%ff", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf json AUTO_BUF = BUF_INIT(1000);
        bool ok = form_json(cases[i].form, strlen(cases[i].form), &json);

        ck_assert_msg(ok == (cases[i].json != NULL), "%s", cases[i].form);
        if (ok)
            ck_assert_str_eq(buf_text(&json), cases[i].json);
    }
}
END_TEST

/* n times text within brackets. */
static char *repeated(size_t n, const char *text)
{
    struct buf body = BUF_INIT(64 << 20);

    buf_add_char(&body, '[');
    for (size_t i = 0; i < n; i++)
        buf_addf(&body, "%s%s", i ? "," : "", text);
    buf_add_char(&body, ']');
    return buf_take(&body);
}

START_TEST(test_limits)
{
    static const char entry[] = "{'events':'*','person':{'user_id':'u'},'map':{'*':{'event':'E','properties':{'big':'root:0.b'}}}}";
    char *many AUTO_FREE = repeated(HOOK_EVENTS_MAX + 1, "{\"u\":1}"), *some AUTO_FREE = repeated(HOOK_EVENTS_MAX, "{\"u\":1}");
    char *deep AUTO_FREE = mem_zalloc(100001),
               *large AUTO_FREE = repeated(3000, "{\"u\":1,\"b\":\"0123456789012345678901234567890123456789\"}");
    char *got;

    memset(deep, '[', 100000);
    assert_mapped(entry, deep, "!invalid_json");
    assert_mapped(entry, many, "!too_many_events");
    got = mapped(entry, some);
    ck_assert_int_eq(*got, '{');
    free(got);
    got = mapped(entry, large); /* 3,000 events, each with a look at the whole body: bounded work */
    ck_assert(*got == '{' || strcmp(got, "!too_large") == 0);
    free(got);
}
END_TEST

RUN_TESTS("map", test_conversions, test_minor_units, test_times, test_rules_and_people, test_without_an_id_the_bytes_are_the_id, test_forms,
          test_limits)
