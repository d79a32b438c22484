/* The running service: everything `cohortd serve` starts, in one order, and stops in the exact reverse. */
#pragma once

#include "server/config.h"

struct app;

/* Starts all threads, the listener last; config and url are borrowed. NULL (logged) when it cannot. */
struct app *app_start(const struct config *config, const char *url) MUST_CHECK;
/* The port of the main listener. */
unsigned app_port(const struct app *app);
/* /readyz says no, what waits is answered, then everything ends. */
void app_stop(struct app *app);
