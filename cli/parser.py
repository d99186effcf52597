"""The argument parser of commands.

Wrong use raises CommandError, examples stand below the options.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from typing import Any, NoReturn

from cli.exit_codes import CommandError, Exit
from shared.advised_commands import without_stage


def sentence(summary: str) -> str:
    return f"{summary[:1].upper()}{summary[1:]}."


class Parser(argparse.ArgumentParser):
    """Prints its epilog as it is. `examples`: command lines without `python jobs.py`."""

    def __init__(self, *args: Any, examples: Iterable[str] = (), **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)
        self.examples = [without_stage(*shlex.split(words)) for words in examples]
        if self.examples:
            self.epilog = "\n".join(("examples:", *(f"  {line}" for line in self.examples)))

    def error(self, message: str) -> NoReturn:
        raise CommandError(Exit.WRONG_USE, f"{message}\n{self.format_usage().strip()}")
