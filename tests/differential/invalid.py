"""Definitions that are a 422, each with the JSON pointers its problem may stand at ("an unknown key, a wrong type … to the spot")."""

LEAF = {"event": "A"}
DEEP = LEAF
for _ in range(10):
    DEEP = {"not": DEEP}


def leaf(**ops):
    return {"trait": "t", **ops}


def where(predicate):
    return {"event": "A", "where": predicate}


def step(*steps, **more):
    return {"sequence": list(steps), **more}


# (definition, pointers)
INVALID = [
    ({}, [""]), ([], [""]), ("A", [""]), (None, [""]), (5, [""]), ({"note": "only"}, ["", "/note"]),
    ({**LEAF, "foo": 1}, ["/foo"]), ({**LEAF, "Gte": 1}, ["/Gte"]), ({**LEAF, "trait": "t", "eq": 1}, ["", "/trait", "/eq", "/event"]),
    ({**LEAF, "gte": "1"}, ["/gte"]), ({**LEAF, "gte": None}, ["/gte"]), ({**LEAF, "gte": [1]}, ["/gte"]), ({**LEAF, "note": 5}, ["/note"]),
    ({**LEAF, "between": [1]}, ["/between"]), ({**LEAF, "between": [1, "2"]}, ["/between/1", "/between"]),
    ({**LEAF, "contains": "x"}, ["/contains"]),
    ({"event": []}, ["/event"]), ({"event": ["A", "*"]}, ["/event", "/event/1"]),
    ({"event": 5}, ["/event"]), ({"event": [5]}, ["/event/0"]), ({"event": None}, ["/event"]),
    ({"all": []}, ["/all"]), ({"any": {}}, ["/any"]), ({"all": LEAF}, ["/all"]), ({"not": [LEAF]}, ["/not"]),
    ({"all": [LEAF, 5]}, ["/all/1"]),
    ({"all": [LEAF], "any": [LEAF]}, ["", "/any", "/all"]), ({"some": [LEAF]}, [""]), ({"some": [], "gte": 1}, ["/some"]),
    ({"score": [{"if": LEAF}], "gte": 1}, ["/score/0", "/score/0/points"]),
    ({"score": [{"points": 1}], "gte": 1}, ["/score/0", "/score/0/if"]),
    ({"score": [{"if": LEAF, "points": "1"}], "gte": 1}, ["/score/0/points"]), ({"score": [{"if": LEAF, "points": 1}]}, [""]),
    ({**LEAF, "measure": "hours"}, ["/measure"]), ({**LEAF, "measure": {"sum": "n"}}, ["", "/measure"]),
    ({**LEAF, "measure": {"avg": "n"}}, ["", "/measure"]), ({**LEAF, "measure": {"sum": 5}, "gte": 1}, ["/measure/sum"]),
    ({**LEAF, "measure": {"sum": []}, "gte": 1}, ["/measure/sum"]), ({**LEAF, "measure": {"sum": ["a", 5]}, "gte": 1}, ["/measure/sum/1"]),
    ({**LEAF, "measure": {"sum": ["a", "b[]"]}, "gte": 1}, ["/measure/sum/1"]), ({**LEAF, "measure": {"sum": list("abcdefghi")}, "gte": 1}, ["/measure/sum"]),
    ({**LEAF, "measure": {"distinct": ["a", "b"]}, "gte": 1}, ["/measure/distinct"]),
    ({**LEAF, "measure": {"median": "n"}, "gte": 1}, ["/measure", "/measure/median"]),
    ({**LEAF, "measure": {"sum": "a..b"}, "gte": 1}, ["/measure/sum"]),
    ({**LEAF, "measure": {"sum": "n", "avg": "n"}, "gte": 1}, ["/measure", "/measure/avg"]), ({**LEAF, "pick": "second"}, ["/pick"]),
    ({**LEAF, "window": {}}, ["/window"]), ({**LEAF, "window": "30d"}, ["/window"]),
    ({**LEAF, "window": {"last": "30"}}, ["/window/last"]), ({**LEAF, "window": {"last": "0d"}}, ["/window/last"]),
    ({**LEAF, "window": {"last": "030d"}}, ["/window/last"]), ({**LEAF, "window": {"last": "-3d"}}, ["/window/last"]),
    ({**LEAF, "window": {"last": "3651d"}}, ["/window/last"]), ({**LEAF, "window": {"last": "1M"}}, ["/window/last"]),
    ({**LEAF, "window": {"last": 30}}, ["/window/last"]), ({**LEAF, "window": {"skip": "1d"}}, ["/window", "/window/skip"]),
    ({**LEAF, "window": {"last": "30d", "skip": "30d"}}, ["/window/skip", "/window"]),
    ({**LEAF, "window": {"last": "1d", "skip": "25h"}}, ["/window/skip", "/window"]),
    ({**LEAF, "window": {"from": "2026-02-01", "to": "2026-02-01"}}, ["/window/to", "/window", "/window/from"]),
    ({**LEAF, "window": {"from": "2026-02-30"}}, ["/window/from"]), ({**LEAF, "window": {"from": 5}}, ["/window/from"]),
    ({**LEAF, "window": {"last": "1d", "from": "2026-02-01"}}, ["/window/from", "/window", "/window/last"]),
    ({**LEAF, "window": {"calendar": "tomorrow"}}, ["/window/calendar"]),
    ({**LEAF, "window": {"calendar": "today", "last": "1d"}}, ["/window/last", "/window", "/window/calendar"]),
    ({**LEAF, "window": {"after": {"profile": "first_seen"}}}, ["/window", "/window/for"]),
    ({**LEAF, "window": {"after": {"profile": "identified"}, "for": "1d"}}, ["/window/after/profile", "/window/after"]),
    ({**LEAF, "window": {"after": "first_seen", "for": "1d"}}, ["/window/after"]),
    ({**LEAF, "window": {"for": "1d"}}, ["/window", "/window/for"]),
    (leaf(), [""]), (leaf(eq=None), ["/eq"]), (leaf(eq=[1]), ["/eq"]), (leaf(**{"in": "x"}), ["/in"]),
    (leaf(**{"in": [None]}), ["/in/0", "/in"]),
    (leaf(gt="5"), ["/gt"]), (leaf(contains=5), ["/contains"]), (leaf(contains=""), ["/contains"]),
    (leaf(starts_with=""), ["/starts_with"]),
    (leaf(matches="("), ["/matches"]), (leaf(matches="a" * 257), ["/matches"]), (leaf(matches=r"(a)\1"), ["/matches"]),
    (leaf(exists=1), ["/exists"]),
    (leaf(exists="true"), ["/exists"]), (leaf(before="2026-02-30"), ["/before"]), (leaf(after="yesterday"), ["/after"]),
    (leaf(before=20260101), ["/before"]), (leaf(within_last="1y"), ["/within_last"]), (leaf(anniversary_in="3h"), ["/anniversary_in"]),
    (leaf(gt=5, ignore_case=True), ["/ignore_case"]), (leaf(eq=5, ignore_case=True), ["/ignore_case"]),
    (leaf(eq="x", ignore_case="yes"), ["/ignore_case"]), (leaf(eq={"trait": "u"}), ["/eq"]), (leaf(like="x"), ["/like"]),
    (leaf(**{"in": ["x"] * 1001}), ["/in"]), (leaf(eq="x" * 1025), ["/eq"]),
    ({"trait": "", "eq": 1}, ["/trait"]), ({"trait": "a..b", "eq": 1}, ["/trait"]), ({"trait": ".a", "eq": 1}, ["/trait"]),
    ({"trait": "a[][]", "eq": 1}, ["/trait"]), ({"trait": "a[", "eq": 1}, ["/trait"]), ({"trait": "[]", "eq": 1}, ["/trait"]),
    ({"trait": ".".join("abcdefghijk"), "eq": 1}, ["/trait"]), ({"trait": 5, "eq": 1}, ["/trait"]),
    (where({}), ["/where"]), (where([]), ["/where"]), (where({"property": "x"}), ["/where"]),
    (where({"property": "x", "gt": "a"}), ["/where/gt"]),
    (where({"property": "x", "within_last": "1d"}), ["/where/within_last"]),
    (where({"property": "x", "anniversary_in": "1d"}), ["/where/anniversary_in"]),
    (where({"trait": "x", "eq": 1}), ["/where", "/where/trait"]), (where({"event": "B"}), ["/where", "/where/event"]),
    (where({"property": "x", "has": {"property": "y", "eq": 1}}), ["/where/property", "/where/has", "/where"]),
    (where({"property": "x[]", "has": {"property": "y", "foo": 1}}), ["/where/has/foo"]),
    (where({"time": "minute", "eq": 1}), ["/where/time"]), (where({"time": "hour", "eq": "6"}), ["/where/eq"]),
    (where({"time": "hour", "contains": "6"}), ["/where/contains"]),
    (where({"all": [{"property": "x", "gt": 1}, {"property": "y", "foo": 1}]}), ["/where/all/1/foo"]),
    ({"profile": "age", "eq": 1}, ["/profile"]), ({"profile": "identified", "eq": "yes"}, ["/eq"]),
    ({"profile": "identified", "gt": 1}, ["/gt"]),
    ({"profile": "first_seen", "eq": "2026-01-01"}, ["/eq"]), ({"profile": "first_seen"}, [""]),
    ({"profile": "first_seen", "within_last": "1"}, ["/within_last"]),
    ({"segment": "no-such"}, ["/segment"]), ({"segment": 5}, ["/segment"]), ({"segment": "Not A Key"}, ["/segment"]),
    ({"bucket": "s", "from": 0, "to": 12.345}, ["/to"]), ({"bucket": 5, "from": 0, "to": 1}, ["/bucket"]),
    ({"group": "g"}, ["/group"]), ({"rank": 1}, ["/rank"]), ({"entered": "s"}, ["/entered"]), ({"sql": "true"}, ["/sql"]),
    (step(), ["/sequence"]), (step({"absent": "B"}), ["/sequence/0", "/sequence/0/absent", "/sequence"]),
    (step(LEAF, {"absent": "B"}, {"absent": "C"}), ["/sequence/2", "/sequence/2/absent"]),
    (step({**LEAF, "within": "1h"}), ["/sequence/0/within"]), (step({**LEAF, "same": "x"}), ["/sequence/0/same"]),
    (step({**LEAF, "times": 1}), ["/sequence/0/times"]), (step({**LEAF, "times": 21}), ["/sequence/0/times"]),
    (step({**LEAF, "times": "2"}), ["/sequence/0/times"]), (step(LEAF, {**LEAF, "same": "a[]"}), ["/sequence/1/same"]),
    (step(LEAF, {**LEAF, "foo": 1}), ["/sequence/1/foo"]), (step(LEAF, {"absent": "B", "times": 2}), ["/sequence/1/times"]),
    (step(LEAF, {"absent": "B", "within": "1h"}), ["/sequence/1/within"]), (step(*[LEAF] * 9), ["/sequence", "/sequence/8"]),
    (step(LEAF, span="soon"), ["/span"]), (step(LEAF, gte=1), ["/gte"]), (step(LEAF, {"absent": "B", "for": 5}), ["/sequence/1/for"]),
    ({"any": [LEAF] * 101}, ["", "/any", "/any/99", "/any/100"]), (DEEP, ["/not" * n for n in range(8, 11)] + [""]),
]


def wrapped(random, definition, pointers):
    """The same inside a random valid frame, pointers moved along."""
    frame = random.choice(["none", "all", "not", "score"])
    if frame == "none" or not isinstance(definition, dict) or "any" in definition or definition is DEEP:
        return definition, pointers
    if frame == "not":
        return {"not": definition}, ["/not" + pointer for pointer in pointers]
    if frame == "score":
        return {"score": [{"if": definition, "points": 1}], "gte": 1}, ["/score/0/if" + pointer for pointer in pointers]
    return {"all": [LEAF, {"any": [definition]}]}, ["/all/1/any/0" + pointer for pointer in pointers]
