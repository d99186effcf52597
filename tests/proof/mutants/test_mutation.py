"""Mutants change one condition, order, key or filter each, and nothing else."""

from __future__ import annotations

import ast

import pytest

from proof.mutants.mutation import mutants_of


def changes(source: str, module: str = "shared.run.claim") -> set[str]:
    return {mutant.apply(source.encode()).decode() for mutant in mutants_of(module, source.encode())}


@pytest.mark.parametrize(
    ("source", "mutated"),
    [
        ("x = a < b", {"x = a <= b"}),
        ("x = a is None", {"x = a is not None"}),
        ("x = not a", {"x = (a)"}),
        ("x = a and b", {"x = ((a) or (b))", "x = ((a))", "x = ((b))"}),
        ("x = min(a, b)", {"x = max(a, b)"}),
        ("x = sorted(a, reverse=True)", {"x = list(a, reverse=True)", "x = sorted(a)"}),
        ("f(a, condition=b)", {"f(a)"}),
        ("f(condition=b, c=d)", {"f(c=d)"}),
        ("x = [a for a in b if a.c]", {"x = [a for a in b if True]"}),
        ("if a:\n    raise B\n", {"if False:\n    raise B\n"}),
        ("x = 'attribute_exists(a)'", {"x = 'attribute_not_exists(a)'"}),
        ("x = 'a < :b AND c = :d'", {"x = 'a <= :b AND c = :d'", "x = 'a < :b OR c = :d'", "x = 'a < :b AND c <> :d'"}),
        ("x = 'é' if a == 'é' else b", {"x = 'é' if a != 'é' else b"}),
    ],
)
def test_each_mutant_changes_one_thing(source: str, mutated: set[str]) -> None:
    assert changes(source) == mutated


@pytest.mark.parametrize(
    "source",
    [
        '"""a = :b AND c"""',
        "x = 'SET a = :b, c = :d'",
        "raise ValueError(f'{a if b else c}')",
        "if TYPE_CHECKING:\n    from a import b\n",
        "def f(a: 'b < :c' = 1) -> None: ...",
    ],
)
def test_documentation_annotations_and_error_texts_have_no_mutants(source: str) -> None:
    assert changes(source) == set()


def test_parts_of_keys_are_left_out_in_the_module_of_keys() -> None:
    source = "x = f'runs#{job}#{day}'"
    assert changes(source, "shared.store.keys") == {"x = f'runs##{day}'", "x = f'runs#{job}#'"}
    assert changes(source) == set()


def test_a_name_does_not_depend_on_the_line() -> None:
    source = b"def f(a):\n    return a < 1\n"
    [before], [after] = mutants_of("m", source), mutants_of("m", b"\n\n" + source)
    assert (before.name, after.line - before.line) == (after.name, 2)
    assert before.name == "m f: a < 1 -> a <= 1"


def test_every_mutant_is_python() -> None:
    source = b"x = sorted(a, key=b) if not (a and b) else [c for c in d if c in e]\n"
    mutants = mutants_of("m", source)
    assert len(mutants) > 5
    for mutant in mutants:
        ast.parse(mutant.apply(source))
