/* Any Origin and any X-Forwarded-For. What a pattern for subdomains allows is a host below that one and nothing else; what is found behind proxies is an
 * address, the peer's or one that stands in the header. A list of proxies that is read contains what it says. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/alloc.h"
#include "server/base/origin.h"
#include "server/base/proxies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_address(const char *text)
{
    uint8_t bytes[16];

    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static void check_origin(const char *text)
{
    static const char head[] = "https://", tail[] = ".shop.example";
    size_t len = strlen(text);

    if (origin_matches("https://*.shop.example", text)) {
        ASSERT(len > strlen(head) + strlen(tail) && strncasecmp(text, head, strlen(head)) == 0);
        ASSERT(strcasecmp(text + len - strlen(tail), tail) == 0);
        ASSERT(!strpbrk(text + strlen(head), "/:@?#[]\\ %"));
    }
    ASSERT(origin_matches("https://shop.example", text) == (strcasecmp("https://shop.example", text) == 0));
    if (origin_pattern_ok(text) && !strchr(text, '*'))
        ASSERT(origin_matches(text, text));
}

static void check_forwarded(const char *text)
{
    char address[PROXY_ADDRESS_MAX] = "10.0.0.1";
    struct proxies proxies;
    bool more;

    ASSERT(proxies_read("10.0.0.0/8, ::1", &proxies));
    more = proxies_unwind(&proxies, text, strlen(text), address);
    ASSERT(is_address(address) && (strcmp(address, "10.0.0.1") == 0 || strstr(text, address)));
    ASSERT(!more || proxies_have(&proxies, address));
    memcpy(address, "192.0.2.1", 10);
    ASSERT(!proxies_unwind(&proxies, text, strlen(text), address) && strcmp(address, "192.0.2.1") == 0);
    if (proxies_read(text, &proxies) && is_address(text))
        ASSERT(proxies.n == 1 && proxies_have(&proxies, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);

    check_origin(text);
    check_forwarded(text);
    free(text);
    return 0;
}
