"""Services whose state a request may have changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

READ = re.compile(r"(Get|List|Describe|Query|Scan|BatchGet|TransactGet|Filter|Head|Validate|Test|Detect)")
ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
# An invocation does not change the function.
INVOCATION = re.compile(r"/functions/[^/]+/(invocations|invoke-async|response-streaming-invocations)$")


def changes(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
    if method in ("GET", "HEAD", "OPTIONS") or INVOCATION.search(path):
        return False
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if not action and (match := ACTION.search(body[:4096])):
        action = match[1].decode()
    return not READ.match(action)


def state_keys(registry: Mapping[str, Any]) -> dict[str, set[str]]:
    """Names of saved state by service.

    A stack can change the state of every service.
    """
    keys = {
        service: {entry.get("state_key", entry["module"]), *entry.get("sub_modules", ())}
        for service, entry in registry.items()
    }
    keys["cloudformation"] = set().union(*keys.values())
    return keys
