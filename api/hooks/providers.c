/* The table of providers: the file is the data, embedded as it is, and a unit test holds it true (hook_check of each entry), so nothing
 * is checked or built here.
 * Adding a provider is an entry of providers.json and fixtures in tests/hooks. */
#include "api/hooks/hook.h"

static const char providers[] = {
#include "providers.inc"
};

const char *hook_providers(size_t *ret_len)
{
    *ret_len = sizeof providers;
    return providers;
}
