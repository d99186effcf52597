"""Errors of requests that exceed the permissions of a plugin's manifest."""

from __future__ import annotations


class Denied(PermissionError):
    """The message has the kind of access, the request and the reason."""


class FsDenied(Denied):
    def __init__(self, path: object, why: str) -> None:
        super().__init__(f"FS access denied: {path!r} {why}")


class NetDenied(Denied):
    def __init__(self, what: object, why: str) -> None:
        super().__init__(f"Net access denied: {what} {why}")


class EnvDenied(Denied):
    def __init__(self, name: object) -> None:
        super().__init__(f"Env access denied: {name} is not among the names that the manifest allows")


class ShellDenied(Denied):
    def __init__(self, command: object, why: str) -> None:
        super().__init__(f"Shell access denied: {command} {why}")


class NativeDenied(Denied):
    def __init__(self, what: object, why: str) -> None:
        super().__init__(f"Native access denied: {what} {why}")


class UserDatabaseDenied(NativeDenied, KeyError):
    """Libraries that expand `~` expect KeyError from the database of users."""

    __str__ = NativeDenied.__str__
