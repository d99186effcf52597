"""docs/reference/state-keys.md: the keys of the table `state`, from the functions of shared/store/keys.py."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import NamedTuple

from cli.generate import markdown
from shared.store import keys

INTRODUCTION = """# Keys of the state table

All state of jobs is in one DynamoDB table, `nightshift-<stage>-state`, with the partition key `pk` and the sort key
`sk`. `shared/store/keys.py` has one function for each key; no other module forms one. A `*` given for a job or a day
makes the pattern of a grant: `read_rows(STATE, keys.claims("*"))`.

Rows with the attribute `expires` (epoch seconds) are deleted by DynamoDB after that time.
"""


class KeyForm(NamedTuple):
    """A key as its function documents it.

    `sk` is empty for a partition that is queried.
    """

    function: str
    pk: str
    sk: str
    meaning: str


def page() -> str:
    forms = list(key_forms())
    rows = ([form.pk, form.sk, form.meaning, f"`{form.function}`"] for form in forms if form.sk)
    partitions = ([form.pk, form.meaning, f"`{form.function}`"] for form in forms if not form.sk)
    return markdown.page(
        INTRODUCTION,
        "## Rows",
        markdown.table(["partition key", "sort key", "content", "function"], rows),
        "## Partitions",
        "Partitions that are queried as a whole. Those of an index contain rows from above that have its keys, see "
        "[what failed](../decisions/0036-what-failed-is-found-by-two-sparse-indexes.md).",
        markdown.table(["partition key", "content", "function"], partitions),
    )


def key_forms() -> Iterator[KeyForm]:
    """Every key, in the order of the module.

    Raises ValueError for a docstring without the form of its key.
    """
    for name, function in vars(keys).items():
        if inspect.isfunction(function) and function.__module__ == keys.__name__ and not name.startswith("_"):
            form, separator, meaning = (inspect.getdoc(function) or "").partition(": ")
            pk, _, sk = form.partition(" / ")
            if not separator or not pk.startswith("`"):
                raise ValueError(f'keys.{name}: begin its docstring with the key, as in "`brake#<job>` / `-`: ..."')
            yield KeyForm(name, pk, sk, " ".join(meaning.split()))
