"""Clients of language models: Amazon Bedrock, and OpenAI-compatible APIs.

Bedrock's Converse API, and chat completions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from math import inf
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from functions.assessments import _completion, _request_parameters
from functions.assessments._answer_text import has_json_object
from functions.assessments._bedrock import Bedrock
from functions.assessments._completion import Completion, NoCompletion
from functions.assessments._reply import (
    BUSY,
    Busy,
    Incomplete,
    ProviderFailed,
    ProviderRefused,
    Reply,
    Unanswered,
    of_text,
)
from functions.assessments._request_parameters import AUTO, MAX_COMPLETION_TOKENS, MAX_TOKENS, OPTIONAL
from functions.assessments._token_usage import TokenUsage, token_usage
from shared import redaction
from shared.aws import secrets
from shared.job import Grant, RunContext, Setting, before_call, converse, read_parameter, settings

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.http.client import HttpClient, HttpResponse

KEY = "llm-key"
BEDROCK, OPENAI = "bedrock", "openai"
PATH = "/chat/completions"
# Seconds for a whole answer.
PATIENCE = 120.0


class Provider(Protocol):
    def ask(self, system: str, question: str, key: str) -> Reply:
        """Call the model once, idempotently if the provider supports it.

        Such a call has an idempotency key.

        Raises Busy, ProviderFailed, Refused, Incomplete, Unanswered.
        """


def _prices(text: str) -> tuple[Decimal, Decimal]:
    try:
        read, written = map(Decimal, text.split())
    except (ValueError, InvalidOperation):
        raise ValueError("write two numbers, dollars per million input and output tokens, as in '3 15'") from None
    if not all(price.is_finite() and 0 <= price < 10_000 for price in (read, written)):
        raise ValueError("a price must be between 0 and 10,000 dollars per million tokens")
    return read, written


def _base(text: str) -> str:
    parts = urlsplit(text.strip())
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if text and (not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and loopback))):
        raise ValueError("must be a URL up to its version, such as https://api.openai.com/v1")
    return text.strip().rstrip("/")


PROVIDER = settings.choice("LLM_PROVIDER", BEDROCK, (BEDROCK, OPENAI), "Provider of the model: bedrock or openai")
MODEL = settings.text("LLM_MODEL", "anthropic.claude-3-5-sonnet-20240620-v1:0", "Name of the model at its provider")
# External: a call of a laptop would be paid, and send transcripts to the provider.
URL = Setting("LLM_URL", "", "Base URL of the API, for openai: https://api.openai.com/v1", _base, external=True)
PRICES = Setting("LLM_PRICES", "3 15", "Dollars per million input and output tokens", _prices)
LONGEST = settings.count(
    "LLM_MAX_TOKENS", 4096, "Longest answer in tokens, thoughts included; a model that reasons needs more"
)
TOKENS_PARAMETER = settings.choice(
    "LLM_TOKENS_PARAMETER",
    AUTO,
    (AUTO, MAX_TOKENS, MAX_COMPLETION_TOKENS),
    "For openai: parameter for the longest answer; auto: by service and model",
)
OMITTED = settings.names(
    "LLM_OMIT", "", f"For openai: parameters that the model does not accept, of {', '.join(OPTIONAL)}, max_tokens"
)
RETRY, HOLD = "retry", "hold"
UNANSWERED = settings.choice(
    "LLM_UNANSWERED",
    HOLD,
    (RETRY, HOLD),
    "A call without an answer, which may have been charged: hold until an operator resolves it, or retry and perhaps "
    "pay again",
)
SETTINGS = (PROVIDER, MODEL, URL, PRICES, LONGEST, TOKENS_PARAMETER, OMITTED, UNANSWERED)
GRANTS: tuple[Grant, ...] = (converse(), read_parameter(KEY))


def of(run: RunContext) -> Provider:
    """Provider by the job's settings; opens no connection. Raises SettingError."""
    model = run.setting(MODEL.name)
    if run.setting(PROVIDER.name) == BEDROCK:
        return Bedrock(run.cloud, model, run.setting(LONGEST.name))
    base = run.setting(URL.name)
    if not base:
        raise settings.SettingError(f"{PROVIDER.name} is {OPENAI}, and {URL.name} is not set")
    longest, name, omitted = (run.setting(each.name) for each in (LONGEST, TOKENS_PARAMETER, OMITTED))
    sent = _request_parameters.parameters(base, model, longest, name, omitted)
    return OpenAi(run.cloud, base, model, run.remaining, sent)


def micros(run: RunContext, reply: Reply) -> int:
    """Cost of a reply in millionths of a dollar."""
    read, written = run.setting(PRICES.name)
    # Dollars per million tokens equal millionths of a dollar per token.
    return int((read * reply.read + written * reply.written).to_integral_value())


# Parameters as last accepted, by base URL and model: the next call of this process is not rejected again.
_accepted: dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any]]] = {}


class OpenAi:
    """Client of https://platform.openai.com/docs/api-reference/chat and compatible APIs, streamed or not."""

    def __init__(
        self,
        cloud: Cloud,
        base: str,
        model: str,
        remaining: Callable[[], float] = lambda: inf,
        sent: Mapping[str, Any] | None = None,
    ) -> None:
        self.cloud = cloud
        self.base = base
        self.model = model
        self.remaining = remaining
        #: Parameters of a request, besides model and messages.
        self.sent = dict(sent or _request_parameters.parameters(base, model, int(LONGEST.default), AUTO, ()))

    def ask(self, system: str, question: str, key: str) -> Reply:
        from shared.http.client import HttpClient
        from shared.http.sites import host_of

        http = HttpClient(self.cloud, [host_of(self.base)], rate=10, read=PATIENCE, remaining=self.remaining)
        with before_call():
            headers = self._headers()
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        declared, sent = _accepted.get((self.base, self.model), ({}, {}))
        if declared != self.sent:
            sent = self.sent
        tried = set[str]()
        try:
            while True:
                request = {"model": self.model, **sent, "messages": messages}
                # Another request has another key: a provider answers a known key as it did before.
                own = f"{key}-{len(tried)}" if tried else key
                answer = self._call(http, headers, request, own, f"{system}{question}")
                other = _request_parameters.accepted(sent, answer.status, answer.text, tried)
                if other is None:
                    break
                # A rejected request is not charged.
                sent = other
        finally:
            http.close()
        reply = self._read(answer, f"{system}{question}")
        _accepted[self.base, self.model] = self.sent, dict(sent)
        return reply

    def _call(
        self, http: HttpClient, headers: Mapping[str, str], request: Mapping[str, Any], key: str, asked: str
    ) -> HttpResponse:
        from shared.http.client import HostBusy, NoResponse, NotSent

        try:
            return http.call("POST", f"{self.base}{PATH}", headers=headers, json=request, key=key)
        except HostBusy as busy:
            raise Busy(self.base, busy.seconds) from busy
        except NotSent as unsent:
            raise ProviderFailed(f"{self.base}: {unsent}") from unsent
        except NoResponse as silent:
            raise Unanswered(f"{self.base}: {silent}", token_usage(None, asked, "")) from silent

    def _headers(self) -> dict[str, str]:
        key = parameter(self.cloud, KEY)
        return {"authorization": f"Bearer {key}"} if key else {}

    def _read(self, answer: HttpResponse, asked: str) -> Reply:
        if answer.status == 429:
            raise Busy(self.base, BUSY if answer.retry_after is None else answer.retry_after)
        if answer.status >= 500:
            raise ProviderFailed(f"{self.base} answered {answer.status}")
        if answer.status >= 300:
            raise ProviderRefused(f"{self.base} answered {answer.status}: {redaction.excerpt(answer.text, 200)}")
        try:
            completion = _completion.read(answer.text)
        except NoCompletion as error:
            usage = token_usage(None, asked, "")
            raise Incomplete(f"{self.base}: an invalid answer: {error}", usage) from error
        usage = token_usage(completion.usage, asked, completion.text)
        if completion.error and not has_json_object(completion.text):
            raise self._error(completion, usage)
        return of_text(completion.text, completion.reason, usage, "".join(completion.refusal), completion.ended)

    def _error(self, completion: Completion, usage: TokenUsage) -> Exception:
        """Exception for an error that came with status 200."""
        error = completion.error if isinstance(completion.error, Mapping) else {"message": completion.error}
        code = str(error.get("code") or error.get("status") or error.get("type") or "")
        text = f"{self.base}: {redaction.excerpt(str(error.get('message') or code), 200)}"
        if completion.text or completion.usage:
            return Incomplete(text, usage)
        if code == "429" or "rate_limit" in code or "overloaded" in code or code == "insufficient_quota":
            return Busy(self.base, BUSY)
        refused = code in ("400", "401", "402", "403", "404", "422") or code.startswith(("invalid_", "context_length"))
        return (ProviderRefused if refused else ProviderFailed)(text)


def parameter(cloud: Cloud, name: str) -> str:
    """Read a SecureString; empty if there is none."""
    try:
        return secrets.read_parameter(cloud, name)
    except secrets.NoSecret:
        return ""
