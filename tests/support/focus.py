"""Focus and keys of a page in a browser."""

from __future__ import annotations

from playwright.sync_api import Page

FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
  return { text: (at.textContent || at.ariaLabel || at.name || "").trim(), id: at.id, tag: at.tagName,
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2, href: at.getAttribute("href") || "",
    shown: box.width > 0 && box.bottom > 0 && box.right > 0, top: Math.round(box.top + scrollY) };
}"""


def tab_to(page: Page, text: str, most: int = 60) -> None:
    """Press Tab until the element with this text or id has the focus; each stop on the way shows it."""
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["outlined"], focused
        assert focused["shown"], focused
        if text in (focused["text"], focused["id"]):
            return
    raise AssertionError(f"{text!r} was not reached by {most} tabs")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
