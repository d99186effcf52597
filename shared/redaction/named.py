"""Find secrets by the name in front: `password=`, `"token": `, `Cookie:`, `Bearer`."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from functools import cache

from shared.redaction.char_runs import MASK, Span, pattern

HOOKS = ("hooks", "webhookb2/", "hook.", "hook/", "ifttt.com/")
# Patterns are applied where one of these occurs, and nowhere else.
STEMS = (
    *("pass", "pwd", "kennwort", "secret", "token", "credential", "auth", "cookie", "sess", "key", "sig", "srf", "otp"),
    *("cvv", "cvc", "jwt", ".sid", "sid=", "code=", "bearer", "basic", "x-internal-health"),
    *("contrase", "senha", "wachtwoord"),
    *HOOKS,
)
# `key` may be one of a table or a map; after one of these words it is a secret.
SECRET_KEY_WORDS = (
    *("api", "access", "private", "account", "signing", "encryption", "master", "ssh", "shared", "license"),
    *("subscription", "storage", "webhook", "hmac", "service", "client", "consumer", "auth"),
)
NAME = (
    r"pass(?:words?|wort|wd|phrases?|codes?|e)|kennwort|contrase(?:\xf1|n)a|senha|wachtwoord|(?<=[_?&;-])pass|(?<=[\"'])pass(?=\\*[\"'])|pwd|secrets?|tokens?|credentials?"
    r"|authorization|(?<=[\"'])auth(?=\\*[\"'][^\w]{1,5}[\w+/=-]{16})|cookies?|sess(?:ion[-_]?)?id"
    r"|(?<![a-z])session(?==)|keys?|signature|(?<=[?&;])sig|srf|(?<![a-z])(?:otp|cv[vc]2?|jwt)|\.sid|(?<=[?&; ])sid"
    r"|(?<=[?&])code(?=(?:=|%3d)[\w%.~/-]{8})|x-internal-health"
)
SUFFIX = (
    r"(?:[-_]?(?:hash|value|key|id|data|string|header|plain|text|confirmation|confirm|b64|base64|enc|old|new|current"
    r"|previous|\d{1,3}))?(?:\[\w{0,20}\])?"
)
# `name = value`, `"name": value`; `"name": "token", "value": ...`; `("name", "value")`.
JOINT = (
    r"(?:(?:\\*[\"'])?[ \t]{0,20}(?:=>|:=|=(?!=)|:(?!:)|%3[ad])[ \t]{0,20}(?:\r?\n[ \t]{1,20})?"
    r"|\\*[\"'][ \t]*,?\s{0,20}\\*[\"']?value\\*[\"']?[ \t]*[:=][ \t]*"
    r"|(?P<pair>\\*[\"'][ \t]*,[ \t]*(?=b?\\*[\"'])))"
)
# Values that are no secret under any name: words of prose, and words for an absent value.
NOT_A_VALUE = (
    r"(?!(?:null|none|nil|true|false|undefined|missing|required|expired|invalid|unknown|empty|unset|absent|failed"
    r"|denied|wrong|rejected|the|an?|is|was|are|were|not|no|must|has|have|had|for|of|in|on|at|and|or|to|from|with|by)"
    r"(?![\w-]))"
)
COUNTS = r"[{\[]?(?:[\s,\d.]|[\"']?[A-Za-z_]\w*[\"']?:)*[}\]]?"
QUOTED = r"b?(?P<quote>\\*[\"'`])(?P<inside>(?:(?!(?<!\\)(?P=quote)).)*+)(?:(?P=quote)|\Z)"
# A separator is part of the value unless a space or another name follows it.
BARE = (
    r"(?:(?:bearer|basic|digest|token|apikey)[ \t]+)?"
    r"(?:[^\s\"'`<>,;&|(){}\[\]\\]|\\(?![nrt\"'])|[(\[{]|[,;&|)\]}](?=[^\s\"',;&|)\]}<>\\])(?![\w.-]{1,40}[\"']?[=:]))+"
)
ASSIGNED = rf"(?P<name>{NAME}){SUFFIX}(?P<joint>{JOINT})"
VALUE = rf"{QUOTED}|(?P<listed>\[[^\]]*\]?|\{{[^}}]*\}}?)|{NOT_A_VALUE}(?P<bare>{BARE})"
ELEMENT = rf"(?:{NAME}){SUFFIX}[^<>\n]{{0,80}}>(?P<value>[^<>]{{1,4096}})</"
OPTION = rf"(?:{NAME}){SUFFIX}[ \t]+(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"'-][^\s\"']*)"
HEADER = r"(?:authorization|cookie2?)[ \t]{0,20}:[ \t]{0,20}(?P<value>(?:(?!\\[rn\"'])[^\r\n%s]|\r?\n[ \t]+)+)"
SCHEME = r"(?:(?P<bearer>bearer)|basic)(?:[ \t]|%20)+(?P<value>[\w.~+/-]{8,}={0,2})"
# Addresses of chat systems that end in a secret: Slack, Discord, Zapier, Mattermost; Teams; Make; Lark; IFTTT.
HOOK = (
    r"hooks(?:\.slack\.com/\w{1,20}|/\d{1,30}|\.zapier\.com/hooks/catch|(?=/[a-z0-9]{24,}))/(?P<value>[\w/-]{10,})"
    r"|webhookb2/(?P<teams>[\w@/-]{16,})|hook\.\w{2,3}\d?\.(?:make|integromat)\.com/(?P<make>\w{16,})"
    r"|hook/(?P<lark>[\w-]{30,})|ifttt\.com/trigger/[\w-]{1,64}/(?:json/)?with/key/(?P<ifttt>[\w-]{10,})"
)
NAMED = re.IGNORECASE | re.DOTALL


def spans(text: str, image: bytes) -> Iterator[Span]:
    done = 0
    # In lower case: with IGNORECASE `re` could not skip ahead.
    for stem in _stems().finditer(image.lower()):
        # A masked span is not searched again: a hostile text would be read to its end each time.
        if stem.start() >= done:
            for span in _after(text, stem.start(), stem[0].decode()):
                yield span
                done = span[1]


@cache
def _stems() -> re.Pattern[bytes]:
    return re.compile("|".join(map(re.escape, STEMS)).encode())


def _after(text: str, at: int, stem: str) -> Iterator[Span]:
    if stem == "key":
        before = text[max(0, at - 14) : at].lower().rstrip("-_ ")
        if not before.endswith((*SECRET_KEY_WORDS, "?", "&")):
            return
    if stem in HOOKS:
        yield from _groups(pattern(HOOK, NAMED).match(text, at), "value", "teams", "make", "lark", "ifttt")
        return
    if stem in ("bearer", "basic"):
        scheme = pattern(SCHEME, NAMED).match(text, at)
        if scheme and _is_credential(scheme):
            yield from _groups(scheme)
        return
    if stem in ("auth", "cookie"):
        quote = text[max(0, at - 7) : at].lower().removesuffix("proxy-").removesuffix("set-")[-1:]
        header = pattern(HEADER % (quote if quote in ("'", '"') else ""), NAMED).match(text, at)
        if header:
            yield from _groups(header)
            return
    assigned = pattern(ASSIGNED, NAMED).match(text, at)
    if assigned:
        yield from _value(text, assigned)
    elif text.find("<", max(0, at - 40), at) >= 0:
        yield from _groups(pattern(ELEMENT, NAMED).match(text, at))
    elif text.find("--", max(0, at - 40), at) >= 0 and pattern(r"--[\w-]*\Z").search(text, max(0, at - 40), at):
        yield from _groups(pattern(OPTION, NAMED).match(text, at))


def _groups(match: re.Match[str] | None, *names: str) -> Iterator[Span]:
    """Yield the span of each group that matched."""
    for name in names or ("value",):
        if match and match[name]:
            yield *match.span(name), MASK


def _value(text: str, assigned: re.Match[str]) -> Iterator[Span]:
    start, name = assigned.start(), assigned["name"].lower()
    if assigned["joint"].strip() == ":" and start:
        # A path, as in `/etc/passwd: permission denied`, or the name of an AWS resource.
        arn = text.rfind("arn:", max(0, start - 200), start)
        if text[start - 1] == "/" or (arn >= 0 and not pattern(r"[\s\"']").search(text, arn, start)):
            return
    value = pattern(VALUE, NAMED).match(text, assigned.end())
    if value is None or (assigned["pair"] and text[value.end() : value.end() + 1] not in (")", "]")):
        return
    if name.endswith("s") and pattern(COUNTS).fullmatch(value["bare"] or value["listed"] or "-"):
        # A count of tokens.
        return
    if name != "pwd" or not (value["inside"] or value["bare"] or "").startswith("/"):
        yield from _groups(value, "inside", "listed", "bare")


def _is_credential(scheme: re.Match[str]) -> bool:
    """Whether a credential follows, unlike in `basic understanding` and `bearer authentication`."""
    value = scheme["value"]
    if scheme["bearer"]:
        return bool(pattern(r"\d|.[A-Z]|[.~+/]\w").search(value))
    try:
        return b":" in b64decode(value + "=" * (-len(value) % 4), validate=True)
    except ValueError:
        return False
