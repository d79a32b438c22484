# cohortd. `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
#
#   BUILD=dir                      where everything goes (default build)
#   CC=clang                       gcc and clang both work
#   SANITIZE=address,undefined     or SANITIZE=thread: an instrumented build in a directory of its own
#   WERROR=1                       warnings are errors (CI)
#   V=1                            show the commands
#   SUITES="unit integration"      the suites that `make test` runs (default: all)

CC = gcc
SANITIZE =
BUILD = build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))$(if $(findstring clang,$(CC)),-clang)
comma := ,

WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
       -Wwrite-strings -Wswitch-enum -Wimplicit-fallthrough -fno-common $(if $(WERROR),-Werror)
HARDEN = $(if $(SANITIZE),-O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) $(if $(findstring undefined,$(SANITIZE)),-fno-sanitize-recover=undefined),\
         -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong)
PG_INC := $(shell pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)
CPPFLAGS = -I. -I$(BUILD)/gen -isystem $(PG_INC) -D_GNU_SOURCE
CFLAGS = -std=c11 -g -fPIE $(WARN) $(HARDEN)
LDFLAGS = -pie $(if $(SANITIZE),-fsanitize=$(SANITIZE),-Wl,-z$(comma)relro,-z$(comma)now)
LDLIBS = -lmicrohttpd -lpq -lz -lssl -lcrypto -lpthread -lm -Wl,--as-needed -lcurl

# Each folder is a layer with an archive of its own; what a layer may use is also what its tests are linked with.
LAYERS = server api api/hooks api/collect server/http db segment server/base
USES_base    = base
USES_http    = http base
USES_segment = segment base
USES_db      = db segment base
USES_collect = collect base
USES_hooks   = hooks collect base
USES_api     = api hooks collect http db segment base
USES_server  = server api hooks collect http db segment base
archive = $(BUILD)/lib$(notdir $(1)).a
archives = $(foreach layer,$(USES_$(1)),$(BUILD)/lib$(layer).a)

MIGRATIONS := $(sort $(wildcard migrations/*.sql))
CHECKS := $(addprefix check-,$(filter-out allow.txt,$(notdir $(wildcard scripts/lint/*))))
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*/test_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

# For a target that first installs and then builds: itself again, on every core, unless the caller said how many.
again = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

say = $(if $(V),,@echo "$(1) $@";)

all: $(BUILD)/cohortd
	@:

$(BUILD)/cohortd: $(BUILD)/server/main.o $(call archives,server)
	$(call say,link)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

define LAYER
$(call archive,$(1)): $(patsubst %.c,$(BUILD)/%.o,$(filter-out server/main.c,$(wildcard $(1)/*.c)))
	@rm -f $$@
	$$(call say,ar)ar rcs $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call LAYER,$(layer))))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,cc)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The migrations are part of the program: one array, made from the files.
$(BUILD)/db/migrate.o: $(BUILD)/gen/migrations.inc
$(BUILD)/gen/migrations.inc: $(MIGRATIONS) scripts/embed
	@mkdir -p $(@D)
	$(call say,embed)scripts/embed $(MIGRATIONS) > $@.tmp && mv $@.tmp $@
$(BUILD)/api/templates.o: $(BUILD)/gen/templates.inc
$(BUILD)/gen/templates.inc: api/templates.json scripts/embed
	@mkdir -p $(@D)
	$(call say,embed)scripts/embed $< > $@.tmp && mv $@.tmp $@
$(BUILD)/api/tracker.o: $(BUILD)/gen/tracker.inc
$(BUILD)/gen/tracker.inc: web/tracker/dist/c.js scripts/embed
	@mkdir -p $(@D)
	$(call say,embed)scripts/embed $< > $@.tmp && mv $@.tmp $@
$(BUILD)/api/hooks/providers.o: $(BUILD)/gen/providers.inc
$(BUILD)/gen/providers.inc: api/hooks/providers.json scripts/embed
	@mkdir -p $(@D)
	$(call say,embed)scripts/embed $< > $@.tmp && mv $@.tmp $@

# Unit tests: tests/unit/LAYER/test_NAME.c is linked with what its layer may use.
.SECONDEXPANSION:
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $$(call archives,$$(firstword $$(subst /, ,$$*)))
	$(call say,link)$(CC) $(LDFLAGS) -o $@ $^ -lcheck -lsubunit -lrt $(LDLIBS)

# A fuzz target may use all that reads outside bytes; it grows its corpus under $(BUILD), beginning with tests/fuzz/corpus/NAME.
USES_fuzz = http hooks collect segment base
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $$(call archives,fuzz)
	$(call say,link)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ -ljansson $(LDLIBS)

run: ## install what is missing, build, serve on 127.0.0.1:8080 with a PostgreSQL of its own
	@scripts/install run
	+@$(again) all
	@exec $(BUILD)/cohortd serve

test: ## install what is missing, build, run all suites against throwaway PostgreSQLs
	@scripts/install run test
	+@$(again) all unit-programs
	@COHORTD=$(BUILD)/cohortd UNIT="$(sort $(UNIT))" SANITIZE=$(SANITIZE) scripts/test $(SUITES)

unit-programs: $(UNIT) $(BUILD)/tests/golden/compile_tool $(BUILD)/tests/golden/judge_tool
	@:

unit: ## the C unit tests alone
	+@$(again) unit-programs
	@UNIT="$(sort $(UNIT))" SANITIZE=$(SANITIZE) scripts/test unit

SEED = 1
N = 600
soak: ## N random segments (seed SEED) against the naive evaluator
	@scripts/install run test
	+@$(again) all
	@COHORTD=$(abspath $(BUILD))/cohortd /usr/bin/python3 tests/differential/soak.py $(SEED) $(N)

SAMPLE = 0
mutants: ## break the language's rules one by one, or a SAMPLE (seed SEED) of them: a test must fail each time
	@scripts/install run test
	@tests/mutants/run --build $(BUILD) --sample $(SAMPLE) --seed $(SEED)

FUZZ_SECONDS = 10
fuzz: ## each fuzz target for FUZZ_SECONDS, under clang, ASan and UBSan
	+@$(again) CC=clang SANITIZE=fuzzer-no-link,address,undefined BUILD=$(BUILD)-fuzz fuzz-programs
	@scripts/fuzz $(BUILD)-fuzz $(FUZZ_SECONDS) $(notdir $(FUZZ))

fuzz-programs: $(FUZZ)
	@:

# The segment compiler and the judge as filters, for tests/golden and tests/differential.
$(BUILD)/tests/golden/%_tool: $(BUILD)/tests/golden/%_tool.o $(call archives,segment)
	$(call say,link)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

lint: ## install what is missing, then every check-…: a script of that name in scripts/lint
	@scripts/install run test check
	+@$(again) -k $(CHECKS)
$(CHECKS): check-%: scripts/lint/%
	@BUILD=$(BUILD) $<
check-globals: all
check-analyze: $(BUILD)/gen/migrations.inc $(BUILD)/gen/templates.inc $(BUILD)/gen/tracker.inc $(BUILD)/gen/providers.inc

format: ## lay the C out as check-format wants it
	@scripts/lint/format -i

bench: ## what the server does in a second, beside a bare echo and COPY; then bench-segments
	@scripts/install run test bench
	+@$(again) all $(BUILD)/bench/echo
	+@bench/run $(BUILD); missed=$$?; $(again) bench-segments && exit $$missed

SECTIONS =
bench-segments: ## what live segments cost over 20 M events (30 GB of disk, 32 minutes at most); SECTIONS="latency ticks builds reads dear limits"
	@scripts/install run test bench
	+@$(again) all
	@bench/segments $(BUILD) $(SECTIONS)

$(BUILD)/bench/echo: $(BUILD)/bench/echo.o
	$(call say,link)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

image: ## build the container image without a registry, run it and probe it
	@scripts/install image
	@docker/test

clean: ## remove everything built
	rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all run test soak mutants unit unit-programs fuzz fuzz-programs lint $(CHECKS) format bench bench-segments image clean help
.DELETE_ON_ERROR:
