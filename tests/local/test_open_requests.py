"""Open requests while the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.engine.open_requests import UNAVAILABLE, OpenRequests

START, BODY = {"type": "http.response.start", "status": 200}, {"type": "http.response.body", "body": b"done"}
App = Callable[..., Awaitable[None]]


def responses(app: App, act: Callable[[OpenRequests, asyncio.Task[Any]], Awaitable[None]]) -> list[Any]:
    """Messages of a response by `app`, during which `act` runs."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        requests = OpenRequests()
        request = asyncio.create_task(requests.respond(app, {}, None, send))
        await asyncio.sleep(0)
        await act(requests, request)
        await request

    # In a thread: this one may have an event loop, that of a browser of other tests.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()
    return sent


async def wait(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


async def end(requests: OpenRequests, _: Any) -> None:
    await requests.end(0)


def test_an_open_request_gets_503() -> None:
    assert responses(wait, end) == [*UNAVAILABLE]


def test_a_request_that_responds_within_the_grace_time_is_completed() -> None:
    ready = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await ready.wait()
        await send(START)
        await send(BODY)

    async def act(requests: OpenRequests, _: Any) -> None:
        asyncio.get_running_loop().call_later(0.01, ready.set)
        await requests.end(10)

    assert responses(app, act) == [START, BODY]


def test_a_response_that_has_begun_is_completed() -> None:
    ready = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await ready.wait()
        await send(BODY)

    async def act(requests: OpenRequests, _: Any) -> None:
        await requests.end(0)
        ready.set()

    assert responses(app, act) == [START, BODY]


def test_a_later_request_gets_503() -> None:
    async def act(requests: OpenRequests, request: asyncio.Task[Any]) -> None:
        requests.refuse()
        await requests.end(0)
        await request
        await requests.respond(wait, {}, None, again.append_later)

    class Later(list[Any]):
        async def append_later(self, message: Any) -> None:
            self.append(message)

    again = Later()
    responses(wait, act)
    assert again == [*UNAVAILABLE]


def test_a_request_that_its_client_cancels_gets_no_response() -> None:
    async def act(_: OpenRequests, request: asyncio.Task[Any]) -> None:
        request.cancel()

    with pytest.raises(asyncio.CancelledError):
        responses(wait, act)
