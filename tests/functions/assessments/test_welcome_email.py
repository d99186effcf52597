"""Each user gets one welcome e-mail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from functions.assessments import welcome_email
from functions.assessments.welcome_email import WelcomeEmail
from tests.conftest import letters
from tests.functions.flags.conftest import World
from tests.support.certificate import Certificate
from tests.support.mailbox import Box, Post

CREATED: dict[str, Any] = {
    "type": "user-created",
    "payload": {"organizationId": "org_1", "userId": "u1", "joinedAt": "2026-03-02T11:00:00Z"},
}


@pytest.fixture
def box(world: World, certificate: Certificate) -> Iterator[Box]:
    made = Box()
    post = Post(made, certificate)
    way = post.serve("smtp+plain")
    world.cloud.environment = {
        "MAIL_RELAY": f"smtp+plain://127.0.0.1:{way.port}",
        "MAIL_FROM": "Welcome <hello@nightshift.example>",
    }
    world.put("organizations", {"pk": "org_1", "sk": "member#u1", "email": "ada@customer.example", "name": "Ada"})
    yield made
    post.stop()


def test_a_user_is_welcomed_once_under_duplicates_and_later(world: World, box: Box) -> None:
    world.deliver(WelcomeEmail(), CREATED, CREATED)
    world.clock.move(days=90)
    world.deliver(WelcomeEmail(), CREATED)
    [mail] = box.mails
    assert (mail["To"], mail["Subject"]) == ("ada@customer.example", "Welcome")
    assert world.get("organizations", "org_1", "member#u1")["welcomed_at"] == "2026-03-02T12:00:00.000Z"


def test_the_same_user_id_in_two_organizations_is_welcomed_in_both(world: World, box: Box) -> None:
    world.organization("org_2")
    world.put("organizations", {"pk": "org_2", "sk": "member#u1", "email": "bob@other.example", "name": "Bob"})
    other = {**CREATED, "payload": {**CREATED["payload"], "organizationId": "org_2"}}
    world.deliver(WelcomeEmail(), CREATED, other, other)
    assert sorted(mail["To"] for mail in box.mails) == ["ada@customer.example", "bob@other.example"]
    for organization in ("org_1", "org_2"):
        assert "welcomed_at" in world.get("organizations", organization, "member#u1")


def test_a_crash_between_the_mail_and_the_flag_sends_no_second_one(
    world: World, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crash:
        crash.setattr(welcome_email, "_record_welcome", lambda *_: (_ for _ in ()).throw(OSError("gone")))
        world.deliver(WelcomeEmail(), CREATED)
    [again] = world.sent("users:created")
    world.deliver(WelcomeEmail(), again, attempt="2")
    assert len(box.mails) == 1
    assert "welcomed_at" in world.get("organizations", "org_1", "member#u1")


def test_a_relay_that_is_away_is_tried_three_times(world: World, box: Box) -> None:
    box.says["ada@customer.example"] = "451 later"
    for attempt in ("1", "2", "3"):
        world.deliver(WelcomeEmail(), CREATED, attempt=attempt)
    assert len(letters(world.cloud, "firings-dlq")) == 1
    box.says = {"ada@customer.example": "550 nobody"}
    world.sent("users:created")
    world.deliver(WelcomeEmail(), CREATED)
    assert "550" in letters(world.cloud, "firings-dlq")[0]["dead"]["error"]
    assert world.sent("users:created") == []
