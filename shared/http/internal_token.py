"""The token in front of every URL of ours: compared in constant time, current and previous accepted."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

HEADER = "x-internal-health"
SECRET = "internal-health-token"
FRESH = 300
# A stranger's guesses must not become calls to the secret store.
PAUSE = 10


class Guard:
    """`FRESH` seconds a token is believed; a mismatch looks again at once, but not oftener than every `PAUSE`."""

    def __init__(self, cloud: Cloud, ticking: Callable[[], float] = time.monotonic) -> None:
        self.cloud = cloud
        self.ticking = ticking
        self.tokens: tuple[bytes, ...] = ()
        self.read_at = -FRESH - 1.0

    def admits(self, headers: Mapping[str, str]) -> bool:
        given = headers.get(HEADER, "").encode()
        age = self.ticking() - self.read_at
        if age > FRESH:
            self._read()
        admitted = self._matches(given)
        if not admitted and given and PAUSE < age <= FRESH:
            self._read()
            admitted = self._matches(given)
        return admitted

    def _matches(self, given: bytes) -> bool:
        # Every token is compared, whichever matches, so that time tells nothing.
        matches = [hmac.compare_digest(given, token) for token in self.tokens]
        return any(matches)

    def _read(self) -> None:
        secrets = self.cloud.secrets
        found = []
        for stage in ("AWSCURRENT", "AWSPREVIOUS"):
            try:
                answer = secrets.get_secret_value(SecretId=self.cloud.names.secret(SECRET), VersionStage=stage)
            except secrets.exceptions.ResourceNotFoundException:
                continue
            if answer["SecretString"]:
                found.append(answer["SecretString"].encode())
        self.tokens, self.read_at = tuple(found), self.ticking()
