"""The real @segment/analytics-node against a running cohortd: every call is stored, once, whatever the network does."""
import json
import subprocess

import pytest
from e2e.conftest import FOLDER
from e2e.proxy import Proxy
from support.house import House

STORED = {"$identify": 3, "$group": 3, "$alias": 1, "Order Completed": 30, "Page Viewed": 3, "Screen Viewed": 3, "Product Viewed": 1}


def send(host, key, timeout_ms=5000):
    """Runs send.js; how many it sent in all. Any error that the SDK gave up on fails."""
    command = ["node", "send.js", host, key, str(timeout_ms)]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["errors"] == []
    return sum(result["sent"].values())


def stored(house):
    return dict(house.rows("SELECT name, count(*) FROM event JOIN event_name USING (name_id) GROUP BY name"))


def test_every_call_is_stored():
    with House() as house:
        assert send(f"http://127.0.0.1:{house.server.port}", house.write_key) == sum(STORED.values())
        assert stored(house) == STORED
        assert house.one("SELECT sum((properties->>'total')::numeric)::text FROM event") == "599.70"
        # The alias joined the visitor to ada: three people are left, and the visit is hers, at its own time, with its campaign.
        assert house.one("SELECT count(*) FROM profile") == 3
        assert house.events("ada", "Product Viewed") == 1
        house.segment("visited", {"event": "Product Viewed", "where": {"context": "campaign.source", "eq": "news"},
                                  "window": {"last": "2h", "skip": "30m"}})
        house.segment("bought", {"event": "Order Completed", "measure": {"sum": "total"}, "eq": 199.9})
        house.segment("pro", {"trait": "plan", "eq": "pro"})
        assert house.members("visited") == {"ada"}
        assert house.members("bought") == house.members("pro") == {"ada", "grace", "Zoë"}


@pytest.mark.parametrize("fault, timeout_ms, seen_twice", [("status", 5000, False), ("refused", 5000, False), ("lost", 5000, True), ("slow", 700, True)])
def test_stored_once_when(fault, timeout_ms, seen_twice):
    with House() as house:
        proxy = Proxy(house.server.port, fault, delay_s=2 * timeout_ms / 1000)
        try:
            assert send(proxy.url, house.write_key, timeout_ms) == sum(STORED.values())
        finally:
            proxy.close()
        assert not proxy.pending, "the fault did not happen"
        assert (proxy.messages > sum(STORED.values())) == seen_twice
        assert stored(house) == STORED
