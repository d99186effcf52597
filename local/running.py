"""The running local cloud, found without an import of its parts.

`.local/endpoint.json` records it: endpoint, account, region, pid, function_urls, started.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.clients import client, environment
from local.engine.credential import instance_token
from local.request_guard import TOKEN

FOLDER = Path(__file__).resolve().parents[1] / ".local"
STATE = "state"
# In the folder of the state after the first deployment.
DEPLOYED = "deployed.json"


@dataclass(frozen=True)
class Running:
    """A local cloud that responds.

    `function_urls` maps names to URLs; clients send `token`.
    """

    endpoint: str
    account: str
    region: str
    pid: int
    function_urls: dict[str, str]
    started: str
    token: str = field(repr=False)

    def client(self, service: str) -> Any:
        return client(service, self.endpoint, self.token)

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        return environment(self.endpoint, self.token, base)


def running(folder: Path = FOLDER) -> Running | None:
    """The running local cloud with its state in `folder`, if it responds."""
    try:
        record = json.loads((folder / "endpoint.json").read_text())
        cloud = Running(**record, token=instance_token(folder / STATE))
        os.kill(cloud.pid, 0)
        request = urllib.request.Request(f"{cloud.endpoint}/_local/processes", headers={TOKEN: cloud.token})
        urllib.request.urlopen(request, timeout=5).close()
    except (OSError, ValueError, TypeError):
        # The file of a killed process, or of an older version.
        return None
    return cloud


def workspace(folder: Path) -> dict[str, str]:
    """Setting that puts the files of plugins into a local folder."""
    return {"KB_WORKSPACE": str(folder / "workspace")}
