"""Sums of Gaussian kernels."""

from __future__ import annotations

from typing import Any, List, Tuple

from . import _subquad
from ._arrays import empty_like_query, readable, writable
from ._problem import draws, number, spec
from .reports import KernelReport


def kernel_sums(
    query: Any,
    key: Any,
    value: Any,
    bandwidth: float,
    method: str = "far(error=0.01)",
    seed: int = 0,
    threads: int = 0,
    *,
    out: Any = None,
) -> Tuple[Any, KernelReport]:
    """y_i = sum_k exp(-|query_i - key_k|^2 / (2 bandwidth^2)) value_k: (y, report).

    query: (.., m, D), key: (.., n, D), value: (.., n, C), of 2 to 4 dimensions, dtypes as in ``attend``; D
    and C are 1 to 512. bandwidth: sigma, positive, in the units of the points. method: "exact" or
    "far(..)" (docs/guide/kernel_sums.md): clusters of keys fitted to some exact rows; ``error=`` asks for
    a relative Frobenius error, as the method itself estimates it. Returns y (.., m, C) of the query's
    dtype and a ``KernelReport``. Raises ``Error``. Cost: exact 2 m n (D + C) flops.
    """
    notes: List[str] = []
    query = readable("query", query, notes)
    key = readable("key", key, notes)
    value = readable("value", value, notes)
    if out is None:
        columns = value.shape[-1] if len(value.shape) else 0
        target, out = empty_like_query(query, (*query.shape[:-1], columns), notes)
    else:
        target = writable("out", out, notes)
    fields = _subquad.kernel_sums(
        query, key, value, number("bandwidth", bandwidth, float), spec("method", method), target,
        *draws(seed, threads),
    )  # fmt: skip
    return out, KernelReport(*(*fields, tuple(notes)))
