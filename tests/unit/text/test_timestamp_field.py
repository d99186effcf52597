"""Timestamp fields of pydantic models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from shared.text.timestamp_field import Timestamp


class Model(BaseModel, strict=True):
    at: Timestamp


@pytest.mark.parametrize(
    "value", ["2026-03-02T12:59:00.123456+01:00", datetime(2026, 3, 2, 11, 59, 0, 123999, tzinfo=UTC)]
)
def test_a_timestamp_is_kept_in_utc_to_the_millisecond(value: Any) -> None:
    model = Model.model_validate({"at": value})
    assert model.at == datetime(2026, 3, 2, 11, 59, 0, 123000, tzinfo=UTC)
    assert model.model_dump(mode="json") == {"at": "2026-03-02T11:59:00.123Z"}


@pytest.mark.parametrize(
    "value", ["20260302", "-1", "1772452740", 1772452740, 1772452740.5, True, None, "", "soon", b"x"]
)
def test_numbers_and_other_text_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="write it as 2026-11-21"):
        Model.model_validate({"at": value})
