/* Instants in query parameters: the texts of the segment language (RFC 3339, or a date),
 * read in UTC where they have no offset.
 * Which instants make sense is the handler's to say. */
#include "api/instants.h"

#include <string.h>

#include "server/base/instant.h"

bool instant_parameter(struct call *c, const char *name, int64_t *ret_us)
{
    const char *text = request_query(c->rq, name);
    enum instant_form form;
    char detail[96];

    if (!text || instant_read(text, strlen(text), ret_us, &form))
        return true;
    (void)snprintf(detail, sizeof detail, "%s must be an instant such as 2026-01-31T12:00:00Z", name);
    (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, detail);
    return false;
}
