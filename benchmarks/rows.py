"""Tables of measurements that grow case by case."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any


def replace(table: Path, rows: list[dict[str, Any]], key: str, order: list[str]) -> None:
    """Write rows into a CSV file in place of those with the same values of ``key``; rows of other
    values stay. All are sorted by ``order``, the values of ``key``."""
    if not rows:
        return
    new = {row[key] for row in rows}
    old: list[dict[str, Any]] = []
    if table.exists():
        with table.open(newline="") as file:
            old = [row for row in csv.DictReader(file) if row[key] not in new]
    every = sorted([*old, *rows], key=lambda row: order.index(row[key]))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(every)
