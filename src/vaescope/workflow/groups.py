"""Groups of datasets that share models: which rows belong together, and which cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vaescope.errors import UserError
from vaescope.recipes import Recipe
from vaescope.sites.kinds import KINDS
from vaescope.workflow.sheet import QUERY, REFERENCE, Row

Refused = list[tuple[Row, UserError]]
"""Rows that cannot be used, with the reason of each."""


@dataclass(frozen=True)
class Group:
    """Datasets with one recipe: models are trained on the ``references``, all are mapped. Both are
    names of datasets in the order of the sample sheet."""

    name: str
    recipe: str
    references: tuple[str, ...]
    queries: tuple[str, ...] = ()

    @property
    def datasets(self) -> tuple[str, ...]:
        """All datasets of the group, references first."""
        return self.references + self.queries


def groups_of(
    rows: Sequence[Row], recipes: Mapping[str, Recipe]
) -> tuple[dict[str, Group], Refused]:
    """The groups that rows of a sample sheet name, and the rows that cannot belong to theirs.

    ``recipes`` : resolved, by the names that rows give.
    """
    named: dict[str, list[Row]] = {}
    for row in rows:
        if row.group:
            named.setdefault(row.group.lower(), []).append(row)
    groups, refused = {}, []
    for own in named.values():
        first = own[0]
        fitting = []
        for row in own:
            error = _misfit(row, first, recipes[row.recipe])
            if error is None:
                fitting.append(row)
            else:
                refused.append((row, error))
        by_role = {
            role: tuple(row.dataset for row in fitting if row.role == role)
            for role in (REFERENCE, QUERY)
        }
        if by_role[REFERENCE]:
            made = Group(first.group, first.recipe, by_role[REFERENCE], by_role[QUERY])
            groups[first.group] = made
        else:
            refused += [(row, _without_reference(row)) for row in fitting]
    return groups, refused


def _misfit(row: Row, first: Row, recipe: Recipe) -> UserError | None:
    """Why a row cannot belong to a group, whose first row is ``first``; None if it can."""
    if row.group != first.group:
        return UserError(
            "two groups have names that differ in capitals only",
            found=f"`{row.group}`, and `{first.group}` in line {first.line}",
            remedy="Write both alike, or give one another name",
        )
    if row.recipe != first.recipe:
        return UserError(
            f"the datasets of a group share one recipe, but `{row.group}` has two",
            found=f"`{row.recipe}`, and `{first.recipe}` in line {first.line}",
            remedy="Give all datasets of the group the same recipe, or this one another group",
        )
    traits = KINDS[recipe.sites.method].traits
    if recipe.spectra.read or recipe.explore.method is not None or not traits.atoms:
        return UserError(
            "datasets of this recipe cannot be grouped",
            found=f"recipe `{row.recipe}`, whose models are not of atomic columns alone",
            expected="a recipe that finds atoms and learns from the patches around them",
            remedy="Leave the column `group` empty in this row",
        )
    return None


def _without_reference(row: Row) -> UserError:
    return UserError(
        f"the group `{row.group}` has no dataset to train models on",
        found=f"role `{row.role}` in all its rows",
        remedy=f"Give at least one of its datasets the role `{REFERENCE}`",
    )
