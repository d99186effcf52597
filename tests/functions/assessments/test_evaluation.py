"""Evaluations: scored by a fake provider, paid for once, and shown while they run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from functions.assessments import _llm
from functions.assessments._assessment import Assessment
from functions.assessments._rubric import RUBRIC
from functions.assessments.evaluation import Evaluate
from shared import clock
from shared.admin import effects
from shared.aws.cloud import Cloud
from shared.job import NotDone
from shared.store import keys, table
from shared.tables import STATE
from tests.conftest import letters
from tests.functions.flags.conftest import World
from tests.support.web_server import Handler, Reply, Request, Web

PATH = "/v1/chat/completions"
MODEL = "m1"
CONVERSE = f"/model/{MODEL}/converse"


def asked(assessment: str = "as_1", **more: Any) -> dict[str, Any]:
    payload = {
        "organizationId": "org_1",
        "userId": "user_1",
        "assessmentId": assessment,
        "transcript": [
            {"speaker": "interviewer", "text": "What does a lease need?"},
            {"speaker": "candidate", "text": "An end, and a fencing token."},
        ],
    }
    return {"type": "evaluation", "payload": {**payload, **more}}


def scored(**more: Any) -> str:
    scores = [{"criterion": each.name, "score": 4, "reason": "It says so."} for each in RUBRIC]
    return json.dumps({"scores": scores, "summary": "Good.", **more})


def streamed(text: str, *, done: bool = True) -> Reply:
    """Server-sent events, in pieces of 7 characters."""
    pieces = [text[start : start + 7] for start in range(0, len(text), 7)]
    events: list[Any] = [{"choices": [{"delta": {"content": piece}, "finish_reason": None}]} for piece in pieces]
    if done:
        events.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        events.append({"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 200}})
    lines = [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"] * done
    return Reply(200, ": hello\n\n" + "".join(lines), {"content-type": "text/event-stream"})


def plain(text: str) -> Reply:
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1000, "completion_tokens": 200}
    return Reply(200, json.dumps({"choices": [choice], "usage": usage}), {"content-type": "application/json"})


def silent(handler: Handler, _request: Request) -> Reply | None:
    handler.server.stopping.wait(1)
    return None


@pytest.fixture
def provider(world: World) -> Iterator[Web]:
    world.put("assessments", {"pk": "org_1", "sk": "as_1", "user": "user_1"})
    with Web() as web:
        world.cloud.environment = {
            "EVALUATION_ENABLE": "true",
            "LLM_PROVIDER": "openai",
            "LLM_MODEL": MODEL,
            "LLM_URL": f"{web.url}/v1",
        }
        world.cloud.parameters.put_parameter(
            Name="/nightshift/test/llm-key", Value="open sesame", Type="SecureString", Overwrite=True
        )
        yield web


def row(world: World) -> dict[str, Any]:
    return world.get("assessments", "org_1", "as_1")


def cost(world: World) -> dict[str, Any]:
    return world.get("assessments", "org_1#cost", "2026-03")


@pytest.mark.parametrize("answer", [streamed(scored()), plain(scored()), plain(f"```json\n{scored()}\n```")])
def test_a_transcript_is_scored_and_its_cost_is_recorded(answer: Reply, world: World, provider: Web) -> None:
    provider.answers[PATH] = answer
    assert world.deliver(Evaluate(), asked()) == []
    found = row(world)
    assert (found["state"], found["step"], found["progress"], found["score"]) == ("completed", "finished", 100, 80)
    assert [score["criterion"] for score in found["result"]["scores"]] == [each.name for each in RUBRIC]
    # 1,000 tokens at 3 and 200 at 15 dollars for a million.
    assert (found["micros"], cost(world)["micros"], cost(world)["calls"]) == (6000, 6000, 1)
    [request] = provider.asked
    assert request.headers["authorization"] == "Bearer open sesame"
    assert request.headers["idempotency-key"]


def test_each_step_is_told_with_its_progress(world: World, provider: Web) -> None:
    provider.answers[PATH] = streamed(scored())
    world.deliver(Evaluate(), asked())
    told = [(line["step"], line["percentage"]) for line in world.log.said("evaluation_in_progress")]
    assert told == [("started", 0), ("fetching_data", 10), ("evaluating", 50), ("finished", 100)]
    assert {line["entityId"] for line in world.log.said("evaluation_in_progress")} == {"as_1"}
    assert {line["organizationId"] for line in world.log.said("evaluation_in_progress")} == {"org_1"}


def test_a_duplicate_pays_for_no_second_call_not_even_after_a_crash_before_the_result(
    world: World, provider: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.answers[PATH] = streamed(scored())
    with monkeypatch.context() as crash:
        crash.setattr("functions.assessments._rubric.read", lambda *_: (_ for _ in ()).throw(OSError("gone")))
        world.deliver(Evaluate(), asked())
    assert row(world)["state"] == "failed"
    world.deliver(Evaluate(), asked())
    world.deliver(Evaluate(), asked())
    # The retry of a failed attempt, which arrives after another delivery has succeeded.
    world.deliver(Evaluate(), asked(), attempt="2")
    assert row(world)["state"] == "completed"
    assert len(provider.asked) == 1
    assert cost(world)["calls"] == 1


def confirmation(params: Any, **_: Any) -> None:
    """Refuse to write that the call was made."""
    if "effect#" in repr(params.get("Key", "")) or "TransactItems" in params:
        raise ConnectionClosedError(endpoint_url="https://aws.test")


def test_an_answer_whose_confirmation_is_lost_is_not_paid_for_again(world: World, provider: Web) -> None:
    provider.answers[PATH] = streamed(scored())
    events = world.cloud.dynamodb.meta.events
    events.register("before-parameter-build.dynamodb", confirmation, unique_id="confirmation")
    world.deliver(Evaluate(), asked())
    events.unregister("before-parameter-build.dynamodb", unique_id="confirmation")
    world.clock.move(seconds=400)
    # The outcome is uncertain: the message waits for an operator, as long as it takes, and no attempt is used up.
    for _ in range(5):
        world.sent("assessments:evaluation")
        assert world.deliver(Evaluate(), asked()) == []
        assert len(world.sent("assessments:evaluation")) == 1
    assert letters(world.cloud, "firings-dlq") == []
    assert (len(provider.asked), row(world)["state"]) == (1, "processing")
    [found] = effects.uncertain_effects(world.cloud, "evaluation")
    effects.resolve_manually(world.cloud, Evaluate(), found["key"], NotDone(), "ada", "the provider has no trace")
    world.deliver(Evaluate(), asked())
    assert (len(provider.asked), row(world)["state"], cost(world)["calls"]) == (2, "completed", 1)


@pytest.mark.parametrize("step", ["record_call", "complete"])
def test_a_failure_after_the_answer_pays_for_no_other_call(
    world: World, provider: Web, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    provider.answers[PATH] = streamed(scored())
    with monkeypatch.context() as broken:
        broken.setattr(Assessment, step, lambda *_, **__: (_ for _ in ()).throw(OSError("gone")))
        world.deliver(Evaluate(), asked())
    for attempt in ("2", "3"):
        world.deliver(Evaluate(), asked(), attempt=attempt)
    assert (len(provider.asked), row(world)["state"], cost(world)["calls"]) == (1, "completed", 1)


def test_a_duplicate_of_a_failed_attempt_makes_no_call_of_its_own(world: World, provider: Web) -> None:
    provider.answers[PATH] = plain("I would rather not.")
    for _ in range(3):
        world.deliver(Evaluate(), asked())
    assert len(provider.asked) == 1
    for _ in range(3):
        world.deliver(Evaluate(), asked(), attempt="3")
    assert (len(provider.asked), cost(world)["calls"]) == (3, 3)


@pytest.mark.parametrize(
    "bad",
    [
        plain("I would rather not."),
        plain(json.dumps({"scores": [{"criterion": "charm", "score": 5, "reason": "x"}], "summary": "x"})),
        plain(json.dumps({"scores": json.loads(scored())["scores"][1:], "summary": "x"})),
        plain(scored().replace('"score": 4', '"score": 6', 1)),
        streamed(scored()[:-20], done=False),
        Reply(200, "<html>", {"content-type": "text/html"}),
    ],
    ids=["prose", "another rubric", "one left out", "out of range", "cut off", "no json"],
)
def test_a_malformed_answer_is_paid_for_and_asked_for_again(bad: Reply, world: World, provider: Web) -> None:
    provider.answers[PATH] = [bad, streamed(scored())]
    assert world.deliver(Evaluate(), asked()) == []
    assert (row(world)["state"], row(world)["step"]) == ("failed", "error")
    [again] = world.sent("assessments:evaluation")
    world.deliver(Evaluate(), again, attempt="2")
    assert row(world)["state"] == "completed"
    assert cost(world)["calls"] == 2


@pytest.mark.parametrize(
    "unhelpful",
    [
        Reply(200, json.dumps({"choices": [{"message": {"content": scored()[:100]}, "finish_reason": "length"}]})),
        Reply(200, json.dumps({"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]})),
        Reply(200, json.dumps({"choices": [{"message": {"refusal": "No."}, "finish_reason": "stop"}]})),
    ],
    ids=["length", "filter", "refusal"],
)
def test_an_answer_that_no_repetition_changes_is_paid_for_once(unhelpful: Reply, world: World, provider: Web) -> None:
    provider.answers[PATH] = unhelpful
    assert world.deliver(Evaluate(), asked()) == []
    assert world.sent("assessments:evaluation") == []
    [letter] = letters(world.cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "rejected"
    assert (len(provider.asked), row(world)["state"], cost(world)["calls"]) == (1, "failed", 1)


def test_a_whole_answer_without_its_end_is_used(world: World, provider: Web) -> None:
    provider.answers[PATH] = streamed(scored(), done=False)
    world.deliver(Evaluate(), asked())
    assert (row(world)["state"], row(world)["cost_estimated"]) == ("completed", True)
    assert cost(world)["micros"] > 0
    assert world.get("assessments", "org_1#calls", "as_1#1")["estimated"] is True


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": -1_000_000, "completion_tokens": 5}, {}])
def test_the_cost_of_a_paid_call_is_never_negative_or_missing(usage: Any, world: World, provider: Web) -> None:
    choice = {"message": {"content": scored()}, "finish_reason": "stop"}
    provider.answers[PATH] = Reply(200, json.dumps({"choices": [choice], "usage": usage}))
    world.deliver(Evaluate(), asked())
    assert (cost(world)["micros"] > 0, row(world)["cost_estimated"]) == (True, True)


def test_a_rejected_parameter_is_dropped_and_the_next_call_does_without_it(world: World, provider: Web) -> None:
    world.put("assessments", {"pk": "org_1", "sk": "as_2", "user": "user_1"})

    def strict(_handler: Handler, request: Request) -> Reply:
        sent = json.loads(request.body)
        for name in ("max_tokens", "temperature", "stream_options"):
            if name in sent:
                return Reply(400, json.dumps({"error": {"code": "unsupported_parameter", "param": name}}))
        return streamed(scored())

    provider.answers[PATH] = strict
    world.deliver(Evaluate(), asked())
    assert (row(world)["state"], len(provider.asked), cost(world)["calls"]) == ("completed", 4, 1)
    assert len({request.headers["idempotency-key"] for request in provider.asked}) == 4
    world.deliver(Evaluate(), asked("as_2"))
    assert len(provider.asked) == 5


@pytest.mark.parametrize(
    ("error", "end"),
    [
        ({"code": 429, "message": "slow down"}, "put_off"),
        ({"type": "insufficient_quota"}, "put_off"),
        ({"code": 400, "message": "bad"}, "rejected"),
        ({"message": "the upstream broke down"}, "failed"),
        ("broken", "failed"),
    ],
)
@pytest.mark.parametrize("as_stream", [True, False])
def test_an_error_with_status_200_is_an_error(
    error: Any, end: str, as_stream: bool, world: World, provider: Web
) -> None:
    body = json.dumps({"error": error})
    provider.answers[PATH] = (
        Reply(200, f"data: {body}\n\n", {"content-type": "text/event-stream"}) if as_stream else Reply(200, body)
    )
    world.deliver(Evaluate(), asked())
    assert (len(letters(world.cloud, "firings-dlq")) == 1) == (end == "rejected")
    assert row(world)["state"] == ("processing" if end == "put_off" else "failed")
    assert cost(world) == {}


def test_an_organization_is_told_once_that_an_evaluation_has_failed_for_good(world: World, provider: Web) -> None:
    provider.answers[PATH] = Reply(500)
    for attempt in ("1", "2"):
        world.deliver(Evaluate(), asked(), attempt=attempt)
        assert world.sent("flagship:notifications") == []
    for _ in range(2):
        world.deliver(Evaluate(), asked(), attempt="3")
    [told] = world.sent("flagship:notifications")
    assert (told["payload"]["type"], told["payload"]["data"]["feature"]) == ("evaluation_failed", "as_1")
    assert "answered 500" in told["payload"]["data"]["reason"]


def test_a_foreign_message_writes_nothing(world: World, provider: Web) -> None:
    before = row(world)
    world.deliver(Evaluate(), asked(userId="user_2"))
    world.deliver(Evaluate(), asked("as_9"))
    assert (row(world), world.get("assessments", "org_1", "as_9")) == (before, {})
    assert provider.asked == []


def test_a_completed_row_shows_nothing_of_a_failure_before(world: World, provider: Web) -> None:
    provider.answers[PATH] = [plain("I would rather not."), streamed(scored())]
    world.deliver(Evaluate(), asked())
    assert {"error", "failed_at"} <= row(world).keys()
    [again] = world.sent("assessments:evaluation")
    world.deliver(Evaluate(), again, attempt="2")
    assert (row(world)["state"], {"error", "failed_at"} & row(world).keys()) == ("completed", set())


def test_an_assessment_that_is_deferred_until_it_is_given_up_has_failed(world: World, provider: Web) -> None:
    provider.answers[PATH] = Reply(429, '{"error": {"code": "insufficient_quota"}}', {"retry-after": "3600"})
    since = clock.iso(world.clock.now() - timedelta(days=2))
    world.deliver(Evaluate(), asked(), put_off_since=since, attempt="3")
    assert len(letters(world.cloud, "firings-dlq")) == 1
    assert row(world)["state"] == "failed"
    assert "rate limit" in row(world)["error"]


def test_a_provider_that_is_busy_for_hours_is_asked_again_each_time_after_as_long_as_it_says(
    world: World, provider: Web
) -> None:
    provider.answers[PATH] = [*[Reply(429, "", {"retry-after": "777"})] * 12, streamed(scored())]
    waits = dict[str, str]()
    while row(world).get("state") != "completed":
        assert world.deliver(Evaluate(), asked(), **waits) == []
        waits = {"not_before": clock.iso(world.clock.now() + timedelta(seconds=777))}
        assert len(world.sent("assessments:evaluation")) == (row(world).get("state") != "completed")
        # The message arrives early: the provider gets no request.
        asked_so_far = len(provider.asked)
        if asked_so_far < 13:
            world.deliver(Evaluate(), asked(), **waits)
            assert len(provider.asked) == asked_so_far
            world.sent("assessments:evaluation")
        world.clock.move(seconds=777)
    assert (len(provider.asked), cost(world)["calls"]) == (13, 1)
    assert letters(world.cloud, "firings-dlq") == []


def test_what_broke_down_is_tried_three_times_and_then_given_up(world: World, provider: Web) -> None:
    provider.answers[PATH] = Reply(500)
    for attempt in ("1", "2", "3"):
        world.deliver(Evaluate(), asked(), attempt=attempt)
    assert len(provider.asked) == 3
    [letter] = letters(world.cloud, "firings-dlq")
    assert letter["dead"]["reason"] == "all 3 attempts used up"
    assert cost(world) == {}


def test_a_call_without_an_answer_waits_for_an_operator(
    world: World, provider: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_llm, "PATIENCE", 0.2)
    provider.answers[PATH] = silent
    for attempt in ("1", "1", "2"):
        world.deliver(Evaluate(), asked(), attempt=attempt)
    assert len(provider.asked) == 1
    assert row(world)["state"] != "completed"
    assert letters(world.cloud, "firings-dlq") == []
    rows = table.query(world.cloud, STATE, "pk = :pk", {":pk": keys.uncertain_effects("evaluation")})
    assert [row["sk"] for row in rows] == ["org_1#as_1#1"]


def test_a_provider_that_falls_silent_is_asked_anew_where_that_is_set(
    world: World, provider: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_llm, "PATIENCE", 0.2)
    world.cloud.environment = {**world.cloud.environment, "LLM_UNANSWERED": "retry"}
    provider.answers[PATH] = silent
    world.deliver(Evaluate(), asked())
    world.deliver(Evaluate(), asked())
    assert len(provider.asked) == 1
    provider.answers[PATH] = streamed(scored())
    world.deliver(Evaluate(), asked(), attempt="2")
    assert row(world)["state"] == "completed"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (asked(organizationId="org_2"), "Invalid organization org_2"),
        (asked(userId="user_2"), "not an assessment of that user"),
        (asked("as_9"), "there is no assessment as_9"),
        (asked(transcript=[{"speaker": "candidate", "text": "I am ada@example.com"}]), "send it sanitized"),
        (asked(transcript=[]), "transcript"),
    ],
)
def test_what_must_not_be_evaluated_reaches_no_provider(bad: Any, reason: str, world: World, provider: Web) -> None:
    assert world.deliver(Evaluate(), bad) == []
    [letter] = letters(world.cloud, "firings-dlq")
    assert reason in letter["dead"]["error"]
    assert provider.asked == []


def converse(text: str, stop: str = "end_turn") -> Reply:
    said = {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop,
        "usage": {"inputTokens": 1000, "outputTokens": 200, "totalTokens": 1200},
        "metrics": {"latencyMs": 5},
    }
    return Reply(200, json.dumps(said), {"content-type": "application/json"})


@pytest.fixture
def bedrock(world: World, provider: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", provider.url)
    environment: Any = {**world.cloud.environment, "LLM_PROVIDER": "bedrock"}
    world.cloud.environment = environment
    return provider


def fault(status: int, kind: str) -> Reply:
    return Reply(status, json.dumps({"message": "no"}), {"content-type": "application/json", "x-amzn-errortype": kind})


def test_bedrock_scores_it_by_converse(world: World, bedrock: Web) -> None:
    bedrock.answers[CONVERSE] = converse(scored())
    world.deliver(Evaluate(), asked())
    assert (row(world)["state"], cost(world)["micros"]) == ("completed", 6000)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (fault(429, "ThrottlingException"), "held"),
        (fault(503, "ServiceUnavailableException"), "held"),
        (fault(500, "InternalServerException"), "again"),
        (fault(408, "ModelTimeoutException"), "again"),
        (fault(403, "AccessDeniedException"), "dead"),
        (fault(400, "ValidationException"), "dead"),
        (converse(scored()[:100], "max_tokens"), "dead"),
        (converse("I would rather not."), "again"),
    ],
)
def test_each_fault_of_bedrock_has_its_consequence(answer: Reply, outcome: str, world: World, bedrock: Web) -> None:
    bedrock.answers[CONVERSE] = answer
    assert world.deliver(Evaluate(), asked()) == []
    said = {"held": world.log.said("evaluation_message_put_off"), "again": world.log.said("evaluation_message_failed")}
    seen = {**said, "dead": letters(world.cloud, "firings-dlq")}
    assert [name for name, found in seen.items() if found] == [outcome]
    assert len(world.sent("assessments:evaluation")) == (outcome != "dead")
    assert len(bedrock.asked) == 1


def test_the_key_lies_where_it_costs_nothing(cloud: Cloud) -> None:
    assert _llm.parameter(cloud, "none") == ""
