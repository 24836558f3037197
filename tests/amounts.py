"""Texts that are no amounts, for every door that takes one."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from onceline.core.money import LARGEST, MICROS

MANY = settings(
    max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
FEW = settings(MANY, max_examples=12)

_ODD = (
    "NaN", "nan", "-nan", "Infinity", "-inf", "1e3", "1E3", "1e-3", "0x10", "1_000", "1,50", ".5", "5.", "+5", "--5", "5-", "5 0",
    "10.00 EUR", "$10", "１０", "１０.００", "٥", "५०", "1０", "⑩", "Ⅴ", "½", "10.00.00", "0.00000001", "-0.00000001", "0.0000001",
    "9223372036854775807", "9223372036854775808", "18446744073709551616", "true", "None", "[]",
)  # fmt: skip
_below_zero = st.decimals(-(2**63), "-0.000001", places=6).map(lambda one: f"{one:f}")
_far_too_large = st.integers(LARGEST // MICROS + 1, 2**70).map(str)
_too_many_places = st.tuples(st.integers(0, 10**6), st.integers(1, 10**12)).map(
    lambda one: f"{one[0]}.{one[1]:0>7}"
)
_other_digits = st.text("０１２３４５６７８９٠١٢٣٤٥٦٧٨٩०१२३४५६७८९", min_size=1, max_size=8)

nowhere = st.sampled_from(_ODD) | _below_zero | _far_too_large | _too_many_places | _other_digits
"""No amount at any door: signs, exponents, other digits, seven places and more, beyond the largest."""


def outside(least: int, most: int) -> st.SearchStrategy[str]:
    """Nor within these bounds, which are micro-units, in whole cents: nothing, too little, too much, three places and more."""
    cents = st.integers(least // 10_000, most // 10_000)
    broken = st.tuples(cents, st.integers(1, 9999).filter(lambda one: one % 10_000)).map(
        lambda one: f"{one[0] // 100}.{one[0] % 100:02d}{one[1]:04d}"
    )
    too_little = st.integers(0, least // 10_000 - 1).map(lambda one: f"{one // 100}.{one % 100:02d}")
    too_much = st.integers(most // 10_000 + 1, LARGEST // 10_000).map(
        lambda one: f"{one // 100}.{one % 100:02d}"
    )
    five = cents.map(lambda one: f"{one // 100}.{one % 100:02d}001")
    return nowhere | st.sampled_from(("0", "0.00", "00")) | broken | five | too_little | too_much
