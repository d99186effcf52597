"""Each module of shared/ has a test file of its name, or an entry here with the file that tests it or a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.contract.test_house_rules import ROOT, planted

# Folders of tests/ whose test files mirror a package of shared/; the other packages are mirrored in tests/unit/.
MIRRORS = {"plugins": "tests/plugins"}
CONSUMER = "tests/unit/archetypes/test_consumer.py"
EFFECTS = "tests/unit/run/test_effects.py"
ESCAPES = "tests/plugins/test_escapes.py"
HOST = "tests/plugins/test_host.py"
PIPELINE = "tests/unit/archetypes/test_pipeline.py"
PURGE = "tests/unit/archetypes/test_purge.py"
RECORDS = "tests/unit/product/test_records.py"
REDACTION = "tests/unit/redaction/test_redaction.py"
RELAY = "tests/unit/mail/test_relay.py"
SANDBOX = "tests/plugins/host/test_sandbox.py"
SWEEP = "tests/unit/archetypes/test_sweep.py"
WORKSPACE = "tests/plugins/host/test_workspace.py"

# Module -> the test file that runs it.
COVERED_BY = {
    "shared.admin.effects": EFFECTS,
    "shared.admin.job_state": "tests/unit/admin/test_job_board.py",
    "shared.admin.mute": "tests/cli/test_mute.py",
    "shared.admin.pause": "tests/unit/run/test_pauses.py",
    "shared.admin.reset_watermark": "tests/functions/mail/test_bandwidth_rollup.py",
    "shared.admin.trace": "tests/unit/admin/test_explain.py",
    "shared.admin.trace_commands": "tests/unit/admin/test_explain.py",
    "shared.admin.trace_reader": "tests/unit/admin/test_explain.py",
    "shared.advised_commands": "tests/contract/test_commands.py",
    "shared.archetypes.pipeline.definition": PIPELINE,
    "shared.archetypes.pipeline.runner": PIPELINE,
    "shared.archetypes.purge.cutoff": PURGE,
    "shared.archetypes.purge.rules": "tests/unit/archetypes/purge/test_definition.py",
    "shared.archetypes.purge.runner": PURGE,
    "shared.archetypes.purge.warnings": PURGE,
    "shared.archetypes.rollup.definition": "tests/functions/mail/test_bandwidth_rollup.py",
    "shared.archetypes.sweep.attempt": SWEEP,
    "shared.archetypes.sweep.definition": SWEEP,
    "shared.archetypes.sweep.invalid_rows": SWEEP,
    "shared.archetypes.sweep.runner": SWEEP,
    "shared.admin.stage_removal": "tests/cli/test_destroy.py",
    "shared.aws.cloud": "tests/unit/aws/dynamodb/test_client.py",
    "shared.aws.dynamodb.responses": "tests/unit/aws/dynamodb/test_client.py",
    "shared.aws.permissions": "tests/infra/test_roles.py",
    "shared.aws.service_models": "tests/infra/test_sdk_models.py",
    "shared.dead_letters.store": "tests/unit/admin/test_purge_dead_letters.py",
    "shared.dead_letters.subject": "tests/functions/operations/test_dead_letters.py",
    "shared.http.connection": "tests/unit/http/test_transport.py",
    "shared.http.openapi": "tests/contract/test_openapi.py",
    "shared.http.openapi_answers": "tests/contract/test_openapi.py",
    "shared.http.problem": "tests/contract/test_openapi.py",
    "shared.job.action": "tests/unit/plans/test_plan.py",
    "shared.job.definition": "tests/unit/job/test_validation.py",
    "shared.job.manifest": "tests/unit/job/test_validation.py",
    "shared.job.registry": "tests/unit/job/test_validation.py",
    "shared.mail.message": RELAY,
    "shared.mail.mime": RELAY,
    "shared.mail.route": RELAY,
    "shared.mail.ses": RELAY,
    "shared.messages.batch": CONSUMER,
    "shared.messages.batch_status": "tests/unit/messages/test_run_batch.py",
    "shared.messages.claim_check": "tests/unit/messages/test_envelope.py",
    "shared.messages.failure_answer": CONSUMER,
    "shared.messages.message_handler": CONSUMER,
    "shared.messages.payload_rules": "tests/unit/messages/test_payload.py",
    "shared.observability.alert_kinds": "tests/contract/test_documents.py",
    "shared.plans.draft": "tests/unit/plans/test_plan.py",
    "shared.plugins.denied": WORKSPACE,
    "shared.plugins.host.broker": ESCAPES,
    "shared.plugins.host.debug": "tests/plugins/test_job.py",
    "shared.plugins.host.disk_workspace": WORKSPACE,
    "shared.plugins.host.error_webhook": "tests/plugins/test_job.py",
    "shared.plugins.host.output_pump": SANDBOX,
    "shared.plugins.host.plugin_log": SANDBOX,
    "shared.plugins.host.process_count": "tests/plugins/host/test_command.py",
    "shared.plugins.host.s3_workspace": WORKSPACE,
    "shared.plugins.host.watchdog": HOST,
    "shared.plugins.host.workspaces": WORKSPACE,
    "shared.plugins.manifest.discovery": "tests/plugins/manifest/test_manifest.py",
    "shared.plugins.manifest.handler_ref": "tests/plugins/manifest/test_manifest.py",
    "shared.plugins.manifest.iam": "tests/plugins/test_job.py",
    "shared.plugins.manifest.presets": "tests/plugins/manifest/test_permissions.py",
    "shared.plugins.manifest.toml_lines": "tests/plugins/manifest/test_manifest.py",
    "shared.plugins.wire": SANDBOX,
    "shared.product.export_ticket": "tests/functions/downloads/test_handler.py",
    "shared.product.organization": "tests/functions/flags/test_usage.py",
    "shared.product.sample_organization": "tests/functions/webhooks/test_seed.py",
    "shared.product.usage_sums": "tests/functions/flags/test_rollover.py",
    "shared.product.records.accounts": RECORDS,
    "shared.product.records.by_table": RECORDS,
    "shared.product.records.mail": RECORDS,
    "shared.product.records.outgoing": RECORDS,
    "shared.product.warned_purge": "tests/functions/mail/test_overflow_hold_expiry.py",
    "shared.product.webhook_event": "tests/functions/webhooks/test_webhook_delivery.py",
    "shared.redaction.char_runs": REDACTION,
    "shared.redaction.commands": REDACTION,
    "shared.redaction.encoded": REDACTION,
    "shared.redaction.labelled": REDACTION,
    "shared.redaction.named": REDACTION,
    "shared.redaction.personal": REDACTION,
    "shared.redaction.shaped": REDACTION,
    "shared.run.apply_plan": "tests/unit/plans/test_plan.py",
    "shared.run.begin": "tests/unit/run/test_work.py",
    "shared.run.claim_refusal": "tests/unit/run/test_claim.py",
    "shared.run.claim_write": "tests/unit/run/test_claim.py",
    "shared.run.context": "tests/unit/run/test_run.py",
    "shared.run.effect_results": EFFECTS,
    "shared.run.lost_runs": "tests/functions/operations/test_reconciler.py",
    "shared.run.reconcile": EFFECTS,
    "shared.run.redriven": "tests/unit/admin/test_redrive.py",
    "shared.run.predecessor": "tests/unit/run/test_run.py",
    "shared.run.report": "tests/unit/run/test_run.py",
    "shared.run.unclaimed_status": "tests/unit/run/test_run.py",
    "shared.store.batch_write": "tests/unit/store/test_bulk_put.py",
    "shared.store.record": RECORDS,
    "shared.store.s3_archive": "tests/functions/accounts/test_audit_log_cleanup.py",
    "shared.store.throttling": "tests/unit/store/test_batch_get.py",
}

IN_CHILD = f"runs only in the process of a plugin, which {ESCAPES} and {SANDBOX} start"
# Module -> the reason that no test file names it.
NO_TEST = {
    "shared.archetypes.pipeline.states": "constants only",
    "shared.archetypes.probe.visit": "data classes without methods",
    "shared.archetypes.purge.counts": "a data class without methods",
    "shared.archetypes.sweep.counts": "a data class without methods",
    "shared.http.local_ports": "constants only",
    "shared.job.policies": "constants only",
    "shared.store.fencing": "an exception without code",
    "shared.plugins.child.audit_hook": IN_CHILD,
    "shared.plugins.child.boot": IN_CHILD,
    "shared.plugins.child.client": IN_CHILD,
    "shared.plugins.child.context": IN_CHILD,
    "shared.plugins.child.environ": IN_CHILD,
    "shared.plugins.child.exec_command": IN_CHILD,
    "shared.plugins.child.landlock": IN_CHILD,
    "shared.plugins.child.native_functions": IN_CHILD,
}


def mirror_of(module: str) -> str:
    """`shared.run.claim` -> `tests/unit/run/test_claim.py`."""
    _, *packages, name = module.split(".")
    top = packages[0] if packages else ""
    folders = [MIRRORS[top], *packages[1:]] if top in MIRRORS else ["tests/unit", *packages]
    return "/".join([*folders, f"test_{name}.py"])


def faults(root: Path, covered: Mapping[str, str], untested: Mapping[str, str]) -> list[str]:
    modules = modules_of_shared(root)
    return [
        *_without_test(root, modules, {*covered, *untested}),
        *_stale(root, modules, [*covered, *untested]),
        *_not_covered(root, covered),
    ]


def modules_of_shared(root: Path) -> list[str]:
    paths = sorted(path.relative_to(root) for path in (root / "shared").rglob("*.py"))
    return [".".join(path.with_suffix("").parts) for path in paths if path.name != "__init__.py"]


def _without_test(root: Path, modules: list[str], listed: set[str]) -> list[str]:
    return [
        f"{module} has no test file; write {mirror_of(module)}, or add it to COVERED_BY or NO_TEST"
        for module in modules
        if module not in listed and not (root / mirror_of(module)).is_file()
    ]


def _stale(root: Path, modules: list[str], listed: list[str]) -> list[str]:
    gone = [f"{module} does not exist; remove its entry" for module in listed if module not in modules]
    tested = [
        f"{module} has a test file of its name; remove its entry"
        for module in listed
        if (root / mirror_of(module)).is_file()
    ]
    twice = [f"{module} has two entries; remove one" for module in {*listed} if listed.count(module) > 1]
    return [*gone, *tested, *twice]


def _not_covered(root: Path, covered: Mapping[str, str]) -> list[str]:
    """Entries whose file is missing, or names neither the module nor its package."""
    missing = [f"{module}: {file} does not exist" for module, file in covered.items() if not (root / file).is_file()]
    unrelated = [
        f"{module}: {file} does not import its package"
        for module, file in covered.items()
        if (root / file).is_file() and not _names_package(module, (root / file).read_text(encoding="utf-8"))
    ]
    return [*missing, *unrelated]


def _names_package(module: str, text: str) -> bool:
    package, _, name = module.rpartition(".")
    # A module at the top of shared/ has no package of its own.
    wanted = [rf"{re.escape(module)}\b", rf"from {re.escape(package)} import [^\n]*\b{name}\b"]
    if package != "shared":
        outer, _, inner = package.rpartition(".")
        wanted += [rf"{re.escape(package)}\b", rf"from {re.escape(outer)} import [^\n]*\b{inner}\b"]
    return any(re.search(pattern, text) for pattern in wanted)


def test_every_module_has_a_test_or_an_entry() -> None:
    assert faults(ROOT, COVERED_BY, NO_TEST) == []


MODULE = {"shared/run/claim.py": "", "shared/run/__init__.py": ""}
NONE: Mapping[str, str] = {}


def test_a_module_without_a_test_is_found(tmp_path: Path) -> None:
    assert faults(planted(tmp_path, MODULE), NONE, NONE) == [
        "shared.run.claim has no test file; write tests/unit/run/test_claim.py, or add it to COVERED_BY or NO_TEST"
    ]


@pytest.mark.parametrize(
    ("module", "file"),
    [
        ("shared/run/claim.py", "tests/unit/run/test_claim.py"),
        ("shared/clock.py", "tests/unit/test_clock.py"),
        ("shared/archetypes/purge/runner.py", "tests/unit/archetypes/purge/test_runner.py"),
        ("shared/plugins/job.py", "tests/plugins/test_job.py"),
        ("shared/plugins/host/net.py", "tests/plugins/host/test_net.py"),
    ],
)
def test_a_test_file_has_the_name_of_its_module_in_the_mirrored_folder(module: str, file: str, tmp_path: Path) -> None:
    root = planted(tmp_path, {module: ""})
    assert len(faults(root, NONE, NONE)) == 1
    assert faults(planted(tmp_path, {file: ""}), NONE, NONE) == []


def test_a_test_file_in_another_folder_does_not_count(tmp_path: Path) -> None:
    root = planted(tmp_path, {**MODULE, "tests/unit/test_claim.py": "", "tests/unit/job/test_claim.py": ""})
    assert len(faults(root, NONE, NONE)) == 1


@pytest.mark.parametrize(
    "text", ["from shared.run.claim import Claims", "from shared.run import claim", "from shared import run"]
)
def test_a_file_that_imports_the_package_covers_its_module(text: str, tmp_path: Path) -> None:
    root = planted(tmp_path, {**MODULE, "tests/unit/run/test_run.py": text})
    assert faults(root, {"shared.run.claim": "tests/unit/run/test_run.py"}, NONE) == []


@pytest.mark.parametrize("text", ["", "from shared.runner import claim", "from shared import job"])
def test_a_file_that_does_not_import_the_package_covers_nothing(text: str, tmp_path: Path) -> None:
    root = planted(tmp_path, {**MODULE, "tests/unit/run/test_run.py": text})
    assert faults(root, {"shared.run.claim": "tests/unit/run/test_run.py"}, NONE) == [
        "shared.run.claim: tests/unit/run/test_run.py does not import its package"
    ]


def test_a_missing_file_covers_nothing(tmp_path: Path) -> None:
    root = planted(tmp_path, MODULE)
    assert faults(root, {"shared.run.claim": "tests/gone.py"}, NONE) == [
        "shared.run.claim: tests/gone.py does not exist"
    ]


@pytest.mark.parametrize(
    ("tree", "fault"),
    [
        ({}, "shared.run.claim does not exist; remove its entry"),
        (
            {**MODULE, "tests/unit/run/test_claim.py": ""},
            "shared.run.claim has a test file of its name; remove its entry",
        ),
    ],
)
def test_a_stale_entry_is_found(tree: dict[str, str], fault: str, tmp_path: Path) -> None:
    assert faults(planted(tmp_path, tree), NONE, {"shared.run.claim": "a reason"}) == [fault]


def test_a_module_with_two_entries_is_found(tmp_path: Path) -> None:
    root = planted(tmp_path, {**MODULE, "tests/unit/run/test_run.py": "import shared.run"})
    entry = {"shared.run.claim": "tests/unit/run/test_run.py"}
    assert faults(root, entry, entry) == ["shared.run.claim has two entries; remove one"]


def test_every_reason_is_given() -> None:
    assert [module for module, reason in NO_TEST.items() if not reason.strip()] == []
