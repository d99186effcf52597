"""Invocation of a Python function, with Lambda's error payloads and log records.

Replaces ministack's executor, which runs functions with the engine's own packages and environment, names every error
Runtime.HandlerError, starts a new process after each error, and writes each invocation to another log stream.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from local import logs
from local.engine import credential, emulator
from local.lambda_runtime import loop_detection
from local.lambda_runtime.pool import Pool
from local.lambda_runtime.sandbox import SandboxFailure

RECURSION = {
    "errorType": "RecursiveInvocationException",
    "errorMessage": "Lambda has detected your function being invoked in a recursive loop and stopped the invocation",
}


def install(pool: Pool) -> None:
    functions = emulator.service("lambda_svc")
    original = functions._execute_function_dispatch

    def dispatch(func: Any, config: Any, event: Any, request_id: str, started: float) -> Any:
        if not str(config.get("Runtime", "")).startswith("python") or not func.get("code_zip"):
            return original(func, config, event, request_id, started)
        trace = loop_detection.enter(config["FunctionArn"], func.get("recursive_loop") == "Allow")
        if trace is None:
            return {"error": True, "recursive": True, "body": RECURSION, "function_error": "Unhandled", "log": ""}
        return invoke(pool, config, func["code_zip"], event, request_id, trace)

    functions._execute_function_dispatch = dispatch


def invoke(
    pool: Pool, config: Mapping[str, Any], code: bytes, event: Any, request_id: str, trace: str
) -> dict[str, Any]:
    """Invoke once. Returns `{body, log}` and, on failure, `error` and `function_error`."""
    functions = emulator.service("lambda_svc")
    archives = [functions._resolve_layer_zip(layer) for layer in config.get("Layers") or []]
    credentials = credential.of_function(config, pool.settings.token)
    with pool.lent(config, code, [archive for archive in archives if archive], credentials) as (sandbox, cold):
        began = time.monotonic()
        initialized = 0.0
        try:
            if cold:
                pool.start(sandbox)
                initialized = time.monotonic() - began
            result = sandbox.run(json.dumps(event), request_id, trace, config.get("FunctionArn", ""))
            body, status = json.loads(result["payload"]), "success" if result["status"] == "done" else "error"
        except SandboxFailure as failure:
            body = {"errorType": failure.error_type, "errorMessage": f"RequestId: {request_id} Error: {failure}"}
            status = "timeout" if failure.error_type == "Sandbox.Timedout" else "error"
        seconds = time.monotonic() - began - initialized
        lines = sandbox.lines()
    # The runtime client logs exceptions; the platform logs the end of a process.
    if status != "success" and "stackTrace" not in body:
        lines.append((time.time_ns() // 1_000_000, f"{body['errorMessage']}\n{body['errorType']}"))
    report = logs.Report(
        request_id=request_id,
        status=status,
        error_type=None if status == "success" else body["errorType"],
        seconds=seconds,
        init_seconds=initialized,
        memory_mb=sandbox.memory_mb,
        peak_mb=sandbox.peak_mb,
    )
    logs.write(config, sandbox.stream, lines, report)
    failed = {} if status == "success" else {"error": True, "function_error": "Unhandled"}
    return {"body": body, "log": "\n".join(text for _, text in lines), **failed}
