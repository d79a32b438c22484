"""Who a message is about: anonymous profiles merged into users', re-pointed ids, aliases, traits (docs/identity.md)."""
import pytest

from support.house import iso


def track(event, **ids):
    return {"type": "track", "event": event, **ids}


def identify(traits=None, **ids):
    return {"type": "identify", "traits": traits or {}, **ids}


def names_of(house, user):
    """Names of the events (calls left out) that the user's profile holds, sorted."""
    rows = house.rows("SELECT name FROM event JOIN event_name USING (name_id) JOIN profile USING (profile_id) WHERE user_id = %s", user)
    return sorted(name for (name,) in rows if not name.startswith("$"))


def traits_of(house, user):
    return house.one("SELECT traits FROM profile WHERE user_id = %s", user)


def email_exists(house, email):
    return house.one("SELECT count(*) FROM profile WHERE email = %s", email) == 1


def anonymous_exists(house, anonymous):
    return house.one("SELECT count(*) FROM profile WHERE anonymous_id = %s", anonymous) == 1


def test_anonymous_becomes_the_user(house):
    house.send(track("A", anonymousId="a1"), identify({"plan": "free", "x": 1}, anonymousId="a1"))
    house.send(identify({"plan": "pro"}, userId="u1"))
    assert anonymous_exists(house, "a1")
    house.send(track("B", userId="u1", anonymousId="a1"))
    assert names_of(house, "u1") == ["A", "B"] and not anonymous_exists(house, "a1")
    assert traits_of(house, "u1") == {"plan": "pro", "x": 1}  # the user's win
    house.send(track("C", anonymousId="a1"))
    assert names_of(house, "u1") == ["A", "B", "C"]


def test_membership_follows_the_merge(house):
    house.segment("merged", {"event": "Merge Me"})
    house.send(track("Merge Me", anonymousId="a2"))
    assert house.members("merged") == {"anon:a2"}
    entered = house.api.get("/v1/segments/merged/members").json["data"][0]["entered_at"]
    house.send(identify(userId="u2", anonymousId="a2"))
    assert house.members("merged") == {"u2"}
    (member,) = house.api.get("/v1/segments/merged/members").json["data"]
    assert member["entered_at"] == entered and member["anonymous_id"] is None  # the earlier
    changes = [(c["op"], c["user_id"], c["anonymous_id"], c["cause"]) for c in house.changes(segment="merged")]
    assert ("exit", None, "a2", "merge") in changes and ("enter", "u2", None, "merge") in [c[:3] + ("merge",) for c in changes]
    assert house.replayed()["merged"] == {("user", "u2")}


def test_walk_within_one_batch(house):
    a = {"anonymousId": "a3"}
    house.send(identify(userId="u3", **a), track("First", **a), identify(userId="u4", **a), track("Second", **a))
    assert names_of(house, "u3") == ["First"] and names_of(house, "u4") == ["Second"]


def test_two_users_never_merge_by_an_anonymous_id(house):
    house.send(track("A", userId="u5", anonymousId="a5"), track("B", anonymousId="a5"))
    house.send(track("C", userId="u6", anonymousId="a5"))
    house.send(track("D", anonymousId="a5"))
    assert names_of(house, "u5") == ["A", "B"] and names_of(house, "u6") == ["C", "D"]


def test_alias_merges_an_anonymous_previous_id(house):
    house.send(track("A", anonymousId="a7"))
    house.send({"type": "alias", "previousId": "a7", "userId": "u7"})
    assert names_of(house, "u7") == ["A"] and not anonymous_exists(house, "a7")
    house.send(track("B", anonymousId="a7"))
    assert names_of(house, "u7") == ["A", "B"]


def test_alias_does_not_merge_two_users(house):
    house.send(track("A", userId="u8"), track("B", userId="u9"))
    house.send({"type": "alias", "previousId": "u8", "userId": "u9"})
    assert names_of(house, "u8") == ["A"] and names_of(house, "u9") == ["B"]
    house.send(track("C", userId="u8"))
    assert names_of(house, "u8") == ["A", "C"]


def test_many_anonymous_ids_of_one_user(house):
    for i in range(5):
        house.send(track(f"E{i}", anonymousId=f"dev{i}"))
    house.send(*[track("Login", userId="u10", anonymousId=f"dev{i}") for i in range(5)])
    assert names_of(house, "u10") == [f"E{i}" for i in range(5)] + ["Login"] * 5


def test_traits_are_set_by_the_identify_that_arrived_last(house):
    late = {"timestamp": "2020-01-01T00:00:00Z"}
    house.send(identify({"a": 1, "b": {"x": 1, "y": 2}, "c": 3}, userId="u11"))
    house.send(identify({"a": 2, "b": {"x": 9}, "c": None, "d": None}, userId="u11", **late))
    assert traits_of(house, "u11") == {"a": 2, "b": {"x": 9}}


def test_traits_folded_within_a_batch(house):
    house.send(identify({"a": 1, "b": 1}, userId="u12"), identify({"a": 2}, userId="u12"), identify({"b": None, "c": 1}, userId="u12"))
    assert traits_of(house, "u12") == {"a": 2, "c": 1}


def test_a_trait_removed_before_a_merge_comes_from_the_merged_person(house):
    """One by one and in one batch the same: the user has no trait of its own when the merge comes."""
    steps = lambda n: [  # noqa: E731
        identify({"d": "user's"}, userId=f"rm{n}"), identify({"d": "anonymous"}, anonymousId=f"rma{n}"),
        identify({"d": None}, userId=f"rm{n}"),
        {"type": "alias", "previousId": f"rma{n}", "userId": f"rm{n}"},
    ]
    for step in steps(1):
        house.send(step)
    house.send(*steps(2)[:2])
    house.send(*steps(2)[2:])
    house.send(*steps(3))
    assert [traits_of(house, f"rm{n}") for n in (1, 2, 3)] == [{"d": "anonymous"}] * 3


def test_traits_of_the_context(house):
    house.send({"type": "identify", "userId": "u13", "context": {"traits": {"email": "x@example.com"}}})
    assert traits_of(house, "u13") == {"email": "x@example.com"}
    house.send({"type": "identify", "userId": "u13", "traits": {"a": 1}, "context": {"traits": {"b": 2}}})
    assert traits_of(house, "u13") == {"email": "x@example.com", "a": 1, "b": 2}
    house.send(track("A", userId="u13", context={"traits": {"email": "y@example.com"}}))
    assert traits_of(house, "u13")["email"] == "x@example.com"


def test_calls_do_not_move_first_and_last_seen(house):
    house.segment("seen-none", {"profile": "first_seen", "exists": False})
    house.send(
        identify({"a": 1}, userId="u14"), {"type": "group", "userId": "u14", "groupId": "g"},
        {"type": "alias", "userId": "u14", "previousId": "a14"}
    )
    assert "u14" in house.members("seen-none")
    house.send(track("A", userId="u14"))
    assert "u14" not in house.members("seen-none")


def test_last_seen_is_told_to_the_microsecond(house):
    seen = lambda: [house.api.get("/v1/profiles/u15").json[key] for key in ("first_seen", "last_seen")]  # noqa: E731
    day = iso(house.now() - 2 * 86_400_000_000)[:11]
    for at, (first, last) in (("10:15:00.000001", ("10:15:00.000001",) * 2), ("10:15:00.000002", ("10:15:00.000001", "10:15:00.000002")),
                              ("10:59:59.999999", ("10:15:00.000001", "10:59:59.999999")), ("10:30:00.000000", ("10:15:00.000001", "10:59:59.999999"))):
        house.send(track("A", userId="u15", timestamp=day + at + "Z"))
        assert seen() == [day + first + "Z", day + last + "Z"]
    house.send({"type": "identify", "userId": "u15", "timestamp": day + "10:59:59.999999Z"}, track("A", anonymousId="a15", timestamp=day + "11:00:00Z"))
    house.send(identify({}, userId="u15", anonymousId="a15"), track("A", userId="u15", timestamp=day + "11:20:00Z"))
    assert seen() == [day + "10:15:00.000001Z", day + "11:20:00.000000Z"]


def test_a_persons_segments_are_read_without_their_events(house):
    """Of somebody with very many events that would take as long as reading them."""
    house.segment("known", {"profile": "identified", "eq": True})
    house.track("u16", "A")
    assert "u16" in house.members("known")
    with house.postgres.connect() as other, other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE")
        answer = house.api.get("/v1/profiles/u16/segments")
        nobody = house.api.get("/v1/profiles/nobody-at-all/segments")
        cursor.execute("COMMIT")
    other.close()
    assert answer.status == 200 and [segment["key"] for segment in answer.json["data"]] == ["known"], answer
    assert nobody.status == 404


def test_same_external_id_as_user_and_as_anonymous_are_two(house):
    house.send(track("A", userId="same"), track("B", anonymousId="same"))
    assert names_of(house, "same") == ["A"] and anonymous_exists(house, "same")


# Email addresses, between the two


def mail(event, email, **more):
    """What a mail tool sends: an address and nothing else."""
    return {"type": "track", "event": event, "context": {"traits": {"email": email}}, **more}


def merges_into(house, user):
    return house.one("SELECT count(*) FROM merge_log JOIN profile ON profile_id = into_id WHERE user_id = %s", user)


def test_somebody_known_by_an_address_only(house):
    house.segment("openers", {"event": "Email Opened"})
    house.send(mail("Email Opened", " Ann@Example.COM "), mail("Email Clicked", "ann@example.com"))
    assert house.members("openers") == {"email:ann@example.com"}
    (member,) = house.api.get("/v1/segments/openers/members").json["data"]
    assert (member["user_id"], member["anonymous_id"], member["email"]) == (None, None, "ann@example.com")
    (change,) = house.changes(segment="openers")
    assert (change["op"], change["user_id"], change["anonymous_id"], change["email"]) == ("enter", None, None, "ann@example.com")
    csv = house.api.get("/v1/segments/openers/members?format=csv&fields=email").body.decode().splitlines()
    assert csv[0] == "user_id,anonymous_id,entered_at,email" and csv[1].startswith(",,2") and csv[1].endswith(",ann@example.com")
    for name in ("email:ann@example.com", "email:Ann@Example.COM"):
        profile = house.api.get(f"/v1/profiles/{name}").json
        assert profile["emails"] == ["ann@example.com"] and profile["user_id"] is None and profile["anonymous_ids"] == []
        assert [segment["key"] for segment in profile["segments"]] == ["openers"]
    assert house.api.get("/v1/profiles/email:bob@example.com").status == house.api.get("/v1/profiles/email:bob").status == 404
    assert house.api.get("/v1/segments/openers/members/email:ann@example.com").json["email"] == "ann@example.com"
    assert house.api.get("/v1/segments/openers/members/email:ann@example.com/why").json["email"] == "ann@example.com"
    (recent,) = [event for event in house.api.get("/v1/events/recent").json["data"] if event["event"] == "Email Opened"]
    assert recent["email"] == "ann@example.com"
    preview = house.api.post("/v1/segments/preview", {"definition": {"event": "Email Opened"}, "sample": 5}).json
    assert preview["sample"] == [{"user_id": None, "anonymous_id": None, "email": "ann@example.com"}]
    house.send(identify({"email": "ANN@example.com"}, userId="e-ann"))
    assert house.members("openers") == {"e-ann"} and names_of(house, "e-ann") == ["Email Clicked", "Email Opened"]
    assert [(c["op"], c["user_id"], c["email"]) for c in house.changes(segment="openers")[1:]] == [
        ("exit", None, "ann@example.com"), ("enter", "e-ann", None)
    ]
    assert house.replayed()["openers"] == {("user", "e-ann")}
    assert house.api.get("/v1/profiles/email:ann@example.com").json["user_id"] == "e-ann"
    assert house.api.get("/v1/profiles/e-ann").json["emails"] == ["ann@example.com"]
    at = house.api.get("/v1/segments/openers/members?at=" + change["at"]).json["data"]
    assert [row["email"] for row in at] == ["ann@example.com"]


def test_a_visitor_leaves_an_address_and_becomes_a_user(house):
    """All the ways of one person, each merge logged."""
    house.send(track("Visited", anonymousId="e-a1"), mail("Opened", "e1@x"), identify({"plan": "visitor"}, anonymousId="e-a1"))
    house.send(identify({"email": "e1@x"}, anonymousId="e-a1"))
    assert not anonymous_exists(house, "e-a1") and email_exists(house, "e1@x")
    assert house.api.get("/v1/profiles/anon:e-a1").json["emails"] == ["e1@x"]
    house.send(track("Signed Up", userId="e-u1", anonymousId="e-a1"))
    assert names_of(house, "e-u1") == ["Opened", "Signed Up", "Visited"] and not email_exists(house, "e1@x")
    assert traits_of(house, "e-u1") == {"plan": "visitor", "email": "e1@x"}
    house.send(mail("Opened", "e1@x"), track("Visited", anonymousId="e-a1"))
    assert names_of(house, "e-u1") == ["Opened", "Opened", "Signed Up", "Visited", "Visited"]
    assert merges_into(house, "e-u1") == 1 and house.one("SELECT count(*) FROM identity JOIN profile USING (profile_id) WHERE user_id = 'e-u1'") == 3


def test_all_three_ids_in_one_message(house):
    house.send(track("A", anonymousId="e-a2"), mail("B", "e2@x"), track("C", userId="e-u2"))
    house.send(identify({"email": "e2@x"}, userId="e-u2", anonymousId="e-a2"))
    assert names_of(house, "e-u2") == ["A", "B", "C"] and merges_into(house, "e-u2") == 2


def test_the_user_before_the_address(house):
    house.send(identify({"email": "e3@x"}, userId="e-u3"))
    house.send(mail("Opened", "e3@x"))
    assert names_of(house, "e-u3") == ["Opened"] and not email_exists(house, "e3@x")


def test_an_address_of_two_users(house):
    """It means the last; what came before stays, and the two never merge."""
    house.send(identify({"email": "home@x"}, userId="e-u4"), mail("First", "home@x"), identify({"email": "home@x"}, userId="e-u5"))
    house.send(mail("Second", "home@x"))
    assert names_of(house, "e-u4") == ["First"] and names_of(house, "e-u5") == ["Second"]
    assert merges_into(house, "e-u4") == merges_into(house, "e-u5") == 0


def test_an_address_from_the_browser_of_a_user(house):
    """Without the userId nothing says that the address is the user's: it is somebody of its own until a message says so."""
    house.send(track("A", userId="e-u6", anonymousId="e-a6"), identify({"email": "e6@x"}, anonymousId="e-a6"), track("B", anonymousId="e-a6"))
    assert names_of(house, "e-u6") == ["A"] and email_exists(house, "e6@x")
    house.send(identify({"email": "e6@x"}, userId="e-u6"))
    assert names_of(house, "e-u6") == ["A", "B"] and not email_exists(house, "e6@x")


def test_two_addresses_of_one_browser_are_two_people(house):
    house.send(identify({"email": "e7@x"}, anonymousId="e-a7"), track("A", anonymousId="e-a7"))
    house.send(identify({"email": "e8@x"}, anonymousId="e-a7"), track("B", anonymousId="e-a7"))
    house.send(identify({"email": "e7@x"}, userId="e-u7"), identify({"email": "e8@x"}, userId="e-u8"))
    assert names_of(house, "e-u7") == ["A"] and names_of(house, "e-u8") == ["B"]


def test_an_address_in_a_message_that_has_an_id_says_nothing(house):
    house.send(track("A", userId="e-u9", properties={"email": "friend@x"}), mail("B", "friend@x", anonymousId="e-a9"))
    assert not email_exists(house, "friend@x") and house.api.get("/v1/profiles/e-u9").json["emails"] == []


@pytest.mark.parametrize("bad", ["x", "@x", "x@", "a@b@c", "a b@c", "", None, 5, {"email": "a@x"}, "a" * 250 + "@x.yz"])
def test_what_is_no_address(house, bad):
    before = house.one("SELECT count(*) FROM reject")
    house.send({"type": "track", "event": "A", "properties": {"email": bad}})
    assert house.one("SELECT count(*) FROM reject") == before + 1
    house.send(identify({"email": bad}, userId="e-bad"))
    assert house.api.get("/v1/profiles/e-bad").json["emails"] == []


@pytest.mark.parametrize("timestamp", [{"timestamp": "2026-01-01T00:00:00Z"}, {}], ids=["plain", "odd"])
def test_retries_by_an_address(house, timestamp):
    """Also after merges, re-pointing, and with ids that the first copy had not."""
    id = "plain" if timestamp else "odd"
    copy = mail("Opened", f"{id}@x", messageId=f"e-{id}", **timestamp)
    form = identify({"email": f"{id}@x", "n": 1}, anonymousId=f"e-{id}", messageId=f"e-{id}-form", **timestamp)
    house.send(copy, form)
    house.send(copy, form)
    house.send(identify({"n": 2}, userId=f"e-{id}-1", anonymousId=f"e-{id}"))
    house.send(copy, form, {**copy, "userId": f"e-{id}-1"}, copy)
    assert names_of(house, f"e-{id}-1") == ["Opened"] and traits_of(house, f"e-{id}-1")["n"] == 2
    house.send(identify({"email": f"{id}@x"}, userId=f"e-{id}-2"))
    house.send(copy, form)
    assert names_of(house, f"e-{id}-1") == ["Opened"] and names_of(house, f"e-{id}-2") == []


def test_a_list_by_address(house):
    assert house.api.post("/v1/segments", {"key": "mailing", "name": "Mailing", "kind": "list"}).status == 201
    house.send(identify({"email": "known@x"}, userId="e-known"))
    answer = house.api.request("POST", "/v1/segments/mailing/members?mode=add", "email\nKnown@x\nnew@x\nnone\n", {"Content-Type": "text/csv"})
    assert (answer.json["added"], answer.json["rejected"]) == (2, 1)
    assert house.members("mailing") == {"e-known", "email:new@x"}
    assert house.api.request("PUT", "/v1/segments/mailing/members/email:Other@x").json["email"] == "other@x"
    assert house.api.request("DELETE", "/v1/segments/mailing/members/email:known@x").status == 204
    export = house.api.get("/v1/segments/mailing/members?format=csv&fields=email").body
    answer = house.api.request("POST", "/v1/segments/mailing/members?mode=replace", export, {"Content-Type": "text/csv"})
    assert answer.json == {"added": 0, "removed": 0, "unchanged": 2, "rejected": 0, "errors": []}
    house.send(identify({"email": "new@x"}, userId="e-new"))
    assert house.members("mailing") == {"e-new", "email:other@x"}
