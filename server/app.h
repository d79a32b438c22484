/* The running service: everything `cohortd serve` starts, in one order, and stops in the exact reverse. */
#pragma once

#include "server/config.h"

struct app;

/* Starts all threads, the listener last; config and url are borrowed. NULL (logged) when it cannot. It serves, but before app_open
 * nothing reaches the database: /readyz is 503 and says why, and so is what needs the database. */
struct app *app_start(const struct config *config, const char *url) MUST_CHECK;
/* Why the database is not there yet: a static text, a line, for /readyz. */
void app_waits(struct app *app, const char *why);
/* The database's schema is ready. */
void app_open(struct app *app);
/* The port of the main listener. */
unsigned app_port(const struct app *app);
/* /readyz says no, what waits is answered, then everything ends. */
void app_stop(struct app *app);
