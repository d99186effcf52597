"""Reader of synthesized templates: resources by type, and values as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Template = Mapping[str, Any]

# Values for pseudo parameters, as long as they can be.
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Region": "ap-southeast-1",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}


class Resource(NamedTuple):
    stack: str
    id: str
    type: str
    properties: Mapping[str, Any]


def resources(templates: Mapping[str, Template], *types: str) -> Iterator[Resource]:
    """Resources of all stacks, of the given types if any."""
    for stack, template in templates.items():
        for identifier, resource in template.get("Resources", {}).items():
            if not types or resource["Type"] in types:
                yield Resource(stack, identifier, resource["Type"], resource.get("Properties", {}))


def text(value: Any) -> str:
    """Resolve pseudo parameters and joins; a reference becomes `<Id>` or `<Id.Attribute>`."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return PSEUDO.get(name, f"<{name}>")
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(text(part) for part in parts)
        case {"Fn::Sub": str(pattern)}:
            for name, replacement in PSEUDO.items():
                pattern = pattern.replace(f"${{{name}}}", replacement)
            return pattern
        case _:
            return str(value)


def resolved(value: Any, pseudo: Mapping[str, str]) -> Any:
    """Replace the given pseudo parameters, and join texts."""
    match value:
        case {"Ref": str(name)} if name in pseudo:
            return pseudo[name]
        case {"Fn::Sub": str(pattern)}:
            for name, replacement in pseudo.items():
                pattern = pattern.replace(f"${{{name}}}", replacement)
            return {"Fn::Sub": pattern} if "${" in pattern else pattern
        case {"Fn::Join": [str(separator), [*parts]]}:
            parts = [resolved(part, pseudo) for part in parts]
            whole = all(isinstance(part, str) for part in parts)
            return separator.join(parts) if whole else {"Fn::Join": [separator, parts]}
        case Mapping():
            return {name: resolved(part, pseudo) for name, part in value.items()}
        case list():
            return [resolved(part, pseudo) for part in value]
        case _:
            return value


def plain(value: Any) -> Any:
    """Apply `text` to every value in lists and mappings."""
    if isinstance(value, Mapping):
        functions = {"Ref", "Fn::GetAtt", "Fn::Join", "Fn::Sub"}
        return text(value) if functions & value.keys() else {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value
