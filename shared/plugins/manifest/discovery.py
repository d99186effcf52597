"""The plugins that there are: packages that say so by an entry point, and manifests that a setting names.

Nothing of a plugin is imported here. A manifest is data beside its code, and an entry point names the package that it
lies in: `[project.entry-points."nightshift.plugins"]`, `<any name> = "<package>"`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from shared.job import settings
from shared.job.validation import DeclarationError
from shared.plugins.manifest.handler_ref import root_of

if TYPE_CHECKING:
    from shared.plugins.manifest.manifest import Manifest

GROUP = "nightshift.plugins"
FILE = "plugin.toml"
# Where a bundle has them, beside shared/ and functions/.
SHIPPED = Path(__file__).resolve().parents[3] / "shipped_plugins"
MANIFESTS = settings.names("KB_PLUGIN_MANIFESTS", "", "Manifests of plugins that are not installed: paths, by commas")
DISABLED = settings.names("KB_PLUGINS_DISABLED", "", "Ids of plugins that are not to be looked at, by commas")


@dataclass(frozen=True, slots=True)
class Plugin:
    """path: of the manifest. root: the folder that its process imports from."""

    manifest: Manifest
    path: Path

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def root(self) -> Path:
        return root_of(self.path)


def plugins(environment: Mapping[str, str] | None = None) -> list[Plugin]:
    """Every plugin that is enabled, by id. Raises DeclarationError, also where two have one id."""
    # Only who has plugins pays for pydantic.
    from shared.plugins.manifest import manifest

    off = set(DISABLED.read(environment))
    found: dict[str, Plugin] = {}
    for path in dict.fromkeys(path.resolve() for path in places(environment)):
        if off and identity(path) in off:
            # Not even read: a plugin can be turned off because its manifest is broken.
            continue
        made = Plugin(manifest.read(path), path)
        if made.id in found:
            other = found[made.id]
            raise DeclarationError(
                f"{path}: the plugin {made.id!r} {made.manifest.version} is there already, as "
                f"{other.manifest.version} in {other.path}; uninstall one or name it in {DISABLED.name}"
            )
        found[made.id] = made
    return [found[name] for name in sorted(found) if found[name].manifest.enabled]


def places(environment: Mapping[str, str] | None = None) -> Iterator[Path]:
    """The manifests' paths: in a bundle those that were shipped, elsewhere those that are installed or named."""
    if SHIPPED.is_dir():
        yield from sorted(SHIPPED.glob(f"*/**/{FILE}"))
        return
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        yield _of_package(point.value, point.name)
    yield from (Path(text) for text in MANIFESTS.read(environment))


def identity(path: Path) -> str:
    """The id that a manifest gives, as far as it can be read at all."""
    import tomllib

    try:
        given = tomllib.loads(path.read_text(encoding="utf-8")).get("id")
    except (OSError, ValueError):
        return str(path)
    return given if isinstance(given, str) else str(path)


def _of_package(package: str, name: str) -> Path:
    top, *below = package.split(".")
    # Finding a top-level package runs nothing; finding what is below it would run the package.
    spec = PathFinder.find_spec(top)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, *below, FILE)
        if path.is_file():
            return path
    raise DeclarationError(f"entry point {name!r} of {GROUP}: the package {package!r} has no {FILE} in it")
