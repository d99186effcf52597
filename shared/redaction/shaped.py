"""Find secrets by format: vendor tokens, private keys, credentials in URLs."""

from __future__ import annotations

import string
from collections.abc import Iterator

from shared.redaction.char_runs import ALPHANUMERIC, MASK, Span, char_class, pattern, runs

# Prefixes of vendor tokens; ten characters or more follow.
PREFIXES = (
    r"gh[pousr]_|github_pat_|gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas)-|xox[abeoprs]-|xapp-|[srp]k_(?:live|test)_"
    r"|whsec_|AIza|GOCSPX-|npm_|pypi-|rubygems_|do[oprt]_v1_|shp(?:at|ca|pa|ss|ua)_|sq0[a-z]{3}-|dckr_[po]at_|PMAK-"
    r"|lin_(?:api|oauth)_|ATATT3|ATBB|ATCTT3|CFPAT-|dapi(?=[0-9a-f]{32})|gl(?:c|sa)_|NRAK-|pscale_(?:pw|tkn|oauth)_"
    r"|sntry[su]_|sb[pk]_|tfp_|tskey-|figd_|xkeysib-|xsmtpsib-|HRKU-|AGE-SECRET-KEY-|IQoJ|F[Qw]oG|EAA(?=\w{20})"
    r"|LTAI|SK(?=[0-9a-f]{32})|key-(?=[0-9a-f]{32})|re_(?=\w{20})|hf_(?=[A-Za-z]{30})|ntn_(?=\d)|pul-(?=[0-9a-f]{40})"
    r"|sk-(?=[\w-]{0,40}[0-9])(?=[\w-]{0,40}[A-Z])(?=[\w-]{16})"
)
WHOLES = (
    r"eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*){0,3}|(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?![0-9A-Za-z])"
    r"|[0-9a-f]{32}-us\d{1,2}(?!\w)|pat[0-9A-Za-z]{14}\.[0-9a-f]{64}|[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}"
    r"|(?<=SG\.)[\w-]{16,}\.[\w-]{16,}|(?<=ya29\.)[\w.-]+|(?<=hv[sbr]\.)[\w-]{20,}|(?<=dp\.[ps]t\.)\w{40,}"
    r"|(?<=sl\.)[\w-]{60,}|(?<=\d:)AA[\w-]{33}(?!\w)"
)
SHAPES = rf"(?:{PREFIXES})[\w-]{{10,}}[.\w+/=-]*|{WHOLES}"
WORD = char_class(ALPHANUMERIC + "_-")
DIGITS = frozenset(string.digits)
# The shortest of these tokens is one of Slack.
MIN_TOKEN = 15
# Characters of ids and digests: hexadecimal digits, and the separators of UUIDs, run ids and timestamps.
HEX = "0123456789abcdef-TZ"

BEGIN, END, DASHES = "-----BEGIN ", "-----END ", "-----"
SCHEME_END = "://"
MAX_USERINFO = 512
# User and password, or a user only; not a port and a path.
USERINFO = r"[^\s/@:?#\"'<>]+(?::(?!\d{1,5}(?:[/?#]|\Z))[^\s\"'<>]*)?|:[^\s/\"'<>]+"


def spans(text: str, image: bytes) -> Iterator[Span]:
    done = 0
    for start, end in runs(image, WORD, MIN_TOKEN):
        word = text[start:end]
        # A name in lower case is no token: tokens are random or begin with capitals.
        if start >= done and word.strip(HEX) and not (word.islower() and DIGITS.isdisjoint(word)):
            for span in _tokens(text, start, end):
                yield span
                done = span[1]
    if BEGIN in text:
        yield from _private_keys(text)
    if SCHEME_END in text and "@" in text:
        yield from _userinfo(text)


def _tokens(text: str, start: int, end: int) -> Iterator[Span]:
    # A name may be joined to the token: prod-ghp_..., token_AKIA...
    while start < end:
        token = pattern(SHAPES).match(text, start)
        if token:
            yield *token.span(), MASK
        joint = pattern(r"[_-]").search(text, token.end() if token else start, end)
        start = joint.end() if joint else end


def _private_keys(text: str) -> Iterator[Span]:
    at = text.find(BEGIN)
    while at >= 0:
        label = text.find(DASHES, at + len(BEGIN))
        if "PRIVATE KEY" not in text[at:label]:
            at = text.find(BEGIN, at + 1)
            continue
        end = text.find(END, at)
        closed = text.find(DASHES, end + len(END)) if end >= 0 else -1
        end = closed + len(DASHES) if closed >= 0 else len(text)
        yield at, end, MASK
        at = text.find(BEGIN, end)


def _userinfo(text: str) -> Iterator[Span]:
    at = text.find("@")
    while at >= 0:
        scheme = text.rfind(SCHEME_END, max(0, at - MAX_USERINFO), at)
        if scheme >= 0 and pattern(USERINFO).fullmatch(text, scheme + len(SCHEME_END), at):
            yield scheme + len(SCHEME_END), at, MASK
        at = text.find("@", at + 1)
