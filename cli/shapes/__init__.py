"""Shapes of the JSON documents that commands print with `--json`.

Types only: commands import them for the type checker, the reference page and the schema are generated from them.
"""
