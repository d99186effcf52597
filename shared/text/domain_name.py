"""Domain names in ASCII: IDNA 2008, without transitional mappings.

Python's own `idna` codec is IDNA 2003: it turns straße.example into another domain, strasse.example.
"""

from __future__ import annotations

import re

# RFC 1035, with the underscore of names such as _dmarc.
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
MAX_LENGTH = 253
ENCODED = "xn--"


class InvalidDomain(ValueError):
    """Text that is no domain name."""


def ascii_domain(name: str) -> str:
    """Return a domain name in lower-case ASCII, without its final dot.

    Mapped by UTS 46, non-transitional, then encoded by IDNA 2008 (RFC 5891).

    Raises InvalidDomain.
    """
    if not 0 < len(name) <= 4 * MAX_LENGTH:
        raise InvalidDomain("is not a domain name: it is empty or too long")
    labels = _labels(name)
    if labels[-1] == "":
        labels.pop()
    encoded = ".".join(map(_encoded, labels))
    if not 0 < len(encoded) <= MAX_LENGTH:
        raise InvalidDomain(f"is not a domain name: it has {len(encoded)} characters of 1 to {MAX_LENGTH}")
    return encoded


def unicode_domain(name: str) -> str:
    """Return a domain name in Unicode, for people.

    Unchanged where it cannot be decoded.
    """
    if ENCODED not in name.lower():
        return name
    import idna

    try:
        return ".".join(idna.ulabel(label) if label.startswith(ENCODED) else label for label in name.lower().split("."))
    except UnicodeError:
        return name


def _labels(name: str) -> list[str]:
    if name.isascii():
        return name.lower().split(".")
    # Only names in other scripts need the package: it costs a cold start its tables.
    import idna

    try:
        return idna.uts46_remap(name, std3_rules=False, transitional=False).split(".")
    except UnicodeError as error:
        raise InvalidDomain(f"is not a domain name: {error}") from None


def _encoded(label: str) -> str:
    if label.isascii() and not label.startswith(ENCODED):
        if not LABEL.fullmatch(label):
            raise InvalidDomain(f"is not a domain name: {label!r:.70} is not one of its labels")
        return label
    import idna

    try:
        return idna.alabel(label).decode()
    except UnicodeError as error:
        raise InvalidDomain(f"is not a domain name: {error}") from None
