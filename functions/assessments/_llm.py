"""Clients of language models: Amazon Bedrock, and OpenAI-compatible APIs.

Bedrock's Converse API, and chat completions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import inf
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from shared.aws import secrets
from shared.job import Grant, NotPerformed, RunContext, Setting, converse, read_parameter, settings
from shared.text.whole_number import is_whole_number

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.http.client import HttpResponse

KEY = "llm-key"
BEDROCK, OPENAI = "bedrock", "openai"
PATH = "/chat/completions"
# Seconds for a whole answer.
PATIENCE = 120.0
# Wait if the provider names none.
BUSY = 30.0
LONGEST_ANSWER = 4096


class Busy(NotPerformed):
    """The provider is over its rate limit, and charged nothing.

    Retry in `seconds`.
    """

    def __init__(self, provider: str, seconds: float) -> None:
        super().__init__(f"{provider} is over its rate limit for another {seconds:.0f} s")
        self.seconds = seconds


class ProviderFailed(NotPerformed):
    """The provider failed and charged nothing; a retry may succeed."""


class ProviderRefused(NotPerformed):
    """The provider rejects the call and each retry of it.

    The model or key is wrong, or the prompt too long.
    """


class Incomplete(Exception):
    """The answer was interrupted, and may have been charged for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer of a model."""

    text: str
    read: int
    """Input tokens, as counted by the provider."""
    written: int
    """Output tokens, as counted by the provider."""
    whole: bool = True
    """Whether the answer is complete."""


class Provider(Protocol):
    def ask(self, system: str, question: str, key: str) -> Reply:
        """Call the model once, idempotently if the provider supports it.

        Such a call has an idempotency key.

        Raises Busy, ProviderFailed, Refused, Incomplete.
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
URL = Setting("LLM_URL", "", "Base URL of the API, for openai: https://api.openai.com/v1", _base)
PRICES = Setting("LLM_PRICES", "3 15", "Dollars per million input and output tokens", _prices)
SETTINGS = (PROVIDER, MODEL, URL, PRICES)
GRANTS: tuple[Grant, ...] = (converse(), read_parameter(KEY))


def of(run: RunContext) -> Provider:
    """Provider by the job's settings; opens no connection. Raises SettingError."""
    model = run.setting(MODEL.name)
    if run.setting(PROVIDER.name) == BEDROCK:
        return Bedrock(run.cloud, model)
    base = run.setting(URL.name)
    if not base:
        raise settings.SettingError(f"{PROVIDER.name} is {OPENAI}, and {URL.name} is not set")
    return OpenAi(run.cloud, base, model, run.remaining)


def micros(run: RunContext, reply: Reply) -> int:
    """Cost of a reply in millionths of a dollar."""
    read, written = run.setting(PRICES.name)
    # Dollars per million tokens equal millionths of a dollar per token.
    return int((read * reply.read + written * reply.written).to_integral_value())


class Bedrock:
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"""

    def __init__(self, cloud: Cloud, model: str) -> None:
        self.cloud = cloud
        self.model = model

    def ask(self, system: str, question: str, key: str) -> Reply:
        from botocore import exceptions

        try:
            answer = self.cloud.bedrock.converse(
                modelId=self.model,
                system=[{"text": system}],
                messages=[{"role": "user", "content": [{"text": question}]}],
                inferenceConfig={"maxTokens": LONGEST_ANSWER, "temperature": 0},
                requestMetadata={"key": key},
            )
        except exceptions.ClientError as error:
            raise _of_bedrock(error) from error
        except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError) as error:
            raise ProviderFailed(f"Bedrock: {error}") from error
        except exceptions.BotoCoreError as error:
            raise Incomplete(f"Bedrock: {type(error).__name__}") from error
        return _from_bedrock(answer)


def _of_bedrock(error: Any) -> Exception:
    answer = error.response
    code, status = answer["Error"].get("Code", ""), answer["ResponseMetadata"].get("HTTPStatusCode", 0)
    if status == 429 or code in ("ThrottlingException", "ServiceUnavailableException", "ModelNotReadyException"):
        wait = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("retry-after", "")
        return Busy("Bedrock", float(wait) if is_whole_number(wait) else BUSY)
    if code == "ModelTimeoutException":
        return Incomplete(f"Bedrock: {error}")
    return ProviderFailed(f"Bedrock: {error}") if status >= 500 else ProviderRefused(f"Bedrock: {error}")


def _from_bedrock(answer: Any) -> Reply:
    try:
        blocks = answer["output"]["message"]["content"]
        usage = answer["usage"]
        text = "".join(block["text"] for block in blocks if "text" in block)
        return Reply(text, usage["inputTokens"], usage["outputTokens"], answer.get("stopReason") == "end_turn")
    except (KeyError, TypeError, AttributeError) as error:
        raise Incomplete(f"Bedrock: an answer without {error}") from error


class OpenAi:
    """Client of https://platform.openai.com/docs/api-reference/chat and compatible APIs, streamed or not."""

    def __init__(self, cloud: Cloud, base: str, model: str, remaining: Callable[[], float] = lambda: inf) -> None:
        self.cloud = cloud
        self.base = base
        self.model = model
        self.remaining = remaining

    def ask(self, system: str, question: str, key: str) -> Reply:
        from shared.http.client import HostBusy, HttpClient, NoResponse, NotSent
        from shared.http.sites import host_of

        http = HttpClient(self.cloud, [host_of(self.base)], rate=10, read=PATIENCE, remaining=self.remaining)
        request = {
            "model": self.model,
            "temperature": 0,
            "max_tokens": LONGEST_ANSWER,
            "stream": True,
            "stream_options": {"include_usage": True},
            "response_format": {"type": "json_object"},
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": question}],
        }
        try:
            answer = http.call("POST", f"{self.base}{PATH}", headers=self._headers(), json=request, key=key)
        except HostBusy as busy:
            raise Busy(self.base, busy.seconds) from busy
        except NotSent as unsent:
            raise ProviderFailed(f"{self.base}: {unsent}") from unsent
        except NoResponse as silent:
            raise Incomplete(f"{self.base}: {silent}") from silent
        finally:
            http.close()
        return self._read(answer)

    def _headers(self) -> dict[str, str]:
        key = parameter(self.cloud, KEY)
        return {"authorization": f"Bearer {key}"} if key else {}

    def _read(self, answer: HttpResponse) -> Reply:
        if answer.status == 429:
            raise Busy(self.base, BUSY if answer.retry_after is None else answer.retry_after)
        if answer.status >= 500:
            raise ProviderFailed(f"{self.base} answered {answer.status}")
        if answer.status >= 300:
            raise ProviderRefused(f"{self.base} answered {answer.status}")
        try:
            if "event-stream" in answer.headers.get("content-type", ""):
                return _streamed(answer.text)
            return _at_once(json.loads(answer.text))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Incomplete(f"{self.base}: an invalid answer: {type(error).__name__}") from error


def _at_once(data: Any) -> Reply:
    """Reply from a response that is not streamed."""
    choice, usage = data["choices"][0], data.get("usage") or {}
    text = choice["message"]["content"] or ""
    whole = choice.get("finish_reason") == "stop"
    return Reply(text, int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)), whole)


def _streamed(text: str) -> Reply:
    """Reply from server-sent events: `data: {...}` each, `data: [DONE]` at the end."""
    pieces: list[str] = []
    usage: dict[str, Any] = {}
    reason = ""
    ended = False
    for data in _events(text):
        if data == "[DONE]":
            ended = True
            break
        event = json.loads(data)
        usage = event.get("usage") or usage
        for choice in event.get("choices", []):
            pieces.append(choice.get("delta", {}).get("content") or "")
            reason = choice.get("finish_reason") or reason
    whole = ended and reason == "stop"
    return Reply("".join(pieces), int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)), whole)


def _events(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


def parameter(cloud: Cloud, name: str) -> str:
    """Read a SecureString; empty if there is none."""
    try:
        return secrets.read_parameter(cloud, name)
    except secrets.NoSecret:
        return ""
