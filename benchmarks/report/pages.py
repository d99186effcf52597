"""Pages of docs/performance, from the stored figures."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report.figures import PAGES, Figures, Section, stored

INTRODUCTION = """# Performance

Figures of the benchmarks, each with the command that prints it. A bound is a count, or a ratio to a peer that was
measured in turn with ours on the same machine, and is missed only where the whole interval of 95 % confidence is beyond
it. So a loaded machine widens the intervals and fails no run. Absolute times are of the machine that a page names.

```
make bench                          # all benchmarks; the figures are stored in docs/performance/data
make bench ARGS="scale run_cost"    # some of them
python -m benchmarks.report         # these pages, from the stored figures
```
"""


def pages(figures: list[Figures]) -> dict[str, str]:
    """Texts of all files by name: pages, plots and the index."""
    files = {f"{each.name}.md": _page(each) for each in figures}
    files |= {name: text for each in figures for name, text in each.plots.items()}
    return {**files, "README.md": _index(figures)}


def write(folder: Path = PAGES) -> None:
    """Write all pages, and remove those of figures that are gone."""
    files = pages(stored())
    for path in folder.glob("*.*"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)


def _index(figures: list[Figures]) -> str:
    rows = [f"| [{each.title}]({each.name}.md) | {_first_sentence(each.text)} |" for each in figures]
    peers = [f"- {sentence} ([{each.title.lower()}]({each.name}.md))" for each in figures for sentence in each.peers]
    table = ["| page | content |", "|---|---|", *rows]
    return "\n".join([INTRODUCTION, *table, "", "## Where peers are better", "", *peers, ""])


def _page(figures: Figures) -> str:
    parts = [f"# {figures.title}", "", figures.text, "", "```", figures.command, "```", ""]
    parts += [f"Measured on {figures.measured}: {figures.machine}.", ""]
    for section in figures.sections:
        parts += _section(section)
    if figures.peers:
        parts += ["## Where peers are better", "", *(f"- {sentence}" for sentence in figures.peers), ""]
    return "\n".join(parts)


def _section(section: Section) -> list[str]:
    parts = [f"## {section.title}", "", section.text, ""] if section.text else [f"## {section.title}", ""]
    if section.rows:
        head = ["| " + " | ".join(section.columns) + " |", "|" + "---|" * len(section.columns)]
        parts += [*head, *("| " + " | ".join(row) + " |" for row in section.rows), ""]
    if section.plot:
        parts += [f"![{section.title}]({section.plot})", ""]
    return parts


def _first_sentence(text: str) -> str:
    return text.partition(".")[0].replace("\n", " ") + "."
