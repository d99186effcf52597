"""axe-core in a page: the violations of WCAG that it finds."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

FILE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# Rules whose result depends on the theme or on the width.
LOOKS = ("color-contrast", "target-size", "link-in-text-block", "scrollable-region-focusable")
RUN = """async (only) => {
  const options = only ? { runOnly: { type: "rule", values: only } } : {
    runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] } };
  // Further rows of a table are of the same kind.
  const shown = { exclude: [["tbody tr:nth-child(n+12)"], [".cards > li:nth-child(n+8)"]] };
  const found = await axe.run(shown, { ...options, resultTypes: ["violations"] });
  return found.violations.map((each) => ({ rule: each.id, help: each.help,
    where: each.nodes.slice(0, 3).map((node) => node.target.join(" ") + ": " + node.html.slice(0, 120)) }));
}"""


def violations(page: Page, *rules: str) -> list[dict[str, Any]]:
    """Violations of the page as it is now; of these rules only, if any are given."""
    # Evaluated by the debugger, to which the policy of the page does not apply.
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_source())
    found: list[dict[str, Any]] = page.evaluate(RUN, list(rules) or None)
    return found


@cache
def _source() -> str:
    return FILE.read_text()
