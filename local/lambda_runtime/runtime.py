"""Entry point of a function's process: AWS's runtime client over pipes.

`python -I -S runtime.py INVOCATIONS RESULTS PATH...`: the first two are file descriptors, PATH is `sys.path`. It
imports nothing of this project except the function's package. Both pipes carry one JSON document per line; a NUL and
the request id, written to the pipe of stdout and stderr, end the log of an invocation.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import sys
from types import SimpleNamespace
from typing import Any


class Client:
    """Connection to Lambda, as `awslambdaric` uses it."""

    def __init__(self, invocations: int, results: int) -> None:
        from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

        # Not inherited: a process that the function starts must not hold the pipes open.
        os.set_inheritable(invocations, False)
        os.set_inheritable(results, False)
        self.invocations = os.fdopen(invocations, "r", encoding="utf-8")
        self.results = os.fdopen(results, "w", encoding="utf-8")
        # A copy, not inherited either: a function may close its stdout, or redirect it.
        self.log = os.dup(1)
        self.marshaller = LambdaMarshaller()
        self.ready = False

    def wait_next_invocation(self) -> Any:
        if not self.ready:
            self.ready = True
            self.send("ready")
        line = self.invocations.readline()
        if not line:
            # The engine has ended.
            os._exit(0)
        invocation = json.loads(line)
        limit_processor(invocation["processor_seconds"])
        return SimpleNamespace(
            invoke_id=invocation["request_id"],
            x_amzn_trace_id=invocation["trace"],
            invoked_function_arn=invocation["arn"],
            deadline_time_in_ms=invocation["deadline_ms"],
            event_body=invocation["event"],
            content_type="application/json",
            client_context=None,
            cognito_identity=None,
            tenant_id=None,
            invocation_id=None,
        )

    def post_invocation_result(self, invoke_id: str, result: Any, content_type: str, *_: Any) -> None:
        self.send("done", invoke_id, result.decode("latin-1") if isinstance(result, bytes) else result)

    def post_invocation_error(self, invoke_id: str, error: str, *_: Any) -> None:
        self.send("failed", invoke_id, error)

    def post_init_error(self, error: dict[str, Any], *_: Any) -> None:
        self.send("unable", "", json.dumps(error))

    def send(self, status: str, request_id: str = "", payload: str = "null") -> None:
        streams: tuple[Any, ...] = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
        for stream in streams:
            # A function may have closed or replaced it.
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()
        # Before the result: the engine relies on the log being complete once it reads the result.
        if request_id:
            self.end_log(request_id)
        self.results.write(json.dumps({"status": status, "payload": payload}) + "\n")
        self.results.flush()

    def end_log(self, request_id: str) -> None:
        while True:
            try:
                os.write(self.log, f"\0{request_id}\n".encode())
                return
            except BlockingIOError:
                # The function, or a process of it, has made the pipe non-blocking.
                select.select([], [self.log], [])


def limit_processor(seconds: float) -> None:
    """Allow this invocation that many more seconds of processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard == resource.RLIM_INFINITY or allowed <= hard:
        resource.setrlimit(resource.RLIMIT_CPU, (allowed, hard))


def main() -> None:
    invocations, results, *path = sys.argv[1:]
    sys.path[:0] = path
    sys.argv[:] = [""]
    from awslambdaric import bootstrap

    bootstrap.run(os.environ["_HANDLER"], Client(int(invocations), int(results)))


if __name__ == "__main__":
    main()
