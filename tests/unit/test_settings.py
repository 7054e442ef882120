"""Settings: declared once as a data class, and what people write checked against it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from vaescope.errors import UserError
from vaescope.settings import Schedule, Settings, check, schema_of, setting, table_of


@dataclass(frozen=True)
class Inner(Settings):
    """Settings within settings."""

    depth: int = setting(2, limits=(1, 4), help="layers. They are hidden")


@dataclass(frozen=True)
class Coffee(Settings):
    """Settings of every type."""

    PART: ClassVar[str] = "coffee"
    RENAMED: ClassVar = {"cups": "servings"}

    servings: int = setting(8, limits=(1, 10), help="how many are made")
    size: float | None = setting(None, limits=(0.5, 9), unit="px", help="side of a cup")
    kind: Literal["log", "maxima"] = setting("log", help="how it is made")
    lines: bool | Literal["linear"] = setting(False, help="what is taken out")
    methods: list[str] = setting(["pca"], known=("pca", "nmf"), empty=True, help="which are used")
    channel: str | int | list[str | int] | None = setting(None, help="which is kept")
    weight: Schedule = setting(1.0, limits=(0, 5), help="of the divergence")
    inner: Inner = setting(Inner, help="what is inside")

    def refuse_contradictions(self) -> None:
        if self.lines and self.servings == 1:
            raise UserError("one serving has no lines")


def test_what_is_left_out_has_its_default():
    made = Coffee.of({"inner": {"depth": 3}})
    assert made == Coffee(inner=Inner(depth=3))
    assert Coffee.of(made.as_dict()) == made
    assert Coffee.of(made) is made
    assert Coffee.of(None) == Coffee()


@pytest.mark.parametrize("value", [8, 8.0])
def test_a_number_without_a_fraction_is_a_whole_number(value):
    assert repr(Coffee.of({"servings": value}).servings) == "8"


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"servings": 8.5}, ["a whole number is wanted", "`coffee.servings`", "8.5", "1 to 10"]),
        ({"servings": True}, ["`coffee.servings`", "True", "a whole number from 1 to 10"]),
        ({"servings": "1e0"}, ["`coffee.servings`", "'1e0'"]),
        ({"size": 0.3}, ["`coffee.size` is out of range", "0.3", "from 0.5 to 9 px, or null"]),
        ({"size": float("nan")}, ["`coffee.size`"]),
        ({"kind": "maxmia"}, ["`coffee.kind` is not known", "Did you mean `maxima`"]),
        ({"lines": "lineal"}, ["`coffee.lines`", "true or false or linear", "Did you mean"]),
        ({"methods": ["pca", "pca"]}, ["`coffee.methods`", "every entry only once"]),
        ({"methods": ["pcc"]}, ["`coffee.methods`", "Did you mean `pca`"]),
        ({"channel": []}, ["`coffee.channel`"]),
        ({"weight": [[0, 1], [1, 9]]}, ["`coffee.weight`", "9", "0 to 5"]),
        ({"weight": [[1, 1], [0, 2]]}, ["`coffee.weight` is no schedule", "order of time"]),
        ({"weight": [[1]]}, ["`coffee.weight` is no schedule"]),
        ({"weight": []}, ["`coffee.weight`"]),
        ({"serving": 3}, ["unknown setting `coffee.serving`", "Did you mean `servings`"]),
        ({"cups": 3}, ["`coffee.cups` is now called `servings`", "Write `servings: 3`"]),
        ({"inner": {"depth": 9}}, ["`coffee.inner.depth` is out of range", "1 to 4. `depth`: lay"]),
        ({"inner": 3}, ["`coffee.inner`", "`key: value` lines"]),
        ({"inner": None}, ["`coffee.inner`", "`key: value` lines"]),
        ({"size": 0.1, "cups": 1, "kind": 1}, ["`coffee.size`", "2 more are wrong after it"]),
        ({"servings": 1, "lines": "linear"}, ["one serving has no lines"]),
    ],
)
def test_what_is_wrong_is_said_with_recipe_key_value_and_what_is_expected(given_, words):
    with pytest.raises(UserError) as refused:
        Coffee.of(given_, file="mine.yaml")
    assert all(word in str(refused.value) for word in ["mine.yaml", *words]), str(refused.value)


def test_a_recipe_that_extends_another_is_checked_alone_and_not_filled_in():
    assert check(Coffee, {"servings": 2.0, "inner": {}}) == {"servings": 2, "inner": {}}


NAMES = [*(each.name for each in fields(Coffee)), "x"]
SCHEMA = Draft202012Validator(schema_of(Coffee))
VALUES = st.one_of(
    *(st.none(), st.booleans(), st.integers(-2, 12), st.floats(-1, 11, width=16)),
    st.sampled_from(["log", "linear", "pca", "nmf", "x"]),
    st.lists(st.sampled_from(["pca", "nmf", "x", 1]), max_size=3),
    st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=3), max_size=2),
    st.dictionaries(st.sampled_from(["depth", "x"]), st.integers(0, 5), max_size=2),
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*(each.name for each in fields(Coffee)), "x"]), VALUES, max_size=3
    )
)
def test_the_schema_accepts_what_the_library_does(given_):
    try:
        check(Coffee, given_)
    except UserError as error:
        # That times are in order is all that a schema cannot say.
        assert not SCHEMA.is_valid(given_) or "no schedule" in str(error)
    else:
        assert SCHEMA.is_valid(given_)


def test_the_table_says_all_of_a_setting():
    rows = table_of(Coffee).splitlines()
    assert "| `size` | null | 0.5 to 9 px or null | side of a cup |" in rows
    assert "| `kind` | `log` | `log`, `maxima` | how it is made |" in rows
    assert "| `inner.depth` | 2 | whole, 1 to 4 | layers. They are hidden |" in rows
    assert len(rows) == 2 + len(fields(Coffee))
