"""States as a word with a shape; the colour comes third."""

from __future__ import annotations

from htpy import Element, span

# Shape and class of each word. Words that are not listed are neutral.
BAD, WARN, GOOD, BUSY, IDLE = "bad", "warn", "good", "busy", "idle"
SHAPES = {BAD: "✕", WARN: "▲", GOOD: "✓", BUSY: "▶", IDLE: "○"}
KINDS = {
    **dict.fromkeys(("failing", "failed", "bad", "lost", "missed", "refused", "dead", "rejected"), BAD),
    **dict.fromkeys(("late", "paused", "retrying", "uncertain", "stopped", "timed out", "waiting", "muted"), WARN),
    **dict.fromkeys(("fine", "done", "ran", "resolved"), GOOD),
    **dict.fromkeys(("running", "in progress"), BUSY),
}


def badge(word: str) -> Element:
    """`✕ failed`."""
    kind = KINDS.get(word.split(" ")[0], KINDS.get(word, IDLE))
    shape = "‖" if word.startswith("paused") else SHAPES[kind]
    return span(class_=f"badge {kind}")[span(aria_hidden="true")[shape], f" {word}"]


def kind_of(word: str) -> str:
    return KINDS.get(word, IDLE)
