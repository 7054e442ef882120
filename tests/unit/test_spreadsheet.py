"""Tables for spreadsheets hold text as text."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from vaescope import spreadsheet


@given(st.text(max_size=12))
def test_no_text_is_a_formula_and_every_text_is_still_there(text):
    cell = spreadsheet.safe(text)
    assert cell.removeprefix("'") == text or cell == text
    try:
        float(text)
    except ValueError:
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_numbers_keep_their_digits_and_gaps(tmp_path):
    table = pd.DataFrame(
        {
            "=unit": ["=cmd()", "-0.5", None],
            "value": [-1.23456789, np.nan, 2.0],
            "count": pd.array([1, None, 3], dtype="Int64"),
        }
    )
    spreadsheet.write(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "'=unit,value,count",
        "'=cmd(),-1.234568,1",
        "-0.5,,",
        ",2,3",
    ]
