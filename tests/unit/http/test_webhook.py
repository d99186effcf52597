"""Webhooks by the specification, checked against its own library."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks

from shared.aws.cloud import Cloud
from shared.aws.names import Names
from shared.http import webhook
from shared.http.client import HttpClient
from shared.http.webhook import BadSignature, WebhookRefused
from tests.conftest import NOON, VirtualClock
from tests.support.web_server import Reply, Web

# The example of the specification's own libraries.
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = '{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as made:
        yield made


def client(web: Web, clock: VirtualClock | None = None) -> HttpClient:
    cloud = Cloud(Names("test", "123456789012", "us-east-1"), clock or VirtualClock(), {})
    return HttpClient(cloud, [web.host], rate=1000, read=2)


def test_the_example_of_the_specification_has_its_signature() -> None:
    assert webhook.sign([SECRET], ID, AT, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_the_time_zone_of_the_clock_does_not_matter() -> None:
    there = AT.astimezone(tz=datetime.now().astimezone().tzinfo)
    shifted = AT.astimezone(tz=__import__("zoneinfo").ZoneInfo("Asia/Kathmandu"))
    assert webhook.sign([SECRET], ID, shifted, BODY) == webhook.sign([SECRET], ID, there, BODY)


def test_the_library_of_the_specification_accepts_our_signature() -> None:
    headers = webhook.sign([OTHER, SECRET], ID, datetime.now(UTC), BODY)
    for secret in (SECRET, OTHER):
        assert standardwebhooks.Webhook(secret).verify(BODY, headers) == {"test": 2432232314}


def test_during_a_rotation_both_secrets_are_valid() -> None:
    headers = webhook.sign([OTHER, SECRET], ID, AT, BODY)
    assert webhook.verify([SECRET], headers, BODY, AT) == ID
    assert webhook.verify([OTHER], headers, BODY, AT) == ID
    assert webhook.verify([OTHER, SECRET], webhook.sign([SECRET], ID, AT, BODY), BODY, AT) == ID


def test_header_names_are_case_insensitive() -> None:
    headers = {name.title(): value for name, value in webhook.sign([SECRET], ID, AT, BODY).items()}
    assert webhook.verify([SECRET], headers, BODY, AT) == ID


GOOD = {"webhook-id": ID, "webhook-timestamp": "1614265330", "webhook-signature": SIGNATURE}


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        (GOOD, BODY + " ", "no signature fits"),
        ({**GOOD, "webhook-id": "msg_other"}, BODY, "no signature fits"),
        ({**GOOD, "webhook-timestamp": "1614265331"}, BODY, "no signature fits"),
        ({**GOOD, "webhook-signature": SIGNATURE.replace("v1", "v2")}, BODY, "no signature fits"),
        ({**GOOD, "webhook-signature": "v1"}, BODY, "no signature fits"),
        ({**GOOD, "webhook-signature": "v1,ü no base64"}, BODY, "no signature fits"),
        ({**GOOD, "webhook-id": ID + ".1614265330", "webhook-timestamp": "1614265330"}, BODY, "no signature fits"),
        ({**GOOD, "webhook-id": "größe"}, BODY, "no signature fits"),
        ({**GOOD, "webhook-timestamp": "soon"}, BODY, "not seconds since 1970"),
        ({**GOOD, "webhook-timestamp": "9" * 30}, BODY, "not seconds since 1970"),
        ({**GOOD, "webhook-timestamp": "NaN"}, BODY, "not seconds since 1970"),
        ({**GOOD, "webhook-signature": ""}, BODY, "webhook-signature is missing"),
        ({}, BODY, "webhook-id is missing"),
    ],
)
def test_an_invalid_signature_is_refused(headers: Mapping[str, str], body: str, why: str) -> None:
    with pytest.raises(BadSignature, match=why):
        webhook.verify([SECRET], headers, body, AT)


@pytest.mark.parametrize(("seconds", "good"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_a_message_is_valid_for_five_minutes(seconds: int, good: bool) -> None:
    now = AT + timedelta(seconds=seconds)
    if good:
        webhook.verify([SECRET], GOOD, BODY, now)
    else:
        with pytest.raises(BadSignature, match="more than 0:05:00 from now"):
            webhook.verify([SECRET], GOOD, BODY, now)


@pytest.mark.parametrize(
    ("secrets", "key", "why"),
    [
        ([], ID, "at least one secret"),
        ([SECRET], "a.b", "without a full stop"),
        ([SECRET], "größe", "in ASCII"),
        ([SECRET, "whsec_"], ID, "secret 2 has 0 bytes"),
        ([SECRET, "whsec_!!!"], ID, "not base64"),
        ([SECRET, "whsec_a"], ID, "base64"),
    ],
)
def test_a_message_that_cannot_be_signed_safely_is_refused(secrets: list[str], key: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        webhook.sign(secrets, key, AT, BODY)


def test_a_message_is_posted_as_it_was_signed_with_its_key(web: Web) -> None:
    web.answers["/hook"] = Reply(204)
    assert webhook.post(client(web), f"{web.url}/hook", [SECRET], "k-1", BODY).status == 204
    [asked] = web.asked
    assert (asked.body, asked.headers["content-type"]) == (BODY, "application/json")
    assert (asked.headers["webhook-id"], asked.headers["idempotency-key"]) == ("k-1", "k-1")
    assert webhook.verify([SECRET], asked.headers, asked.body, NOON) == "k-1"


@pytest.mark.parametrize("key", ["msg.1", "größe", "消息"])
def test_an_id_that_is_not_signable_is_sent_as_its_digest(web: Web, key: str) -> None:
    web.answers["/hook"] = Reply(204)
    for _ in range(2):
        webhook.post(client(web), f"{web.url}/hook", [SECRET], key, BODY)
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert [webhook.verify([SECRET], asked.headers, asked.body, NOON) for asked in web.asked] == [digest] * 2
    assert {asked.headers["idempotency-key"] for asked in web.asked} == {digest}


@pytest.mark.parametrize(("status", "gone"), [(302, False), (400, False), (410, True), (429, False), (500, False)])
def test_any_other_status_is_a_refusal(web: Web, status: int, gone: bool) -> None:
    web.answers["/hook?token=t"] = Reply(status, headers={"retry-after": "7", "location": web.url})
    with pytest.raises(WebhookRefused, match=f"/hook answered {status}") as error:
        webhook.post(client(web), f"{web.url}/hook?token=t", [SECRET], "k-1", BODY)
    assert (error.value.status, error.value.gone, error.value.retry_after) == (status, gone, 7)
    assert len(web.asked) == 1


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_of_24_to_64_bytes_is_accepted(size: int) -> None:
    secret = "whsec_" + base64.b64encode(bytes(range(size))).decode()
    assert webhook.check_secret(secret) == secret


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "does not begin with whsec_"),
        ("a secret of twenty-four b", "does not begin with whsec_"),
        (f"v1,{SECRET}", "does not begin with whsec_"),
        (SECRET.upper(), "does not begin with whsec_"),
        (f" {SECRET}", "does not begin with whsec_"),
        (f"{SECRET}\n", "not base64"),
        ("whsec_", "has 0 bytes"),
        ("whsec_" + base64.b64encode(bytes(23)).decode(), "has 23 bytes"),
        ("whsec_" + base64.b64encode(bytes(65)).decode(), "has 65 bytes"),
        ("whsec_" + base64.b64encode(bytes(25)).decode().rstrip("="), "not base64"),
        ("whsec_" + base64.urlsafe_b64encode(bytes([251, 255] * 16)).decode(), "not base64"),
        ("whsec_" + "A" * 33 + "B==", "bits beyond"),
        ("whsec_" + "\u0416" * 32, "not base64"),
    ],
)
def test_other_secrets_are_refused_with_the_reason_and_not_shown(secret: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        webhook.check_secret(secret)
    assert len(secret) < 20 or secret[8:] not in str(refused.value)
    with pytest.raises(ValueError, match="secret 1 "):
        webhook.sign([secret], "msg_1", datetime(2026, 3, 2, tzinfo=UTC), "{}")
