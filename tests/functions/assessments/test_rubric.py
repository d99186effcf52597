"""The result is found in an answer with thoughts, fences and remarks around it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from functions.assessments._rubric import RUBRIC, Criterion, Evaluation, InvalidAnswer, Line, read

TURN = Line(speaker="system", text="x")


def answer(score: Any = 3, summary: str = "fine") -> str:
    scores = [{"criterion": each.name, "score": score, "reason": "ok"} for each in RUBRIC]
    return json.dumps({"scores": scores, "summary": summary})


@pytest.mark.parametrize(
    "text",
    [
        answer(),
        f"```json\n{answer()}\n```",
        f"Here you are:\n```\n{answer()}\n```\nDone.",
        f"{answer()}\nI hope {{this}} helps: {{}}",
        f'<think>First {{"scores": ...}} then a summary.</think>\n{answer()}',
        f"<think>{answer(5)}</think>{answer()}",
        f"thoughts without a beginning, {{ and {answer(1)}\n</think>\n\n{answer()}",
        f"A set {{1, 2}} and an open {{ brace: {answer()}",
        answer(summary="the tag </think> was quoted {"),
        answer("3"),
        answer(3.0),
        answer("3.0"),
        answer(" 3 "),
        answer("3/5"),
        answer("3.0 / 5"),
        answer(summary="two\nlines\tand more").replace("\\n", "\n").replace("\\t", "\t"),
        f'{answer()[:-1]}, "overall": 4}}',
        answer().replace('"reason"', '"evidence": [], "reason"'),
        answer().replace("correctness", " Correctness ").replace("reasoning", "Reasoning"),
    ],
)
def test_the_result_is_found(text: str) -> None:
    assert {score.score for score in read(text, RUBRIC).scores} == {3}


@pytest.mark.parametrize(
    "score", ["three", 3.5, "3.5", "3/10", "3/5/5", True, None, "", "-1", -1, 6, "6", [3], "٣", 1e400]
)
def test_a_score_that_is_no_whole_number_of_the_scale_is_refused(score: Any) -> None:
    with pytest.raises(InvalidAnswer):
        read(answer(score), RUBRIC)


@pytest.mark.parametrize(
    "text",
    ["", "I would rather not.", "{", answer()[:-10], f"<think>{answer()}", f"<think>{answer()}</think>{answer()[:50]}"],
)
def test_an_answer_without_a_complete_result_is_refused(text: str) -> None:
    with pytest.raises(InvalidAnswer):
        read(text, RUBRIC)


@pytest.mark.parametrize("unit", ["{", '{"', '{"a":', "</think>", "<think>", "[", '{"a":1}', "{ ", "\\", '"'])
def test_a_mebibyte_of_anything_is_read_in_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        started = time.process_time()
        with pytest.raises(InvalidAnswer):
            read(text, RUBRIC)
        return time.process_time() - started

    small, large = max(seconds(1 << 16), 0.005), seconds(1 << 20)
    assert large < 20 * small + 0.3


def test_a_rubric_that_names_a_criterion_twice_is_refused() -> None:
    twice = (*RUBRIC, Criterion(name=RUBRIC[0].name, meaning="Again."))
    with pytest.raises(ValidationError, match="more than once"):
        Evaluation(organization_id="o", user_id="u", assessment_id="a", transcript=(TURN,), rubric=twice)
