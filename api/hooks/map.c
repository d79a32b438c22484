/* From a verified body to a batch. The one idea: the entry is read beside the body, event by event: its type chooses a rule, the rule
 * and the entry say what goes where, and what comes out is an ordinary Segment batch, which api/collect then checks like any other.
 * Invariants: what is made of one body is bounded in events, bytes and work; the same event gives the same messageId and timestamp each
 * time, so a retry or a replay stores nothing. */
#include <stdlib.h>
#include <string.h>

#include "api/collect/person.h"
#include "api/hooks/form.h"
#include "api/hooks/look.h"
#include "api/hooks/value.h"
#include "server/base/alloc.h"
#include "server/base/id.h"
#include "server/base/instant.h"

enum { ID_TEXT_MAX = 1024, TYPE_MAX = 200 };

/* The members of an entry or of a rule, read once. */
struct parts {
    struct json id, timestamp, person, properties, context, traits; /* of both: what the rule says counts, of the last three both do */
    struct json type, map;                                          /* of an entry */
    struct json event, identify, each;                              /* of a rule */
};

struct mapping {
    struct parts entry;
    struct look look;
    struct json_out out;
    size_t messages;
    size_t ignored;
    size_t events;
    /* of the event at hand */
    struct parts rule;
    struct hook_addresses addresses;
    size_t index; /* of the item within `each` */
    bool refused; /* too many events */
};

static struct parts read_parts(struct json object)
{
    struct parts parts = {.id = JSON_NONE};
    const struct {
        const char *name;
        struct json *into;
    } members[] = {
        {"id", &parts.id},           {"timestamp", &parts.timestamp}, {"person", &parts.person}, {"properties", &parts.properties},
        {"context", &parts.context}, {"traits", &parts.traits},       {"type", &parts.type},     {"map", &parts.map},
        {"event", &parts.event},     {"identify", &parts.identify},   {"each", &parts.each}};
    struct json_iter iter = json_iter(object);
    struct json key, value;

    while (object.type == JSON_T_OBJECT && json_next_member(&iter, &key, &value))
        for (size_t i = 0; i < ARRAY_LEN(members); i++)
            if (json_is(key, members[i].name))
                *members[i].into = value;
    return parts;
}

/* What the rule says, else the entry. */
static struct json said(struct json rule, struct json entry)
{
    return rule.type != JSON_T_NONE ? rule : entry;
}

/* The rule's are written last, and the last of a name counts. */
static void put_members(struct mapping *m, struct json entry, struct json rule)
{
    value_members(&m->look, entry, &m->out);
    value_members(&m->look, rule, &m->out);
}

/* Of the templates, the first that resolves; without one, the same bytes are the same event. */
static void add_id(struct mapping *m, struct json templates, struct buf *text)
{
    struct json_iter iter = json_iter(templates);
    struct json template = templates;
    struct id id = id_hash(m->look.event.at, m->look.event.len);
    char name[ID_TEXT];
    size_t begin = text->len;

    while (templates.type == JSON_T_ARRAY ? json_next_element(&iter, &template) : template.type == JSON_T_STRING) {
        if (value_template(&m->look, template, text))
            return;
        text->len = begin;
        text->full = false;
        if (templates.type != JSON_T_ARRAY)
            break;
    }
    id_print(&id, name);
    buf_add_text(text, name);
}

/* Does the id say which item of `each` it is? */
static bool names_item(struct json templates)
{
    return memmem(templates.at, templates.len, "{item:", 6) != NULL;
}

static void put_message_id(struct mapping *m, bool identify)
{
    AUTO_BUF struct buf text = BUF_INIT(ID_TEXT_MAX + 2 * TYPE_MAX);
    struct json templates = said(m->rule.id, m->entry.id);

    buf_addf(&text, "%s:", m->look.request->provider);
    add_id(m, templates, &text);
    if (m->rule.each.type != JSON_T_NONE && (templates.type == JSON_T_NONE || !names_item(templates)))
        buf_addf(&text, ":%zu", m->index);
    if (identify)
        buf_add_text(&text, ":identify");
    json_key(&m->out, "messageId");
    json_put_text_len(&m->out, buf_text(&text), text.len);
}

/* A value as a string, however it stands. */
static void put_string(struct mapping *m, const char *key, struct json value)
{
    json_key(&m->out, key);
    if (value.type == JSON_T_STRING)
        json_put_raw(&m->out, value.at, value.len);
    else
        json_put_text_len(&m->out, value.at, value.len);
}

struct who {
    struct json user_id; /* string or number, or JSON_NONE */
    struct json email;   /* string, or JSON_NONE; also one that is no address, to be kept as a trait */
    bool known;          /* by one of them */
};

static bool is_id(struct json value)
{
    char *text AUTO_FREE = value.type == JSON_T_STRING ? json_text(value) : NULL;

    if (value.type == JSON_T_NUMBER)
        return id_judge((struct span){.at = value.at, .len = value.len}) != ID_ABSENT;
    return text && id_judge((struct span){.at = text, .len = strlen(text)}) != ID_ABSENT;
}

/* An address, normalized, with its NUL. */
static bool read_email(struct json value, char ret_email[EMAIL_MAX + 1])
{
    char *text AUTO_FREE = value.type == JSON_T_STRING ? json_text(value) : NULL;
    size_t len = text ? email_normalize((struct span){.at = text, .len = strlen(text)}, ret_email) : 0;

    ret_email[len] = '\0';
    return len > 0;
}

static bool is_email(struct json value)
{
    char email[EMAIL_MAX + 1];

    return read_email(value, email);
}

/* Some mail tools repeat what the mail was addressed to: Ann <ann@x.org> is ann@x.org. */
static struct json bare_address(struct look *look, struct json email)
{
    char *text AUTO_FREE = email.type == JSON_T_STRING ? json_text(email) : NULL;
    char *from = text ? strrchr(text, '<') : NULL, *end = from ? strchr(from, '>') : NULL;

    return end && !end[1] ? look_string(look, from + 1, (size_t)(end - from - 1)) : email;
}

static bool take_id(void *context, struct json value)
{
    struct json *found = context;

    if (!is_id(value))
        return true;
    *found = value;
    return false;
}

/* A shop has a customer "0" for a guest: a path that leads to no id is as one that leads nowhere. */
static struct json first_id(struct look *look, struct json paths)
{
    struct json_iter iter = json_iter(paths);
    struct json path, found = JSON_NONE;

    look_each(look, paths, take_id, &found);
    while (paths.type == JSON_T_ARRAY && found.type == JSON_T_NONE && json_next_element(&iter, &path))
        look_each(look, path, take_id, &found);
    return found;
}

static struct who find_who(struct mapping *m)
{
    struct json person = said(m->rule.person, m->entry.person);
    struct who who = {.user_id = first_id(&m->look, json_get(person, "user_id")),
                      .email = bare_address(&m->look, look_first(&m->look, json_get(person, "email")))};

    if (who.email.type != JSON_T_STRING)
        who.email = JSON_NONE;
    who.known = who.user_id.type != JSON_T_NONE || is_email(who.email);
    return who;
}

/* Notes that the address was another one before. */
static void note_address(struct mapping *m, const struct who *who)
{
    struct json was = look_first(&m->look, json_get(said(m->rule.person, m->entry.person), "email_was"));
    struct hook_readdress both;

    if (read_email(bare_address(&m->look, was), both.was) && read_email(who->email, both.is) && strcmp(both.was, both.is) != 0)
        *VEC_ADD(&m->addresses) = both;
}

/* ids, messageId and timestamp; the object stays open. The anonymous id (an order's, a lead's) is given by an identify, which ties it,
 * and where there is no other: so a refund that names only its order finds the person. */
static void begin_message(struct mapping *m, bool identify, const struct who *who)
{
    AUTO_BUF struct buf anonymous = BUF_INIT(ID_TEXT_MAX);
    struct json template = json_get(said(m->rule.person, m->entry.person), "anonymous_id");
    int64_t us = value_instant(&m->look, said(m->rule.timestamp, m->entry.timestamp));

    json_open(&m->out, '{');
    json_add_text(&m->out, "type", identify ? "identify" : "track");
    if (who->user_id.type != JSON_T_NONE)
        put_string(m, "userId", who->user_id);
    if ((identify || !who->known) && value_template(&m->look, template, &anonymous))
        json_add_text(&m->out, "anonymousId", buf_text(&anonymous));
    put_message_id(m, identify);
    if (us != INSTANT_NONE)
        json_add_instant(&m->out, "timestamp", us);
}

static void put_context(struct mapping *m, const struct who *who)
{
    json_key(&m->out, "context");
    json_open(&m->out, '{');
    json_key(&m->out, "library");
    json_open(&m->out, '{');
    json_add_text(&m->out, "name", m->look.request->provider);
    json_close(&m->out, '}');
    put_members(m, m->entry.context, m->rule.context);
    if (who->email.type != JSON_T_NONE) {
        json_key(&m->out, "traits");
        json_open(&m->out, '{');
        put_string(m, "email", who->email);
        json_close(&m->out, '}');
    }
    json_close(&m->out, '}');
    json_close(&m->out, '}');
    m->messages++;
}

/* Ties email and id, and carries the traits. */
static void put_identify(struct mapping *m, const struct who *who)
{
    begin_message(m, true, who);
    json_key(&m->out, "traits");
    json_open(&m->out, '{');
    put_members(m, m->entry.traits, m->rule.traits);
    if (who->email.type != JSON_T_NONE)
        put_string(m, "email", who->email);
    json_close(&m->out, '}');
    put_context(m, who);
}

/* One event for one person. False: stop. */
static bool put_event(void *context, struct json item)
{
    struct mapping *m = context;
    struct json name = m->rule.event;
    struct who who;

    if (++m->events > HOOK_EVENTS_MAX)
        m->refused = true;
    if (m->refused)
        return false;
    m->look.item = item;
    who = find_who(m);
    note_address(m, &who);
    if (m->rule.identify.type == JSON_T_TRUE)
        put_identify(m, &who);
    if (name.type == JSON_T_STRING) {
        begin_message(m, false, &who);
        json_key(&m->out, "event");
        json_put_raw(&m->out, name.at, name.len);
        json_key(&m->out, "properties");
        json_open(&m->out, '{');
        put_members(m, m->entry.properties, m->rule.properties);
        json_close(&m->out, '}');
        put_context(m, &who);
    }
    m->index++;
    return buf_ok(m->out.buf) && !m->look.scratch->spent;
}

/* The first rule whose conditions hold. */
static struct json choose(struct mapping *m, struct json rules)
{
    struct json_iter iter = json_iter(rules);
    struct json rule;

    if (rules.type == JSON_T_OBJECT && look_holds(&m->look, json_get(rules, "when")))
        return rules;
    while (rules.type == JSON_T_ARRAY && json_next_element(&iter, &rule))
        if (look_holds(&m->look, json_get(rule, "when")))
            return rule;
    return JSON_NONE;
}

static struct json rules_of(struct mapping *m)
{
    struct json type = look_first(&m->look, m->entry.type), rules = JSON_NONE;
    char name[TYPE_MAX + 1];

    if (type.type == JSON_T_STRING && type.len <= TYPE_MAX) {
        name[json_decode_to(type, name)] = '\0';
        rules = json_get(m->entry.map, name);
    }
    return rules.type != JSON_T_NONE ? rules : json_get(m->entry.map, "*");
}

static bool map_event(void *context, struct json event)
{
    struct mapping *m = context;
    struct json rule;
    size_t before = m->messages;

    m->look.event = m->look.here = event;
    m->look.item = JSON_NONE;
    m->index = 0;
    rule = choose(m, rules_of(m));
    m->rule = read_parts(rule);
    if (m->rule.each.type == JSON_T_STRING)
        look_each(&m->look, m->rule.each, put_event, m);
    else if (rule.type == JSON_T_OBJECT)
        (void)put_event(m, JSON_NONE);
    else if (++m->events > HOOK_EVENTS_MAX)
        m->refused = true;
    if (m->messages == before)
        m->ignored++;
    return !m->refused && buf_ok(m->out.buf) && !m->look.scratch->spent;
}

/* The body as JSON text of the caller's, ready to be checked; NULL: it is no form. */
static char *body_text(struct json entry, const struct hook_request *request, size_t *ret_len)
{
    struct buf json = BUF_INIT(2 * HOOK_BATCH_MAX);
    struct json body = json_get(entry, "body");

    if (body.type != JSON_T_STRING || !json_is(body, "form")) {
        char *copy = mem_alloc(request->len + 1);

        memcpy(copy, request->body, request->len);
        copy[request->len] = '\0';
        *ret_len = request->len;
        return copy;
    }
    if (!form_json(request->body, request->len, &json)) {
        buf_release(&json);
        return NULL;
    }
    *ret_len = json.len;
    return buf_take(&json);
}

static bool verdict(const struct mapping *m, struct err *err)
{
    if (m->refused)
        return err_set(err, "too_many_events", "", "the body holds more than %d events", HOOK_EVENTS_MAX);
    if (m->look.scratch->spent || !buf_ok(m->out.buf))
        return err_set(err, "too_large", "", "what the body holds is too large");
    return true;
}

bool hook_map(struct json entry, const struct hook_request *request, struct hook_batch *ret_batch, struct err *err)
{
    CLEANUP(scratch_release) struct scratch scratch = {.pieces = NULL};
    AUTO_BUF struct buf batch = BUF_INIT(HOOK_BATCH_MAX);
    struct mapping m = {.look = {.request = request, .scratch = &scratch, .money = json_get(entry, "money")}, .out = JSON_OUT(&batch)};
    struct json events = json_get(entry, "events");
    size_t len, bad_numbers;
    char *body AUTO_FREE = body_text(entry, request, &len);
    struct json_flaw flaw;

    if (!body)
        return err_set(err, "bad_form", "", "the body is not a form");
    if (!json_check(body, len, &m.look.root, &bad_numbers, &flaw))
        return err_set(err, "invalid_json", "", "%s at byte %zu", flaw.what, flaw.offset);
    if (m.look.root.type != JSON_T_OBJECT && m.look.root.type != JSON_T_ARRAY)
        return err_set(err, "not_an_object", "", "the body is neither a JSON object nor an array");
    m.entry = read_parts(entry);
    m.look.here = m.look.event = m.look.root;
    json_open(&m.out, '{');
    json_key(&m.out, "batch");
    json_open(&m.out, '[');
    if (events.type == JSON_T_STRING)
        look_each(&m.look, events, map_event, &m);
    else
        (void)map_event(&m, m.look.root);
    json_close(&m.out, ']');
    json_close(&m.out, '}');
    if (!verdict(&m, err)) {
        vec_free(&m.addresses);
        return false;
    }
    *ret_batch = (struct hook_batch){.len = batch.len, .messages = m.messages, .ignored = m.ignored, .addresses = m.addresses};
    ret_batch->text = buf_take(&batch);
    return true;
}
