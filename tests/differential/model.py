"""What the store must hold after a list of messages: openapi.yaml's rules of time, ids, identity, traits and doubles, played back in Python.

Model.send takes the messages in order of arrival. `people` then are the live profiles with their events. An instant that only the server
knows (a missing or a future timestamp) is a range until `settle` reads the stored one from the database; settle also proves that the
database holds exactly the model's events, each once, under the right profile.
"""
import dataclasses
import hashlib
import json
import re

from differential.naive import Event, Profile
from differential.values import SECOND, Number, dumps, instant, is_numeric_text, loads, text, zone

MINUTE = 60 * SECOND
REFUSED_IDS = {
    "null", "undefined", "anonymous", "none", "0", "-1", "NaN", "[object Object]", ".", "..", "00000000-0000-0000-0000-000000000000"
}
STRONGEST = ["user", "email", "anonymous"]
CALLS = {"identify": "$identify", "alias": "$alias", "group": "$group"}


def profile_id(kind, external):
    return hashlib.sha256(kind.encode() + b"\0" + external.encode()).digest()[:16]


def message_id(whole):
    return hashlib.sha256(whole.encode()).digest()[:16]


def cleaned(value):
    """A parsed value with NUL and lone surrogates as U+FFFD."""
    if isinstance(value, str):
        return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in value)
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, dict):
        return {cleaned(key): cleaned(item) for key, item in value.items()}
    return value


def bad_number(value):
    if isinstance(value, Number):
        return not is_numeric_text(value.literal)
    if isinstance(value, dict):
        return any(bad_number(item) for item in value.values())
    return isinstance(value, list) and any(bad_number(item) for item in value)


def external_id(value):
    """The id as text, or None when it is absent or refused."""
    if isinstance(value, Number):
        value = value.text
    if not isinstance(value, str) or not value or value in REFUSED_IDS:
        return None
    return value


def address(value):
    """The email address that a value is, or None."""
    text = value.strip().lower() if isinstance(value, str) else ""
    return text if re.fullmatch(r"[^@\s]+@[^@\s]+", text) else None


def order_key(name, properties):
    """What an order is known by, or None when the event is none."""
    id = properties.get("order_id")
    if name != "Order Completed" or id == "" or not isinstance(id, (str, Number)):
        return None
    if isinstance(id, str):
        return id
    return id.text.rstrip("0").rstrip(".") if "." in id.text else id.text


@dataclasses.dataclass(eq=False)
class Statement:
    """About a channel of consent. It counts from the instant of its event."""

    channel: str
    state: str  # granted, denied, or None: taken back
    event: Event


STATES = {"granted": "granted", "denied": "denied", True: "granted", False: "denied", None: None}
CAUTION = {"granted": 0, None: 1, "denied": 2}


def stated(given):
    """[(channel, state)] of a consent object; what is no state is left out."""
    given = given if isinstance(given, dict) else {}
    return [(key, STATES[value]) for key, value in given.items() if isinstance(value, (str, bool, type(None))) and value in STATES]


@dataclasses.dataclass(eq=False)
class Person(Profile):
    anonymous_id: str = None
    email: str = None
    statements: list = dataclasses.field(default_factory=list)
    repeated: list = dataclasses.field(default_factory=list)  # reports of orders it has by another: not stored, but known
    signal: bool = False  # the browser has opted out

    @property
    def label(self):
        if self.email is not None:
            return "email", self.email
        return ("user", self.user_id) if self.user_id is not None else ("anonymous", self.anonymous_id)

    @property
    def strength(self):
        return STRONGEST.index(self.label[0])


@dataclasses.dataclass(eq=False)
class Stored(Event):
    own_ts: int = None
    range: tuple = None  # of ts, when only the server knows it
    order_id: str = None
    number: int = 0  # of arrival


class Model:
    def __init__(self):
        self.people = {}  # profile id → Person
        self.identity = {}  # (kind, external) → profile id now
        self.former = {}  # (kind, external) → profile ids before
        self.merged = {}  # profile id that is gone → the one it went into
        self.rejected = []
        self.arrived = []  # stored events in order
        self.number = 0

    def send(self, message, sent, answered):
        """One message that arrived between the instants sent and answered (µs), after all before it."""
        message = cleaned(loads(dumps(message)))
        if bad_number(message):
            self.rejected.append(("bad_number", message))
            return
        kind = message["type"]
        user = external_id(message.get("userId"))
        anonymous = external_id(message.get("previousId" if kind == "alias" else "anonymousId"))
        email = self.email(message, kind, user is None and anonymous is None)
        raws = [(kind, id) for kind, id in [("user", user), ("email", email), ("anonymous", anonymous)] if id is not None]
        if not raws:
            self.rejected.append(("no_user_anon_id", message))
            return
        event = self.event(message, kind, sent, answered)
        if self.is_double(event, raws):
            return
        person = self.resolve(raws)
        self.number += 1
        event.number = self.number
        person.events.append(event)
        self.arrived.append(event)
        self.drop_repeated(person)
        person.signal |= message.get("context", {}).get("consent", {}).get("gpc") is True
        if kind == "identify":
            given = {**message.get("context", {}).get("traits", {}), **message.get("traits", {})}
            person.traits.update(given)
            person.traits = {key: value for key, value in person.traits.items() if value is not None}
            if isinstance(person.traits.get("consent"), dict):
                del person.traits["consent"]
            categories = message.get("context", {}).get("consent", {}).get("categoryPreferences")
            said = {**dict(stated(categories)), **dict(stated(given.get("consent")))}
            person.statements += [Statement(channel, state, event) for channel, state in said.items()]

    def post(self, raw, consent, at):
        """A statement through the API; at: the instants it got, by channel. They are after all before it."""
        person = self.people[self.identity[raw]]
        person.statements += [Statement(channel, state, Event(ts=at[channel], name="")) for channel, state in stated(consent)]

    @staticmethod
    def email(message, kind, nameless):
        context, traits, properties = message.get("context", {}).get("traits", {}), message.get("traits", {}), message.get("properties", {})
        if kind == "identify":
            return address(traits.get("email")) or address(context.get("email"))
        if not nameless:
            return None
        return address(context.get("email")) or address(traits.get("email")) or address(properties.get("email"))

    def event(self, message, kind, sent, answered):
        name = CALLS.get(kind) or {"page": "Page Viewed", "screen": "Screen Viewed"}.get(kind) or message["event"]
        properties = dict(message.get("properties", {}))
        if kind in ("page", "screen"):
            properties.update({key: message[key] for key in ("name", "category") if key in message})
        own = instant(message["timestamp"], zone("UTC")) if "timestamp" in message else None
        ts = own
        if own is not None and "sentAt" in message:
            behind = sent - instant(message["sentAt"], zone("UTC"))
            if abs(behind) > MINUTE:
                ts = own + (behind + MINUTE // 2) // MINUTE * MINUTE
        unknown = ts is None or ts > sent - SECOND  # the server's clock may be behind by a little
        return Stored(
            ts=ts,
            name=name,
            properties=properties,
            context=message.get("context", {}),
            message_id=message_id(message["messageId"]),
            own_ts=own,
            range=(sent, answered) if unknown else None,
            order_id=order_key(name, properties),
        )

    def drop_repeated(self, person):
        """An order counts once: the report that arrived first stays."""
        first = {}
        for event in sorted((event for event in person.events if event.order_id is not None), key=lambda e: e.number):
            if first.setdefault(event.order_id, event) is not event:
                person.events.remove(event)
                person.repeated.append(event)
                self.arrived.remove(event)

    def is_double(self, event, raws):
        """Same person (through merges and re-pointed ids), name, messageId and client timestamp."""
        where = {self.identity.get(raws[0])} | self.former.get(raws[0], set())
        where = {self.living(id) for id in where}
        same = lambda e: (e.name, e.message_id, e.own_ts) == (event.name, event.message_id, event.own_ts)  # noqa: E731
        return any(same(e) for id in where if id in self.people for e in self.people[id].events + self.people[id].repeated)

    def living(self, id):
        while id in self.merged:
            id = self.merged[id]
        return id

    def resolve(self, raws):
        """The person a message is about, after what its ids, the strongest first, say about identity."""
        person = self.person(*raws[0])
        for raw in raws[1:]:
            before = self.people.get(self.identity.get(raw))
            if before is not None and before is not person and before.strength > person.strength:
                self.merge(before, person)
            self.point(raw, person)
        return person

    def person(self, kind, external):
        raw = (kind, external)
        if raw not in self.identity:
            id = profile_id(kind, external)
            self.people[id] = Person(id=id, **{{"user": "user_id", "anonymous": "anonymous_id", "email": "email"}[kind]: external})
            self.identity[raw] = id
        return self.people[self.identity[raw]]

    def point(self, raw, person):
        if raw in self.identity and self.identity[raw] != person.id:
            self.former.setdefault(raw, set()).add(self.identity[raw])
        self.identity[raw] = person.id

    def merge(self, gone, into):
        """The events and traits of a weaker profile move to the stronger, whose own traits win."""
        have = {(e.name, e.message_id, e.own_ts): e for e in into.events}
        into.events += [e for e in gone.events if (e.name, e.message_id, e.own_ts) not in have]
        into.repeated += gone.repeated
        self.drop_repeated(into)
        for said in gone.statements:
            said.event = have.get((said.event.name, said.event.message_id, getattr(said.event, "own_ts", None)), said.event)
        into.statements += gone.statements
        into.signal |= gone.signal
        into.traits = {**gone.traits, **into.traits}
        for raw in [raw for raw, id in self.identity.items() if id == gone.id]:
            self.point(raw, into)
        self.merged[gone.id] = into.id
        del self.people[gone.id]

    def settle(self, cursor):
        """Compares with the event table, takes over the instants only the server knew, and returns what differs (as texts)."""
        cursor.execute(
            "SELECT profile_id::text, name, message_id::text, (extract(epoch FROM ts) * 1000000)::bigint,"
            " (extract(epoch FROM received_at) * 1000000)::bigint FROM event JOIN event_name USING (name_id)"
            " WHERE profile_id = ANY (%s::uuid[])",
            ([id.hex() for id in {profile_id(*raw) for raw in self.identity}],),
        )
        stored, differences = {}, []
        for profile, name, message, ts, received in cursor.fetchall():
            key = (bytes.fromhex(profile.replace("-", "")), name, bytes.fromhex(message.replace("-", "")))
            stored.setdefault(key, []).append((ts, received))
        for person in self.people.values():
            for event in person.events:
                rows = stored.get((person.id, event.name, event.message_id), [])
                match = [row for row in rows if self.fits(event, row[0])]
                if not match:
                    differences.append(f"not stored as expected: {person.label} {event}, stored {rows}")
                    continue
                rows.remove(match[0])
                event.ts, event.received_at = match[0]
        received = [event.received_at for event in self.arrived]
        if received != sorted(set(received)):
            differences.append("received_at does not grow from message to message")
        differences += [f"stored but not expected: {key} {row}" for key, rows in stored.items() for row in rows]
        return differences + self.settle_people(cursor) + self.settle_consent(cursor)

    @staticmethod
    def fits(event, ts):
        if event.range is None:
            return ts == event.ts
        return event.range[0] - SECOND <= ts <= event.range[1] + SECOND

    def settle_people(self, cursor):
        """The population and its traits."""
        raws = list(self.identity)
        cursor.execute(
            "SELECT encode(uuid_send(profile_id), 'hex'), user_id, anonymous_id, traits::text FROM profile"
            " WHERE profile_id = ANY (%s::uuid[])",
            ([profile_id(*raw).hex() for raw in raws],),
        )
        stored = {bytes.fromhex(id): (user, anonymous, loads(traits)) for id, user, anonymous, traits in cursor.fetchall()}
        differences = [f"no live profile: {self.people[id].label}" for id in self.people if id not in stored]
        differences += [f"should not be live: {stored[id]}" for id in stored if id not in self.people]
        for id, person in self.people.items():
            user, anonymous, traits = stored.get(id, (None, None, None))
            if id in stored and (user != person.user_id or not same_json(traits, person.traits)):
                differences.append(f"{person.label}: traits {dumps(person.traits)}, stored {user} {dumps(traits)}")
        return differences

    def settle_consent(self, cursor):
        """What holds: of each channel the newest statement, of one instant the more cautious; without one the browser's signal."""
        differences = []
        cursor.execute(
            "SELECT encode(uuid_send(profile_id), 'hex'), channel, state FROM consent WHERE state <> 'unknown' AND profile_id = ANY (%s::uuid[])",
            ([profile_id(*raw).hex() for raw in self.identity],),
        )
        stored = {}
        for id, channel, state in cursor.fetchall():
            stored.setdefault(bytes.fromhex(id), {})[channel] = state
        for id, person in self.people.items():
            states = {"third_party": "denied"} if person.signal else {}
            for said in sorted(person.statements, key=lambda s: (s.event.ts, CAUTION[s.state])):
                states[said.channel] = said.state or ("denied" if person.signal and said.channel == "third_party" else None)
            person.consent = {channel: state for channel, state in states.items() if state}
            if person.consent != stored.pop(id, {}):
                differences.append(f"{person.label}: consent {person.consent} of {person.statements}")
        return differences + [f"consent of nobody: {id.hex()} {states}" for id, states in stored.items()]


def same_json(one, other):
    """Equal as jsonb sees it: numbers by text."""
    plain = lambda value: json.dumps(json.loads(dumps(numbers_as_text(value))), sort_keys=True)  # noqa: E731
    return plain(one) == plain(other)


def numbers_as_text(value):
    if isinstance(value, Number):
        return "number " + text(value)
    if isinstance(value, dict):
        return {key: numbers_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers_as_text(item) for item in value]
    return value
