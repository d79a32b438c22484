"""The SQL itself, as reviewed: statements.txt holds for each definition its statement (head range) and parameters. After a change that is meant,
UPDATE=1 writes it anew; the diff is what is to be reviewed."""
import json
import os

from differential.naive import Segment
from golden.compiler import Compiler
from support.postgres import ROOT

FILE = ROOT / "tests" / "golden" / "statements.txt"
DEFINITIONS = [
    '{"event": "A"}',
    '{"event": "A", "eq": 0}',
    '{"event": ["A", "B"], "window": {"last": "30d", "skip": "1d"}, "gte": 3}',
    '{"event": "*", "window": {"calendar": "last_month"}, "between": [2, 5]}',
    '{"event": "A", "measure": {"sum": "total"}, "window": {"from": "2026-01-01", "to": "2026-02-01T00:00:00Z"}, "gte": 100}',
    '{"event": "A", "measure": {"avg": "items[].price"}, "lt": 9.99, "gt": 5}',
    '{"event": "A", "measure": {"sum": ["revenue", "total"]}, "gte": 100}',
    '{"event": ["B", "A", "B"], "where": {"property": "x", "eq": 1}, "window": {"last": "90d"}}',
    '{"event": "A", "measure": {"distinct": "sku"}}',
    '{"event": "A", "measure": "weeks", "gte": 4}',
    '{"event": "A", "pick": "first", "where": {"property": "coupon", "exists": true}}',
    '{"event": ["A", "B"], "pick": "last", "where": {"time": "weekday", "in": [6, 7]}}',
    '{"event": "A", "where": {"any": [{"property": "o.n", "gte": 5, "lt": 9, "neq": 7}, {"not": {"context": "locale", "in": ["de", 5, true]}}]}}',
    '{"event": "A", "where": {"property": "items[]", "has": {"all": [{"property": "category", "eq": "shoes"}, {"property": "tags[]", "nin": ["old"]}]}}}',
    '{"event": "A", "window": {"after": {"profile": "first_seen"}, "for": "7d"}}',
    '{"event": "A", "window": {"before": {"trait": "end"}, "for": "3d"}}',
    '{"trait": "name", "contains": "ß", "starts_with": "S", "ends_with": "e", "matches": "^s", "ignore_case": true}',
    '{"trait": "born", "anniversary_in": "7d", "before": "2000-01-01", "within_last": "1d", "within_next": "1w"}',
    '{"profile": "first_seen", "within_last": "30d"}',
    '{"profile": "last_seen", "before": "2026-01-01T00:00:00Z", "exists": true}',
    '{"profile": "identified", "eq": true}',
    '{"consent": "email", "in": ["granted", "unknown"]}',
    '{"bucket": "salt", "from": 0, "to": 12.5}',
    '{"segment": "k"}',
    '{"all": [{"sequence": [{"event": "A"}]}, {"event": "B"}, {"trait": "x", "eq": 1}]}',
    '{"some": [{"event": "A"}, {"trait": "x", "exists": false}], "gte": 2}',
    '{"score": [{"if": {"event": "A"}, "points": 10}, {"if": {"trait": "x", "eq": 1}, "points": -2.5}], "gt": 5}',
    '{"sequence": [{"event": "A"}, {"event": "B", "within": "1h", "same": "cart"}, {"absent": "C", "for": "2h", "same": "cart"}], "window": {"last": "14d"}, "span": "2d"}',
    '{"sequence": [{"event": "A"}, {"event": "B", "within": "1d"}, {"event": "A", "times": 2, "within": "1h"}]}',
    '{"sequence": [{"event": "A", "times": 2}, {"absent": "*"}, {"event": "B", "same": "cart"}]}',
]


def block(compiler, definition):
    answer = compiler.compile(Segment(definition, "UTC"))
    params = "".join(f"  ${i} {p['type']} {json.dumps(p['value'], ensure_ascii=False)}\n" for i, p in enumerate(answer["params"], answer["first"]))
    return f"{definition}\n{answer['sql']}\n{params}\n"


def test_statements():
    compiler = Compiler()
    made = "".join(block(compiler, definition) for definition in DEFINITIONS)
    compiler.close()
    if os.environ.get("UPDATE"):
        FILE.write_text(made)
    assert made == FILE.read_text(), "the SQL changed: run with UPDATE=1 and review the difference"
