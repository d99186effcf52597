from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bootstrap.py"

# Each is a syntax error in Python 2.7, or in a Python 3 that a machine of the last ten years may still have.
NEWER_SYNTAX = (
    ast.JoinedStr,
    ast.AnnAssign,
    ast.NamedExpr,
    ast.Starred,
    ast.Match,
    ast.AsyncFunctionDef,
    ast.Nonlocal,
)


def bootstrap(before: str) -> subprocess.CompletedProcess[str]:
    """Run the script after `before`, as its own main program."""
    code = f"import sys; {before}; import runpy; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


def test_an_old_python_is_refused_with_its_version_and_the_fix() -> None:
    answer = bootstrap("sys.version_info = (3, 10, 13, 'final', 0)")
    assert answer.returncode == 1
    assert "needs Python 3.11 or newer; this is Python 3.10.13" in answer.stderr
    assert sys.executable in answer.stderr
    assert "make run PYTHON=" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_old_python_can_parse_the_script() -> None:
    tree = ast.parse(SCRIPT.read_text())
    assert [node for node in ast.walk(tree) if isinstance(node, NEWER_SYNTAX)] == []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in functions if node.returns or any(arg.annotation for arg in node.args.args)] == []
    assert [node.name for node in functions if node.args.kwonlyargs or node.args.posonlyargs] == []


def test_a_python_with_neither_pip_nor_ensurepip_is_advised_to_install_one(tmp_path: Path) -> None:
    copy = tmp_path / "bootstrap.py"
    copy.write_text(SCRIPT.read_text())
    (tmp_path / "uv.lock").write_text((ROOT / "uv.lock").read_text())
    code = (
        "import importlib.util, runpy; importlib.util.find_spec = lambda name: None;"
        f"runpy.run_path({str(copy)!r}, run_name='__main__')"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 1
    assert "has neither pip nor ensurepip" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / ".venv").exists()
