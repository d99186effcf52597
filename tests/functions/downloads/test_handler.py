"""Download links: valid until the promised time, and for the exact link only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from functions.accounts.account_export import AccountExport
from functions.downloads import handler
from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.product.export_ticket import NoTicket, Ticket, read
from shared.product.records.accounts import Export
from shared.run.firing import Firing
from shared.run.run import run
from shared.tables import EXPORTS
from tests.conftest import NOON, Calls, Lines, VirtualClock
from tests.support.function_url import Context, url_event
from tests.support.mail_account import everything
from tests.support.stored_rows import one, put

Ask = Callable[..., tuple[int, dict[str, str], str]]
SECOND = timedelta(seconds=1)


@pytest.fixture
def ask(cloud: Cloud, log: Lines, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setattr(handler, "CLOUD", cloud)
    monkeypatch.setattr(handler, "LOG", log)

    def ask(path: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
        answer = handler.handle(url_event(path, method), Context())
        return answer["statusCode"], answer["headers"], answer["body"]

    return ask


@pytest.fixture
def link(cloud: Cloud, clock: VirtualClock, log: Lines) -> str:
    """The path of a link that was sent to a user."""
    cloud.environment = {"ACCOUNT_EXPORT_LINK": "https://mail.example/downloads/{ticket}"}
    everything(cloud, "ada", NOON)
    put(cloud, Export(user="ada", id="x1", requested_at=NOON, due_on=NOON))
    run(AccountExport(), Firing("account-export", clock.now()), cloud, log)
    return urlsplit(str(one(cloud, EXPORTS, "ada", "x1")["link"])).path


def signed_for(location: str) -> int:
    return int(parse_qs(urlsplit(location).query)["X-Amz-Expires"][0])


def test_a_link_redirects_to_the_archive_and_is_not_cached(ask: Ask, cloud: Cloud, link: str) -> None:
    calls = Calls(cloud)
    status, headers, body = ask(link)
    assert (status, body, calls.made) == (302, "", ["dynamodb:GetItem"])
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
    where = urlsplit(headers["location"])
    assert where.path.endswith("/exports/ada/x1.zip")
    asked = parse_qs(where.query)
    assert asked["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert asked["response-content-disposition"] == ['attachment; filename="export-2026-03-02.zip"']
    assert signed_for(headers["location"]) == 300


@pytest.mark.parametrize(
    ("left", "status", "seconds"), [(301, 302, 300), (299, 302, 299), (1, 302, 1), (0, 410, 0), (-1, 410, 0)]
)
def test_a_link_is_valid_until_the_promised_second(
    left: int, status: int, seconds: int, ask: Ask, clock: VirtualClock, link: str
) -> None:
    clock.instant = NOON + timedelta(days=7) - left * SECOND
    said, headers, body = ask(link)
    assert said == status
    if status == 302:
        assert signed_for(headers["location"]) == seconds
    else:
        assert body.startswith("This was here until 2026-03-09 12:00 UTC.")


def test_any_other_link_is_not_found(ask: Ask, cloud: Cloud, link: str) -> None:
    put(cloud, Export(user="ada", id="queued", requested_at=NOON, due_on=NOON))
    put(
        cloud, Export(user="ada", id="elsewhere", requested_at=NOON, due_on=NOON, archive="mail/ada/1", ticket="s" * 43)
    )
    right = link.rpartition(".")[2]
    for path in (
        *(link[:-1] + ("A" if link[-1] != "A" else "B"), link[:-1], f"{link}x", f"{link}/", f"{link}%00", f"/x{link}"),
        *(
            "/",
            "",
            "/downloads/",
            "/downloads/.",
            "/downloads/" + "A" * 3000,
            # Ids that are longer than a key of DynamoDB may be, and as long as one may be.
            *(f"/downloads/{Ticket('ada', 'x' * size, 's' * 43)}" for size in (1025, 1500, 257, 256)),
            *(f"/downloads/{Ticket('u' * size, 'x1', 's' * 43)}" for size in (257, 1025)),
            f"/downloads/{Ticket('ada', chr(0x1F600) * 256, 's' * 43)}",
            f"/downloads/_.{right}",
            f"/downloads/.{right}",
        ),
        *(
            f"/downloads/{Ticket(*who)}"
            for who in (
                *(("bob", "x1", right), ("ada", "x2", right), ("", "x1", right), ("ada", "", right)),
                *(("ada", "queued", "A" * 43), ("ada", "elsewhere", "s" * 43)),
            )
        ),
    ):
        status, headers, body = ask(path)
        assert (status, "location" in headers, body) == (404, False, handler.NO_EXPORT), path
    assert ask(link, "POST")[0] == ask(link, "HEAD")[0] == 405
    assert ask(link)[0] == 302


def test_a_link_is_not_found_once_its_row_is_deleted(ask: Ask, cloud: Cloud, link: str) -> None:
    key: Any = {"pk": {"S": "ada"}, "sk": {"S": "x1"}}
    cloud.dynamodb.delete_item(TableName=cloud.names.table("exports"), Key=key)
    assert ask(link)[0] == 404


def test_a_failure_is_answered_in_words_and_counted_in_the_metric_of_runs(
    ask: Ask, log: Lines, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "_row", lambda _: 1 / 0)
    assert ask(link)[::2] == (503, handler.FAILED)
    [line] = log.said("download_failed")
    assert line["error"] == "ZeroDivisionError: division by zero"
    assert [line["Failed"] for line in log.lines if "_aws" in line] == [[1.0]]


def test_no_log_contains_the_ticket(ask: Ask, log: Lines, link: str) -> None:
    ask(link)
    assert link.rpartition(".")[2] not in repr(log.lines)
    assert [line["status"] for line in log.said("download_answered")] == [302]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "eu-south-2"])
def test_the_url_is_signed_for_the_region_of_the_bucket(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(handler, "CLOUD", Cloud(Names("prod", "123456789012", region), environment={}))
    host = urlsplit(handler._signed("exports/ada/x1.zip", SECOND, "2026-03-02")).hostname
    general = "s3" if region == "us-east-1" else f"s3.{region}"
    assert host == f"nightshift-prod-artifacts-123456789012-{region}.{general}.amazonaws.com"


@pytest.mark.parametrize(
    ("user", "export"), [("ada", "x" * 257), ("ada", "x" * 1025), ("u" * 257, "x1"), ("ada", "\U0001f600" * 257)]
)
def test_ids_longer_than_a_key_of_a_row_are_no_ticket(user: str, export: str) -> None:
    """DynamoDB refuses a query for such a key, which was answered as a failure."""
    with pytest.raises(NoTicket, match="too long"):
        read(str(Ticket(user, export, "s" * 43)))


def test_the_longest_id_is_a_ticket() -> None:
    ticket = Ticket("ada", "\U0001f600" * 256, "s" * 43)
    assert read(str(ticket)) == ticket
