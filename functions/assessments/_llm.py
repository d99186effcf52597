"""Language models behind one small interface: Amazon Bedrock's Converse, and OpenAI's chat completions, by whomever."""

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

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.http.client import HttpResponse

KEY = "llm-key"
BEDROCK, OPENAI = "bedrock", "openai"
PATH = "/chat/completions"
# Seconds for a whole answer.
PATIENCE = 120.0
# Where nobody says how long to wait.
BUSY = 30.0
LONGEST_ANSWER = 4096


class Busy(NotPerformed):
    """Nothing was asked, or nothing answered and charged: come again in `seconds`."""

    def __init__(self, who: str, seconds: float) -> None:
        super().__init__(f"{who} is not to be asked for another {seconds:.0f} s")
        self.seconds = seconds


class Unwell(NotPerformed):
    """The provider failed before it had anything to charge for; another time it may answer."""


class Refused(NotPerformed):
    """The provider will not do this, today or tomorrow: a wrong model, a wrong key, a question that is too long."""


class Silent(Exception):
    """No end of an answer came, and what was said until then may be charged for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """read, written: tokens, as the provider counts them. whole: whether it was said to the end."""

    text: str
    read: int
    written: int
    whole: bool = True


class Provider(Protocol):
    def ask(self, system: str, question: str, key: str) -> Reply:
        """Once. key: the idempotency key, for providers that know one. Raises HostBusy, Unwell, Refused, Silent."""


def _prices(text: str) -> tuple[Decimal, Decimal]:
    try:
        read, written = map(Decimal, text.split())
    except (ValueError, InvalidOperation):
        raise ValueError("say two numbers, dollars for a million tokens read and written, as in '3 15'") from None
    if not (0 <= read < 10_000 and 0 <= written < 10_000):
        raise ValueError("a price lies between 0 and 10,000 dollars for a million tokens")
    return read, written


def _base(text: str) -> str:
    parts = urlsplit(text.strip())
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if text and (not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and loopback))):
        raise ValueError("say the address up to its version, as in https://api.openai.com/v1")
    return text.strip().rstrip("/")


PROVIDER = settings.choice("LLM_PROVIDER", BEDROCK, (BEDROCK, OPENAI), "Who scores: bedrock, or openai for its API")
MODEL = settings.text("LLM_MODEL", "anthropic.claude-3-5-sonnet-20240620-v1:0", "The model, as its provider calls it")
URL = Setting("LLM_URL", "", "With openai: where its API is, as https://api.openai.com/v1", _base)
PRICES = Setting("LLM_PRICES", "3 15", "Dollars for a million tokens, read and written", _prices)
SETTINGS = (PROVIDER, MODEL, URL, PRICES)
GRANTS: tuple[Grant, ...] = (converse(), read_parameter(KEY))


def of(run: RunContext) -> Provider:
    """By the job's settings; nothing is connected yet. Raises SettingError."""
    model = run.setting(MODEL.name)
    if run.setting(PROVIDER.name) == BEDROCK:
        return Bedrock(run.cloud, model)
    base = run.setting(URL.name)
    if not base:
        raise settings.SettingError(f"{PROVIDER.name} is {OPENAI}, and {URL.name} does not say where that is")
    return OpenAi(run.cloud, base, model, run.remaining)


def micros(run: RunContext, reply: Reply) -> int:
    """What it cost, in millionths of a dollar."""
    read, written = run.setting(PRICES.name)
    # Dollars for a million tokens are millionths of a dollar for one.
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
            raise Unwell(f"Bedrock: {error}") from error
        except exceptions.BotoCoreError as error:
            raise Silent(f"Bedrock: {type(error).__name__}") from error
        return _from_bedrock(answer)


def _of_bedrock(error: Any) -> Exception:
    answer = error.response
    code, status = answer["Error"].get("Code", ""), answer["ResponseMetadata"].get("HTTPStatusCode", 0)
    if status == 429 or code in ("ThrottlingException", "ServiceUnavailableException", "ModelNotReadyException"):
        given = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("retry-after", "")
        return Busy("Bedrock", float(given) if given.isdecimal() else BUSY)
    if code == "ModelTimeoutException":
        return Silent(f"Bedrock: {error}")
    return Unwell(f"Bedrock: {error}") if status >= 500 else Refused(f"Bedrock: {error}")


def _from_bedrock(answer: Any) -> Reply:
    try:
        blocks = answer["output"]["message"]["content"]
        usage = answer["usage"]
        text = "".join(block["text"] for block in blocks if "text" in block)
        return Reply(text, usage["inputTokens"], usage["outputTokens"], answer.get("stopReason") == "end_turn")
    except (KeyError, TypeError, AttributeError) as error:
        raise Silent(f"Bedrock: an answer without {error}") from error


class OpenAi:
    """https://platform.openai.com/docs/api-reference/chat, as others speak it. Asked to stream, taken either way."""

    def __init__(self, cloud: Cloud, base: str, model: str, remaining: Callable[[], float] = lambda: inf) -> None:
        self.cloud = cloud
        self.base = base
        self.model = model
        self.remaining = remaining

    def ask(self, system: str, question: str, key: str) -> Reply:
        from shared.http.client import HostBusy, HttpClient, NoResponse, NotSent
        from shared.http.sites import host_of

        http = HttpClient(self.cloud, [host_of(self.base)], rate=10, read=PATIENCE, remaining=self.remaining)
        asked = {
            "model": self.model,
            "temperature": 0,
            "max_tokens": LONGEST_ANSWER,
            "stream": True,
            "stream_options": {"include_usage": True},
            "response_format": {"type": "json_object"},
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": question}],
        }
        try:
            answer = http.call("POST", f"{self.base}{PATH}", headers=self._headers(), json=asked, key=key)
        except HostBusy as busy:
            raise Busy(self.base, busy.seconds) from busy
        except NotSent as unsent:
            raise Unwell(f"{self.base}: {unsent}") from unsent
        except NoResponse as silent:
            raise Silent(f"{self.base}: {silent}") from silent
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
            raise Unwell(f"{self.base} answered {answer.status}")
        if answer.status >= 300:
            raise Refused(f"{self.base} answered {answer.status}")
        try:
            if "event-stream" in answer.headers.get("content-type", ""):
                return _streamed(answer.text)
            return _at_once(json.loads(answer.text))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Silent(f"{self.base}: an answer that is none: {type(error).__name__}") from error


def _at_once(found: Any) -> Reply:
    choice, usage = found["choices"][0], found.get("usage") or {}
    text = choice["message"]["content"] or ""
    whole = choice.get("finish_reason") == "stop"
    return Reply(text, int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)), whole)


def _streamed(text: str) -> Reply:
    """Server-sent events, as the field has them: `data: {...}` each, `data: [DONE]` at the end."""
    pieces: list[str] = []
    usage: dict[str, Any] = {}
    reason = ""
    ended = False
    for data in _events(text):
        if data == "[DONE]":
            ended = True
            break
        found = json.loads(data)
        usage = found.get("usage") or usage
        for choice in found.get("choices", []):
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
