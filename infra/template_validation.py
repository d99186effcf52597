"""Validation of templates by the CDK's rules, once for each content.

The CDK validates all templates at every synthesis, which takes longer than the synthesis itself. Here a template is
validated unless one with the same content was, but for the hashes of its code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import App, CloudFormationValidatePlugin, IPolicyValidationContext, PolicyValidationStack

from infra.derived import FOLDER, digest_of, store
from shared.aws.names import CODE_VERSION

# Hashes of assets, and the version of the code that is made of them.
HASHES = re.compile(rf'(?<![0-9a-f])[0-9a-f]{{64}}(?![0-9a-f])|(?<="{CODE_VERSION}": ")[0-9a-f]+')
ERRORS = ("error", "fatal")


class TemplateError(Exception):
    """Templates violate CloudFormation's rules: one line for each violation."""


def check(app: App, files: Mapping[str, Path], account: str | None, region: str | None, folder: Path = FOLDER) -> int:
    """Validate the templates that changed, by stack; return how many these are.

    Raises TemplateError.
    """
    inputs = (version("aws-cdk-lib"), account or "", region or "")
    records = {
        stack: folder / f"valid-{digest_of('template', (*inputs, HASHES.sub('', path.read_text())))}.json"
        for stack, path in files.items()
    }
    changed = [stack for stack, record in records.items() if not record.exists()]
    if changed:
        _validate(app, {stack: files[stack] for stack in changed}, account, region)
    for record in records.values():
        if record.exists():
            record.touch()
        else:
            store(record, "{}")
    return len(changed)


def _validate(app: App, files: Mapping[str, Path], account: str | None, region: str | None) -> None:
    stacks = [
        PolicyValidationStack(stack_construct_path=stack, template_path=str(path), account_id=account, region=region)
        for stack, path in files.items()
    ]
    report = CloudFormationValidatePlugin().validate(ChangedTemplates(app, stacks))
    found = [(violation.severity, line) for violation in report.violations for line in _lines(violation)]
    sys.stderr.writelines(f"{line}\n" for severity, line in found if severity not in ERRORS)
    if errors := [line for severity, line in found if severity in ERRORS]:
        raise TemplateError("\n".join(errors))


def _lines(violation: Any) -> Iterator[str]:
    for resource in violation.violating_resources:
        place = f"{Path(resource.template_path).name}: {resource.resource_logical_id or 'template'}"
        yield f"{place}: {violation.rule_name}: {violation.description}"


@jsii.implements(IPolicyValidationContext)
class ChangedTemplates:
    """Stacks that the CDK's plugin validates."""

    def __init__(self, app: App, stacks: list[PolicyValidationStack]) -> None:
        self._app = app
        self._stacks = stacks

    @property
    def app_construct(self) -> App:
        return self._app

    @property
    def stack_templates(self) -> list[PolicyValidationStack]:
        return self._stacks

    @property
    def template_paths(self) -> list[str]:
        return [stack.template_path for stack in self._stacks]

    @property
    def account_id(self) -> None:
        return None

    @property
    def region(self) -> None:
        return None
