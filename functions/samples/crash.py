from __future__ import annotations

import os
import signal
import time

from shared.aws.names import LOCAL
from shared.job import Job, Outcome, Rejected, RunContext, explicit, natural, settings

KINDS = ("raise", "exit", "sleep", "hang", "memory")
KIND = settings.text("SAMPLE_CRASH_KIND", "raise", f"How the sample job crashes: {', '.join(KINDS)}")
MB = 1024 * 1024


class SampleCrash(Exception):
    """Raised on purpose."""


class Crash(Job):
    """Crash on purpose, to demonstrate retries and dead letters."""

    env = "SAMPLE_CRASH"
    stages = (LOCAL,)
    costly = True
    timeout = 10
    memory = 128
    retry = explicit(1, 2)
    idempotency = natural("it does nothing before it crashes")
    settings = (KIND,)

    def plan(self, run: RunContext) -> list[str]:
        return [f"crash by {run.setting(KIND.name)}"]

    def work(self, run: RunContext) -> Outcome:
        kind = run.setting(KIND.name)
        match kind:
            case "raise":
                raise SampleCrash(f"attempt {run.firing.attempt} crashed on purpose")
            case "exit":
                os._exit(1)
            case "sleep":
                time.sleep(2 * self.timeout)
            case "hang":
                # With the signal blocked, only another process can end this one.
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
                time.sleep(2 * self.timeout)
            case "memory":
                # Only four times the declared memory, for environments that do not enforce the limit.
                block = b"\1" * (4 * self.memory * MB)
                raise SampleCrash(f"{len(block) // MB} MB were allocated, of {self.memory} declared")
            case _:
                raise Rejected(f"{KIND.name}={kind!r} must be one of {', '.join(KINDS)}")
        raise SampleCrash(f"the run was not stopped within {2 * self.timeout} s")
