"""Synthesis of small apps in one process: a line of JSON in, an assembly out, a line back.

Each request: `files` of functions/, `stage`, `folder` of the assembly, `context`, and fields of the deployment.
Functions get their source alone as code: nothing runs them here, and packages take time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

from aws_cdk import App, Aws

from infra import app, function, platform
from infra.deployment import Deployment
from infra.package import Package
from shared.aws.names import Names
from shared.job import registry

TREE = Path(sys.argv[1])


def packages(
    group: str, deployment: Deployment, *, with_manifest: bool, with_details: bool = False
) -> tuple[Package, Package]:
    """The group's source, and an empty layer."""
    del deployment, with_manifest, with_details
    return pack(f"{group}.zip", *(TREE / "functions" / group).glob("*.py")), pack("layer.zip")


def pack(name: str, *files: Path) -> Package:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()
    place = TREE / digest / name
    place.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr(name, digest)
    return Package(place, digest)


def synthesize(wanted: dict[str, Any]) -> None:
    shutil.rmtree(TREE / "functions", ignore_errors=True)
    (TREE / "functions").mkdir()
    (TREE / "functions" / "__init__.py").touch()
    for path, source in wanted["files"].items():
        module = TREE / "functions" / f"{path}.py"
        module.parent.mkdir(exist_ok=True)
        (module.parent / "__init__.py").touch()
        module.write_text(source)
    for name in [name for name in sys.modules if name.partition(".")[0] == "functions"]:
        del sys.modules[name]
    deployment = Deployment(
        Names(wanted["stage"], Aws.ACCOUNT_ID, Aws.REGION, declared_production=wanted["production"]),
        registry.jobs({}),
        platform.on_this_machine(),
        {},
        protected=wanted["protected"],
        dashboard=wanted["watched"],
        alarms=wanted["watched"],
        created_elsewhere=frozenset(wanted["existing"]),
    )
    built = App(outdir=wanted["folder"], context={**app.flags(), **wanted["context"]})
    app.build(built, deployment, [])
    built.synth(skip_validation=True)


def main() -> None:
    function.packages = packages
    sys.dont_write_bytecode = True
    for line in sys.stdin:
        synthesize(json.loads(line))
        print("done", flush=True)


if __name__ == "__main__":
    main()
