"""Where users fetch exports: an address that looks at the export's row each time, so that it ends when that says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from shared.job import Grant, Setting
from shared.product.export_ticket import Ticket

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

FUNCTION = "downloads"
GRANT = Grant(("lambda:GetFunctionUrlConfig",), f"function/{FUNCTION}")


def _address(text: str) -> str:
    text = text.strip()
    if text and (urlsplit(text).scheme not in ("https", "http") or not ("{ticket}" in text or "{id}" in text)):
        raise ValueError("say an address with {ticket} in it, as in https://mail.example/downloads/{ticket}, or {id}")
    return text


LINK = Setting(
    "ACCOUNT_EXPORT_LINK",
    "",
    "Where users fetch exports: an address with {ticket} in it that leads to the function downloads, or one with {id} "
    "of an app that shows a user who is signed in the way; empty: that function's own address",
    _address,
)


def link(cloud: Cloud, address: str, ticket: Ticket) -> str:
    """address: as the setting has it. Raises ClientError where it is empty and no such function is deployed."""
    if not address:
        found = cloud.functions.get_function_url_config(FunctionName=cloud.names.function(FUNCTION))
        address = f"{found['FunctionUrl'].rstrip('/')}/{FUNCTION}/{{ticket}}"
    return address.replace("{id}", quote(ticket.export, safe="")).replace("{ticket}", str(ticket))
