"""How wrong and how fast methods are on one problem, and what the papers assume of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from . import _subquad
from ._problem import draws, integer, make_problem, spec
from .reports import Report, report_of


@dataclass(frozen=True)
class Comparison:
    """One method against exact attention, all heads together.

    ``seconds``, ``exact_seconds``: medians over ``rounds``, taken in turn. ``rel_fro``: |approx - exact|_F /
    |exact|_F. ``max_over_vmax``: max |approx - exact| / max |V|. ``op_rel``: in operator norm over
    |P|_op |V|_op (HyperAttention, equation (1)), None unless asked for. ``rows_over_*``: share of rows
    whose relative error is above that. ``report``: of the method's last round.
    """

    method: str
    seconds: float
    exact_seconds: float
    rel_fro: float
    max_over_vmax: float
    op_rel: Optional[float]
    rows_over_1pct: float
    rows_over_5pct: float
    rows_over_20pct: float
    report: Report

    @property
    def speedup(self) -> float:
        """exact_seconds / seconds."""
        return self.exact_seconds / self.seconds


@dataclass(frozen=True)
class Diagnosis:
    """What HyperAttention's guarantees assume, of one sequence and query head (paper 001).

    ``alpha``: n max_j |P e_j|^2, reached at key ``column``. ``log10_kappa``: of the largest over the
    smallest row sum outside the heavy part, None without one; a lower bound if ``unresolved_rows``.
    ``stable_rank``: |P|_F^2 / |P|_op^2.
    """

    sequence: int
    head: int
    alpha: float
    column: int
    log10_kappa: Optional[float]
    unresolved_rows: int
    stable_rank: float


def _timed(
    problem: _subquad.Problem, method: str, out: Any, seed: int, threads: int
) -> Tuple[float, Any]:
    start = time.perf_counter()
    fields = _subquad.attend(problem, method, out, None, None, [], seed, threads)
    return time.perf_counter() - start, fields


def compare(
    query: Any,
    key: Any,
    value: Any,
    methods: Sequence[str] = ("far(error=0.03)",),
    rounds: int = 1,
    operator_norm: bool = False,
    seed: int = 0,
    threads: int = 0,
    **problem_arguments: Any,
) -> List[Comparison]:
    """Runs exact attention and each of ``methods`` in turn, ``rounds`` times, and measures their errors.

    query, key, value and problem_arguments (causal, mask, scale, ..): as in ``attend``. ``operator_norm``
    costs many products more. Returns one ``Comparison`` for each method.
    """
    notes: List[str] = []
    problem, query, _, value = make_problem(query, key, value, notes, **problem_arguments)
    names = [spec("methods", method) for method in ([methods] if isinstance(methods, str) else methods)]
    seed, threads = draws(seed, threads)
    shape = (*query.shape[:-1], value.shape[-1])
    # outputs[0] and seconds[0] are exact's.
    outputs = [np.empty(shape, np.float32) for _ in range(len(names) + 1)]
    seconds: List[List[float]] = [[] for _ in outputs]
    reports: Dict[int, Report] = {}
    for _ in range(integer("rounds", rounds, 1, 10**6)):
        for i, method in enumerate(["exact", *names]):
            spent, fields = _timed(problem, method, outputs[i], seed, threads)
            seconds[i].append(spent)
            reports[i] = report_of(fields, tuple(notes))
    norms = _subquad.softmax_norms(problem, threads) if operator_norm else []
    comparisons = []
    for i, method in enumerate(names, 1):
        pooled = _subquad.measure_errors(problem, outputs[i], outputs[0], operator_norm, norms, threads)[-1]
        times = (median(seconds[i]), median(seconds[0]))
        op_rel = pooled[3] if operator_norm else None
        fields = (method, *times, pooled[1], pooled[2], op_rel, *pooled[4:], reports[i])
        comparisons.append(Comparison(*fields))
    return comparisons


def diagnose(
    query: Any,
    key: Any,
    heavy: Optional[str] = None,
    skip_columns: int = 0,
    rows: int = 0,
    seed: int = 0,
    threads: int = 0,
    **problem_arguments: Any,
) -> List[Diagnosis]:
    """Probes what HyperAttention's bounds assume, one ``Diagnosis`` for each sequence and query head.

    heavy: a spec of heavy parts alone, e.g. "sortlsh(block=256)", for kappa. skip_columns: leave out the
    first keys from alpha (section 4.3: 32). rows: query rows to sample for alpha (biased upwards); 0: all.
    Cost: 4 n^2 D flops a head for alpha, about 30 attentions for the stable rank.
    """
    notes: List[str] = []
    problem = make_problem(query, key, key, notes, **problem_arguments)[0]
    seed, threads = draws(seed, threads)
    skip = integer("skip_columns", skip_columns, -(2**62), 2**62)
    alphas = _subquad.probe_alpha(problem, skip, integer("rows", rows, -(2**62), 2**62), seed, threads)
    ranks = _subquad.probe_stable_rank(problem, threads)
    kappas: List[Any] = [(None, 0, 0, 0)] * len(alphas)
    if heavy is not None:
        kappas = _subquad.probe_kappa(problem, spec("heavy", heavy), seed, threads)
    return [
        Diagnosis(a[0], a[1], a[2], a[3], k[0], k[3], r[2]) for a, k, r in zip(alphas, kappas, ranks)
    ]
