"""Redaction: no secret passes, and nothing else is changed."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import redaction
from shared.redaction import SAMPLE, data, sample, shaped, text
from shared.redaction.char_runs import MASK, pattern
from tests.corpus import canaries
from tests.corpus.canaries import CANARIES, CARDS, Canary

CORPUS = Path(canaries.__file__).parent
INNOCENTS = (CORPUS / "innocents.txt").read_text(encoding="utf-8").splitlines()
MAIL = "ada@example.org"
CARD = CARDS["visa"]


def leaks(shown: str, canary: Canary) -> bool:
    return any(secret in shown for secret in canary.secrets)


def test_every_canary_contains_its_secret() -> None:
    assert [str(canary) for canary in CANARIES if not leaks(canary.said, canary)] == []


def test_no_canary_gets_through() -> None:
    assert [str(canary) for canary in CANARIES if leaks(text(canary.said), canary)] == []


def test_no_canary_gets_through_between_other_text() -> None:
    prose = "\n".join(INNOCENTS)
    assert [str(canary) for canary in CANARIES if leaks(text(f"{prose}\n{canary.said}\n{prose}"), canary)] == []


def test_no_canary_gets_through_as_a_field() -> None:
    shown = (json.dumps(data({"a": {"b": [canary.said]}}), ensure_ascii=False) for canary in CANARIES)
    assert [str(canary) for canary, field in zip(CANARIES, shown, strict=True) if leaks(field, canary)] == []


def test_no_canary_gets_through_as_the_name_of_a_field() -> None:
    shown = (json.dumps(data({canary.said: 1}), ensure_ascii=False) for canary in CANARIES)
    assert [str(canary) for canary, field in zip(CANARIES, shown, strict=True) if leaks(field, canary)] == []


@pytest.mark.parametrize("innocent", INNOCENTS)
def test_text_without_secrets_is_unchanged(innocent: str) -> None:
    assert text(innocent) == innocent
    assert data({"note": innocent, "all": [innocent, 1]}) == {"note": innocent, "all": [innocent, 1]}


def test_redacting_twice_changes_nothing() -> None:
    once = [text(canary.said) for canary in CANARIES]
    assert [text(shown) for shown in once] == once


def test_the_corpus_contains_no_token_in_one_piece() -> None:
    for path in CORPUS.glob("*.*"):
        assert pattern(rf"(?<![A-Za-z0-9])(?:{shaped.SHAPES})").findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("password=hunter2 host=db", "password=[redacted] host=db"),
        ('{"token": "abc", "n": 1}', '{"token": "[redacted]", "n": 1}'),
        (f"no such user: {MAIL}.", "no such user: [e-mail]."),
        (f"card {CARD} was declined", "card [number] was declined"),
        ("postgres://ada:x1@db:5432/app", "postgres://[redacted]@db:5432/app"),
        ("Cookie: a=1; b=2\r\nHost: db", "Cookie: [redacted]\r\nHost: db"),
        ("/in?to=ada%40example.org&page=2", "/in?to=[e-mail]&page=2"),
        ("/in?token=abc&page=2", "/in?token=[redacted]&page=2"),
    ],
)
def test_text_around_a_secret_is_unchanged(said: str, shown: str) -> None:
    assert text(said) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"password": "x", "host": "db"}, {"password": MASK, "host": "db"}),
        ({"password": 12345}, {"password": MASK}),
        ({"max_tokens": 4096, "tokens": {"input": 3}}, {"max_tokens": 4096, "tokens": {"input": 3}}),
        ({"tokens": ["abc", "def"]}, {"tokens": [MASK, MASK]}),
        (
            {"credentials": {"user": "ada", "pin": 1234, "tries": 3}},
            {"credentials": {"user": MASK, "pin": MASK, "tries": 3}},
        ),
        ({"cookies": {"theme": "dark"}, "cookie_banner": True}, {"cookies": {"theme": MASK}, "cookie_banner": True}),
        ({"token": None, "secret": ""}, {"token": None, "secret": ""}),
        ({"name": "api_key", "value": "x"}, {"name": "api_key", "value": MASK}),
        ({"Key": "Password", "Value": "x"}, {"Key": "Password", "Value": MASK}),
        ({"name": "host", "value": "x"}, {"name": "host", "value": "x"}),
        ([["Authorization", "x"], ["Host", "db"]], [["Authorization", MASK], ["Host", "db"]]),
        (["no token was given", "try again"], ["no token was given", "try again"]),
        ({"card": int(CARD)}, {"card": "[number]"}),
        ({"at": 1764000000000, "size": 4398046511104}, {"at": 1764000000000, "size": 4398046511104}),
        ({"body": MAIL.encode()}, {"body": "[e-mail]"}),
        ({"error": ValueError(f"no such user: {MAIL}")}, {"error": "no such user: [e-mail]"}),
        ({"who": {MAIL}}, {"who": ["[e-mail]"]}),
        ({"at": datetime(2026, 3, 2, tzinfo=UTC)}, {"at": "2026-03-02 00:00:00+00:00"}),
        ({MAIL: 1, "bob@example.org": 2}, {"[e-mail]": 1, "[e-mail]'": 2}),
        ({"X-Internal-Health": "x", "phone": "0170 1234567"}, {"X-Internal-Health": MASK, "phone": MASK}),
    ],
)
def test_secrets_in_a_structure_are_redacted_and_its_form_is_kept(said: Any, shown: Any) -> None:
    assert data(said) == shown


def test_the_value_of_a_secret_field_is_masked() -> None:
    assert data("x", "api_key") == MASK
    assert data(["x", {"a": "y"}], "password") == [MASK, {"a": MASK}]


PIECES = st.one_of(st.sampled_from(CANARIES).map(lambda canary: canary.said), st.text(max_size=30), st.integers())
STRUCTURES = st.recursive(
    PIECES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)


@given(STRUCTURES)
def test_searching_all_texts_together_finds_what_searching_each_finds(structure: Any) -> None:
    assert data(structure) == redaction._data(structure)


@given(st.text())
def test_redacting_any_text_twice_equals_redacting_it_once(said: str) -> None:
    assert text(text(said)) == text(said)


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        ("gh" + "p_" + canaries.drawn("sample", 36), canaries.drawn("sample", 36)),
        (MAIL, "ada"),
        ("password=" + "hunter2hunter2", "hunter"),
        ("Bearer " + "a1b2c3d4e5f6", "a1b2c3"),
    ],
)
def test_a_sample_never_ends_in_half_a_secret(said: str, secret: str) -> None:
    # Enough of the text in front is masked that the end of the searched part is in the sample.
    before = 8 * "bob@example.org " * (SAMPLE // 16)
    for half in range(len(said) + 2):
        foreign = "." * half + before[half:] + said
        assert secret[:6] not in sample(foreign + " and so on")
        assert secret[:6] not in sample(foreign[len(said) :] + said + " and so on")


def test_a_sample_is_cut_at_512_characters() -> None:
    assert len(sample("a b " * 1000)) == SAMPLE


HOSTILE = (
    *("token=", 'token="', "Cookie: ", "a@", "a.b@c.d", "://a:", "%41", "%2541", "+1 ", "4111 ", "DE89 ", "eyJaaaa."),
    *("ghp_", "sk-a1A", "-----BEGIN ", " --password ", "<password ", "tokens={a:", "\\u0040", "arn:aws:secret:", "'"),
    *(
        "curl -u a",
        "mysql -",
        "curl ",
        "ssn: ",
        "ssn: 1 ",
        "date_of_birth ",
        "phone: 1 ",
        "tel.",
        "hooks/",
        "webhookb2/",
    ),
    *("de89 ", "de89", "://a@", "htpasswd -b a ", "hf_", "vercel_blob_rw_", "hook.eu1.", "steuer-", "born on ", "1 1 "),
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_duration_grows_linearly_for_a_hostile_text(piece: str) -> None:
    for said in (piece * (100_000 // len(piece)), piece + "a" * 100_000, f"{piece}x " * (100_000 // (len(piece) + 2))):
        started = time.process_time()
        text(said)
        # A tenth of a second at most; quadratic growth would take minutes.
        assert time.process_time() - started < 5
