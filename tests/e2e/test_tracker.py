"""Our own script in Chromium, on pages of another origin than cohortd's: every event is stored once, whatever happens to the page, the tab or the network,
no request needs a preflight, and a visitor's choice comes before everything."""
import itertools
import json
import re
import uuid

import pytest
from e2e.browser import Pages
from e2e.proxy import Proxy
from support.house import House
from support.postgres import ROOT
from support.wait import wait_for

STUB = re.search(r"<script>cohortd=.*</script>", (ROOT / "docs" / "sources.md").read_text()).group(0)
GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})"
QUEUE = "Object.keys(localStorage).filter((name) => /^cohortd\\.\\d/.test(name)).length"
STORED = "Object.keys(localStorage).length + document.cookie.length"
SERIAL = itertools.count(1)


@pytest.fixture(scope="module")
def house():
    with House() as house:
        yield house


class Shop:
    """A shop on origins of its own, which loads the script through a proxy in front of cohortd."""

    def __init__(self, house, browser, faults=(), delay_s=0.0, key=None, prefix=""):
        self.house, self.browser = house, browser
        self.event = f"Event {next(SERIAL)}"  # no other test's
        self.proxy = Proxy(house.server.port, faults, delay_s, prefix)
        self.path = prefix + "/e"
        self.tag = f'<script async src="{self.proxy.url}{prefix}/c.js" data-key="{key or house.write_key}" ATTRIBUTES></script>'
        self.pages = Pages({"/": self.html(), "/next": self.html(), "/bare": "<title>Elsewhere</title>"})
        self.contexts = []

    def html(self, attributes="", stub=STUB, more=""):
        return f"<!doctype html><title>Shop</title>{stub}{more}{self.tag.replace('ATTRIBUTES', attributes)}<p>Hello"

    def visitor(self, init=None, **options):
        self.contexts.append(self.browser.context(init, **options))
        return self.contexts[-1]

    def visit(self, path="/", context=None, host="localhost"):
        page = (context or self.visitor()).page(self.pages.url(path, host))
        page.wait("cohortd.q && !Array.isArray(cohortd.q)")
        return page

    def track(self, page, numbers):
        page.eval(f"{json.dumps(list(numbers))}.forEach((n) => cohortd.track({json.dumps(self.event)}, {{n}}))")

    def numbers(self):
        """The events of this shop that are stored."""
        rows = self.house.rows("SELECT (properties->>'n')::int FROM event JOIN event_name USING (name_id) WHERE name = %s ORDER BY 1", self.event)
        return [n for n, in rows]

    def expect(self, n, page=None):
        """Events 0 to n - 1 are stored, each once; and the page has nothing left to send."""
        try:
            wait_for(lambda: len(self.numbers()) >= n, what=f"{n} events")
            if page:
                page.wait(f"{QUEUE} == 0")
        finally:
            assert self.numbers() == list(range(n))

    def rows(self, columns):
        return self.house.rows(f"SELECT {columns} FROM event JOIN event_name USING (name_id) WHERE name = %s ORDER BY ts, received_at", self.event)

    def close(self):
        for context in self.contexts:
            context.close()
        self.pages.close()
        self.proxy.close()
        assert self.proxy.count("OPTIONS") == 0, "a preflight was sent"
        for method, path, headers in self.proxy.requests:
            assert "authorization" not in headers
            assert method == "GET" or (path == self.path and headers["content-type"].startswith("text/plain")), (method, path)


@pytest.fixture
def open_shop(house, browser):
    shops = []

    def make(*arguments, **more):
        shops.append(Shop(house, browser, *arguments, **more))
        return shops[-1]

    yield make
    for shop in shops:
        shop.close()


# What is sent

def test_stub_is_small():
    assert len(STUB) <= 400


def test_calls_before_the_script_is_there(open_shop, house):
    shop = open_shop()
    calls = f"<script>cohortd.identify('early', {{plan: 'pro'}}); cohortd.track('{shop.event}', {{n: 0}})</script>"
    shop.pages.content["/early"] = shop.html("data-page", more=calls)
    page = shop.visit("/early?utm_source=news&utm_campaign=spring&utm_medium=email#top")
    shop.expect(1, page)
    ((user, context, view),) = house.rows(
        "SELECT p.user_id, e.context, (SELECT v.properties FROM event v JOIN event_name m USING (name_id) WHERE v.profile_id = e.profile_id AND m.name = 'Page Viewed')"
        " FROM event e JOIN event_name n USING (name_id) JOIN profile p USING (profile_id) WHERE n.name = %s", shop.event)
    assert user == "early"
    url = shop.pages.url("/early?utm_source=news&utm_campaign=spring&utm_medium=email")
    seen = {"path": "/early", "referrer": "", "search": "?utm_source=news&utm_campaign=spring&utm_medium=email", "title": "Shop", "url": url}
    assert context["page"] == seen and view == seen
    assert context["campaign"] == {"source": "news", "name": "spring", "medium": "email"}
    assert context["library"]["name"] == "cohortd.js" and context["locale"] and context["userAgentData"]["platform"] and context["timezone"] and "Chrome" in context["userAgent"]
    assert "consent" not in context
    assert page.errors() == []


def test_referrer_canonical_and_given_context(open_shop):
    shop = open_shop()
    shop.pages.content["/item"] = shop.html(more="<link rel=canonical href='/shoes/1'>")
    page = shop.visit()
    page.eval("location.assign('/item?size=9')")
    page.wait("location.pathname == '/item' && cohortd.q && !Array.isArray(cohortd.q)")
    page.eval(f"cohortd.track('{shop.event}', {{n: 0}}, {{context: {{page: {{title: 'Mine'}}, app: 1}}, timestamp: '2026-01-02T03:04:05Z'}})")
    page.eval(f"cohortd.track('{shop.event}', {{n: 1}})")
    shop.expect(2, page)
    (mine, first), (own, _) = shop.rows("context, ts::text")
    assert mine["page"] == {"title": "Mine"} and mine["app"] == 1 and first.startswith("2026-01-02")
    assert own["page"] == {"path": "/shoes/1", "referrer": shop.pages.url("/"), "search": "?size=9", "title": "Shop", "url": shop.pages.url("/shoes/1?size=9")}


def test_burst_in_batches(open_shop):
    shop = open_shop()
    page = shop.visit()
    shop.track(page, range(95))
    shop.expect(95, page)
    assert shop.proxy.count("POST", "/e") == 10 and shop.proxy.messages == 95
    assert [n for n, in shop.rows("(properties->>'n')::int")] == list(range(95)), "out of order"


def test_behind_a_path_of_the_shop(open_shop):
    shop = open_shop(prefix="/m")  # location /m/ { proxy_pass http://127.0.0.1:8080/; }
    page = shop.visit()
    shop.track(page, range(3))
    shop.expect(3, page)
    assert page.eval("new Promise((done) => cohortd.segments(done))") == [] and shop.proxy.count("GET", "/m/e") == 1


def test_sent_to_another_place(open_shop):
    shop = open_shop()
    shop.pages.content["/to"] = shop.html('data-to="e/v1/batch"')
    shop.path = "/e/v1/batch"
    page = shop.visit("/to")
    shop.track(page, range(3))
    shop.expect(3, page)


def test_few_wait_for_more(open_shop):
    shop = open_shop()
    page = shop.visit()
    shop.track(page, range(3))
    shop.expect(3, page)
    assert shop.proxy.count("POST") == 1


def test_large_events_in_chunks(open_shop):
    shop = open_shop()
    page = shop.visit()
    page.eval(f"[...Array(7).keys()].forEach((n) => cohortd.track('{shop.event}', {{n, text: 'é'.repeat(10000)}}))")
    page.eval(f"cohortd.track('{shop.event}', {{n: 7, text: 'x'.repeat(100000)}})")
    shop.expect(8, page)
    sizes = [int(headers["content-length"]) for method, _, headers in shop.proxy.requests if method == "POST"]
    assert len(sizes) == 5 and all(size <= 61440 for size in sizes[:4]), sizes


def test_identify_group_alias_reset(open_shop, house):
    shop = open_shop()
    page = shop.visit()
    me = "JSON.parse(localStorage.cohortd)"
    page.eval("cohortd.identify('ida', {plan: 'pro', age: 36})")
    page.eval("cohortd.identify({age: 37})")
    assert page.eval(f"{me}.t") == {"plan": "pro", "age": 37}
    first = page.eval(f"{me}.a")
    page.eval("cohortd.group('acme', {size: 5})")
    page.eval("cohortd.identify('ingrid')")  # somebody else at the same browser
    assert page.eval(f"{me}.t") == {} and page.eval(f"{me}.a") != first
    page.eval("cohortd.reset()")
    second = page.eval(me)
    assert set(second) == {"a"} and second["a"] != first
    shop.track(page, [0])
    page.eval("cohortd.alias('olga')")
    page.eval("cohortd.page('Shoes', 'Sale', {colour: 'red'})")
    shop.expect(1, page)
    assert house.one("SELECT traits::text FROM profile WHERE user_id = 'ida'") == '{"age": 37, "plan": "pro"}'
    assert house.one("SELECT count(*) FROM profile WHERE user_id = 'ingrid'") == 1
    # The visitor after the reset was olga, says the alias.
    assert house.events("olga", shop.event) == 1
    ((view,),) = house.rows(
        "SELECT properties FROM event JOIN event_name USING (name_id) JOIN profile USING (profile_id) WHERE name = 'Page Viewed' AND user_id = 'olga'")
    assert (view["category"], view["name"], view["colour"], view["path"]) == ("Shoes", "Sale", "red", "/")


def test_pages_of_an_application(open_shop, house):
    shop = open_shop()
    shop.pages.content["/app"] = shop.html("data-page data-spa", more="<script>cohortd.identify('spa')</script>")
    page = shop.visit("/app")
    page.eval("(() => { const { page } = cohortd; seen = 0; cohortd.page = () => page(seen++ && undefined) })()")
    page.eval("history.pushState({}, '', '/app/shoes'), document.title = 'Shoes'")
    page.wait("seen == 1")
    page.eval("history.replaceState({}, '', '/app/shoes?size=9')")
    page.wait("seen == 2")
    page.eval("history.replaceState({scroll: 9}, '', location.href), history.pushState({}, '', '#more')")  # the same page
    page.eval("history.back()")
    page.wait("!location.hash")
    page.eval("history.back()")
    page.wait("seen == 3")
    views = "SELECT properties->>'path', properties->>'search', properties->>'title' FROM event JOIN event_name USING (name_id)" \
            " JOIN profile USING (profile_id) WHERE name = 'Page Viewed' AND user_id = 'spa' ORDER BY ts, received_at"
    wait_for(lambda: len(house.rows(views)) >= 4, what="four pages")
    page.wait(f"{QUEUE} == 0")
    assert [view[:2] for view in house.rows(views)] == [("/app", ""), ("/app/shoes", ""), ("/app/shoes", "?size=9"), ("/app", "")]
    assert house.rows(views)[1][2] == "Shoes"


# The page ends

@pytest.mark.parametrize("deaf", ["window, 'pagehide'", "document, 'visibilitychange'"])
@pytest.mark.parametrize("host", ["localhost", "shop.example"])
def test_navigation_loses_nothing(open_shop, host, deaf):
    shop = open_shop()
    # Browsers differ in which of the two they send, so each must do alone.
    context = shop.visitor(f"((target, name) => target.addEventListener(name, (event) => event.stopImmediatePropagation()))({deaf})")
    page = shop.visit(context=context, host=host)
    shop.track(page, range(5))
    page.goto(shop.pages.url("/bare", host))  # without the script: what was not sent by now is lost
    shop.expect(5)


def test_closed_tab_loses_nothing(open_shop):
    shop = open_shop()
    page = shop.visit()
    page.eval(f"addEventListener('pagehide', () => cohortd.track('{shop.event}', {{n: 12}}))")
    shop.track(page, range(12))
    page.close()
    shop.expect(13)


@pytest.mark.parametrize("faults", [["refused"], ["status"], ["lost"], ["busy", "bare"]])
def test_navigation_with_faults(open_shop, faults):
    shop = open_shop(faults)
    page = shop.visit()
    shop.track(page, range(5))
    page.goto(shop.pages.url("/next"))  # what the beacon could not deliver, the next page does
    shop.expect(5, page)
    assert not shop.proxy.pending, "the fault did not happen"


def test_beacon_refused_by_the_browser(open_shop):
    shop = open_shop()
    context = shop.visitor("navigator.sendBeacon = () => false")
    page = shop.visit(context=context)
    shop.track(page, range(3))
    page.goto(shop.pages.url("/next"))
    shop.expect(3, page)


def test_back_from_the_cache(open_shop, house):
    shop = open_shop()
    shop.pages.content["/list"] = shop.html("data-page", more="<script>cohortd.identify('backer')</script>")
    page = shop.visit("/list")
    page.wait(f"{QUEUE} == 0")
    page.eval("window.alive = true")
    page.goto(shop.pages.url("/bare"))
    page.back()
    page.wait("document.title == 'Shop' && cohortd.q")
    assert page.eval("window.alive") is True, "the browser did not keep the page"
    shop.track(page, [0])
    shop.expect(1, page)
    wait_for(lambda: house.events("backer", "Page Viewed") >= 2, what="the second view")
    assert house.events("backer", "Page Viewed") == 2


# The network

@pytest.mark.parametrize("faults", [["status"], ["busy"], ["bare"], ["lost"], ["refused"], ["slow"], ["status", "lost", "refused", "bare"]], ids="-".join)
def test_stored_once_when(open_shop, faults):
    shop = open_shop(faults, delay_s=3)
    page = shop.visit()
    shop.track(page, range(25))
    shop.expect(25, page)
    assert not shop.proxy.pending, "the fault did not happen"
    assert (shop.proxy.messages > 25) == ("lost" in faults)
    assert page.errors() == []


def test_retry_after_is_waited_for(open_shop):
    shop = open_shop(["busy"])
    page = shop.visit()
    page.eval("window.started = performance.now()")
    shop.track(page, range(10))
    page.wait(f"{QUEUE} == 0 && (window.took = performance.now() - started)")
    assert page.eval("took") >= 1000
    shop.expect(10)


def test_retry_after_holds_for_the_next_page(open_shop):
    shop = open_shop(["busy"])
    page = shop.visit()
    shop.track(page, range(10))
    page.wait("localStorage['cohortd.hold']")
    page.goto(shop.pages.url("/next"))
    page.wait("cohortd.q && !Array.isArray(cohortd.q)")
    shop.track(page, range(10, 20))
    posts = shop.proxy.count("POST")  # first: time passes between the two
    assert posts == 1 or page.eval("localStorage['cohortd.hold'] - Date.now()") < 0
    shop.expect(20, page)


def test_what_is_under_way_is_not_sent_again(open_shop):
    shop = open_shop(["slow"], delay_s=2)
    page = shop.visit()
    shop.track(page, range(10))
    wait_for(lambda: shop.proxy.messages == 10, what="the request")
    page.eval("document.dispatchEvent(new Event('visibilitychange'))")  # shown again: what is stored is taken up
    page.wait(f"{QUEUE} == 0")
    shop.track(page, [10])
    shop.expect(11, page)
    assert shop.proxy.messages == 11


def test_offline_until_closed(open_shop):
    shop = open_shop()
    context = shop.visitor()
    page = shop.visit(context=context)
    context.offline()
    shop.track(page, range(12))
    page.wait(f"{QUEUE} == 12")
    page.close()  # with nothing delivered
    context.offline(False)
    page = shop.visit(context=context)
    shop.expect(12, page)


def test_back_online_is_heard_of(open_shop):
    shop = open_shop()
    context = shop.visitor("const later = setTimeout, ask = fetch; window.setTimeout = (...call) => (window.still ? 0 : later(...call));"
                           "window.fetch = (...call) => ask(...call).catch((error) => { window.failed = true; throw error })")
    page = shop.visit(context=context)
    page.eval("window.still = true")  # no timer helps
    context.offline()
    shop.track(page, range(10))
    page.wait("window.failed")
    context.offline(False)
    shop.expect(10, page)


@pytest.mark.parametrize("status", [401, 403, 400])
def test_what_is_refused_is_dropped(open_shop, house, status):
    key = "wrong" if status == 401 else house.write_key
    if status == 403:
        house.api.post("/v1/sources", {"name": "elsewhere", "allowed_origins": ["https://other.example"]})
        key = house.api.post("/v1/keys", {"role": "write", "source": "elsewhere"}).json["key"]
    shop = open_shop(key=key)
    page = shop.visit()
    if status == 400:
        page.eval("localStorage.setItem(`cohortd.${Date.now()}.x." + house.write_key + "`, 'broken')")
        page.goto(shop.pages.url("/next"))
    else:
        shop.track(page, range(3))
    page.wait(f"{QUEUE} == 0")
    assert shop.numbers() == [] and shop.proxy.count("POST") == 1
    assert page.errors() == []


def test_old_events_are_given_up(open_shop, house):
    shop = open_shop()
    page = shop.visit()
    message = json.dumps({"type": "track", "event": shop.event, "userId": "late", "messageId": "late", "properties": {"n": 0}})
    put = f"(age, id) => localStorage.setItem(`cohortd.${{Date.now() - age * 36e5}}.${{id}}.{house.write_key}`, {json.dumps(message)}.replace('late', id))"
    page.eval(f"({put})(25, 'old'), ({put})(23, 'young')")
    page.goto(shop.pages.url("/next"))
    shop.expect(1, page)


def test_storage_is_bounded(open_shop):
    shop = open_shop(["status"] * 9)
    context = shop.visitor()
    page = shop.visit(context=context)
    context.offline()
    shop.track(page, range(150))
    assert page.eval(QUEUE) == 100
    shop.proxy.pending.clear()
    context.offline(False)
    shop.expect(150, page)  # the rest was in memory


# Tabs

def test_two_tabs_are_one_visitor(open_shop, house):
    shop = open_shop()
    context = shop.visitor()
    one, two = shop.visit(context=context), shop.visit(context=context)
    shop.track(one, range(0, 20))
    shop.track(two, range(20, 40))
    shop.expect(40, one)
    one.eval("cohortd.identify('tabs')")
    shop.track(two, [40])
    one.wait(f"{QUEUE} == 0")
    shop.expect(41, two)
    wait_for(lambda: house.events("tabs", shop.event) == 41, what="both tabs' events to be the user's")  # a tab sees the other's storage a little later


def test_one_tab_sends_what_another_left(open_shop):
    shop = open_shop()
    context = shop.visitor()
    one, two = shop.visit(context=context), shop.visit(context=context)
    context.offline()
    shop.track(one, range(10))
    shop.track(two, range(10, 20))
    one.wait(f"{QUEUE} == 20")
    one.close()
    context.offline(False)
    two.goto(shop.pages.url("/next"))
    shop.expect(20, two)


# The visitor's choice

def test_opt_out_sends_and_stores_nothing(open_shop):
    shop = open_shop()
    shop.pages.content["/out"] = shop.html("data-page", more="<script>cohortd.optOut(); cohortd.identify('hidden'); cohortd.track('Hidden')</script>")
    context = shop.visitor()
    page = shop.visit("/out", context)
    page.eval("cohortd.segments((keys) => window.keys = keys)")
    page.wait("window.keys && !keys.length")
    page.goto(shop.pages.url("/"))  # it lasts
    page.wait("cohortd.q && !Array.isArray(cohortd.q)")
    shop.track(page, range(30))
    page.goto(shop.pages.url("/bare"))
    assert page.eval("JSON.stringify(localStorage)") == '{"cohortd.out":"1"}' and page.eval("document.cookie") == ""
    assert shop.proxy.count("POST") == 0 and shop.proxy.count("GET", "/e") == 0
    page.goto(shop.pages.url("/"))
    page.wait("cohortd.q && !Array.isArray(cohortd.q)")
    page.eval("cohortd.optOut(false)")
    shop.track(page, [0])
    shop.expect(1, page)


def test_opt_out_forgets(open_shop):
    shop = open_shop()
    context = shop.visitor()
    page = shop.visit(context=context)
    other = shop.visit(context=context)
    context.offline()
    page.eval("cohortd.identify('leaver'), localStorage.setItem('cohortd.hold', 1)")
    shop.track(page, range(3))
    shop.track(other, range(3, 6))
    page.eval("cohortd.optOut()")
    page.wait("""JSON.stringify(localStorage) == '{"cohortd.out":"1"}'""")
    other.wait("""JSON.stringify(localStorage) == '{"cohortd.out":"1"}'""")
    context.offline(False)
    shop.track(other, range(6, 9))
    page.close()
    other.goto(shop.pages.url("/bare"))
    other.wait("""JSON.stringify(localStorage) == '{"cohortd.out":"1"}'""")
    assert shop.proxy.count("POST") == 0 and shop.numbers() == []


def test_opted_in_all_along(open_shop):
    shop = open_shop()
    page = shop.visit()
    shop.track(page, [0])
    page.eval("cohortd.optOut(false)")  # as consent tools do, on every page
    shop.track(page, [1])
    shop.expect(2, page)


def test_global_privacy_control_stores_nothing(open_shop, house):
    shop = open_shop()
    context = shop.visitor(GPC)
    for n in range(2):
        page = shop.visit(context=context)
        shop.track(page, [2 * n, 2 * n + 1])
        assert page.eval(STORED) == 0
        wait_for(lambda: len(shop.numbers()) == 2 * n + 2, what="the events")
        page.close()
    rows = shop.rows("profile_id::text, context->'consent'")
    assert all(consent == {"gpc": True} for _, consent in rows)
    # One visitor for each page: two events each.
    ids = [profile for profile, _ in rows]
    assert ids[0] == ids[1] != ids[2] == ids[3]


@pytest.mark.parametrize("policy, stored", [("ignore", True), ("first_party", True), ("drop", False)])
def test_global_privacy_control_by_the_policy_of_the_source(open_shop, house, policy, stored):
    assert house.api.post("/v1/sources", {"name": policy, "privacy": policy}).status == 201
    shop = open_shop(key=house.api.post("/v1/keys", {"role": "write", "source": policy}).json["key"])
    page = shop.visit(context=shop.visitor(GPC, extraHTTPHeaders={"Sec-GPC": "1"}))
    user = f"private {policy}"
    page.eval(f"cohortd.identify('{user}')")
    shop.track(page, range(9))
    wait_for(lambda: shop.proxy.messages == 10, what="the request")
    page.goto(shop.pages.url("/bare"))
    wait_for(lambda: (house.events(user, shop.event) == 9) == stored, what="the events, by policy")
    denied = house.rows("SELECT state FROM consent JOIN profile USING (profile_id) WHERE user_id = %s AND channel = 'third_party'", user)
    assert denied == ([("denied",)] if policy == "first_party" else [])
    assert all(headers.get("sec-gpc") == "1" for method, _, headers in shop.proxy.requests if method == "POST")


def test_global_privacy_control_forgets_what_was_stored(open_shop):
    shop = open_shop()
    shop.pages.content["/late"] = f"<script>{GPC}</script>" + shop.html()
    page = shop.visit()
    shop.track(page, [0])
    shop.expect(1, page)
    assert page.eval(STORED) == 1
    page.goto(shop.pages.url("/late"))
    page.wait("cohortd.q && !Array.isArray(cohortd.q)")
    assert page.eval(STORED) == 0


def test_global_privacy_control_for_first_party_only(open_shop):
    shop = open_shop()
    shop.pages.content["/keep"] = shop.html('data-gpc="keep"')
    page = shop.visit("/keep", shop.visitor(GPC))
    shop.track(page, [0])
    shop.expect(1, page)
    assert page.eval("!!JSON.parse(localStorage.cohortd).a") is True
    assert shop.rows("context->'consent'") == [({"gpc": True},)]


# The page is left alone

@pytest.mark.parametrize("init", [
    "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }",
    "Object.defineProperty(window, 'localStorage', {get: () => { throw new DOMException('no', 'SecurityError') }})",
    "Object.defineProperty(window, 'localStorage', {value: null})",
], ids=["quota", "denied", "null"])
def test_without_storage(open_shop, init, house):
    shop = open_shop(["status"])
    page = shop.visit(context=shop.visitor(init))
    user = f"storeless {shop.event}"
    page.eval(f"cohortd.identify('{user}')")
    shop.track(page, range(12))
    shop.expect(12)
    assert house.events(user, shop.event) == 12
    page.eval("cohortd.optOut()")
    shop.track(page, [12])
    page.goto(shop.pages.url("/bare"))
    shop.expect(12)
    assert page.errors() == []


def test_storage_that_fills_up(open_shop, house):
    shop = open_shop()
    init = "const set = Storage.prototype.setItem; Storage.prototype.setItem = function (...pair) { if (window.full) throw new Error('full'); set.apply(this, pair) }"
    page = shop.visit(context=shop.visitor(init))
    page.eval("cohortd.identify('before'), full = true, cohortd.identify('after')")
    shop.track(page, [0])
    shop.expect(1)
    assert house.events("after", shop.event) == 1


def test_insecure_context(open_shop):
    shop = open_shop()
    page = shop.visit(host="shop.example")
    assert page.eval("isSecureContext") is False
    shop.track(page, range(3))
    id = page.eval("JSON.parse(localStorage.cohortd).a")
    assert uuid.UUID(id).version == 4 and str(uuid.UUID(id)) == id
    shop.expect(3, page)


def test_nothing_is_thrown_and_no_global_left(open_shop, house):
    shop = open_shop()
    shop.pages.content["/plain"] = shop.html(stub="<script>before = Object.getOwnPropertyNames(window)</script>")
    page = shop.visit("/plain")
    assert set(page.eval("Object.getOwnPropertyNames(window).filter((name) => !before.includes(name))")) - {"before"} == {"cohortd"}
    page.eval("(() => { const a = {}; a.a = a; cohortd.track('Ring', a); cohortd.identify('ring', a); cohortd.track('Big', {n: 1n}) })()")
    page.eval("cohortd.track(), cohortd.page(null), cohortd.identify(), cohortd.group(), cohortd.alias(), cohortd.segments()")
    shop.track(page, [0])
    shop.expect(1, page)
    assert page.errors() == []


def test_a_page_that_is_only_prepared_is_not_seen(open_shop):
    shop = open_shop()
    prepared = "Object.defineProperty(document, 'prerendering', {value: true, configurable: true})"
    shop.pages.content["/soon"] = shop.html("data-page", more=f"<script>{prepared}; cohortd.track('{shop.event}', {{n: 0}})</script>")
    page = shop.visitor().page(shop.pages.url("/soon"))
    page.wait("document.readyState == 'complete' && performance.getEntriesByType('resource').length")
    assert page.eval("Array.isArray(cohortd.q)") is True and page.eval(STORED) == 0
    page.eval("delete document.prerendering, document.dispatchEvent(new Event('prerenderingchange'))")
    shop.expect(1, page)


def test_a_bad_canonical_address_is_none(open_shop):
    shop = open_shop()
    shop.pages.content["/odd"] = shop.html(more="<link rel=canonical href='http://'>")
    page = shop.visit("/odd")
    shop.track(page, [0])
    shop.expect(1, page)
    assert shop.rows("context->'page'->>'path'") == [("/odd",)]


def test_twice_on_a_page_counts_once(open_shop):
    shop = open_shop()
    tag = shop.tag.replace("ATTRIBUTES", "")
    shop.pages.content["/twice"] = shop.html(more=f"<script>cohortd.track('{shop.event}', {{n: 0}})</script>{tag}")
    page = shop.visit("/twice")
    page.wait("document.readyState == 'complete'")
    shop.track(page, [1])
    shop.expect(2, page)
    assert shop.proxy.messages == 2


# The page adapts itself

def test_segments_of_the_visitor(open_shop, house):
    shop = open_shop()
    context = shop.visitor()
    page = shop.visit(context=context)
    house.segment("adapts", {"event": shop.event}, public=True)
    house.segment("adapts-hidden", {"event": shop.event})
    shop.track(page, [0])
    shop.expect(1, page)
    house.caught_up()
    ask = "new Promise((done) => cohortd.segments(done))"
    page.eval("Date.now = ((now) => () => now)(Date.now()), 0")  # the moment lasts
    assert page.eval(f"Promise.all([{ask}, {ask}])") == [["adapts"], ["adapts"]]
    assert page.eval(ask) == ["adapts"]
    assert shop.proxy.count("GET", "/e") == 1, "asked again within a moment"
    page.eval("cohortd.reset()")
    assert page.eval(ask) == []
    assert shop.proxy.count("GET", "/e") == 2
    # Whatever goes wrong, the page is called.
    context.offline()
    page.eval("cohortd.reset()")
    assert page.eval(ask) == []
