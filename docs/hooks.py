"""Build the site: root documents as pages, decisions listed, no external resources."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\s]+)\)")
EXTERNAL = re.compile(
    r"""<(?:script|img|iframe)[^>]*\ssrc="?(?:https?:)?//[^>]*>|<link[^>]*stylesheet[^>]*\shref="?https?://[^>]*>"""
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List every decision in the navigation."""
    decisions = [f"decisions/{path.name}" for path in sorted((ROOT / "docs" / "decisions").glob("0*.md"))]
    config.nav = [*(config.nav or []), {"Decisions": ["decisions/README.md", *decisions]}]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are stored in the project's root."""
    for target, source in PAGES.items():
        files.append(File.generated(config, target, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Resolve links as the repository does: from docs/, or from the root for the pages of PAGES."""
    if "\n## " not in markdown:
        # A table of contents would be empty, and takes the room of a wide table.
        page.meta["hide"] = ["toc"]
    folder = ROOT if page.file.src_uri in PAGES else (ROOT / "docs" / page.file.src_uri).parent

    def resolved(link: re.Match[str]) -> str:
        text, url = link[1], link[2]
        if "://" in url or url.startswith("#"):
            return link[0]
        path, _, anchor = url.partition("#")
        target = (folder / path).resolve()
        if target.name in PAGES.values() and target.parent == ROOT:
            name = next(page for page, source in PAGES.items() if source == target.name)
            depth = page.file.src_uri.count("/")
            return f"[{text}]({'../' * depth}{name})"
        if target.is_relative_to(ROOT / "docs"):
            if page.file.src_uri not in PAGES:
                return link[0]
            return f"[{text}]({target.relative_to(ROOT / 'docs')}{'#' + anchor if anchor else ''})"
        # A source file, which the site does not contain.
        return text if target.exists() else link[0]

    return LINK.sub(resolved, markdown)


def on_post_page(html: str, *, page: Page, **_: object) -> str:
    """Refuse a page that would load a script, a style or an image from another host."""
    if found := EXTERNAL.search(html):
        raise PluginError(f"{page.file.src_uri} loads an external resource: {found[0]}; use a local file")
    return html
