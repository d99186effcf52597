"""Classify the answers of relays: sender, recipient, deferred or temporary.

One table for SMTP and SES. Rules, in this order:

1. No answer before RCPT is about a message: it refuses our sender, or defers all mail.
2. Rate limits and greylisting defer, also where the code is permanent (some relays answer 550 to "hourly limit").
3. Answers about our sender, login, IP address or right to relay refuse the sender at every stage: Postfix
   answers MAIL FROM only at RCPT TO, others only after the message.
4. Other 5xx refuse this recipient or message; other 4xx are an attempt, except about the state of the relay (4.3.x)
   and its policy (4.7.x), which defer.

Sources: RFC 5321, 3463, 4954, 7372, 7505; the manuals of the relays, and the answers in the test's table.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from shared.mail.message import MailRefused, RefusalKind


class Stage(StrEnum):
    """The command that was answered."""

    CONNECT = "connect"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    #: The final dot after the message.
    END = "end of data"


class Refusal(NamedTuple):
    """Class of an answer."""

    kind: RefusalKind
    affects_all: bool = False
    #: Seconds to wait; 0 for none given.
    wait: float = 0


SESSION = (Stage.CONNECT, Stage.EHLO, Stage.STARTTLS, Stage.AUTH)
# Seconds. Without a number in the answer the next run tries again.
LONGEST_WAIT = 4 * 3600
# Seconds until a message is announced again that is larger than the relay accepts now.
SIZE_WAIT = 3600
# Characters of an answer that are read: a line has 512 by RFC 5321, an answer a few lines.
READ = 2000

CLOSING = 421
AUTHENTICATION = (530, 534, 535, 538)
TOO_LARGE = 552
PROTOCOL = (500, 502, 503, 504)
# Details of RFC 3463 by subject. Status of the recipient's address or mailbox: texts are not asked.
OF_RECIPIENT = {(1, 1), (1, 2), (1, 3), (1, 4), (1, 6), (1, 10), (2, 1), (2, 2)}
OF_MESSAGE_SIZE = {(2, 3), (3, 4)}
OF_PROTOCOL = {(5, 1), (5, 2), (5, 4)}
# Bad sender address, account of the sender, authentication, SPF and DKIM (RFC 7372), and Exchange's own.
OF_SENDER = {
    *((1, 7), (1, 8), (7, 8), (7, 9), (7, 11), (7, 13), (7, 14)),
    *((7, detail) for detail in range(20, 28)),
    *((7, 29), (7, 30), (7, 32), (7, 54), (7, 57), (7, 60), (7, 64), (7, 139), (7, 515), (2, 252)),
    *((7, detail) for detail in (*range(501, 513), *range(606, 650), *range(700, 751))),
}
OF_RATE = {(4, 5), (5, 3), (7, 28), (1, 90)}
OF_RELAY_STATE = {(3, 0), (3, 1), (3, 2), (3, 3), (3, 5), (4, 5)}

ENHANCED = re.compile(r"(?<![0-9.])([245])\.([0-9]{1,3})\.([0-9]{1,3})(?!\.?[0-9])")
PAUSE = re.compile(r"\b(?:in|for|after|least) ([0-9]{1,5}) ?(s|m|h)(?:ec|in|our|\b)")
GREYLIST = re.compile(r"gr[ea]y[ -]?list|try again (?:later )?(?:in|after) [0-9]")
RATE = re.compile(
    r"too (?:many (?:concurrent|connections?|messages?|mails?|e-?mails?|recipients?|sessions?|errors?|requests?|smtp|"
    r"commands?|transactions?|bad|invalid|unknown)|much mail|fast|quickly|frequently)|slow(?:ing)? down|throttl|"
    r"rate[ -]?limit|(?:sending|message|mail|connection|unusual) rate|at a rate|sending (?:limit|quota)|"
    r"\b(?:hourly|daily|monthly|per (?:second|minute|hour|day|month))\b|submissionquota|credits? exceeded|"
    r"concurrent (?:smtp )?connections|(?:connection|thread|message|recipient)s? limit|limit on (?:messages|recipients)"
)
# Of a rate limit of one recipient, which says nothing about other mail.
ONE_RECIPIENT = re.compile(r"receiving mail (?:at a rate|too quickly)|recipient thread limit")
# A mailbox that is full and a message that is too large have limits too.
OTHER_LIMIT = re.compile(r"mailbox|inbox|over ?quota|storage|\bsize\b|\blarge\b|\bhops?\b")
SENDER = re.compile(
    r"\bsenders? (?:address|verif|domain|id\b|identit|not (?:auth|allowed)|denied)|domain of sender|outbound sender|"
    r"unauthenticated sender|verified sender|\bfrom (?:address|header|domain)|\bmail ?from\b|header from|"
    r"send ?as ?denied|send as this|not owned by user|not (?:authori[sz]ed|allowed|permitted) to (?:send|perform)|"
    r"(?:address|domain|identity|sender) is not verified|\bsandbox\b|"
    r"not authenticated|unauthenticated|authentication (?:is )?(?:required|needed|failed|unsuccessful)|"
    r"must (?:be )?authenticat|please authenticate|smtp auth|\bspf\b|\bdkim\b|\bdmarc\b|"
    r"relay(?:ing)? (?:access |is |attempt )?(?:denied|not (?:permitted|allowed)|prohibited|blocked|refused)|"
    r"(?:unable to|cannot|can't|not permitted to|not allowed to|do not|don't) relay|rcpthosts|relaying|"
    r"client host|client (?:does not|was not|not)|\b(?:helo|ehlo)\b|traffic not accepted|unauthorized ip|banned send|"
    r"(?:your (?:ip|host|server|mail server)|ip address|sending ip|\bhost \[)[^;]{0,80}"
    r"(?:block|black|listed|reject|reputation|banned|\brbl\b)|"
    r"[0-9]\.[0-9]{1,3}\]? [^;]{0,20}(?:black ?list|block ?list|listed|\brbl\b)|invalid credentials|"
    # Not the list of a link in the message: those answers name the URL first.
    r"^(?:(?!\bur[il]s?\b|\blinks?\b)[^;]){0,80}\b(?:blocked|listed|rejected|found) (?:by|in|at|on|using|via) "
    r"(?:the )?(?:[a-z0-9-]{1,30}\.){0,3}"
    r"(?:spamhaus|spamcop|barracuda(?:central)?|abuseat|sorbs|uceprotect|dnsbl|rbl)\b|"
    r"(?:your|this|sender) account[^.;]{0,30}(?:suspend|paus|disabled|restrict|terminat|review)|"
    r"sending[^.;]{0,30}(?:suspend|paus|disabled|restrict)|"
    r"reverse (?:dns|hostname|lookup)|\bptr\b|starttls|tls (?:is )?required|encryption required"
)
GREETING_OF_LINES = re.compile(r"\n[0-9]{3}[ -]|\n[245]\.[0-9]{1,3}\.[0-9]{1,3} ")

# Codes of SES's API. The message's own refusals are read like an answer to the final dot.
SES_OF_MESSAGE = ("MessageRejected", "BadRequestException", "ValidationException")
SES_OF_SENDER = (
    *("SendingPausedException", "AccountSuspendedException", "MailFromDomainNotVerifiedException", "NotFoundException"),
    *("AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId"),
    *("SignatureDoesNotMatch", "InvalidSignatureException", "ExpiredTokenException", "IncompleteSignature"),
)
REJECTED = 554


def classify(stage: Stage, code: int, text: str) -> Refusal:
    """Classify a negative SMTP answer."""
    words = GREETING_OF_LINES.sub(" ", text[:READ].lower()).replace("\n", " ")
    status = _enhanced(words)
    permanent = code >= 500 and not (status and status[0] == 4)
    detail = status[1:] if status else None
    if stage in SESSION:
        return _of_all(permanent, words)
    if stage is Stage.MAIL:
        # The only answer to MAIL FROM that is about one message; its recipient cannot be refused here.
        too_large = code == TOO_LARGE or detail in OF_MESSAGE_SIZE
        return Refusal(RefusalKind.DEFERRED, wait=SIZE_WAIT) if too_large else _of_all(permanent, words)
    limited = _limited(words, detail)
    if limited:
        return limited
    if code in AUTHENTICATION or _is_about_sender(words, detail):
        return Refusal(RefusalKind.SENDER if permanent else RefusalKind.DEFERRED, affects_all=True)
    if code == CLOSING or not 400 <= code < 600:
        return Refusal(RefusalKind.DEFERRED, affects_all=code == CLOSING)
    if permanent:
        out_of_step = code in PROTOCOL or detail in OF_PROTOCOL
        return Refusal(RefusalKind.DEFERRED if out_of_step else RefusalKind.RECIPIENT)
    policy = status is not None and status[:2] == (4, 7)
    if code < 500 and (policy or detail in OF_RELAY_STATE):
        return Refusal(RefusalKind.DEFERRED)
    return Refusal(RefusalKind.TEMPORARY)


def refused(host: str, stage: Stage, code: int, answer: bytes | str) -> MailRefused:
    """The error for a negative SMTP answer."""
    text = (answer if isinstance(answer, str) else answer.decode(errors="replace")).strip()
    refusal = classify(stage, code, text)
    return MailRefused(
        f"{host}: {code} {text}",
        refusal.kind,
        affects_all=refusal.affects_all,
        wait=refusal.wait,
        closing=code == CLOSING,
    )


def classify_ses(code: str, text: str) -> Refusal:
    """Classify an error of SES's API that sent nothing.

    code: empty if there was no answer. Unknown codes defer: they never close a message.
    """
    if code in SES_OF_MESSAGE:
        return classify(Stage.END, REJECTED, text)
    if code in SES_OF_SENDER:
        return Refusal(RefusalKind.SENDER, affects_all=True)
    return Refusal(RefusalKind.DEFERRED, affects_all=True, wait=_pause(text.lower()))


def _enhanced(words: str) -> tuple[int, int, int] | None:
    """The status code of RFC 3463."""
    found = ENHANCED.search(words)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _of_all(permanent: bool, words: str) -> Refusal:
    """An answer before RCPT."""
    limited = RATE.search(words) or GREYLIST.search(words)
    if permanent and not limited:
        return Refusal(RefusalKind.SENDER, affects_all=True)
    return Refusal(RefusalKind.DEFERRED, affects_all=True, wait=_pause(words))


def _limited(words: str, detail: tuple[int, ...] | None) -> Refusal | None:
    """A rate limit or a greylist."""
    if ONE_RECIPIENT.search(words) or GREYLIST.search(words):
        return Refusal(RefusalKind.DEFERRED, wait=_pause(words))
    by_text = RATE.search(words) and not OTHER_LIMIT.search(words) and detail not in OF_RECIPIENT
    if by_text or detail in OF_RATE:
        return Refusal(RefusalKind.DEFERRED, affects_all=True, wait=_pause(words))
    return None


def _is_about_sender(words: str, detail: tuple[int, ...] | None) -> bool:
    return detail in OF_SENDER or (detail not in OF_RECIPIENT and SENDER.search(words) is not None)


def _pause(words: str) -> float:
    """Seconds that the text asks to wait; 0 for none."""
    found = PAUSE.search(words)
    if not found:
        return 0
    return min(int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]], LONGEST_WAIT)
