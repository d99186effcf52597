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
# Token of people who may read the console and change nothing.
VIEWER_SECRET = "console-viewer-token"
CACHE_SECONDS = 300
# A wrong token reads the secret again, in case it was rotated: guesses must not become calls to the secret store.
RELOAD_SECONDS = 10


class Guard:
    """Check tokens against the cached secret.

    A mismatch reads the secret again, at most every RELOAD_SECONDS.

    monotonic: returns seconds of a monotonic clock. secret: logical name of the secret.
    """

    def __init__(self, cloud: Cloud, monotonic: Callable[[], float] = time.monotonic, *, secret: str = SECRET) -> None:
        self.cloud = cloud
        self.monotonic = monotonic
        self.secret = secret
        self.tokens: tuple[bytes, ...] = ()
        self.read_at = -CACHE_SECONDS - 1.0

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers (names in lower case) contain a valid token."""
        # A header may have half of a surrogate pair, which is no character of any token.
        return self.matches(headers.get(HEADER, ""))

    @property
    def current(self) -> str:
        """The current token, at most CACHE_SECONDS old; empty where there is none."""
        if self.monotonic() - self.read_at > CACHE_SECONDS:
            self._read()
        return self.tokens[0].decode() if self.tokens else ""

    def matches(self, text: str) -> bool:
        """Whether the text is a valid token."""
        token = text.encode(errors="surrogatepass")
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
                answer = secrets.get_secret_value(SecretId=self.cloud.names.secret(self.secret), VersionStage=stage)
            except secrets.exceptions.ResourceNotFoundException:
                continue
            if answer["SecretString"]:
                tokens.append(answer["SecretString"].encode())
        self.tokens, self.read_at = tuple(tokens), self.monotonic()
