"""Text headers are folded without loss."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.mail.folding import LosslessPolicy


def sent(subject: str) -> bytes:
    message = EmailMessage(LosslessPolicy(linesep="\r\n", cte_type="7bit"))
    message["Subject"] = subject
    message.set_content("x\n")
    return message.as_bytes()


def read(raw: bytes) -> str:
    return str(message_from_bytes(raw, policy=policy.default)["subject"])


@pytest.mark.parametrize(
    "subject",
    [
        "Hello",
        "14 changes: " + ", ".join("https://example.com/" + "a" * 60 for _ in range(14)),
        "[X-4711] R\u00fcckfrage zu Ihrer Bestellung - 251003-GD1U - Helm mit R\u00fccklicht und Zubeh\u00f6r (#1031)",
        "\u00fc" * 700,
        "a" * 2_000,
        "two  spaces and a tab\tin it",
        " leading and trailing ",
        "\U0001f600 " * 60,
    ],
)
def test_a_subject_is_read_back_as_it_was(subject: str) -> None:
    raw = sent(subject)
    assert read(raw) == subject
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.isascii()
    head = raw.partition(b"\r\n\r\n")[0]
    assert all(len(line) <= 78 for line in head.split(b"\r\n") if b"=?" in line)


TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=300)


@settings(deadline=None)
@given(TEXT)
def test_any_subject_is_read_back(subject: str) -> None:
    assert read(sent(subject)) == subject
