"""Route requests of a Function URL with Powertools, under our limits.

Authentication is no part of it: a function checks the token before it passes an event to `resolve`.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.data_classes import LambdaFunctionUrlEvent

from shared.http.problem import (
    BODY_TOO_LARGE,
    FORBIDDEN,
    INVALID_REQUEST,
    MEDIA_TYPE,
    METHOD_NOT_ALLOWED,
    OF_INPUT,
    UNKNOWN_PATH,
    Problem,
    ProblemType,
)
from shared.text.untrusted_json import InvalidJson, parse_json

JSON = "application/json"
MAX_BODY_CHARACTERS = 16 * 1024
NOT_JSON = "the body is not a JSON object"

Handler = TypeVar("Handler", bound=Callable[..., Any])
Refusal = Callable[[Problem], Response[Any]]


class FunctionUrlResolver(LambdaFunctionUrlResolver):
    """Powertools' resolver with exact paths, 405, 413, and 400 for input.

    refusal: makes the answer to a problem. not_found: detail of an unknown path. guarded: whether the function requires
    the token, and media_type: that of refusals; both for the OpenAPI document.
    """

    def __init__(
        self,
        refusal: Refusal,
        *,
        not_found: str,
        validate: bool = True,
        guarded: bool = True,
        media_type: str = MEDIA_TYPE,
    ) -> None:
        super().__init__(enable_validation=validate, debug=False, json_body_deserializer=parse_object)
        self.refusal = refusal
        self.unknown_path = not_found
        self.guarded = guarded
        self.media_type = media_type
        #: Methods by the pattern of their path.
        self.methods: dict[str, list[str]] = {}
        #: Problems by rule and method, for the OpenAPI document.
        self.problems: dict[tuple[str, str], tuple[ProblemType, ...]] = {}
        self.exception_handler(Problem)(refusal)
        self.exception_handler(NotFoundError)(self._no_route)
        self.exception_handler(RequestValidationError)(self._invalid)
        # Raised where Powertools decodes a body, before parse_object sees it.
        self.exception_handler([binascii.Error, UnicodeDecodeError])(lambda _: refusal(_invalid_body(NOT_JSON)))

    def route(
        self, rule: str, method: Any, *arguments: Any, problems: Sequence[ProblemType] = (), **options: Any
    ) -> Callable[[Handler], Handler]:
        """Register a route, with its methods for the answer 405.

        problems: those that the route itself raises.
        """
        methods = [method] if isinstance(method, str) else method
        self.methods.setdefault(re.sub(r"<\w+>", "[^/]+", rule), []).extend(methods)
        common = (*((FORBIDDEN,) if self.guarded else ()), *(OF_INPUT if self._enable_validation else ()))
        self.problems |= {(rule, each): (*common, *problems) for each in methods}
        return super().route(rule, method, *arguments, **options)

    def get(self, rule: str, **options: Any) -> Callable[[Handler], Handler]:  # type: ignore[override]
        return self.route(rule, "GET", **options)

    def post(self, rule: str, **options: Any) -> Callable[[Handler], Handler]:  # type: ignore[override]
        return self.route(rule, "POST", **options)

    def resolve(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Route a request. No answer is cached, unless its route declares otherwise."""
        answer = super().resolve(_normalized(event), context)
        answer["headers"].setdefault("cache-control", "no-store")
        return answer

    def _no_route(self, _: NotFoundError) -> Response[Any]:
        path = self.current_event.raw_path
        allowed = {method for rule, methods in self.methods.items() if re.fullmatch(rule, path) for method in methods}
        # A route that serves the method raises NotFoundError itself.
        if allowed and self.current_event.http_method not in allowed:
            refused = self.refusal(Problem(METHOD_NOT_ALLOWED, f"use {' or '.join(sorted(allowed))}"))
            # RFC 9110, 15.5.6.
            refused.headers["allow"] = ", ".join(sorted(allowed))
            return refused
        return self.refusal(Problem(UNKNOWN_PATH, self.unknown_path))

    def _invalid(self, error: RequestValidationError) -> Response[Any]:
        errors = error.errors()
        # An answer that does not fit its model is an error of the function, and not of the request.
        if any(each["loc"][0] == "response" for each in errors):
            raise error
        # Without the input, which Pydantic offers too: the message is logged.
        detail = "; ".join(f"{_location(each['loc'])}: {each['msg']}" for each in errors)
        return self.refusal(Problem(INVALID_REQUEST, detail))


def _location(parts: Sequence[Any]) -> str:
    """`body.target`, `query.limit`."""
    return ".".join(map(str, parts))


def _invalid_body(detail: str) -> Problem:
    return Problem(INVALID_REQUEST, detail)


def parse_object(text: str) -> dict[str, Any]:
    """Parse a request body.

    Powertools itself would take the first item of a list for the object.
    """
    if len(text) > MAX_BODY_CHARACTERS:
        raise Problem(BODY_TOO_LARGE, f"the body is larger than {MAX_BODY_CHARACTERS} characters")
    try:
        parsed = parse_json(text)
    except InvalidJson as error:
        raise _invalid_body(f"the body {error}") from None
    if not isinstance(parsed, dict):
        raise _invalid_body(NOT_JSON)
    return parsed


def json_response(status: int, body: Mapping[str, Any]) -> Response[Any]:
    return Response(status, JSON, json.dumps(body))


def forbidden() -> dict[str, Any]:
    """The answer to a missing or wrong token."""
    headers = {"Content-Type": MEDIA_TYPE, "cache-control": "no-store"}
    return {"statusCode": 403, "headers": headers, "body": json.dumps(Problem(FORBIDDEN, "forbidden").body())}


def headers_of(event: Mapping[str, Any]) -> Mapping[str, str]:
    """The headers by their names in lower case."""
    return LambdaFunctionUrlEvent(dict(event)).headers


def _normalized(event: Mapping[str, Any]) -> dict[str, Any]:
    path = event.get("rawPath", "")
    return {
        **event,
        # A route's pattern ends in `$`, which matches before a final line feed too. (AWS escapes control characters.)
        "rawPath": path if path.isprintable() else "",
        # Bodies are JSON regardless of the content type: curl's default declares a form.
        "headers": {**headers_of(event), "content-type": JSON},
    }
