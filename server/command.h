/* The commands of the program (main.c has their table). Each returns the exit status: 0, 1 it failed, 2 it was called in a wrong way. */
#pragma once

#include "server/config.h"

int command_serve(const struct config *config);
int command_migrate(const struct config *config);
int command_version(const struct config *config);
int command_keys(const struct config *config);
int command_import(const struct config *config);
int command_export(const struct config *config);
int command_verify(const struct config *config);
int command_demo(const struct config *config);
int command_healthcheck(const struct config *config);

#define COHORTD_VERSION "0.1.0"
