"""Client of Amazon Bedrock's Converse API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from functions.assessments._token_usage import token_usage

if TYPE_CHECKING:
    from datetime import datetime

    from shared.aws.cloud import Cloud


class Bedrock:
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"""

    def __init__(self, cloud: Cloud, model: str, longest: int) -> None:
        self.cloud = cloud
        self.model = model
        self.longest = longest

    def ask(self, system: str, question: str, key: str) -> Reply:
        from botocore import exceptions

        asked = f"{system}{question}"

        try:
            answer = self.cloud.bedrock.converse(
                modelId=self.model,
                system=[{"text": system}],
                messages=[{"role": "user", "content": [{"text": question}]}],
                inferenceConfig={"maxTokens": self.longest, "temperature": 0},
                requestMetadata={"key": key},
            )
        except exceptions.ClientError as error:
            raise _from_error(error, asked, self.cloud.clock.now()) from error
        except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError) as error:
            raise ProviderFailed(f"Bedrock: {error}") from error
        except exceptions.BotoCoreError as error:
            raise Unanswered(f"Bedrock: {type(error).__name__}", token_usage(None, asked, "")) from error
        return _from_answer(answer, asked)


def _from_error(error: Any, asked: str, now: datetime) -> Exception:
    answer = error.response
    code, status = answer["Error"].get("Code", ""), answer["ResponseMetadata"].get("HTTPStatusCode", 0)
    if status == 429 or code in ("ThrottlingException", "ServiceUnavailableException", "ModelNotReadyException"):
        from shared.http.client import parse_retry_after

        wait = parse_retry_after(answer["ResponseMetadata"].get("HTTPHeaders", {}).get("retry-after"), now)
        return Busy("Bedrock", BUSY if wait is None else wait)
    if code == "ModelTimeoutException":
        return Incomplete(f"Bedrock: {error}", token_usage(None, asked, ""))
    return ProviderFailed(f"Bedrock: {error}") if status >= 500 else ProviderRefused(f"Bedrock: {error}")


def _from_answer(answer: Any, asked: str) -> Reply:
    try:
        blocks = answer["output"]["message"].get("content") or []
        text = "".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
    except (KeyError, TypeError, AttributeError) as error:
        raise Incomplete(f"Bedrock: an answer without {error}", token_usage(answer.get("usage"), asked, "")) from error
    usage = token_usage(answer.get("usage"), asked, text)
    return of_text(text, str(answer.get("stopReason") or ""), usage)
