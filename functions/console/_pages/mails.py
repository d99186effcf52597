"""Mails that jobs have sent locally; none of them left this machine."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import islice
from pathlib import Path

from htpy import Node, a, fragment, h2, iframe, p, pre, section

from functions.console._html import tables
from functions.console._request import PageError
from functions.console._view import Page, View, link

# A folder of the local cloud, beside which mails are stored.
WORKSPACE = "KB_WORKSPACE"
ID = re.compile(r"[0-9]{8}T[0-9]{9}-[0-9a-f]{6}")
LISTED = 100


def page(view: View) -> Page:
    """No call: the mails are files."""
    workspace = view.cloud.environment.get(WORKSPACE, "")
    if not workspace:
        return Page("Mails", p(".empty")["This process does not know where mail is stored."])
    folder = Path(workspace).parent / "mail"
    if any(view.rest):
        return _one(folder, view.rest[0])
    rows = [_row(path) for path in islice(sorted(folder.glob("*.eml"), reverse=True), LISTED)]
    return Page(
        "Mails",
        tables.listing("Mails, the newest first", ("mail", "to", "subject"), rows, "No mail was sent."),
        live=True,
    )


def _row(path: Path) -> tuple[Node, ...]:
    message = _message(path)
    return (
        a(href=link("mails", path.stem))[path.stem],
        str(message["X-Envelope-To"] or ""),
        str(message["Subject"] or ""),
    )


def _one(folder: Path, name: str) -> Page:
    path = folder / f"{name}.eml"
    if not ID.fullmatch(name) or not path.is_file():
        raise PageError(404, f"There is no mail {name[:60]!r}; the oldest are deleted.", {link("mails"): "Mails"})
    message = _message(path)
    headers = [(name, str(message[name] or "")) for name in ("From", "To", "Reply-To", "Subject", "Date", "Message-ID")]
    html = _part(message, "html")
    body = fragment[
        tables.facts(headers),
        section[h2["Text"], pre(tabindex="0")[_part(message, "plain") or "It has no text."]],
        section[h2["HTML"], _frame(html)] if html else None,
    ]
    return Page(str(message["Subject"] or "Mail"), body)


def _frame(html: str) -> Node:
    # An empty sandbox: no scripts, no forms, an origin of its own. It inherits the policy of the page, which allows no
    # inline styles either.
    return iframe(sandbox="", title="The HTML of the mail", srcdoc=html)


def _message(path: Path) -> EmailMessage:
    return message_from_bytes(path.read_bytes(), policy=policy.default)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""
