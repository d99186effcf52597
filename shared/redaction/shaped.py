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
    r"|LTAI|SK(?=[0-9a-f]{32})|key-(?=[0-9a-f]{32})|re_(?=\w{20})|hf_(?=\w{20})|ntn_(?=\d)|secret_(?=[A-Za-z0-9]{43}(?!\w))|pul-(?=[0-9a-f]{40})"
    # Providers of models.
    r"|gsk_(?=\w{20})|r8_(?=\w{20})|pplx-(?=\w{20})|xai-(?=\w{20})|nvapi-|tvly-(?=[\w-]{20})|csk-(?=\w{20})|lsv2_[ps][tk]_"
    r"|pcsk_|fw_(?=\w{20})|tgp_v1_|jina_(?=\w{20})|esecret_|api_org_(?=\w{20})|sk-(?:or-v1|ant|proj|svcacct|admin|lf)-"
    r"|sk-(?=[0-9a-f]{32}(?!\w))"
    r"|pa-(?=[\w-]{40})"
    # Hosting, databases, build systems.
    r"|vercel_blob_rw_|vc[kpiar]_(?=\w{20})|nf[pcoub]_(?=\w{20})|rnd_(?=\w{20})|f[mo]\d_(?=\w{20})|napi_(?=\w{20})"
    r"|sb_(?:secret|publishable)_|CCIPAT_|bkua_|pnu_(?=\w{20})|CCDB1_|sgp_(?=\w{20})|ops_(?=eyJ)|oy2(?=[a-z0-9]{40})"
    r"|cio(?=[A-Za-z0-9]{32}(?!\w))|tk-us-|ATTA(?=[0-9a-f]{40})|A3-(?=[A-Z0-9]{6}-)|rdme_(?=\w{20})"
    # Payment, telephony, analytics.
    r"|FLWSECK(?:_TEST)?-|EZ[AT]K(?=\w{20})|shippo_(?:live|test)_|duffel_(?:live|test)_|ph[cx]_(?=\w{20})"
    r"|access-(?:sandbox|development|production)-|secret-(?:live|test)-|pat-(?:na|eu)\d-|aio_(?=\w{20})"
    r"|AKID(?=\w{20})|AQVN(?=[\w-]{20})|y0_(?=[\w-]{20})"
    r"|sk-(?=[\w-]{0,40}[0-9])(?=[\w-]{0,40}[A-Z])(?=[\w-]{16})"
)
WHOLES = (
    r"eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*){0,3}|(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?![0-9A-Za-z])"
    r"|[0-9a-f]{32}-us\d{1,2}(?!\w)|pat[0-9A-Za-z]{14}\.[0-9a-f]{64}|[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}"
    r"|(?<=SG\.)[\w-]{16,}\.[\w-]{16,}|(?<=ya29\.)[\w.-]+|(?<=hv[sbr]\.)[\w-]{20,}|(?<=dp\.[ps]t\.)\w{40,}"
    r"|(?<=sl\.)[\w-]{60,}|(?<=\d:)AA[\w-]{33}(?!\w)|(?<=\.atlasv1\.)[\w-]{40,}|(?<=dt0c01\.)[A-Z0-9]{20,}\.[A-Z0-9]{40,}"
    r"|(?<=sha256~)[\w-]{40,}|(?<=access_token\$production\$)\w+\$[0-9a-f]{32}|(?<=t1\.)[A-Z0-9][\w-]{40,}"
    r"|(?<=\w{3}8Q~)[\w.~-]{30,}"
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
# User and password, or a user only; not a port and a path. A decoded user may contain the @ sign.
USERINFO = r"[^\s/:?#\"'<>]+(?::(?!\d{1,5}(?:[/?#]|\Z))[^\s\"'<>]*)?|:[^\s/\"'<>]+"


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
