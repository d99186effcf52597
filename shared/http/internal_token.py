"""Check the break-glass token of our Function URLs, in constant time.

The current and the previous token are valid.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

HEADER = "x-internal-health"
SECRET = "internal-health-token"
CACHE_SECONDS = 300
# A wrong token reads the secret again, in case it was rotated: guesses must not become calls to the secret store.
RELOAD_SECONDS = 10


class Guard:
    """Check tokens against the cached secret.

    A mismatch reads the secret again, at most every RELOAD_SECONDS.

    monotonic: returns seconds of a monotonic clock.
    """

    def __init__(self, cloud: Cloud, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.cloud = cloud
        self.monotonic = monotonic
        self.tokens: tuple[bytes, ...] = ()
        self.read_at = -CACHE_SECONDS - 1.0

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers (names in lower case) contain a valid token."""
        # A header may have half of a surrogate pair, which is no character of any token.
        token = headers.get(HEADER, "").encode(errors="surrogatepass")
        age = self.monotonic() - self.read_at
        if age > CACHE_SECONDS:
            self._read()
        admitted = self._matches(token)
        if not admitted and token and RELOAD_SECONDS < age <= CACHE_SECONDS:
            self._read()
            admitted = self._matches(token)
        return admitted

    def _matches(self, token: bytes) -> bool:
        # All tokens are compared, also after a match: the duration reveals nothing.
        matches = [hmac.compare_digest(token, valid) for valid in self.tokens]
        return any(matches)

    def _read(self) -> None:
        secrets = self.cloud.secrets
        tokens = []
        for stage in ("AWSCURRENT", "AWSPREVIOUS"):
            try:
                answer = secrets.get_secret_value(SecretId=self.cloud.names.secret(SECRET), VersionStage=stage)
            except secrets.exceptions.ResourceNotFoundException:
                continue
            if answer["SecretString"]:
                tokens.append(answer["SecretString"].encode())
        self.tokens, self.read_at = tuple(tokens), self.monotonic()
