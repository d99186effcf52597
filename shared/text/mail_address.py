"""Strict parser of e-mail addresses, without comments, groups or names.

Lenient parsers take `a:b@example.com` for a group and mail to `b@example.com`, another person.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.text.domain_name import InvalidDomain, ascii_domain

# RFC 5321, sections 4.1.2 and 4.5.3.1: a dot-string or a quoted string; RFC 6531 adds characters outside ASCII.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
DOT_STRING = re.compile(rf"{ATOM}(?:\.{ATOM})*")
QUOTED_STRING = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])+"')
MAX_LOCAL, MAX_ADDRESS = 64, 254
# Characters that mean something in an address list, and so must be quoted in a display name.
SPECIALS = re.compile(r'[()<>\[\]:;@\\,"]')
ESCAPED = re.compile(r"\\(.)")


class InvalidAddress(ValueError):
    """Text that is no e-mail address."""


@dataclass(frozen=True, slots=True)
class MailAddress:
    """An e-mail address.

    `str` of it is the form in SMTP and in headers.
    """

    local: str
    """Local part, quoted where it must be. In Unicode it needs a relay with SMTPUTF8."""
    domain: str
    """Domain in lower-case ASCII (A-labels)."""

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        return self.local.isascii()

    @property
    def unquoted_local(self) -> str:
        """The local part without the quotes of its written form."""
        return ESCAPED.sub(r"\1", self.local[1:-1]) if self.local.startswith('"') else self.local


def parse_address(text: str) -> MailAddress:
    """Parse one bare address, `ada@example.com`.

    Raises InvalidAddress for anything around it: a display name, a comment, a group, a second address, spaces.
    """
    local, _, domain = text.rpartition("@")
    try:
        address = MailAddress(_local(local), ascii_domain(domain))
    except InvalidDomain as error:
        raise InvalidAddress(f"is not an e-mail address: its domain {error}") from None
    if address.domain.rpartition(".")[2].isdigit():
        raise InvalidAddress("is not an e-mail address: its domain is an IP address")
    if len(str(address).encode()) > MAX_ADDRESS:
        raise InvalidAddress(f"is not an e-mail address: it has more than {MAX_ADDRESS} bytes")
    return address


def parse_named_address(text: str) -> tuple[str, MailAddress]:
    """Parse a sender into name and address.

    A sender is `Ada <ada@example.com>` or a bare address. Raises InvalidAddress.
    """
    text = text.strip()
    if not text.endswith(">"):
        return "", parse_address(text)
    name, _, address = text[:-1].rpartition("<")
    name = name.strip()
    if len(name) > 1 and name.startswith('"') and name.endswith('"'):
        name = ESCAPED.sub(r"\1", name[1:-1])
    elif SPECIALS.search(name):
        raise InvalidAddress("is not one sender: quote its name, or give one address alone")
    if not name.isprintable():
        raise InvalidAddress("is not a sender: its name contains control characters")
    return name, parse_address(address)


def _local(local: str) -> str:
    if not local:
        raise InvalidAddress("is not an e-mail address: write it as name@example.com")
    if len(local.encode("utf-8", "surrogatepass")) > MAX_LOCAL:
        raise InvalidAddress(f"is not an e-mail address: the part before @ has more than {MAX_LOCAL} bytes")
    if QUOTED_STRING.fullmatch(local):
        return local
    if not DOT_STRING.fullmatch(local) or not local.isprintable():
        raise InvalidAddress("is not one bare e-mail address: write it as name@example.com, without anything around it")
    if not local.isascii():
        import unicodedata

        # Compatibility characters can be another form of a separator: U+FF20 of @, U+FE13 of a colon.
        if not DOT_STRING.fullmatch(unicodedata.normalize("NFKC", local)):
            raise InvalidAddress("is not an e-mail address: the part before @ contains a form of a separator")
    return local
