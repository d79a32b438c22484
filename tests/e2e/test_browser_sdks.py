"""The real SDKs for browsers, in Chromium, on pages of another origin: every call is stored, once, whatever the network does and when the visitor
leaves. pages/ has what the visitor does; what each SDK does itself is in SDKS."""
import collections
import json
import pathlib
import subprocess

import pytest
from e2e.browser import Pages
from e2e.conftest import FOLDER
from e2e.proxy import Proxy
from e2e.test_sdks import stored_id
from support.house import House
from support.wait import wait_for

FAULTS = ["status", "busy", "bare", "refused", "lost", "slow"]
CALLS = {"Page Viewed": 1, "Product Viewed": 1, "$identify": 1, "$group": 1, "Order Completed": 6, "Größe gewählt ☃ 漢字 🎉": 1, "Screen Viewed": 1, "$alias": 1}
NAMES = {"page": "Page Viewed", "identify": "$identify", "group": "$group", "alias": "$alias", "screen": "Screen Viewed"}
LEAVING = {"Page Viewed": 1, "$identify": 1, "Left": 4}

# page: the file in pages/; options: of its start(); lacks: calls it does not know; retries: sends again what was not acknowledged; leaving: what is not
# sent yet when the page goes leaves with it ("flushes"), is sent at the next visit ("resumes"), may be lost ("loses"); paths: what it posts to
Sdk = collections.namedtuple("Sdk", "name page options lacks retries leaving paths")
NEXT = {"/v1/p", "/v1/t", "/v1/i", "/v1/g", "/v1/a", "/v1/s"}
SDKS = [
    Sdk("next-standard", "analytics-next", {"settings": "inline", "strategy": "standard"}, set(), True, "resumes", NEXT),
    Sdk("next-batching", "analytics-next", {"settings": "inline", "strategy": "batching"}, set(), True, "flushes", {"/v1/b"}),
    Sdk("next-keepalive", "analytics-next", {"settings": "inline", "strategy": "keepalive"}, set(), True, "flushes", {"/v1/b"}),
    Sdk("next-document", "analytics-next", {"settings": "document", "strategy": "standard"}, set(), True, "resumes", NEXT),
    Sdk("rudder", "rudder", {"transport": "xhr"}, {"Screen Viewed"}, True, "resumes", {"/v1/page", "/v1/track", "/v1/identify", "/v1/group", "/v1/alias"}),
    Sdk("rudder-batch", "rudder", {"transport": "batch"}, {"Screen Viewed"}, True, "resumes", {"/v1/batch"}),
    Sdk("rudder-beacon", "rudder", {"transport": "beacon"}, {"Screen Viewed"}, False, "flushes", {"/beacon/v1/batch"}),
    Sdk("jitsu", "jitsu", {}, {"Screen Viewed", "$alias"}, False, "loses", {"/api/s/page", "/api/s/track", "/api/s/identify", "/api/s/group"}),
]

ALIKE = {"next-document", "next-keepalive"}  # what they do after a fault is what next-standard and next-batching do


@pytest.fixture(scope="module")
def house():
    with House() as house:
        yield house


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of pages/, each with its SDK bundled in."""
    out = tmp_path_factory.mktemp("pages")
    names = sorted({sdk.page for sdk in SDKS})
    subprocess.run(["node_modules/.bin/esbuild", *(f"pages/{name}.js" for name in names), "--bundle", "--target=es2020", f"--outdir={out}",
                    "--log-level=warning"], cwd=FOLDER, check=True)
    html = {f"/{name}": f'<!doctype html><title>Shop</title><script src="/js/{name}.js"></script>' for name in names}
    with Pages({**html, "/js/": pathlib.Path(out)}) as pages:
        yield pages


class Visit:
    """A visitor on a page with an SDK, who has a source of their own; cohortd is behind a proxy with the given faults."""

    def __init__(self, house, browser, pages, sdk, case, faults=(), **options):
        self.house, self.sdk, self.name = house, sdk, f"{sdk.name}-{case}"
        self.key = house.server.key("write", source=self.name)
        self.proxy = Proxy(house.server.port, faults, delay_s=1)
        self.context, self.url = browser.context(), pages.url(f"/{sdk.page}?utm_source=news&utm_campaign=Fr%C3%BChling")
        self.origins = {pages.origin(), self.proxy.url, "null"}
        self.options = {"host": self.proxy.url, "key": self.key, **sdk.options, **options}
        self.open()

    def open(self):
        self.page = self.context.page(self.url)
        self.page.eval(f"start({json.dumps(self.options)})")

    def rows(self, columns):
        return self.house.rows(
            f"SELECT {columns} FROM event JOIN event_name USING (name_id) JOIN profile USING (profile_id) JOIN source ON source.source_id = event.source_id"
            " WHERE source.name = %s", self.name)

    def counts(self):
        return dict(collections.Counter(name for name, in self.rows("event_name.name")))

    def lost(self):
        """What never passed, by name: only an SDK that does not send again loses anything."""
        passed = set(map(stored_id, self.proxy.passed))
        stopped = [message for message in self.proxy.stopped if stored_id(message) not in passed]
        return collections.Counter(message.get("event") or NAMES[message["type"]] for message in stopped if not self.sdk.retries)

    def passed(self):
        """How often each message passed."""
        return collections.Counter(map(stored_id, self.proxy.passed))

    def wait(self, calls, all_come=True, again=False):
        """Until all those calls are stored, each once, but for what the SDK itself loses; again: and one of them has come more than once."""
        expected = collections.Counter({name: n for name, n in calls.items() if name not in self.sdk.lacks})

        def done():
            found = collections.Counter(self.counts()) + self.lost()
            come = found == expected if all_come else found and found <= expected
            told = not self.proxy.pending and not self.proxy.under_way and (not again or max(self.passed().values()) > 1)
            return come and told and self.once()

        try:
            wait_for(done, what="all calls to be stored", every=0.1)
        except TimeoutError:
            assert self.counts() == expected and self.lost() == {} and not self.proxy.pending and self.once()
            raise

    def once(self):
        """All that passed is stored, once."""
        return collections.Counter(id for id, in self.rows("message_id::text")) == dict.fromkeys(self.passed(), 1)

    def close(self):
        """The visitor is gone. Nothing was asked of anybody else."""
        assert self.context.asked() <= self.origins
        self.context.close()
        self.proxy.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_every_call_is_stored(house, browser, pages, sdk):
    with Visit(house, browser, pages, sdk, "fine") as visit:
        visit.page.eval(f"calls('{visit.name}')")
        visit.wait(CALLS)
        assert set(visit.passed().values()) == {1}
        assert {path.split("?")[0] for method, path, _ in visit.proxy.requests if method == "POST"} == sdk.paths
        orders = visit.rows("properties->>'order_id', properties->>'total', properties->'products'->0->>'price', length(properties->>'note')")
        assert sorted(order[:3] for order in orders if order[0]) == [(str(n), "19.995", "19.995") for n in range(1, 6)] + [("large", "0.005", None)]
        # What the visitor did before is the user's, and the context is kept.
        assert {user for user, in visit.rows("user_id")} == {f"{visit.name}:ada"}
        assert {traits for traits, in visit.rows("profile.traits->>'name'")} == {"Zoë ☃ 漢字"}
        assert {row for row in visit.rows("context->'campaign'->>'source', context->'campaign'->>'name'")} == {("news", "Frühling")}
        assert all(ip == "127.0.0.1" for ip, in visit.rows("context->>'ip'"))
        assert visit.page.errors() == []


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("sdk", [sdk for sdk in SDKS if sdk.name not in ALIKE], ids=lambda sdk: sdk.name)
def test_stored_once_when(house, browser, pages, sdk, fault):
    with Visit(house, browser, pages, sdk, fault, [fault]) as visit:
        visit.page.eval(f"calls('{visit.name}')")
        again = sdk.retries and fault == "lost"
        visit.wait(CALLS, again=again)
        if sdk.retries:
            assert (max(visit.passed().values()) > 1) == again
        elif fault in ("status", "busy", "bare"):  # when a connection is cut, the browser itself may send again
            assert visit.lost()


@pytest.mark.parametrize("fault", [None, "lost"])
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_stored_when_the_visitor_leaves(house, browser, pages, sdk, fault):
    waiting = {"size": 100, "timeout": 60000} if sdk.name == "next-batching" else {}  # without keepalive, a batch under way would be lost
    with Visit(house, browser, pages, sdk, f"leaves-{fault}", [fault] if fault else [], **waiting) as visit:
        visit.page.eval(f"leave('{visit.name}')")
        visit.page.close()
        if sdk.leaving == "resumes":
            visit.open()
        visit.wait(LEAVING, all_come=sdk.leaving != "loses")
