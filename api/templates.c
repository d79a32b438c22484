/* GET /v1/templates. The one idea: the file is the data: it is embedded as it is, and a unit test holds it true (each definition parses,
 * each pointer leads to its default), so nothing is checked or built here. A template makes no segment: a client puts its values where the
 * pointers lead, and saves the definition as any other. */
#include "api/templates.h"

#include "api/handlers.h"
#include "api/page.h"

static const char templates[] = {
#include "templates.inc"
};

const char *templates_json(size_t *ret_len)
{
    *ret_len = sizeof templates;
    return templates;
}

enum handled api_template_list(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);

    page_begin(&out);
    json_put_raw(&out, templates, sizeof templates);
    return page_end(c, &out, NULL);
}
