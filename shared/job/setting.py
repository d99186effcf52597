"""Settings of jobs: typed environment variables with a default and a description."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from shared.job import duration as spans
from shared.job.effect import NotPerformed
from shared.text.untrusted_json import InvalidJson, parse_json

# Characters of a wrong value that an error shows.
MAX_SHOWN = 80


class SettingError(NotPerformed, ValueError):
    """A setting in the environment has an invalid value.

    Raised before anything is done. It is a failure of our own: no attempt of an item, request or message is counted.
    """


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise ValueError("must be true or false")


def _count(text: str) -> int:
    # `int` takes the digits of every script, signs and underscores too.
    if not re.fullmatch(r"\s*[0-9]{1,18}\s*", text) or int(text) < 1:
        raise ValueError("must be a whole number of at least 1")
    return int(text)


def _url(text: str) -> str:
    url = text.strip()
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if url and (not valid or re.search(r"[\s\x00-\x1f\x7f]", url)):
        raise ValueError("must be a URL, as in https://example.com/path")
    return url


def _names(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable that a job reads."""

    name: str
    """The environment variable."""
    default: str
    """Its text if it is not set."""
    meaning: str
    """Description for `.env.example`."""
    parse: Callable[[str], Any] = str
    """Function from the text to the value; raises ValueError. Default: str."""
    external: bool = False
    """Whether it leads to a service outside; the local cloud then has its own, or none."""

    def read(self, environment: Mapping[str, str] | None = None) -> Any:
        """The value in an environment (default: this process's).

        A variable that is empty, or has spaces only, counts as not set. Raises SettingError.
        """
        text = (os.environ if environment is None else environment).get(self.name, "")
        if not text.strip():
            text = self.default
        try:
            return self.parse(text)
        except ValueError as error:
            shown = repr(text) if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]!r}..."
            raise SettingError(f"{self.name}={shown}: {error}") from None


def flag(name: str, default: bool, meaning: str) -> Setting:
    return Setting(name, str(default).lower(), meaning, _flag)


def count(name: str, default: int, meaning: str) -> Setting:
    """A whole number of at least 1."""
    return Setting(name, str(default), meaning, _count)


def names(name: str, default: str, meaning: str, *, external: bool = False) -> Setting:
    """A comma-separated list."""
    return Setting(name, default, meaning, _names, external)


def span(name: str, default: timedelta, meaning: str) -> Setting:
    """A duration, `30d`, `36h`, `45m` or `90s`, read as a timedelta."""
    return Setting(name, spans.text(default), meaning, spans.parse)


def text(name: str, default: str, meaning: str) -> Setting:
    return Setting(name, default, meaning)


def url(name: str, meaning: str, *, external: bool = False) -> Setting:
    """A URL of http or https; empty where there is none."""
    return Setting(name, "", meaning, _url, external)


@dataclass(frozen=True, slots=True)
class _OneOf:
    # A value instead of a closure, because settings of a job are compared.
    words: tuple[str, ...]

    def __call__(self, text: str) -> str:
        word = text.strip().lower()
        if word not in self.words:
            raise ValueError(f"must be one of {', '.join(self.words)}")
        return word


def choice(name: str, default: str, words: tuple[str, ...], meaning: str) -> Setting:
    """One of a few words."""
    return Setting(name, default, meaning, _OneOf(words))


def json_list(text: str) -> list[Any]:
    try:
        value = parse_json(text)
    except InvalidJson as error:
        raise ValueError(f'{error}; write a JSON array such as ["https://example.com"]') from None
    if not isinstance(value, list):
        raise ValueError('is not a JSON array such as ["https://example.com"]')
    return value


BASE_URLS = Setting("BASE_URLS", "[]", 'Sites to check: a JSON array, ["https://shop.example", ...]', json_list)
