"""docs/sources.md, "Clients": the blocks are run as they stand, with the real SDKs, and what they send is stored."""
import base64
import itertools
import re
import subprocess
import zlib

import pytest
from e2e.browser import Pages
from e2e.conftest import FOLDER
from e2e.proxy import Proxy
from support.house import House
from support.wait import wait_for

TEXT = (FOLDER.parents[1] / "docs" / "sources.md").read_text()
STANDALONE = FOLDER / "node_modules/@segment/analytics-next/dist/umd/standalone.js"


def blocks(heading):
    """The code blocks under a heading of the page."""
    section = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", TEXT, re.S | re.M)
    assert section, f"no {heading}"
    return re.findall(r"^```(\w+)\n(.*?)^```", section[1], re.S | re.M)


@pytest.fixture(scope="module")
def house():
    with House() as house:
        yield house


@pytest.fixture
def run(house, request):
    """run(code): the same with our host and key; run.wait({name: n}): until that is stored, and nothing else, orders at their price."""
    class Run:
        source = request.node.name
        key = house.server.key("write", source=request.node.name)
        proxy = Proxy(house.server.port)
        order = itertools.count(zlib.crc32(request.node.name.encode()) * 100)

        def __call__(self, code):
            host = self.proxy.url.split("//")[1]
            code = code.replace("https://events.shop.example", self.proxy.url).replace("events.shop.example", host)
            code = code.replace("1001", str(next(self.order)))  # everybody here is ada, and an order counts once
            return code.replace("protocol: 'https'", "protocol: 'http'").replace("WRITE_KEY", self.key)

        def stored(self):
            return dict(house.rows("SELECT event_name.name, count(*) FROM event JOIN event_name USING (name_id) JOIN source"
                                   " ON source.source_id = event.source_id WHERE source.name = %s GROUP BY 1", self.source))

        def wait(self, expected, times=1):
            expected = {name: n * times for name, n in expected.items()}
            wait_for(lambda: self.stored() == expected, what=f"{expected} to be stored")
            totals = house.rows("SELECT properties->>'total' FROM event JOIN source USING (source_id) WHERE source.name = %s", self.source)
            assert [total for total, in totals if total] == ["119.99"] * expected.get("Order Completed", 0)

    run = Run()
    with run.proxy:
        yield run


ORDER = {"$identify": 1, "Order Completed": 1}
VISIT = {"Page Viewed": 1, **ORDER}


@pytest.mark.parametrize("heading", ["Node: @segment/analytics-node", "Node: analytics-node 6", "Node: RudderStack", "Node: Jitsu"])
def test_node(run, tmp_path, heading):
    ((_, code),) = blocks(heading)
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    (tmp_path / "shop.mjs").write_text(run(code))
    subprocess.run(["node", "shop.mjs"], cwd=tmp_path, check=True, timeout=120)
    run.wait(ORDER)


def visit(run, browser, pages, times=1):
    """Opens the page, whose calls are stored; nothing is thrown in it, and nobody else is asked for anything."""
    context = browser.context()
    page = context.page(pages.url("/"))
    run.wait(VISIT, times)
    assert page.errors() == []
    assert context.asked() <= {pages.origin(), run.proxy.url, "null"}
    context.close()


@pytest.mark.parametrize("heading", ["analytics.js from npm", "RudderStack in a browser", "Jitsu in a browser"])
def test_browser(run, browser, tmp_path, heading):
    for number, (_, code) in enumerate(blocks(heading), 1):
        (tmp_path / "shop.js").write_text(run(code))
        (tmp_path / "node_modules").exists() or (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
        subprocess.run([FOLDER / "node_modules/.bin/esbuild", "shop.js", "--bundle", "--outfile=out.js", "--log-level=warning"], cwd=tmp_path, check=True)
        with Pages({"/": "<!doctype html><title>Shop</title><script src=/out.js></script>", "/out.js": tmp_path / "out.js"}) as pages:
            visit(run, browser, pages, number)


def test_snippet(run, browser):
    ((_, code),) = blocks("analytics.js as a snippet")
    with Pages({"/": "<!doctype html><title>Shop</title>" + run(code), "/js/standalone.js": STANDALONE}) as pages:
        visit(run, browser, pages)


def test_send_beacon(run, browser):
    ((_, code),) = blocks("sendBeacon")
    with Pages({"/": f"<!doctype html><title>Shop</title><script>{run(code)}</script>"}) as pages:
        browser.context().page(pages.url("/"))
        run.wait(VISIT)
    assert run.proxy.count("OPTIONS") == 0


def test_curl(run):
    ((_, code),) = blocks("curl, and anything that speaks HTTP")
    code = run(code)
    done = subprocess.run(["bash", "-ec", code.replace("curl ", "curl -sSf ")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout == '{"success":true}' * 2, done
    run.wait(VISIT)
    subprocess.run(["bash", "-ec", code], capture_output=True, check=True, timeout=120)
    run.wait({**VISIT, "$identify": 2})  # what has a messageId counts once


def test_pixel(run, browser):
    """As a mail program shows it: the pictures are loaded, and nothing else runs."""
    pixels = "".join(code for _, code in blocks("A pixel in a mail"))
    data = re.search(r"data=([\w=]+)", pixels)[1]
    ours = base64.b64encode(run(base64.b64decode(data).decode()).encode()).decode()
    with Pages({"/": "<!doctype html><title>Mail</title>" + run(pixels.replace(data, ours))}) as pages:
        page = browser.context().page(pages.url("/"))
        assert page.eval("[...document.images].map((image) => image.naturalWidth)") == [1, 1]
        run.wait({"Email Opened": 2})
