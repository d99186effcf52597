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
    """Crash on purpose, so that retries and a dead letter can be seen; off unless SAMPLE_CRASH_ENABLE says true."""

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
                # As code does that no signal reaches: only what stands outside of the process can end it.
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
                time.sleep(2 * self.timeout)
            case "memory":
                # Four times what is declared: who enforces nothing shall not lose the machine.
                hoard = b"\1" * (4 * self.memory * MB)
                raise SampleCrash(f"{len(hoard) // MB} MB were taken, of {self.memory} declared")
            case _:
                raise Rejected(f"{KIND.name}={kind!r} is none of {', '.join(KINDS)}")
        raise SampleCrash(f"nothing ended it by {2 * self.timeout} s")
