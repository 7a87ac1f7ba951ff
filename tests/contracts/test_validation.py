import pytest
from pydantic import Field, ValidationError, field_validator

from contracts.errors import BadInput
from contracts.validation import first_line, typed
from contracts.values import FrozenModel


class Inner(FrozenModel):
    share: float = Field(ge=0, le=1)

    @field_validator("share")
    @classmethod
    def _not_half(cls, share: float) -> float:
        if share == 0.5:
            raise ValueError("a half is refused")
        return share


class Outer(FrozenModel):
    parts: tuple[Inner, ...] = ()
    key: str = ""


def error_of(**values: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return caught.value


def test_a_typed_error_names_the_path_of_the_field_its_place_and_cure():
    error = typed(error_of(parts=[{"share": 0.1}, {"share": 2}]), BadInput, where="knobs.yaml", cure="mend it")
    assert type(error) is BadInput
    assert error.what.startswith("parts.1.share: ") and (error.where, error.cure) == ("knobs.yaml", "mend it")


def test_the_value_is_repeated_only_where_that_is_asked_for():
    error = error_of(key=["sk-secret"])
    assert "sk-secret" not in str(typed(error, BadInput))
    assert "sk-secret" in str(typed(error, BadInput, show_value=True))


def test_a_problem_of_the_whole_value_has_the_given_name():
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate_json("[1")
    assert typed(caught.value, BadInput, root="file").what.startswith("file: ")


def test_a_validators_own_sentence_stands_alone():
    assert typed(error_of(parts=[{"share": 0.5}]), BadInput).what == "parts.0.share: a half is refused"


def test_a_long_unknown_field_is_cut():
    assert len(typed(error_of(**{"x" * 5_000: 1}), BadInput).what) < 200


def test_the_first_line_of_an_exception_without_words_is_its_type():
    assert first_line(OSError()) == "OSError"
    assert first_line(ValueError("\nfirst\nsecond")) == "first"
