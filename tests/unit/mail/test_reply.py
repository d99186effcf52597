"""Answers of relays, as their manuals and logs have them, and what each refuses."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.mail.message import RefusalKind
from shared.mail.reply import LONGEST_WAIT, Stage, classify, classify_ses, refused

CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, END = Stage
SENDER, RECIPIENT, DEFERRED, TEMPORARY = RefusalKind

POSTFIX = [
    (RCPT, 550, "5.1.1 <ada@x.example>: Recipient address rejected: User unknown in virtual mailbox table", RECIPIENT),
    (
        RCPT,
        550,
        "5.1.1 <ada@x.example>: Recipient address rejected: undeliverable address: host mx said: 550",
        RECIPIENT,
    ),
    (RCPT, 554, "5.7.1 <ada@x.example>: Recipient address rejected: Access denied", RECIPIENT),
    (RCPT, 554, "5.7.1 <ada@x.example>: Relay access denied", SENDER),
    (RCPT, 553, "5.7.1 <post@in.example>: Sender address rejected: not owned by user nightshift", SENDER),
    (RCPT, 550, "5.1.8 <post@in.example>: Sender address rejected: Domain not found", SENDER),
    (RCPT, 450, "4.1.8 <post@in.example>: Sender address rejected: Domain not found", DEFERRED),
    (RCPT, 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", SENDER),
    (RCPT, 504, "5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", SENDER),
    (RCPT, 550, "5.7.25 Client host rejected: cannot find your reverse hostname, [192.0.2.1]", SENDER),
    (RCPT, 450, "4.2.0 <ada@x.example>: Recipient address rejected: Greylisted, see http://postgrey.example", DEFERRED),
    (RCPT, 450, "4.7.1 <ada@x.example>: Recipient address rejected: Please try again later", DEFERRED),
    (RCPT, 450, "4.7.1 Error: too many recipients from 192.0.2.1", DEFERRED),
    (MAIL, 450, "4.7.1 Error: too much mail from 192.0.2.1", DEFERRED),
    (CONNECT, 421, "4.7.0 mx.example Error: too many connections from 192.0.2.1", DEFERRED),
    (RCPT, 450, "4.3.2 Service currently unavailable", DEFERRED),
    (MAIL, 452, "4.3.1 Insufficient system storage", DEFERRED),
    (MAIL, 552, "5.3.4 Message size exceeds fixed limit", DEFERRED),
    (RCPT, 452, "4.2.2 <ada@x.example>: Recipient address rejected: mailbox full", TEMPORARY),
    (RCPT, 552, "5.2.2 <ada@x.example>: Recipient address rejected: Mailbox is over quota", RECIPIENT),
    (RCPT, 450, "4.1.1 <ada@x.example>: Recipient address rejected: unverified address", TEMPORARY),
    (RCPT, 451, "4.3.5 <ada@x.example>: Recipient address rejected: Server configuration error", DEFERRED),
    (RCPT, 530, "5.7.0 Must issue a STARTTLS command first", SENDER),
    (END, 451, "4.3.0 Error: queue file write error", DEFERRED),
    (END, 554, "5.7.1 Message rejected as spam by content filter", RECIPIENT),
    (END, 554, "5.4.6 Error: too many hops", RECIPIENT),
    (END, 552, "5.3.4 Error: message file too big", RECIPIENT),
    (DATA, 554, "5.5.1 Error: no valid recipients", DEFERRED),
    (AUTH, 535, "5.7.8 Error: authentication failed: UGFzc3dvcmQ6", SENDER),
    (AUTH, 454, "4.7.0 Temporary authentication failure: Connection lost to authentication server", DEFERRED),
    (END, 421, "4.4.2 mx.example Error: timeout exceeded", DEFERRED),
]
EXIM = [
    (RCPT, 550, "relay not permitted", SENDER),
    (RCPT, 550, "Unrouteable address", RECIPIENT),
    (RCPT, 550, "Unknown user", RECIPIENT),
    (RCPT, 550, "Sender verify failed", SENDER),
    (RCPT, 550, "authentication required", SENDER),
    (RCPT, 451, "Temporary local problem - please try later", TEMPORARY),
    (RCPT, 451, "Greylisted, please try again in 5 minutes", DEFERRED),
    (RCPT, 451, "hourly limit of 200 messages exceeded", DEFERRED),
    (
        RCPT,
        550,
        "Domain in.example has exceeded the max emails per hour (102/100 (102%)) allowed. Discarded.",
        DEFERRED,
    ),
    (RCPT, 552, "mailbox is full: retry timeout exceeded", RECIPIENT),
    (END, 550, "This message was classified as SPAM and may not be delivered", RECIPIENT),
    (END, 554, "message has lines too long for transport", RECIPIENT),
    (END, 552, "Message size exceeds maximum permitted", RECIPIENT),
    (CONNECT, 554, "mx.example: no SMTP service here", SENDER),
    (MAIL, 550, "rejected because 192.0.2.1 is in a black list", SENDER),
    (RCPT, 550, "rejected because 192.0.2.1 is in a black list at bl.example", SENDER),
    (RCPT, 550, "JunkMail rejected - host [192.0.2.1] is in an RBL", SENDER),
    (RCPT, 554, "5.7.0 Blocked by Spamhaus", SENDER),
    (RCPT, 550, "Blocked using bl.spamcop.net; see https://www.spamcop.net/", SENDER),
    (RCPT, 550, "5.7.1 Mail rejected by b.barracudacentral.org", SENDER),
    (END, 554, "5.7.1 URL https://x.example in message is listed by dbl.spamhaus.org", RECIPIENT),
    (END, 550, "Our server has rejected your message: it is spam", RECIPIENT),
]
SENDMAIL = [
    (RCPT, 550, "5.7.1 <ada@x.example>... Relaying denied. Proper authentication required.", SENDER),
    (RCPT, 550, "5.1.1 <ada@x.example>... User unknown", RECIPIENT),
    (MAIL, 553, "5.1.8 <post@in.example>... Domain of sender address post@in.example does not exist", SENDER),
    (MAIL, 451, "4.1.8 Domain of sender address post@in.example does not resolve", DEFERRED),
    (RCPT, 452, "4.5.3 Too many recipients", DEFERRED),
    (MAIL, 452, "4.4.5 Insufficient disk space; try again later", DEFERRED),
    (RCPT, 421, "4.3.2 Connection rate limit exceeded.", DEFERRED),
    (RCPT, 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", SENDER),
    (RCPT, 450, "4.7.1 <ada@x.example>... Greylisting in action, please come back in 00:04:59", DEFERRED),
]
EXCHANGE = [
    (END, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender", SENDER),
    (RCPT, 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", SENDER),
    (RCPT, 550, "5.7.1 Unable to relay", SENDER),
    (MAIL, 530, "5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM", SENDER),
    (RCPT, 550, "5.4.1 Recipient address rejected: Access denied. AS(201806281)", RECIPIENT),
    (RCPT, 550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", RECIPIENT),
    (RCPT, 550, "5.5.0 Requested action not taken: mailbox unavailable", RECIPIENT),
    (END, 554, "5.2.252 SendAsDenied; post@in.example not allowed to send as x@in.example", SENDER),
    (END, 554, "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process", DEFERRED),
    (END, 550, "5.1.90 Your message can't be sent because you've reached your daily limit for recipients", DEFERRED),
    (END, 550, "5.1.8 Access denied, bad outbound sender AS(42004)", SENDER),
    (RCPT, 550, "5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.", SENDER),
    (END, 550, "5.7.515 Access denied, sending domain in.example does not meet the required level", SENDER),
    (RCPT, 432, "4.3.2 Concurrent connections limit exceeded", DEFERRED),
    (RCPT, 432, "4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", DEFERRED),
    (RCPT, 451, "4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)", DEFERRED),
    (RCPT, 452, "4.2.2 The recipient's mailbox is full", TEMPORARY),
    (AUTH, 535, "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant", SENDER),
    (END, 451, "4.7.0 Temporary server error. Please try again later. PRX4", DEFERRED),
]
GMAIL = [
    (
        RCPT,
        550,
        "5.1.1 The email account that you tried to reach does not exist. Please try double-checking",
        RECIPIENT,
    ),
    (RCPT, 550, "5.2.1 The email account that you tried to reach is disabled.", RECIPIENT),
    (RCPT, 552, "5.2.2 The recipient's inbox is out of storage space and inactive.", RECIPIENT),
    (RCPT, 452, "4.2.2 The recipient's inbox is out of storage space.", TEMPORARY),
    (RCPT, 450, "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents more", DEFERRED),
    (END, 550, "5.7.26 This mail has been blocked because the sender is unauthenticated.", SENDER),
    (END, 421, "4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP", DEFERRED),
    (END, 550, "5.7.28 Gmail has detected an unusual rate of unsolicited mail from your IP address", DEFERRED),
    (END, 550, "5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits", DEFERRED),
    (END, 550, "5.7.1 Our system has detected that this message is likely unsolicited mail.", RECIPIENT),
    (END, 552, "5.2.3 Your message exceeded Google's message size limits.", RECIPIENT),
    (RCPT, 550, "5.7.1 Invalid credentials for relay [192.0.2.1]. The IP address you've registered is not", SENDER),
    (MAIL, 530, "5.7.0 Authentication Required.", SENDER),
]
SES = [
    (END, 554, "Message rejected: Email address is not verified. The following identities failed the check", SENDER),
    (END, 454, "Throttling failure: Maximum sending rate exceeded.", DEFERRED),
    (END, 454, "Throttling failure: Daily message quota exceeded.", DEFERRED),
    (END, 554, "Message rejected: Sending suspended for this account.", SENDER),
    (END, 554, "Access denied: User `arn:aws:iam::1:user/x' is not authorized to perform `ses:SendRawEmail'", SENDER),
    (END, 554, "Transaction failed: Expected disposition, got null", RECIPIENT),
    (END, 552, "5.3.4 Message is too long.", RECIPIENT),
    (MAIL, 501, "Invalid MAIL FROM address provided", SENDER),
    (RCPT, 530, "Authentication required", SENDER),
    (AUTH, 535, "Authentication Credentials Invalid", SENDER),
    (CONNECT, 421, "Too many concurrent SMTP connections", DEFERRED),
    (END, 451, "Temporary service failure", TEMPORARY),
]
SENDGRID_MAILGUN_AND_OTHERS = [
    (END, 550, "The from address does not match a verified Sender Identity. Mail cannot be sent until", SENDER),
    (AUTH, 451, "Authentication failed: Maximum credits exceeded", DEFERRED),
    (RCPT, 550, "Unauthenticated senders not allowed", SENDER),
    (MAIL, 550, "5.7.1 Unauthenticated senders not allowed", SENDER),
    (END, 452, "Too many recipients received this hour", DEFERRED),
    (RCPT, 550, "5.7.1 Relaying denied", SENDER),
    (RCPT, 550, "5.7.1 Sandbox subdomains are for test purposes only. Please add your own domain", SENDER),
    (AUTH, 535, "5.7.0 Mailgun is not loving your login or password", SENDER),
    (END, 421, "4.7.0 Too many messages, slow down", DEFERRED),
    (MAIL, 525, "5.7.1 Unauthorized IP address", SENDER),
    (RCPT, 421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume", DEFERRED),
    (RCPT, 550, "5.4.4 Invalid domain name", RECIPIENT),
    (RCPT, 556, "5.1.10 Recipient address has null MX", RECIPIENT),
    (RCPT, 501, "5.1.3 Bad recipient address syntax", RECIPIENT),
    (RCPT, 503, "5.5.1 Bad sequence of commands", DEFERRED),
    (RCPT, 550, "4.4.7 delivery temporarily suspended", TEMPORARY),
    (END, 550, "5.7.23 The message was rejected because of Sender Policy Framework violation", SENDER),
    (END, 550, "5.7.1 Email rejected per DMARC policy for in.example", SENDER),
]
ALL = [*POSTFIX, *EXIM, *SENDMAIL, *EXCHANGE, *GMAIL, *SES, *SENDGRID_MAILGUN_AND_OTHERS]


@pytest.mark.parametrize(("stage", "code", "text", "kind"), ALL, ids=lambda value: str(value)[:48])
def test_an_answer_refuses_what_its_relay_means(stage: Stage, code: int, text: str, kind: RefusalKind) -> None:
    assert classify(stage, code, text).kind is kind


def test_the_table_is_not_small() -> None:
    assert len(ALL) >= 60


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("MessageRejected", "Transaction failed: it is a virus", RECIPIENT),
        ("BadRequestException", "Illegal address", RECIPIENT),
        ("MessageRejected", "Email address is not verified. The following identities failed the check: x", SENDER),
        ("MessageRejected", "Sending suspended for this account.", SENDER),
        ("NotFoundException", "Configuration set <x> does not exist.", SENDER),
        ("AccessDeniedException", "is not authorized to perform: ses:SendEmail", SENDER),
        ("MailFromDomainNotVerifiedException", "", SENDER),
        ("TooManyRequestsException", "Maximum sending rate exceeded.", DEFERRED),
        ("LimitExceededException", "Daily message quota exceeded.", DEFERRED),
        ("ThrottlingException", "Rate exceeded", DEFERRED),
        ("", "", DEFERRED),
        ("AnErrorOfNextYear", "no", DEFERRED),
    ],
)
def test_an_error_of_ses_is_classified_by_the_same_table(code: str, text: str, kind: RefusalKind) -> None:
    assert classify_ses(code, text).kind is kind


codes = st.integers(min_value=-1, max_value=999)
texts = st.one_of(st.text(max_size=80), st.sampled_from([text for _, _, text, _ in ALL]))
before_rcpt = st.sampled_from([CONNECT, EHLO, STARTTLS, AUTH, MAIL])


@given(before_rcpt, codes, texts)
def test_no_answer_before_rcpt_is_an_attempt_or_closes_a_message(stage: Stage, code: int, text: str) -> None:
    refusal = refused("relay", stage, code, text)
    assert not refusal.is_attempt
    assert not refusal.permanent


@given(st.sampled_from(list(Stage)), st.integers(min_value=400, max_value=499), texts)
def test_no_temporary_code_closes_a_message(stage: Stage, code: int, text: str) -> None:
    assert not refused("relay", stage, code, text).permanent


@given(st.sampled_from(list(Stage)), codes, texts)
def test_only_what_is_no_attempt_holds_for_all_mail(stage: Stage, code: int, text: str) -> None:
    refusal = refused("relay", stage, code, text)
    assert not (refusal.affects_all and refusal.is_attempt)
    assert 0 <= refusal.wait <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("Greylisted for 120 seconds", 120),
        ("4.7.1 Greylisted, try again in 7 min", 420),
        ("Greylisted", 0),
        ("hourly limit reached", 0),
        ("rate limit exceeded, retry after 90s", 90),
        ("rate limit exceeded, retry in 99999 hours", LONGEST_WAIT),
    ],
)
def test_a_deferral_waits_as_long_as_the_answer_asks(text: str, wait: float) -> None:
    assert classify(RCPT, 451, text).wait == wait


def test_the_limit_of_one_recipient_holds_up_no_other() -> None:
    assert not classify(RCPT, 450, "4.2.1 The user is receiving mail too quickly").affects_all
    assert not classify(RCPT, 450, "4.2.0 Greylisted").affects_all
    assert classify(RCPT, 451, "4.7.1 hourly limit").affects_all


def test_an_answer_of_many_lines_is_read_as_one() -> None:
    text = "5.7.1 Our relay\n5.7.1 access\n5.7.1 denied"
    assert classify(RCPT, 550, "5.7.1 <ada@x.example>: Relay\n5.7.1 access denied").kind is SENDER
    assert classify(RCPT, 550, text).kind is SENDER


@pytest.mark.parametrize("unit", ["x", "1.", "sender ", "5.7.1 ", "host ", "\n", "your account "])
def test_a_long_answer_takes_no_time(unit: str) -> None:
    text = unit * (1024 * 1024 // len(unit))
    start = time.process_time()
    classify(END, 550, text)
    assert time.process_time() - start < 1
