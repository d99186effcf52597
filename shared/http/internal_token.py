"""Check the break-glass token of our Function URLs, in constant time.

The current and the previous token are valid.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from shared.aws.names import TOKEN_SECRET
from shared.http.sign_in_failures import SignInFailures
from shared.observability.log import Log

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

LOG = Log(job="internal-token")

HEADER = "x-internal-health"
SECRET = TOKEN_SECRET
# Token of people who may read the console and change nothing.
VIEWER_SECRET = "console-viewer-token"
CACHE_SECONDS = 300
# A wrong token reads the secret again, in case it was rotated: guesses must not become calls to the secret store.
RELOAD_SECONDS = 10


class Guard:
    """Check tokens against the cached secret.

    A mismatch reads the secret again, at most every RELOAD_SECONDS.

    monotonic: returns seconds of a monotonic clock. secret: logical name of the secret. place: the Function URL that it
    guards; many wrong tokens there are alerted, or given to `report`.
    """

    def __init__(
        self,
        cloud: Cloud,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        secret: str = SECRET,
        place: str = "Function URL",
        report: Callable[[], None] | None = None,
    ) -> None:
        self.failures = SignInFailures(cloud, place, report)
        self.cloud = cloud
        self.monotonic = monotonic
        self.secret = secret
        self.tokens: tuple[bytes, ...] = ()
        self.read_at = -CACHE_SECONDS - 1.0

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether the headers (names in lower case) contain a valid token."""
        # A header may have half of a surrogate pair, which is no character of any token.
        token = headers.get(HEADER, "")
        admitted = self.matches(token)
        # A request without a token is no guess: scanners send them to any address.
        if token and not admitted:
            self._count_failure()
        return admitted

    def _count_failure(self) -> None:
        try:
            self.failures.add()
        except Exception as error:  # noqa: BLE001 - the request is refused in any case
            LOG.error("sign_in_alert_failed", error=f"{type(error).__name__}: {error}")

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
