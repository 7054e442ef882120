"""Errors written for the person at the microscope, not for the programmer."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self

from vaescope.text import plain

_LONGEST = 500  # characters of each part of a message, and of what lists all that there is
_LONGEST_LIST = 4000


class UserError(Exception):
    """Something outside the program is wrong, and its user can mend it.

    As text it is one line that no terminal takes for a command: what comes from outside is cut to
    a bearable length, without control characters.

    Parameters
    ----------
    problem : what is wrong, as a sentence without its full stop.
    file : the file concerned, if there is one.
    found, expected : what was there and what should have been.
    remedy : what to do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: object = None,
        found: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        self.problem, self.file = problem, file
        self.found, self.expected, self.remedy = found, expected, remedy
        super().__init__(problem)

    def __str__(self) -> str:
        text = plain(self.problem, _LONGEST_LIST)
        if self.file is not None:
            text = f"`{plain(self.file, _LONGEST)}`: {text}"
        if self.found is not None:
            text += f"; found {plain(self.found, _LONGEST)}"
        if self.expected is not None:
            text += f"; expected {plain(self.expected, _LONGEST_LIST)}"
        text = text.rstrip(".") + "."
        if self.remedy:
            text += f" {plain(self.remedy, _LONGEST_LIST).rstrip('.')}."
        return text

    def within(self, *, file: object = None, part: str | None = None, more: int = 0) -> Self:
        """The error with its file, the part of it concerned, and how many more are wrong."""
        problem, remedy = self.problem, self.remedy
        if part and f"`{part}" not in problem:
            problem = f"`{part}`: {problem}"
        if more:
            count = "One more is" if more == 1 else f"{more} more are"
            remedy = f"{(remedy or 'Correct it').rstrip('.')}. {count} wrong after it"
        return type(self)(
            problem,
            file=file if self.file is None else self.file,
            found=self.found,
            expected=self.expected,
            remedy=remedy,
        )


def suggestion(word: object, known: Iterable[str]) -> str | None:
    """'Did you mean `x`' for a misspelt word, if anything known is near."""
    close = get_close_matches(str(word).lower(), [str(k) for k in known], n=1)
    return f"Did you mean `{close[0]}`" if close else None
