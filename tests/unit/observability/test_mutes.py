"""A mute holds the alerts about a job back, and loses none."""

from __future__ import annotations

import pytest

from shared.aws.cloud import Cloud
from shared.observability import alerts, mutes
from shared.observability.mutes import ALL_KINDS, Mute
from shared.store import keys, table
from shared.tables import STATE
from tests.unit.observability.test_alerts import published

END = "2026-03-02T14:00:00.000Z"


def mute(about: str = "pricing", kind: str = ALL_KINDS, queue: str = "", until: str = END) -> Mute:
    return Mute("pricing", about, queue, kind, "ada", "known", "2026-03-02T11:00:00.000Z", until)


def put(cloud: Cloud, each: Mute) -> None:
    values = {name: getattr(each, name) for name in Mute.__slots__}
    table.put(cloud, STATE, {**keys.mute(each.about, each.kind).attributes, **values})


@pytest.mark.parametrize(
    ("each", "kind", "about", "covered"),
    [
        (mute(), "JOB_FAILING", "pricing", True),
        (mute(), "JOB_FAILING", "pricing shop.example", True),
        (mute(), "JOB_FAILING", "pricing-pages", False),
        (mute("pricing shop.example"), "JOB_FAILING", "pricing", False),
        (mute(kind="JOB_FAILING"), "JOB_FAILING", "pricing", True),
        (mute(kind="JOB_FAILING"), "JOB_RECOVERED", "pricing", False),
        (mute(queue="demo:prices"), "QUEUE_STUCK", "demo:prices", True),
        (mute(), "QUEUE_STUCK", "", False),
    ],
)
def test_a_mute_covers_its_job_with_targets_and_queue(each: Mute, kind: str, about: str, covered: bool) -> None:
    assert each.covers(kind, about) is covered


def test_a_mute_that_has_ended_is_not_read(cloud: Cloud) -> None:
    put(cloud, mute())
    put(cloud, mute("pricing shop.example", until="2026-03-02T12:00:00.000Z"))
    assert [each.about for each in mutes.read(cloud)] == ["pricing"]


def test_the_mute_that_ends_last_is_that_of_an_alert() -> None:
    later = mute(kind="JOB_FAILING", until="2026-03-02T15:00:00.000Z")
    assert mutes.of_alert([mute(), later], "JOB_FAILING", "pricing") is later
    assert mutes.of_alert([mute(), later], "JOB_FAILING", "auth") is None


def test_a_muted_alert_is_stored_for_every_channel_and_not_published(cloud: Cloud) -> None:
    put(cloud, mute())
    alerts.send(cloud, "JOB_FAILING", "pricing", {}, [], "incident 1")
    assert published(cloud) == []
    row = table.get(cloud, STATE, keys.owed_alert("incident 1"))
    assert (row["channels"], row["since"]) == (["sns", "*"], END)
    alerts.send(cloud, "JOB_FAILING", "auth", {}, [], "incident 2")
    assert len(published(cloud)) == 1


def test_an_alert_is_sent_where_the_mutes_cannot_be_read(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Cloud) -> list[Mute]:
        raise OSError("throttled")

    put(cloud, mute())
    monkeypatch.setattr(mutes, "read", fail)
    alerts.send(cloud, "JOB_FAILING", "pricing", {}, [], "incident 1")
    assert len(published(cloud)) == 1
