"""Loop detection of Lambda: 16 runs of a function per chain.

The count is in the trace header, which the SDK sends with every call and a queue stores with each message.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

from local.engine import emulator
from shared.text.whole_number import is_whole_number

MAX_RUNS = 16

# Runs of each function in the chain of this request, by a hash of the ARN.
_chain: ContextVar[Mapping[str, int]] = ContextVar("chain")


def receive(*trace_headers: str) -> None:
    """Continue the chains of these trace headers; a batch has several."""
    chain: dict[str, int] = {}
    for header in trace_headers:
        for part in unquote(header).split(";"):
            name, _, value = part.strip().partition("=")
            if name == "Lineage":
                for entry in value.split("|"):
                    function, _, count = entry.rpartition(":")
                    if is_whole_number(count):
                        chain[function] = max(chain.get(function, 0), int(count))
    _chain.set(chain)


def enter(arn: str, allowed: bool = False) -> str | None:
    """Trace header for one more run; None if it is not allowed."""
    function = f"{zlib.crc32(arn.encode()):08x}"
    chain = _chain.get({})
    runs = chain.get(function, 0) + 1
    if runs > MAX_RUNS and not allowed:
        return None
    _chain.set({**chain, function: runs})
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0;{_lineage()}"


def _lineage() -> str:
    return "Lineage=" + "|".join(f"{function}:{count}" for function, count in _chain.get({}).items())


def install() -> None:
    """Store the chain with messages, and disable ministack's own counter."""
    queues, functions = emulator.service("sqs"), emulator.service("lambda_svc")
    attributes = queues._build_send_sys_attrs

    def with_chain(now: float, parameters: Any) -> Any:
        built = attributes(now, parameters)
        if _chain.get({}):
            built.setdefault("AWSTraceHeader", _lineage())
        return built

    queues._build_send_sys_attrs = with_chain
    functions._recursive_loop_drop = lambda *_: None
