"""One filter for every sink: logs, status records, artifacts, alerts. What it knows as secret never passes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SAMPLE = 512
MASK = "[redacted]"

# Fields whose value is secret whatever it looks like.
SECRET_FIELD = re.compile(
    r"authorization|cookie|password|passwd|secret|token|api[-_]?key|x-internal-health|credential|session[-_]?id|signature",
    re.IGNORECASE,
)

PATTERNS = tuple(
    (re.compile(pattern, flags), replacement)
    for pattern, flags, replacement in (
        # JSON web tokens, then any header or assignment that names a secret, then well-known key shapes.
        (r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*", 0, MASK),
        (r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE, rf"\1 {MASK}"),
        (r"\b((?:set-)?cookie)\s*:\s*[^\r\n]+", re.IGNORECASE, rf"\1: {MASK}"),
        (
            (
                r"([\"']?\b[\w-]*(?:password|passwd|secret|token|api[-_]?key|signature|session[-_]?id)[\"']?\s*[=:]\s*)"
                r"(\"[^\"]*\"|'[^']*'|[^\s\"'&,;}<]+)"
            ),
            re.IGNORECASE,
            rf"\1{MASK}",
        ),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", 0, MASK),
        (r"\b(?:sk|pk|rk|whsec|ghp|gho|xox[abpr])[-_][\w-]{10,}", 0, MASK),
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL, MASK),
        (r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)", 0, MASK),
        (r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", 0, "[e-mail]"),
        (r"\b(?:\d[ -]?){13,19}\b", 0, "[number]"),
    )
)


def text(value: str) -> str:
    for pattern, replacement in PATTERNS:
        value = pattern.sub(replacement, value)
    return value


def sample(foreign: str, length: int = SAMPLE) -> str:
    """Foreign text, filtered, then cut: cutting first could leave half a secret that no pattern knows."""
    return text(foreign[: length * 8])[:length]


def data(value: Any, field: str = "") -> Any:
    """The same structure, filtered."""
    match value:
        case str():
            return MASK if SECRET_FIELD.search(field) else text(value)
        case Mapping():
            return {key: data(inner, str(key)) for key, inner in value.items()}
        case list() | tuple():
            return [data(inner, field) for inner in value]
    return value
