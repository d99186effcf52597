"""Requests that wait for their response, such as long polls and invocations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
# botocore accepts an error without a body in every protocol, and retries.
UNAVAILABLE: tuple[Message, ...] = (
    {"type": "http.response.start", "status": 503, "headers": []},
    {"type": "http.response.body", "body": b""},
)


class OpenRequests:
    """Responds to open requests when the server stops.

    Hypercorn would cancel each of them, with a traceback.
    """

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[Any]] = set()
        self._cancelled: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def respond(self, app: Callable[..., Awaitable[None]], scope: Message, receive: Any, send: Send) -> None:
        """Run `app`, and respond 503 in its place once the server stops."""
        task = asyncio.current_task()
        assert task

        async def respond_once(message: Message) -> None:
            # A response that has started is completed.
            self._waiting.discard(task)
            await send(message)

        if self._closed:
            return await _unavailable(send)
        self._waiting.add(task)
        try:
            await app(scope, receive, respond_once)
        except asyncio.CancelledError:
            if task not in self._cancelled:
                raise
            task.uncancel()
            await _unavailable(send)
        finally:
            self._waiting.discard(task)
            self._cancelled.discard(task)
        return None

    def refuse(self) -> None:
        """Respond 503 to later requests."""
        self._closed = True

    async def end(self, seconds: float) -> None:
        """Let the requests respond for `seconds`; cancel the others."""
        if self._waiting:
            await asyncio.wait(set(self._waiting), timeout=seconds)
        for task in set(self._waiting):
            self._cancelled.add(task)
            task.cancel()


async def _unavailable(send: Send) -> None:
    for message in UNAVAILABLE:
        await send(message)
