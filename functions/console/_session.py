"""Sessions of the console: role, name and times in a signed cookie.

The key is derived from the role's token, so that a rotated token ends its sessions, after at most five minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.aws.cloud import Cloud
from shared.aws.names import LOCAL
from shared.http import internal_token, signed_value
from shared.http.sign_in_failures import SignInFailures

VIEWER, OPERATOR = "viewer", "operator"
SECRETS = {OPERATOR: internal_token.SECRET, VIEWER: internal_token.VIEWER_SECRET}
LIFETIME, IDLE = timedelta(hours=8), timedelta(minutes=30)
# How old the time of the last request in the cookie may be.
RENEWAL = timedelta(minutes=1)
PURPOSE = "console-session"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person."""

    role: str
    #: Name or ARN for the audit log.
    who: str
    began: datetime
    #: Time of the last request, to RENEWAL.
    seen: datetime

    @property
    def operator(self) -> bool:
        """Whether the person may change anything."""
        return self.role == OPERATOR

    def valid(self, now: datetime) -> bool:
        return now - self.began < LIFETIME and now - self.seen < IDLE

    def renewed(self, now: datetime) -> Session | None:
        """The session with its last request now; None while that is recent."""
        return replace(self, seen=now) if now - self.seen >= RENEWAL else None


class RoleTokens:
    """The tokens of the two roles, and what is signed with them."""

    def __init__(self, cloud: Cloud) -> None:
        self.names = cloud.names
        self.failures = SignInFailures(cloud, "console")
        self.guards = {role: internal_token.Guard(cloud, secret=name) for role, name in SECRETS.items()}

    def role_of(self, token: str) -> str | None:
        """The role of a token; both are compared in any case."""
        matching = [role for role, guard in self.guards.items() if token and guard.matches(token)]
        return matching[0] if matching else None

    def sign(self, role: str, purpose: str, data: Mapping[str, object]) -> str:
        return signed_value.sign(self.guards[role].current, purpose, data)

    def verify(self, role: str, purpose: str, text: str) -> dict[str, object] | None:
        return signed_value.verify(self.guards[role].current, purpose, text)

    def cookie(self, session: Session) -> str:
        """The text of a Set-Cookie header."""
        data = {"w": session.who, "b": int(session.began.timestamp()), "s": int(session.seen.timestamp())}
        value = f"{session.role}.{self.sign(session.role, PURPOSE, data)}"
        return f"{cookie_name(self.names.stage)}={value}; {_attributes(self.names.stage)}"

    def session(self, cookies: Mapping[str, str], now: datetime) -> Session | None:
        """The session of a request; None without a valid one."""
        role, _, text = cookies.get(cookie_name(self.names.stage), "").partition(".")
        data = self.verify(role, PURPOSE, text) if role in self.guards else None
        if data is None:
            return None
        began, seen = (EPOCH + timedelta(seconds=int(str(data[name]))) for name in ("b", "s"))
        session = Session(role, str(data["w"]), began, seen)
        return session if session.valid(now) else None


def cookie_name(stage: str) -> str:
    """The local stage is served without TLS, which the prefix requires."""
    return "session" if stage == LOCAL else "__Host-session"


def ended_cookie(stage: str) -> str:
    """The Set-Cookie header that deletes the cookie."""
    return f"{cookie_name(stage)}=; Max-Age=0; {_attributes(stage)}"


def _attributes(stage: str) -> str:
    secure = "" if stage == LOCAL else "; Secure"
    return f"Path=/; HttpOnly; SameSite=Strict{secure}"
