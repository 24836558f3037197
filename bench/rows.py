"""What a benchmark reports: a figure, what it is held against, and the limit of the same run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`figure` is a ratio unless `unit` says otherwise; `goal` is met when `figure` is on its right side."""

    what: str
    figure: float
    goal: float
    higher_is_better: bool
    unit: str = "×"
    note: str = ""

    @property
    def met(self) -> bool:
        return self.figure >= self.goal if self.higher_is_better else self.figure <= self.goal

    def line(self) -> str:
        sign = "≥" if self.higher_is_better else "≤"
        verdict = "met" if self.met else "NOT MET"
        return f"{self.what:<64} {self.figure:>9.3f} {self.unit:<3} goal {sign} {self.goal:g}  {verdict:<8} {self.note}"
