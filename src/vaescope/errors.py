"""Errors written for the person at the microscope, not for the programmer."""

from collections.abc import Iterable


class UserError(Exception):
    """Something outside the program is wrong, and its user can mend it.

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
        text = f"`{self.file}`: {self.problem}" if self.file is not None else self.problem
        if self.found is not None:
            text += f"; found {self.found}"
        if self.expected is not None:
            text += f"; expected {self.expected}"
        text = text.rstrip(".") + "."
        if self.remedy:
            text += f" {self.remedy.rstrip('.')}."
        return text


def refuse_unknown(given: Iterable[str], known: Iterable[str], part: str) -> None:
    """Raise a UserError if some given settings are not among those known of a part of a recipe."""
    known = list(known)
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UserError(
            f"unknown setting of `{part}`",
            found=", ".join(unknown),
            expected="some of " + ", ".join(known),
        )
