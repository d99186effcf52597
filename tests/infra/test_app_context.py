"""Misspelt context of the CDK is refused: the CDK itself ignores it."""

from __future__ import annotations

import pytest

from infra import app_context
from infra.app_context import ContextError


@pytest.mark.parametrize(
    ("given", "meant"),
    [("stge", "stage"), ("Stage", "stage"), ("url-concurency", "url-concurrency"), ("without_index", "without-index")],
)
def test_a_misspelt_name_is_refused_with_the_nearest(given: str, meant: str) -> None:
    with pytest.raises(ContextError, match=f"-c {given}: .* did you mean -c {meant}"):
        app_context.check(["stage", given])


def test_context_of_the_app_and_of_the_user_is_accepted() -> None:
    app_context.check([*app_context.KNOWN, "aws:cdk:enable-path-metadata", "@aws-cdk/core:something", "team"])
