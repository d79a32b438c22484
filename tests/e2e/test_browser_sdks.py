"""The real SDKs for browsers, in Chromium, on pages of another origin: every call is stored, once, whatever the network does and when the visitor
leaves. pages/ has what the visitor does; what each SDK does itself is in SDKS."""
import collections
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
LEAVING = {"Page Viewed": 1, "$identify": 1, "Left": 4}

# page: the file in pages/; options: of its start(); lacks: calls it does not know; retries: sends again what was not acknowledged; resumes: at the
# next visit too, what was under way when the page went; paths: all that it asks for
Sdk = collections.namedtuple("Sdk", "name page options lacks retries resumes paths")
NEXT = {"/v1/p", "/v1/t", "/v1/i", "/v1/g", "/v1/a", "/v1/s"}
SDKS = [
    Sdk("next-standard", "analytics-next", {"settings": "inline", "strategy": "standard"}, set(), True, True, NEXT),
    Sdk("next-batching", "analytics-next", {"settings": "inline", "strategy": "batching"}, set(), True, False, {"/v1/b"}),
    Sdk("next-keepalive", "analytics-next", {"settings": "inline", "strategy": "keepalive"}, set(), True, False, {"/v1/b"}),
]


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

    def __init__(self, house, browser, pages, sdk, case, faults=()):
        self.house, self.sdk, self.name = house, sdk, f"{sdk.name}-{case}"
        self.key = house.server.key("write", source=self.name)
        self.proxy = Proxy(house.server.port, faults, delay_s=1)
        self.context, self.url = browser.context(), pages.url(f"/{sdk.page}?utm_source=news&utm_campaign=Fr%C3%BChling")
        self.context.run(f"const seen = {self.context.name}.seen = []; {self.context.name}.on('request', (request) => seen.push(request.url()))")
        self.hosts = {pages.origin(), self.proxy.url}
        self.open()

    def open(self):
        self.page = self.context.page(self.url)
        self.page.eval(f"start({{host: '{self.proxy.url}', key: '{self.key}', ...{self.sdk.options}}})")

    def rows(self, columns):
        return self.house.rows(
            f"SELECT {columns} FROM event JOIN event_name USING (name_id) JOIN profile USING (profile_id) JOIN source ON source.source_id = event.source_id"
            " WHERE source.name = %s", self.name)

    def counts(self):
        return dict(collections.Counter(name for name, in self.rows("event_name.name")))

    def wait(self, calls, seconds=20):
        """Until all those calls are stored, the proxy has nothing under way, and each is stored once."""
        expected = {name: n for name, n in calls.items() if name not in self.sdk.lacks}
        try:
            wait_for(lambda: self.counts() == expected and not self.proxy.pending, seconds, "all calls to be stored", every=0.1)
        except TimeoutError:
            assert self.counts() == expected and not self.proxy.pending
        passed = collections.Counter(map(stored_id, self.proxy.passed))
        assert collections.Counter(id for id, in self.rows("message_id::text")) == dict.fromkeys(passed, 1)
        return max(passed.values())

    def close(self):
        """The visitor is gone. Nothing was asked of anybody else."""
        asked = self.context.run(f"return {self.context.name}.seen")
        assert {"/".join(url.split("/")[:3]) for url in asked if not url.startswith(("data:", "blob:"))} <= self.hosts, asked
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
        assert visit.wait(CALLS) == 1
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
@pytest.mark.parametrize("sdk", [sdk for sdk in SDKS if sdk.retries], ids=lambda sdk: sdk.name)
def test_stored_once_when(house, browser, pages, sdk, fault):
    with Visit(house, browser, pages, sdk, fault, [fault]) as visit:
        visit.page.eval(f"calls('{visit.name}')")
        assert (visit.wait(CALLS) > 1) == (fault == "lost")


@pytest.mark.parametrize("faults", [[], ["slow"], ["lost"]], ids=["fine", "slow", "lost"])
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_stored_when_the_visitor_leaves(house, browser, pages, sdk, faults):
    with Visit(house, browser, pages, sdk, "leaves-" + "".join(faults), faults) as visit:
        visit.page.eval(f"leave('{visit.name}')")
        visit.page.close()
        if sdk.resumes:
            visit.open()
        visit.wait(LEAVING)
