"""Download links of exports.

Each download checks the export's row, so a link expires with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from shared.job import Grant, Setting, SettingError
from shared.product.export_ticket import Ticket

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

FUNCTION = "downloads"
GRANT = Grant(("lambda:GetFunctionUrlConfig",), f"function/{FUNCTION}")


def _address(text: str) -> str:
    text = text.strip()
    if text and (urlsplit(text).scheme not in ("https", "http") or not ("{ticket}" in text or "{id}" in text)):
        raise ValueError("must be a URL with {ticket} or {id}, such as https://mail.example/downloads/{ticket}")
    return text


LINK = Setting(
    "ACCOUNT_EXPORT_LINK",
    "",
    "URL where users download exports: one with {ticket} that leads to the function downloads, or one with {id} of an "
    "app that redirects signed-in users there; empty: that function's own URL",
    _address,
)


def link(cloud: Cloud, address: str, ticket: Ticket) -> str:
    """Download link by the setting's URL.

    Raises SettingError if it is empty and the function is not deployed.
    """
    if not address:
        name = cloud.names.function(FUNCTION)
        try:
            config = cloud.functions.get_function_url_config(FunctionName=name)
        except cloud.functions.exceptions.ResourceNotFoundException:
            raise SettingError(f"{LINK.name} is empty, and the function {name} has no URL; set it or deploy") from None
        address = f"{config['FunctionUrl'].rstrip('/')}/{FUNCTION}/{{ticket}}"
    return address.replace("{id}", quote(ticket.export, safe="")).replace("{ticket}", str(ticket))
