"""Who a message is about: anonymous profiles merged into users', re-pointed ids, aliases, traits (docs/api.md, "Identity")."""
import pytest


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


def test_same_external_id_as_user_and_as_anonymous_are_two(house):
    house.send(track("A", userId="same"), track("B", anonymousId="same"))
    assert names_of(house, "same") == ["A"] and anonymous_exists(house, "same")
