"""One round of the differential test: random segments and histories sent to a live server, members compared with the naive evaluator.

Compared: after incremental ticks, with only time passing, after a build from scratch, the change feed replayed, and what why says of some. The instant is the
server's own as_of, read in the same snapshot as the members. What differs is shrunk on the server to the smallest definition that
still does.
"""
import time

from differential.generate import Generator
from differential.model import Model, profile_id
from differential.naive import Segment, is_member
from differential.values import dumps, loads
from support.client import quoted
from support.house import iso, micros, replayed

DROPPABLE = ("where", "window", "pick", "note", "span", "within", "same", "times", "for", "ignore_case", "skip", "measure")


class Round:
    """seed decides all but the clock. `people` users and as many anonymous ids, n segments, `messages` in each of three phases."""

    def __init__(self, house, seed, n=40, people=8, messages=80, seconds=6):
        self.house, self.seed, self.n, self.people, self.messages, self.seconds = house, seed, n, people, messages, seconds
        self.prefix = f"r{seed}-"
        self.generate = Generator(seed, clock())
        self.model = Model()
        self.segments = {}
        self.sent = []
        self.found = []  # texts: what is wrong
        self.compared = self.previewed = 0
        self.foreseen = []  # (segment, person's label, does it hold, until when)

    def run(self):
        self.create(self.n // 2)
        self.send()
        self.compare("after a tick, segments first")
        self.create(self.n - self.n // 2)
        self.compare("after the first build")
        self.send()
        self.compare("after a tick")
        self.explain(2 * self.n)
        deadline = time.monotonic() + self.seconds
        while time.monotonic() < deadline and not self.found:
            self.house.caught_up(since=clock())
            self.compare("with only time passing")
        self.preview_foreseen()
        self.send()
        self.compare("after the last tick")
        if not self.found:
            self.replay()
            self.rebuild()
            self.compare("after a build from scratch")
        self.remove()
        return self.found

    # Segments

    def create(self, count):
        for _ in range(count):
            keys = list(self.segments)
            self.post(f"s{self.seed}-{len(keys)}", self.generate.segment(self.generate.random.sample(keys, min(len(keys), 3))))
        self.live()

    def live(self):
        for key in self.segments:
            self.house.live(key)

    def post(self, key, made):
        body = dumps({"key": key, "name": key, "kind": "rule", **made})
        answer = self.house.api.post("/v1/segments", body)
        if answer.status == 201:
            self.segments[key] = Segment(loads(dumps(made["definition"])), made["timezone"])
        else:
            self.found.append(f"a valid definition was refused: {answer.status} {answer.body.decode()}\n  {dumps(made)}")

    def remove(self):
        """Deletes the round's segments, those that refer to others first."""
        for key in reversed(self.segments):
            answer = self.house.api.delete(f"/v1/segments/{quoted(key)}")
            if answer.status != 204:
                self.found.append(f"DELETE {key}: {answer}")

    def rebuild(self):
        self.remove()
        for key, segment in list(self.segments.items()):
            self.post(key, {"definition": segment.definition, "timezone": segment.timezone})
        self.live()

    # Messages

    def send(self):
        """One phase: random messages in random chunks, then the store compared with the model."""
        self.generate.now = clock()
        messages = self.generate.history((self.prefix, self.people), self.messages, self.sent)
        self.sent += messages
        for chunk in self.generate.chunks(messages):
            before = clock()
            answer = self.deliver(dumps({"batch": chunk}))
            after = clock()
            if answer.status != 200:
                self.found.append(f"a batch was refused: {answer}\n  {dumps(chunk)}")
                continue
            for message in chunk:
                self.model.send(message, before, after)
            if self.generate.chance(0.2):
                self.post_consent()
        self.settle()

    def post_consent(self):
        """States somebody's consent through the API."""
        raw = self.generate.of(sorted(self.model.identity))
        given = {channel: state for channel, state in self.generate.consent().items() if state in ("granted", "denied", None)}
        name = {"user": "", "email": "email:", "anonymous": "anon:"}[raw[0]] + raw[1]
        answer = self.ask(f"/v1/profiles/{quoted(name)}/consent", dumps({"consent": given}))
        if answer.status != 200:
            self.found.append(f"consent was refused: {answer}\n  {name} {dumps(given)}")
        at = self.rows(
            "SELECT channel, (extract(epoch FROM stated_at) * 1000000)::bigint FROM consent JOIN identity USING (profile_id)"
            " WHERE raw_id = %s::uuid AND channel = ANY (%s)", profile_id(*raw).hex(), list(given),
        )
        self.model.post(raw, given, dict(at))

    def ask(self, target, body):
        return self.house.api.post(target, body)

    def rows(self, sql, *parameters):
        return self.house.rows(sql, *parameters)

    def deliver(self, body):
        return self.house.collect.post("/v1/batch", body)

    def settle(self):
        with self.house.db.cursor() as cursor:
            self.found += [f"the store differs from the model: {text}" for text in self.model.settle(cursor)]

    # Comparing

    def snapshot(self, key):
        members, as_of = self.house.snapshot(key)
        return {who for who in members if who[1] and who[1].startswith(self.prefix)}, as_of

    def differing(self, key):
        """[(person, expected)] for whom the server's answer is the other one, and the instant."""
        members, as_of = self.snapshot(key)
        segment = self.segments[key]
        self.compared += len(self.model.people)
        expected = {person.label: is_member(person, segment, as_of, self.segments) for person in self.model.people.values()}
        wrong = [
            (person, expected[person.label]) for person in self.model.people.values() if expected[person.label] != (person.label in members)
        ]
        wrong += [(who, False) for who in members if who not in expected]
        return wrong, as_of

    def compare(self, when):
        if self.found:
            return
        self.house.caught_up()
        for key in self.segments:
            wrong, as_of = self.differing(key)
            if wrong:
                self.report(key, when, wrong, as_of)
                return

    def explain(self, count):
        """Why, of random people and segments: the root's value is the membership, and changes when it says, not before (if nothing comes)."""
        for _ in range(0 if self.found else count):
            key, person = self.generate.of(list(self.segments)), self.generate.of(list(self.model.people.values()))
            segment, (kind, id) = self.segments[key], person.label
            name = {"user": "", "email": "email:", "anonymous": "anon:"}[kind] + id
            answer = self.house.api.get(f"/v1/segments/{quoted(key)}/members/{quoted(name)}/why")
            if answer.status != 200:
                self.found.append(f"seed {self.seed}: why {name} in {key}: {answer}")
                return
            holds = lambda at: is_member(person, segment, at, self.segments)  # noqa: E731, B023
            tree, expected = answer.json["tree"], holds(micros(answer.json["as_of"]))
            right = tree["holds"] == answer.json["member"] == expected
            if tree["changes_at"] is not None:
                right = right and holds(micros(tree["changes_at"])) != expected and holds(micros(tree["changes_at"]) - 1) == expected
            if not right:
                self.found.append(f"seed {self.seed}: why {name} in {key}, expected {expected}\n  {show(segment)}\n  {answer.body.decode()}")
            elif tree["changes_at"] is not None:
                self.foreseen.append((segment, (kind, id), expected, micros(tree["changes_at"])))

    def preview_foreseen(self):
        """What why foresaw and has come: previews just before and at that instant say the same."""
        for segment, (kind, id), held, at in self.foreseen if not self.found else []:
            for instant, expected in ((at - 1, held), (at, not held)):
                if instant >= clock() or kind == "email":
                    continue
                body = dumps({"definition": segment.definition, "timezone": segment.timezone, "as_of": iso(instant), "sample": 1000, "budget_ms": 5000})
                answer = self.house.api.post("/v1/segments/preview", body)
                if answer.status != 200 or any(row[f"{kind}_id"] == id for row in answer.json["sample"]) != expected:
                    self.found.append(f"seed {self.seed}: preview of {id} at {instant - at:+} µs, expected {expected}\n  {show(segment)}\n  {answer}")
                self.previewed += 1

    def replay(self):
        """The feed from its beginning to the instant of the members gives the members."""
        shots = {key: self.house.snapshot(key) for key in self.segments}
        changes = self.house.changes()
        for key, (members, as_of) in shots.items():
            known = replayed(changes, as_of).get(key, set())
            if known != members:
                self.found.append(f"the feed of {key} replayed gives {sorted(known)}, members are {sorted(members)}")
                return

    def report(self, key, when, wrong, as_of):
        person, expected = min(wrong, key=lambda item: len(getattr(item[0], "events", [])))
        segment = self.segments[key]
        text = f"seed {self.seed}, {when}: {key} is wrong for {len(wrong)} profiles at {as_of}\n  definition {show(segment)}\n"
        if isinstance(person, tuple):
            self.found.append(f"{text}  {person} is a member but no live profile")
            return
        small = self.shrunk(key, person)
        text += f"  smallest   {show(small)}\n  expected   {'member' if expected else 'no member'}: {person.label} {person.id.hex()}\n"
        text += f"  traits     {dumps(person.traits)}\n  consent    {dumps(person.consent)}\n"
        for e in sorted(person.events, key=lambda e: e.order):
            text += f"  {(e.ts - as_of) / 1e6:+.6f} s {e.name!r} {dumps(e.properties)} {dumps(e.context)}\n"
        self.found.append(text)

    # Shrinking

    def shrunk(self, key, person, tries=80):
        """The smallest definition found whose fresh build still differs for the person; the whole one if a build is right."""
        best = self.segments[key]
        progress = True
        while progress and tries:
            progress = False
            for variant in sorted(variants(best.definition), key=lambda node: len(dumps(node))):
                tries -= 1
                if self.still_wrong(Segment(variant, best.timezone), person):
                    best, progress = Segment(variant, best.timezone), True
                    break
                if not tries:
                    break
        return best

    def still_wrong(self, segment, person):
        body = dumps({"key": "shrink", "name": "shrink", "kind": "rule", "definition": segment.definition, "timezone": segment.timezone})
        if self.house.api.post("/v1/segments", body).status != 201:
            return False
        try:
            self.house.live("shrink")
            self.segments["shrink"] = segment
            return any(who is person for who, _ in self.differing("shrink")[0])
        finally:
            self.house.api.delete("/v1/segments/shrink")
            self.segments.pop("shrink", None)


def clock():
    """µs since 1970 by this machine's clock, the database's too."""
    return int(time.time() * 1_000_000)


def show(segment):
    return f"{dumps(segment.definition)} in {segment.timezone}"


def variants(node):
    """Smaller definitions: a part left out, or a condition replaced by one of its own. Some are not valid."""
    if isinstance(node, dict):
        for key in ("all", "any", "some"):
            yield from (part for part in node.get(key, []) if isinstance(part, dict))
        yield from (part["if"] for part in node.get("score", []))
        if "not" in node:
            yield node["not"]
        for key, value in node.items():
            if key in DROPPABLE:
                yield {k: v for k, v in node.items() if k != key}
            yield from ({**node, key: smaller} for smaller in variants(value))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            if len(node) > 1:
                yield node[:i] + node[i + 1 :]
            yield from (node[:i] + [smaller] + node[i + 1 :] for smaller in variants(value))
