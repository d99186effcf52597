"""The functions of all Function URLs over one mocked cloud of a busy night, with an operator signed in."""

from __future__ import annotations

import base64
import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from functions.console import handler as console_handler
from functions.console._ui import Console
from shared.aws.cloud import Cloud
from shared.http import internal_token
from shared.http.internal_token import Guard
from shared.job import registry
from shared.messages import queue_depth
from tests.conftest import Lines, VirtualClock, mocked_cloud
from tests.support.console_browser import HOST, Person
from tests.support.console_state import BusyNight
from tests.support.function_url import TOKEN, Context


@dataclass
class HttpFunctions:
    """All functions; `operator` is signed in at the console."""

    cloud: Cloud
    clock: VirtualClock
    operator: Person
    #: The invocations of jobs.
    started: list[dict[str, Any]]

    def call(
        self, function: str, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> dict[str, Any]:
        """The answer of a function, called as its Function URL calls it: with the token and the session."""
        parts = urlsplit(url)
        given = {name.lower(): value for name, value in (headers or {}).items()}
        own = {"host": HOST, "origin": f"https://{HOST}", "sec-fetch-site": "same-origin"}
        token = {name.lower(): value for name, value in TOKEN.items()}
        http = {"method": method, "path": parts.path, "sourceIp": "127.0.0.1"}
        event: dict[str, Any] = {
            "version": "2.0",
            "rawPath": parts.path,
            "rawQueryString": parts.query,
            "headers": {**own, **token, **given},
            "requestContext": {"stage": "$default", "domainName": HOST, "http": http},
            "cookies": [self.operator.cookie],
            "isBase64Encoded": bool(body),
        }
        if parts.query:
            event["queryStringParameters"] = dict(parse_qsl(parts.query, keep_blank_values=True))
        if body:
            event["body"] = base64.b64encode(body).decode()
        answer: dict[str, Any] = importlib.import_module(f"functions.{function}.handler").handle(event, Context())
        return answer


@contextmanager
def http_functions() -> Iterator[HttpFunctions]:
    """The functions while the block lasts."""
    clock, started = VirtualClock(), list[dict[str, Any]]()

    def invoke(**call: Any) -> dict[str, Any]:
        started.append(call)
        return {"Payload": SimpleNamespace(read=lambda: b'{"batchItemFailures": []}')}

    with pytest.MonkeyPatch.context() as patch, mocked_cloud(clock, patch) as cloud:
        night = BusyNight(cloud)
        for queue in queue_depth.queues(night.entries):
            cloud.sqs.create_queue(QueueName=cloud.names.queue(queue))
        night.write()
        clock.move(seconds=1)
        cloud.__dict__["functions"] = cloud.__dict__["functions_once"] = SimpleNamespace(invoke=invoke)
        name = cloud.names.secret(internal_token.VIEWER_SECRET)
        cloud.secrets.create_secret(Name=name, SecretString="just looking")
        console = Console(cloud, Lines(clock))
        for endpoint in registry.endpoints():
            module = importlib.import_module(f"functions.{endpoint}.handler")
            patch.setattr(module, "CLOUD", cloud)
            patch.setattr(module, "LOG", Lines(clock))
            if hasattr(module, "GUARD"):
                patch.setattr(module, "GUARD", Guard(cloud))
        patch.setattr(console_handler, "console", lambda: console)
        operator = Person(console)
        assert operator.sign_in("open sesame").status == 303
        yield HttpFunctions(cloud, clock, operator, started)
