"""`load` writes the valid lines of a file once, and rejects the others with a reason."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli import options
from cli.commands import load
from shared.aws import attributes
from shared.aws.cloud import Cloud
from shared.product.records.by_table import KINDS
from shared.store import bulk_put
from shared.store.record import Record
from tests.cli.conftest import Call
from tests.conftest import NOON, Calls

AT = "2026-03-02T11:00:00Z"


@pytest.fixture(autouse=True)
def _opened(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def opened(_args: Any) -> Iterator[Cloud]:
        yield cloud

    monkeypatch.setattr(options, "open_cloud", opened)


def user(number: int, **rest: Any) -> dict[str, Any]:
    return {"user": f"u{number}", "id": "-", "email": f"u{number}@example.com", "created_at": AT, **rest}


def written(place: Path, *lines: Any) -> str:
    place.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return str(place)


def there(cloud: Cloud, table: str = "users") -> dict[str, dict[str, Any]]:
    items = cloud.dynamodb.scan(TableName=cloud.names.table(table))["Items"]
    return {item["pk"]["S"]: attributes.plain(item) for item in items}


def test_every_line_becomes_a_row(call: Call, cloud: Cloud, tmp_path: Path) -> None:
    file = written(tmp_path / "users.jsonl", *(user(number, name="安娜 ☂") for number in range(250)))
    answer = call("load", "users", file, "--json")
    assert answer.code == 0
    counts = answer.json
    assert (counts["lines"], counts["written"], counts["there"], counts["rejected"]) == (250, 250, 0, 0)
    assert counts["rejects"] is None
    found = there(cloud)
    assert len(found) == 250
    assert found["u7"]["name"] == "安娜 ☂"
    assert found["u7"]["v"] == 1
    assert not (tmp_path / "users.jsonl.rejects.jsonl").exists()


BAD: list[tuple[Any, str]] = [
    (b"{not json", "is not JSON: Expecting property name"),
    (b"[1, 2]", "is not a JSON object but list"),
    (b"\xef\xbb\xbf{}", "is not JSON: Unexpected UTF-8 BOM"),
    (b'{"user": "u1", "user": "u2"}', "has the name 'user' twice"),
    (b'{"user": "u1", "name": {"a": 1, "a": 1}}', "has the name 'a' twice"),
    (b"\x00", "is not JSON: Expecting value"),
    (b'{"user": "u1"} {"user": "u2"}', "is not JSON: Extra data"),
    (user(1, name="\ud800"), "has half of a character"),
    (user(1, created_at=float("inf")), "is not JSON: Infinity is not a number"),
    (b"\xff\xfe", "is not UTF-8: byte 1 does not begin a character"),
    (b'{"user": NaN}', "is not JSON: NaN is not a number"),
    (b"[" * 100_000, "is not a record: it is nested too deeply"),
    (user(1, email="nobody"), "email: is not an e-mail address, in any script"),
    (user(1, created_at="2026-03-02T11:00:00"), "created_at: has no time zone"),
    (user(1, created_at="2027-03-02T11:00:00Z"), "created_at: lies in the future"),
    (user(1, v=9), "v: version 9 is unknown"),
    (user(1, password="x"), "password: Extra inputs are not permitted"),
    (b'{"user": "u1", "created_at": 1' + b"0" * 5000 + b"}", "has a number of 5,001 digits; DynamoDB's limit is 38"),
    ({"user": "u1"}, "email: Field required; created_at: Field required"),
    (b'{"user": "' + b"x" * 2_000_000 + b'"}', "is longer than 1,638,400 bytes"),
]


def test_an_invalid_line_is_reported_with_its_number_and_the_others_are_loaded(
    call: Call, cloud: Cloud, tmp_path: Path
) -> None:
    lines: list[Any] = [user(0)]
    for number, (line, _) in enumerate(BAD, 100):
        lines += [line, user(number)]
    answer = call("load", "users", written(tmp_path / "u.jsonl", *lines), "--json")
    assert answer.code == 1
    assert (answer.json["written"], answer.json["rejected"]) == (len(BAD) + 1, len(BAD))
    assert len(there(cloud)) == len(BAD) + 1
    place = tmp_path / "u.jsonl.rejects.jsonl"
    assert answer.json["rejects"] == str(place)
    rejects = [json.loads(line) for line in place.read_text().splitlines()]
    for number, (reject, (line, reason)) in enumerate(zip(rejects, BAD, strict=True)):
        assert reject["line"] == 2 + 2 * number
        assert reason in reject["reason"]
        assert f"line {2 + 2 * number}: " in answer.err
        if isinstance(line, dict):
            assert json.loads(reject["text"]) == line
    assert place.stat().st_mode & 0o077 == 0
    assert "nobody" not in answer.err


def test_the_same_file_again_changes_nothing(call: Call, cloud: Cloud, tmp_path: Path) -> None:
    file = written(tmp_path / "u.jsonl", *(user(number) for number in range(120)))
    call("load", "users", file)
    cloud.dynamodb.update_item(
        TableName=cloud.names.table("users"),
        Key=attributes.row({"pk": "u5", "sk": "-"}),
        UpdateExpression="SET deleted_at = :at",
        ExpressionAttributeValues=attributes.row({":at": AT}),
    )
    answer = call("load", "users", file, "--json")
    assert (answer.code, answer.json["written"], answer.json["there"]) == (0, 0, 120)
    assert there(cloud)["u5"]["deleted_at"] == AT


@pytest.mark.parametrize("between", [0, 948])
def test_the_first_line_of_a_key_wins(between: int, call: Call, cloud: Cloud, tmp_path: Path) -> None:
    lines = [user(1, name="first"), *(user(number) for number in range(2, 2 + between)), user(1, name="last")]
    answer = call("load", "users", written(tmp_path / "u.jsonl", *lines), "--json")
    assert (answer.json["written"], answer.json["there"]) == (1 + between, 1)
    assert there(cloud)["u1"]["name"] == "first"


def test_only_a_quarantined_row_is_replaced(call: Call, cloud: Cloud, tmp_path: Path) -> None:
    hold = {"user": "u1", "id": "h1", "alias": "a@b.c", "raw": "mail/u1/h1", "held_at": AT, "v": 1}
    for number, fault in enumerate(("alias: is missing", None)):
        item = {"pk": f"u{number}", "sk": "h1", "v": 1, "held_at": AT, "fault": fault}
        cloud.dynamodb.put_item(TableName=cloud.names.table("holds"), Item=attributes.row(item))
    file = written(tmp_path / "h.jsonl", {**hold, "user": "u0"}, {**hold, "user": "u1"})
    assert (counts := call("load", "holds", file, "--json").json)["written"] == counts["there"] == 1
    found = there(cloud, "holds")
    assert (found["u0"]["alias"], "fault" in found["u0"], "aged" in found["u0"]) == ("a@b.c", False, True)
    assert "alias" not in found["u1"]


def test_a_rejects_file_that_cannot_be_written_is_an_error_and_nothing_is_lost(
    call: Call, cloud: Cloud, tmp_path: Path
) -> None:
    (tmp_path / "u.jsonl.rejects.jsonl").mkdir()
    file = written(tmp_path / "u.jsonl", user(1), b"none", user(2))
    answer = call("load", "users", file)
    assert answer.code == 2
    assert "u.jsonl.rejects.jsonl, for rejected lines, cannot be written: Is a directory" in answer.err
    (tmp_path / "u.jsonl.rejects.jsonl").rmdir()
    assert call("load", "users", file).code == 1
    assert set(there(cloud)) == {"u1", "u2"}


def test_index_attributes_are_computed_and_refused_in_a_file(call: Call, cloud: Cloud, tmp_path: Path) -> None:
    hold = {"user": "u1", "id": "h1", "alias": "a@b.c", "raw": "mail/u1/h1", "held_at": AT}
    answer = call("load", "holds", written(tmp_path / "h.jsonl", hold, {**hold, "id": "h2", "aged": "warned#00"}))
    assert answer.code == 1
    [row] = there(cloud, "holds").values()
    assert row["since"] == "2026-03-02T11:00:00.000Z"


def test_a_record_above_the_row_limit_is_rejected(call: Call, cloud: Cloud, tmp_path: Path) -> None:
    snapshot = {"user": "u1", "id": "m1", "recorded_at": AT, "key": "k", "body": "x" * 420_000}
    answer = call("load", "snapshots", written(tmp_path / "s.jsonl", snapshot))
    assert answer.code == 1
    assert "bytes as a row; DynamoDB's limit is 409,600" in answer.err


def test_blank_lines_and_a_byte_order_mark_are_ignored(call: Call, cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "u.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(user(1)).encode() + b"\r\n\r\n  \n")
    answer = call("load", "users", str(tmp_path / "u.jsonl"), "--json")
    assert (answer.code, answer.json["lines"]) == (0, 1)


def test_a_gzip_file_is_decompressed_and_a_truncated_one_is_loaded_as_far_as_possible(
    call: Call, cloud: Cloud, tmp_path: Path
) -> None:
    packed = gzip.compress(b"".join(json.dumps(user(number)).encode() + b"\n" for number in range(2000)))
    (tmp_path / "whole.jsonl.gz").write_bytes(packed)
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[:-500])
    assert call("load", "users", str(tmp_path / "whole.jsonl.gz"), "--check", "--json").json["lines"] == 2000
    answer = call("load", "users", str(tmp_path / "cut.jsonl.gz"))
    assert answer.code == 1
    assert "the file is damaged or truncated" in answer.err
    assert 0 < len(there(cloud)) < 2000


def test_a_check_writes_nothing(call: Call, cloud: Cloud, tmp_path: Path) -> None:
    calls = Calls(cloud)
    assert call("load", "users", written(tmp_path / "u.jsonl", user(1)), "--check").code == 0
    assert calls.made == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("user", "x.jsonl"), "there is no record 'user'; did you mean 'users'?"),
        (("users", "nowhere.jsonl"), "nowhere.jsonl cannot be read: No such file or directory"),
        (("users", "/"), "/ cannot be read: it is a folder, not a regular file"),
    ],
)
def test_wrong_use_names_the_fault(words: tuple[str, ...], said: str, call: Call) -> None:
    answer = call("load", *words)
    assert (answer.code, said in answer.err) == (2, True)


def test_rows_are_written_25_per_call_in_bounded_batches(call: Call, cloud: Cloud, tmp_path: Path) -> None:
    calls = Calls(cloud)
    call("load", "users", written(tmp_path / "u.jsonl", *(user(number) for number in range(2000))))
    reads, writes = (calls.made.count(f"dynamodb:Batch{verb}Item") for verb in ("Get", "Write"))
    assert reads <= 2000 / 100 + bulk_put.LANES
    assert writes <= 2000 / 25 + bulk_put.LANES


def test_throttling_fails_the_load_and_a_second_load_completes_it(
    call: Call, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "u.jsonl", *(user(number) for number in range(300)))
    write, made = cloud.bulk.batch_write_item, []

    def reluctant(RequestItems: Any) -> Any:  # noqa: N803 - boto's name
        made.append(1)
        return {"UnprocessedItems": RequestItems} if len(made) > 4 else write(RequestItems=RequestItems)

    with monkeypatch.context() as patched:
        patched.setattr(cloud.bulk, "batch_write_item", reluctant)
        answer = call("load", "users", file)
    assert answer.code == 1
    assert "Run it again: completed writes are not repeated" in answer.err
    answer = call("load", "users", file, "--json")
    assert (answer.code, answer.json["written"] + answer.json["there"]) == (0, 300)
    assert len(there(cloud)) == 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from([*KINDS.values()]), data=st.data())
def test_every_line_is_a_row_or_has_a_reason(kind: type[Record], data: st.DataObject) -> None:
    fields = st.fixed_dictionaries({}, optional=dict.fromkeys(kind.model_fields, JSON))
    line = data.draw(st.binary(max_size=60) | st.one_of(JSON, fields).map(lambda found: json.dumps(found).encode()))
    item, reason = None, "a row"
    try:
        item = load._read(kind, line, NOON)
    except ValueError as error:
        reason = str(error)
    assert reason
    if item:
        assert kind.from_row(item, NOON).user == item["pk"]


FORBIDDEN = {
    "http://shop.example/hook": "does not begin with https://",
    "https://169.254.169.254/latest": "url: ",
    "https://ada:secret@shop.example/": "contains a user name",
    "https://shop.example:22/": "port 22 is not allowed",
    "https://shop.localhost/": "url: ",
    "https://[::1": "cannot be parsed",
    "https://shop.example/ä": "must be percent-encoded",
    "ftp://shop.example/": "url: ",
}


def test_receivers_that_no_delivery_would_call_are_rejected_by_line(call: Call, cloud: Cloud, tmp_path: Path) -> None:
    rest = {"user": "u1", "created_at": AT, "secrets": [f"whsec_{'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'}"]}
    urls = ["https://shop.example/hook", *FORBIDDEN, "https://b\u00fccher.example/hook", "http://127.0.0.1:7783/hook"]
    file = written(tmp_path / "w.jsonl", *({**rest, "id": f"w{n}", "url": url} for n, url in enumerate(urls)))
    answer = call("load", "webhooks", file, "--json")
    assert (answer.code, answer.json["written"], answer.json["rejected"]) == (1, 3, len(FORBIDDEN))
    rejects = [json.loads(line) for line in (tmp_path / "w.jsonl.rejects.jsonl").read_text().splitlines()]
    assert [each["line"] for each in rejects] == list(range(2, len(FORBIDDEN) + 2))
    for each, (url, reason) in zip(rejects, FORBIDDEN.items(), strict=True):
        assert reason in each["reason"], url
        assert json.loads(each["text"])["url"] == url
        assert f"line {each['line']}: " in answer.err
    assert "secret" not in answer.err
