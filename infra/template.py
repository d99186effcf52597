"""Reading synthesized templates: resources by type, and values as the text that they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Template = Mapping[str, Any]

# What pseudo parameters become, at their longest.
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
    """Those of the types, or all, in every stack."""
    for stack, template in templates.items():
        for identifier, resource in template.get("Resources", {}).items():
            if not types or resource["Type"] in types:
                yield Resource(stack, identifier, resource["Type"], resource.get("Properties", {}))


def text(value: Any) -> str:
    """The value with pseudo parameters and joins resolved; a reference becomes `<Id>` or `<Id.Attribute>`."""
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
            for name, becomes in PSEUDO.items():
                pattern = pattern.replace(f"${{{name}}}", becomes)
            return pattern
        case _:
            return str(value)


def plain(value: Any) -> Any:
    """The same all the way down, in lists and mappings."""
    if isinstance(value, Mapping):
        functions = {"Ref", "Fn::GetAtt", "Fn::Join", "Fn::Sub"}
        return text(value) if functions & value.keys() else {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value
