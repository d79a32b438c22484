"""Members as files: gzipped on request, and CSV that a spreadsheet does not take for formulas but a program reads back exactly."""
import csv
import io

import pytest

from support.client import bearer


@pytest.fixture(scope="module")
def people(house):
    """Ids and traits of all kinds, in the segment "file"."""
    ids = ["plain", "=1+1", "@anna", "+49 (30) 123-45", "-5", "-A1", "'=quoted", "'plain", "+A1", 'qu"ote', "=com,ma"]
    house.segment("file", {"event": "File"})
    for who in ids:
        house.send(
            {"type": "identify", "userId": who, "traits": {"note": f"={who}", "phone": "+49 30", "n": -5.5}},
            {"type": "track", "userId": who, "event": "File"},
        )
    assert house.members("file") == set(ids)
    return ids


def rows_of(answer):
    assert answer.status == 200, answer
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


def test_cells_are_no_formulas(house, people):
    rows = rows_of(house.api.get("/v1/segments/file/members?format=csv&fields=note,phone,n"))
    shown = {row["user_id"] for row in rows}
    assert shown == {"plain", "'=1+1", "'@anna", "+49 (30) 123-45", "-5", "'-A1", "''=quoted", "'plain", "'+A1", 'qu"ote', "'=com,ma"}
    assert {row["phone"] for row in rows} == {"+49 30"} and {row["n"] for row in rows} == {"-5.5"}
    assert all(row["note"].startswith("'=") for row in rows)
    lines = house.api.get("/v1/segments/file/members?format=ndjson&fields=note").lines
    assert {line["user_id"] for line in lines} == set(people)  # exactly
    assert {line["traits"]["note"] for line in lines} == {f"={who}" for who in people}


def test_a_file_that_is_sent_back_means_the_same_people(house, people):
    assert house.api.post("/v1/segments", {"key": "back", "name": "Back", "kind": "list"}).status == 201
    house.live("back")
    for form, content_type in (("csv", "text/csv"), ("ndjson", "application/x-ndjson")):
        file = house.api.get(f"/v1/segments/file/members?format={form}").body
        answer = house.api.request("POST", "/v1/segments/back/members?mode=replace", file, headers={"Content-Type": content_type})
        assert answer.status == 200 and answer.json["rejected"] == 0, answer
        assert house.members("back") == set(people)


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_stream_is_gzipped_on_request(house, people, form):
    house.send(*({"type": "track", "userId": f"many-{i}", "event": "Many"} for i in range(2000)))
    if form == "csv":
        house.segment("many", {"event": "Many"})
    house.members("many")
    reader = house.client(bearer(house.read_key))
    path = f"/v1/segments/many/members?format={form}"
    plain = reader.get(path)
    zipped = reader.get(path, headers={"Accept-Encoding": "gzip"})
    assert plain.headers.get("content-encoding") is None and plain.headers["vary"] == "Accept-Encoding"
    assert zipped.headers["content-encoding"] == "gzip" and zipped.headers["vary"] == "Accept-Encoding"
    assert zipped.body == plain.body and len(plain.body.splitlines()) == 2000 + (form == "csv")
    events = reader.request("HEAD", path, headers={"Accept-Encoding": "gzip"}, check=False)
    assert events.headers["content-encoding"] == "gzip"
