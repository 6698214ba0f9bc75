"""Exact and approximate attention, forward and backward."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from . import _subquad
from ._arrays import empty_like_query, readable, writable
from ._problem import draws, integer, make_problem, number, spec
from .reports import Certificate, Report, certificate_of, report_of

_PROBLEM = """
    query: (.., Hq, Lq, D), key: (.., Hkv, Lk, D), value: (.., Hkv, Lk, Dv), of 2 to 4 dimensions (those
        that are missing in front are 1). float32, float16 or bfloat16 (ml_dtypes, or a tensor with DLPack
        such as PyTorch's), of any strides with dense channels: nothing is copied. Others are, float64 is
        converted, and ``report.notes`` says so. Hq is a multiple of Hkv; D and Dv are 1 to 512.
    causal: None, "top_left" (PyTorch's) or "bottom_right" (decoding).
    mask: bool (True = attend) or float (added to the scaled scores), broadcast to (batch, Hq, Lq, Lk).
    scale: of the scores; None: 1 / sqrt(D).
    window: (left, right): query i sees keys i + shift - left .. i + shift + right; None: no limit there.
        The shift is that of ``causal``, without it ``window_alignment``'s.
    sinks: Hq logits; exp(logit) joins each softmax's denominator.
    offsets: cumulative starts of packed sequences along the positions, for queries and keys alike or a
        pair (of queries, of keys); the batch is 1.
"""


def _documented(function: Any) -> Any:
    function.__doc__ = (function.__doc__ or "").replace("    {problem}\n", _PROBLEM.lstrip("\n"))
    return function


@_documented
def attend(
    query: Any,
    key: Any,
    value: Any,
    method: str = "far(error=0.03)",
    causal: Optional[str] = None,
    mask: Any = None,
    scale: Optional[float] = None,
    window: Any = None,
    sinks: Any = None,
    offsets: Any = None,
    return_lse: bool = False,
    seed: int = 0,
    threads: int = 0,
    *,
    window_alignment: str = "top_left",
    given: Sequence[_subquad.Given] = (),
    return_row_error: bool = False,
    out: Any = None,
) -> Tuple[Any, ...]:
    """softmax(scale * query key^T + mask) value by ``method``: (out, report), or with lse and row_error between.

    {problem}
    method: a spec: "exact", "far(error=0.03)", "sink(4)+window(512)+uniform(m=256)", ..; ``specs()`` lists
        the parts.
    seed: of all random draws; threads: 0 for as many as there are processors. The same seed gives the same
        bits for any number of threads.
    given: what ``given(0)``, ``given(1)``, .. of the spec stand for (``given_rows``, ``given_blocks``).
    out: a writable array (.., Hq, Lq, Dv) for the result; None: a new one of the query's dtype.

    Returns ``out`` (.., Hq, Lq, Dv); with ``return_lse`` the log-sum-exp of each row, float32 (.., Hq, Lq),
    -inf for a row that sees no key; with ``return_row_error`` the estimated standard error |out - exact|_2
    of each row, NaN where the method has none; and a ``Report``.

    Raises ``Error`` (a ValueError) with one line that names the argument. Other Python threads run
    meanwhile; a signal (Ctrl-C) is seen when the call returns. Source and cost of each method:
    docs/guide/specs.md.
    """
    notes: List[str] = []
    problem, query, key, value = make_problem(
        query, key, value, notes, causal, mask, scale, window, sinks, offsets, window_alignment
    )
    rows = query.shape[:-1]
    if out is None:
        target, out = empty_like_query(query, (*rows, value.shape[-1]), notes)
    else:
        target = writable("out", out, notes)
    lse = np.empty(rows, np.float32) if return_lse else None
    row_error = np.empty(rows, np.float32) if return_row_error else None
    fields = _subquad.attend(
        problem, spec("method", method), target, lse, row_error, list(given), *draws(seed, threads)
    )
    extras = tuple(extra for extra in (lse, row_error) if extra is not None)
    return (out, *extras, report_of(fields, tuple(notes)))


@_documented
def attend_backward(
    query: Any,
    key: Any,
    value: Any,
    out: Any,
    lse: Any,
    grad_out: Any,
    method: str = "far(error=0.03)",
    causal: Optional[str] = None,
    mask: Any = None,
    scale: Optional[float] = None,
    window: Any = None,
    sinks: Any = None,
    offsets: Any = None,
    seed: int = 0,
    threads: int = 0,
    *,
    grad_lse: Any = None,
    window_alignment: str = "top_left",
    given: Sequence[_subquad.Given] = (),
) -> Tuple[Any, Any, Any, Report]:
    """Gradients of a loss through ``attend``: (grad_query, grad_key, grad_value, report), float32.

    The exact derivative of what ``attend`` computed, approximate or not, with what was drawn or chosen
    (samples, clusters, ..) held fixed. ``method``, ``seed``, ``given`` and the problem must be the forward's.

    {problem}
    out, lse: what ``attend(.., return_lse=True)`` returned. grad_out: dL/d out, (.., Hq, Lq, Dv);
    grad_lse: dL/d lse, float32 (.., Hq, Lq), or None for zero.
    """
    notes: List[str] = []
    problem, query, key, value = make_problem(
        query, key, value, notes, causal, mask, scale, window, sinks, offsets, window_alignment
    )
    grad_query, grad_key, grad_value = (np.empty(x.shape, np.float32) for x in (query, key, value))
    fields = _subquad.attend_backward(
        problem,
        spec("method", method),
        readable("out", out, notes),
        readable("lse", lse, notes),
        readable("grad_out", grad_out, notes),
        None if grad_lse is None else readable("grad_lse", grad_lse, notes),
        grad_query,
        grad_key,
        grad_value,
        list(given),
        *draws(seed, threads),
    )
    return grad_query, grad_key, grad_value, report_of(fields, tuple(notes))


def certify(
    query: Any,
    key: Any,
    value: Any,
    out: Any,
    rows: int = 0,
    share: float = 0.95,
    confidence: float = 0.99,
    seed: int = 0,
    threads: int = 0,
    **problem_arguments: Any,
) -> Optional[Certificate]:
    """Bounds the errors of ``out`` (of any origin) by rows drawn at random and recomputed exactly.

    rows: how many; 0: the fewest that reach ``confidence`` for ``share`` of all rows (90 by default).
    problem_arguments: causal, mask, scale, window, .. of ``attend``. None for a problem without rows.
    Cost: 2 rows Lk (D + Dv) flops. Source: Wilks 1941.
    """
    notes: List[str] = []
    problem = make_problem(query, key, value, notes, **problem_arguments)[0]
    fields = _subquad.certify(
        problem,
        readable("out", out, notes),
        integer("rows", rows, -(2**62), 2**62),
        number("share", share, float),
        number("confidence", confidence, float),
        *draws(seed, threads),
    )
    return certificate_of(fields)
