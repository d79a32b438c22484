"""Chromium and the pages it visits, for tests that need the real thing.

    with Browser() as browser, Pages({"/": "<script src=…></script>"}) as pages:
        page = browser.context().page(pages.url("/"))
        page.eval("cohortd.track('A')")
        page.wait("window.done")
        page.close()                       # as a visitor closes a tab: pagehide and all

A context is a visitor with storage of their own, its pages are tabs. Pages serves them from origins other than cohortd's: http://localhost (a
secure context) and http://shop.example (none, and another site), which Chromium resolves to loopback."""
import functools
import http.server
import itertools
import json
import pathlib
import select
import subprocess
import threading

from support.postgres import ROOT
from support.wait import PATIENCE_S

FOLDER = pathlib.Path(__file__).parent / "chromium"


def npm_ci(folder):
    """Installs what package-lock.json pins, when it is not there yet."""
    subprocess.run([ROOT / "scripts" / "npm-ci", folder], check=True)


class Browser:
    def __init__(self):
        npm_ci(FOLDER)
        self.driver = subprocess.Popen(["node", "driver.js"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.names = itertools.count(1)

    def run(self, code, argument=None):
        """Runs the body of an async function (browser, kept, argument) beside Playwright; what it returns."""
        self.driver.stdin.write(json.dumps({"code": code, "argument": argument}).encode() + b"\n")
        self.driver.stdin.flush()
        assert select.select([self.driver.stdout], [], [], 2 * PATIENCE_S)[0], f"the browser does not answer: {code}"
        line = self.driver.stdout.readline()
        assert line, "the browser's driver has ended"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def context(self, init=None, **options):
        """A visitor: Playwright's options of newContext; init: a script that runs before those of each page."""
        return Context(self, init, options)

    def close(self):
        self.driver.stdin.close()
        try:
            self.driver.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.driver.kill()
            self.driver.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Context:
    def __init__(self, browser, init, options):
        self.browser, self.name = browser, f"kept.context{next(browser.names)}"
        self.run = browser.run
        self.run(
            f"const context = {self.name} = await browser.newContext(argument); context.setDefaultTimeout({PATIENCE_S * 1000}); context.asked = new Set();"
            "context.on('request', (request) => context.asked.add(new URL(request.url()).origin))", options
        )
        if init:
            self.run(f"await {self.name}.addInitScript(argument)", init)

    def page(self, url):
        """A new tab on url, loaded."""
        return Page(self, url)

    def asked(self):
        """The origins of all requests so far; "null" are data: and the like."""
        return set(self.run(f"return [...{self.name}.asked]"))

    def offline(self, yes=True):
        self.run(f"await {self.name}.setOffline(argument)", yes)

    def close(self):
        self.run(f"await {self.name}.close()")


class Page:
    def __init__(self, context, url):
        self.name = f"kept.page{next(context.browser.names)}"
        self.run = context.browser.run
        self.run(
            f"const page = {self.name} = await {context.name}.newPage(); page.thrown = [];"
            "page.on('pageerror', (error) => page.thrown.push(String(error)))"
        )
        self.goto(url)

    def goto(self, url):
        self.run(f"await {self.name}.goto(argument)", url)

    def back(self):
        """The button; from the back/forward cache where the browser has it."""
        self.run(f"await {self.name}.goBack({{waitUntil: 'commit'}})")

    def eval(self, expression):
        """An expression in the page; a promise is awaited."""
        return self.run(f"return await {self.name}.evaluate(argument)", expression)

    def wait(self, expression, seconds=PATIENCE_S):
        """Until the expression is true in the page."""
        self.run(f"await {self.name}.waitForFunction(argument, null, {{timeout: {seconds * 1000}}})", expression)

    def errors(self):
        """What was thrown in the page and caught by nobody."""
        return self.run(f"return {self.name}.thrown")

    def close(self):
        """Closes the tab as a visitor does: with pagehide and the rest."""
        self.run(f"const closed = {self.name}.waitForEvent('close'); await {self.name}.close({{runBeforeUnload: true}}); await closed")


class Pages:
    """Serves texts and files by path: {"/": html, "/sdk/": a folder (pathlib.Path), "/x.js": a file}. What comes after ? is the page's own."""

    def __init__(self, content):
        self.content = dict(content)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, self.content))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path, host="localhost"):
        return f"http://{host}:{self.port}{path}"

    def origin(self, host="localhost"):
        return f"http://{host}:{self.port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    types = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml"}

    def __init__(self, content, *arguments):
        self.content = content
        super().__init__(*arguments)

    def find(self, path):
        """The bytes at a path, or None."""
        if path in self.content and not isinstance(self.content[path], pathlib.Path):
            return self.content[path].encode()
        for prefix, place in self.content.items():
            if isinstance(place, pathlib.Path) and path.startswith(prefix):
                file = (place / (path[len(prefix):] or "index.html")) if prefix.endswith("/") else place
                return file.read_bytes() if file.is_file() else None
        return None

    def do_GET(self):
        path = self.path.split("?")[0]
        body = self.find(path)
        self.send_response(200 if body is not None else 404)
        kind = self.types.get(pathlib.PurePath(path).suffix, "text/html")
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *arguments):
        pass
