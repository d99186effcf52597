"""Find plugins by entry points, and by manifests that a setting names.

No code of a plugin is imported. A manifest is data beside the code, and an entry point names the package that contains
it: `[project.entry-points."nightshift.plugins"]`, `<any name> = "<package>"`.
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
from shared.text.untrusted_toml import InvalidToml, read_toml

if TYPE_CHECKING:
    from shared.plugins.manifest.manifest import Manifest

GROUP = "nightshift.plugins"
FILE = "plugin.toml"
# Folder of the plugins in a bundle, beside shared/ and functions/.
SHIPPED = Path(__file__).resolve().parents[3] / "shipped_plugins"
MANIFESTS = settings.names(
    "KB_PLUGIN_MANIFESTS", "", "Manifests of plugins that are not installed: paths, separated by commas"
)
DISABLED = settings.names("KB_PLUGINS_DISABLED", "", "Ids of plugins that are ignored, separated by commas")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was found."""

    manifest: Manifest
    #: Path of the manifest.
    path: Path

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def root(self) -> Path:
        """The folder that the plugin's process imports from."""
        return root_of(self.path)


@dataclass(frozen=True, slots=True)
class FoundPlugins:
    """The enabled plugins, and the errors of others by manifest."""

    plugins: list[Plugin]
    errors: dict[str, DeclarationError]


def discover(environment: Mapping[str, str] | None = None) -> FoundPlugins:
    """All enabled plugins.

    An error in one manifest does not hide the others.
    """
    # Imported lazily: without plugins, pydantic is not needed.
    from shared.plugins.manifest import manifest

    disabled = set(DISABLED.read(environment))
    found: dict[str, Plugin] = {}
    errors: dict[str, DeclarationError] = {}
    for path, error in dict(_places(environment)).items():
        try:
            if error:
                raise error
            if disabled and identity(path) in disabled:
                # Not parsed: a plugin may be disabled because its manifest is invalid.
                continue
            plugin = Plugin(manifest.read(path), path)
            if plugin.id in found:
                other = found[plugin.id]
                raise DeclarationError(
                    f"{path}: the plugin {plugin.id!r} {plugin.manifest.version} exists already, as "
                    f"{other.manifest.version} in {other.path}; uninstall one, or name it in {DISABLED.name}"
                )
            found[plugin.id] = plugin
        except DeclarationError as fault:
            errors[str(path)] = fault
    return FoundPlugins([found[name] for name in sorted(found) if found[name].manifest.enabled], errors)


def plugins(environment: Mapping[str, str] | None = None) -> list[Plugin]:
    """All enabled plugins, by id.

    Raises DeclarationError, also for two plugins with the same id.
    """
    found = discover(environment)
    for error in found.errors.values():
        raise error
    return found.plugins


def places(environment: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Paths of manifests."""
    yield from (path for path, error in _places(environment) if error is None)


def _places(environment: Mapping[str, str] | None) -> Iterator[tuple[Path, DeclarationError | None]]:
    """Paths of manifests, each with an error if it cannot be one.

    In a bundle those that it contains, elsewhere those installed or named by the setting.
    """
    if SHIPPED.is_dir():
        yield from ((path.resolve(), None) for path in sorted(SHIPPED.glob(f"*/**/{FILE}")))
        return
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            yield _of_package(point.value, point.name).resolve(), None
        except DeclarationError as error:
            yield Path(point.value), error
    yield from ((Path(text).resolve(), None) for text in MANIFESTS.read(environment))


def identity(path: Path) -> str:
    """The id of a manifest, or its path without a readable id."""
    try:
        plugin_id = read_toml(path)[1].get("id")
    except (OSError, InvalidToml):
        return str(path)
    return plugin_id if isinstance(plugin_id, str) else str(path)


def _of_package(package: str, name: str) -> Path:
    top, *below = package.split(".")
    # Finding a top-level package runs no code; finding a subpackage would run the package.
    spec = PathFinder.find_spec(top)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, *below, FILE)
        if path.is_file():
            return path
    raise DeclarationError(f"entry point {name!r} of {GROUP}: the package {package!r} contains no {FILE}")
