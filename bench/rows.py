"""What a benchmark reports: a figure, what it is held against, and the limit of the same run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`figure` is a ratio unless `unit` says otherwise.

    `goal`, where there is one, is met when `figure` is on its right side.
    """

    what: str
    figure: float
    goal: float | None = None
    higher_is_better: bool = False
    unit: str = "×"
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        met = self.figure >= self.goal if self.higher_is_better else self.figure <= self.goal
        return f"goal {'≥' if self.higher_is_better else '≤'} {self.goal:g}  {'met' if met else 'NOT MET'}"

    def line(self) -> str:
        return f"{self.what:<64} {self.figure:>9.3f} {self.unit:<3} {self.verdict:<22} {self.note}"
