"""What the calls of the library say about themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Tuple


@dataclass(frozen=True)
class Certificate:
    """Errors of an output on rows that were drawn at random and recomputed exactly.

    ``largest_row_error`` (max |a - e|_2 / |e|_2 of the recomputed rows) bounds the relative error of a
    ``share`` of all rows with probability ``confidence``; ``largest_row_error_to_rms`` times
    ``rms_row_norm`` bounds |a - e|_2. ``rel_fro`` is an estimate of the call's relative Frobenius error,
    no bound. ``worst``: (batch, head, position) of the largest. Source: Wilks 1941, order statistics.
    """

    rows: int
    total_rows: int
    share: float
    confidence: float
    largest_row_error: float
    largest_row_error_to_rms: float
    rms_row_norm: float
    rel_fro: float
    worst: Tuple[int, int, int]


@dataclass(frozen=True)
class Report:
    """What happened in one call.

    ``path``: which code ran. ``rows``: query rows, all heads together. ``fallback_rows``: rows computed
    again exactly because their estimate was not positive. ``scored_entries``: score entries evaluated.
    ``peak_extra_bytes``: largest scratch memory held at once. ``exact_heads``: heads that a method with a
    target error ran exactly. ``negative_rows``: of ``linear(map=none)``. ``recall``: of a search through
    candidates, NaN without one. ``estimated_error``: relative Frobenius error by the method's own probes or
    bound, NaN where it has none. ``certificate``: where the method was asked for one, else None.
    ``notes``: what was done to the arguments first (conversions, copies); empty when they were used in
    place.
    """

    path: str
    rows: int
    fallback_rows: int
    scored_entries: int
    peak_extra_bytes: int
    exact_heads: int
    negative_rows: int
    recall: float
    estimated_error: float
    certificate: Optional[Certificate]
    notes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class KernelReport:
    """What happened in one ``kernel_sums``.

    ``path``: "exact", "far", or why far ran exactly. ``opened_entries``: of the rows' entries, those that
    far evaluated exactly. ``estimated_error``: |y - exact|_F / |exact|_F by far's probe rows, the largest
    head's; 0 where everything ran exactly, NaN without an estimate. The others as in ``Report``.
    """

    path: str
    rows: int
    scored_entries: int
    peak_extra_bytes: int
    opened_entries: int
    estimated_error: float
    notes: Tuple[str, ...] = ()


def certificate_of(fields: Any) -> Optional[Certificate]:
    return None if fields is None else Certificate(*fields)


def report_of(fields: Any, notes: Tuple[str, ...]) -> Report:
    return Report(*(*fields[:9], certificate_of(fields[9]), notes))
