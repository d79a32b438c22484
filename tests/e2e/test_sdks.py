"""The real SDKs for Node against a running cohortd: every call is stored, once, whatever the network does. What each SDK does itself is in SDKS."""
import collections
import concurrent.futures
import hashlib
import json
import subprocess
import uuid

import pytest
from e2e.conftest import FOLDER
from e2e.proxy import Proxy
from support.house import House
from support.wait import wait_for

FAULTS = ["status", "busy", "refused", "lost", "slow"]
PEOPLE = ["ada", "grace", "Zoë"]
SECOND = 1_000_000
TIMEOUT_MS = 30000  # a loaded machine is no failure
SHORT_MS = 2000  # when an answer is slower than the client waits

Sdk = collections.namedtuple("Sdk", "name retries lacks keeps_time library")
SDKS = [
    # retries: the faults after which it sends again; the others are lost by it, or were stored
    Sdk("analytics-node", {"status", "busy", "refused", "lost", "slow"}, set(), True, "@segment/analytics-node"),
    Sdk("analytics-node-6", {"status", "busy", "refused", "lost"}, set(), True, "analytics-node"),
    Sdk("rudder-node", {"status", "busy", "refused", "lost"}, set(), True, "analytics-node"),
    Sdk("jitsu-node", set(), {"Screen Viewed", "$alias"}, False, "@jitsu/js"),
]


@pytest.fixture(scope="module")
def house():
    with House() as house:
        house.segment("visited", {"event": "Product Viewed", "where": {"context": "campaign.source", "eq": "news"}, "window": {"last": "2h"}})
        house.segment("bought", {"event": "Order Completed", "measure": {"sum": "total"}, "eq": 99.98})
        house.segment("pro", {"trait": "plan", "eq": "pro"})
        yield house


class Run:
    """One run of send.js, with a source of its own, and what of it is stored."""

    def __init__(self, house, sdk, fault=None):
        self.house, self.sdk, self.name = house, sdk, f"{sdk.name}-{fault or 'fine'}"
        key = house.server.key("write", source=self.name)
        timeout_ms = SHORT_MS if fault == "slow" else TIMEOUT_MS
        self.began = house.now()
        with Proxy(house.server.port, [fault] if fault else [], delay_s=timeout_ms / 1000 + 0.5) as proxy:
            command = ["node", "send.js", sdk.name, proxy.url, key, self.name, str(timeout_ms)]
            done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
            assert not proxy.pending, "the fault did not happen"
            wait_for(lambda: not proxy.under_way, what="the proxy to end what a client has given up")
        self.ended = house.now()
        self.refused = json.loads(done.stdout)["refused"]
        self.proxy = proxy

    def rows(self, columns):
        return self.house.rows(
            f"SELECT {columns} FROM event JOIN event_name USING (name_id) JOIN profile USING (profile_id) JOIN source ON source.source_id = event.source_id"
            " WHERE source.name = %s", self.name)

    def counts(self):
        """{(person, name): events}; the person as in send.js."""
        return dict(collections.Counter((user.split(":")[1] if user else None, name) for user, name in self.rows("user_id, event_name.name")))

    def expected(self):
        counts = {(person, name): 1 for person in PEOPLE
                  for name in ("Page Viewed", "Product Viewed", "$identify", "$group", "Größe gewählt ☃ 漢字 🎉", "Screen Viewed")}
        counts |= {(person, "Order Completed"): 6 for person in PEOPLE}
        old = None if "$alias" in self.sdk.lacks else "ada"  # nobody has said who this visitor is
        counts |= {("ada", "$alias"): 1, (old, "Newsletter Opened"): 1}
        return {who: n for who, n in counts.items() if who[1] not in self.sdk.lacks}


def stored_id(message):
    return str(uuid.UUID(bytes=hashlib.sha256(message["messageId"].encode()).digest()[:16]))


@pytest.fixture(scope="module")
def runs(house):
    """All of them, some at a time: mostly they wait to send again."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield {(sdk.name, fault): pool.submit(Run, house, sdk, fault) for fault in [None, *FAULTS] for sdk in SDKS}


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_every_call_is_stored(house, runs, sdk):
    run = runs[sdk.name, None].result()
    assert run.refused == []
    assert run.counts() == run.expected()
    # Ids, decimals, traits, context and time are what was sent.
    assert sorted(row[0] for row in run.rows("message_id::text")) == sorted(stored_id(message) for message in run.proxy.passed)
    orders = run.rows("properties->>'order_id', properties->>'total', properties->'products'->0->>'price', length(properties->>'note')")
    assert len({order[0] for order in orders if order[0]}) == 18
    assert sorted(order[1] for order in orders if order[0]) == ["0.005"] * 3 + ["19.995"] * 15
    assert {order[2] for order in orders if order[0] and not order[3]} == {"19.995"}
    assert max(len(json.dumps(message, ensure_ascii=False).encode()) for message in run.proxy.passed) > 32 << 10
    assert {row[0] for row in run.rows("traits->>'name'") if row[0]} == {"Zoë ☃ 漢字"}
    assert {row[0] for row in run.rows("context->'library'->>'name'")} == {sdk.library}
    viewed = run.rows("event_name.name, (extract(epoch FROM ts) * 1000000)::bigint, context->'campaign'->>'name'")
    viewed = [(ts, campaign) for name, ts, campaign in viewed if name == "Product Viewed"]
    ago = 3600 * SECOND if sdk.keeps_time else 0
    assert len(viewed) == 3 and all(run.began - SECOND <= ts + ago <= run.ended + SECOND and campaign == "Frühling" for ts, campaign in viewed)
    mine = {f"{run.name}:{person}" for person in PEOPLE}
    for segment in ("visited", "bought", "pro"):
        assert {member for member in house.members(segment) if member.startswith(run.name + ":")} == mine


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_stored_once_when(runs, sdk, fault):
    run = runs[sdk.name, fault].result()
    passed = collections.Counter(map(stored_id, run.proxy.passed))
    assert collections.Counter(row[0] for row in run.rows("message_id::text")) == dict.fromkeys(passed, 1)
    assert (max(passed.values()) > 1) == (fault in ("lost", "slow") and fault in sdk.retries)
    if fault in sdk.retries:
        assert run.refused == []
    else:  # It does not send again, and says so.
        assert len(run.refused) == 1 or fault == "slow" and run.refused  # a busy machine is slow more than once
    if fault in sdk.retries or fault in ("lost", "slow"):
        assert run.counts() == run.expected()
    else:  # What never came is all that is missing: the first call, a page.
        assert [message["type"] for message in run.proxy.stopped] == ["page"]
        assert run.counts() == {who: n for who, n in run.expected().items() if who != ("ada", "Page Viewed")}
