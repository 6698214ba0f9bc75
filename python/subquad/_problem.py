"""The arguments that describe a problem, which all calls about attention share."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple, Union

from . import _subquad
from ._arrays import floats, integers, readable, readable_mask
from ._subquad import Error

_NO_WINDOW = (-1, -1, "top_left")


def number(name: str, value: Any, kind: Any) -> Any:
    try:
        if isinstance(value, (bool, str)):
            raise TypeError
        converted = kind(value)
    except (TypeError, ValueError, OverflowError):
        raise Error(f"{name}: must be {'an integer' if kind is int else 'a number'}, not {value!r}") from None
    if kind is int and converted != value:
        raise Error(f"{name}: must be an integer, not {value!r}")
    return converted


def integer(name: str, value: Any, least: int, most: int) -> int:
    converted = value if type(value) is int else int(number(name, value, int))
    if not least <= converted <= most:
        raise Error(f"{name}: {converted}, must be {least} to {most}")
    return converted


def draws(seed: Any, threads: Any) -> Tuple[int, int]:
    return integer("seed", seed, 0, 2**64 - 1), integer("threads", threads, 0, 2**31 - 1)


def spec(name: str, method: Any) -> str:
    if not isinstance(method, str):
        raise Error(f"{name}: must be a spec such as 'far(error=0.03)', not {method!r}")
    return method


def _causal(causal: Any) -> str:
    if causal is None:
        return "none"
    if not isinstance(causal, str):
        raise Error(f"causal: must be None, 'top_left' or 'bottom_right', not {causal!r}")
    return causal


def _window(window: Any, alignment: Any) -> Tuple[int, int, str]:
    if window is None:
        return _NO_WINDOW
    if not isinstance(window, (tuple, list)) or len(window) != 2:
        raise Error("window: must be a pair (left, right), each None or a number of keys")
    sides = [-1 if side is None else integer("window", side, -1, 2**62) for side in window]
    return sides[0], sides[1], str(alignment)


def _offsets(offsets: Any) -> Tuple[List[int], List[int]]:
    if offsets is None:
        return [], []
    if isinstance(offsets, tuple) and len(offsets) == 2 and hasattr(offsets[0], "__len__"):
        return integers("query_offsets", offsets[0]), integers("key_offsets", offsets[1])
    both = integers("offsets", offsets)
    return both, both


def make_problem(
    query: Any,
    key: Any,
    value: Any,
    notes: List[str],
    causal: Any = None,
    mask: Any = None,
    scale: Any = None,
    window: Any = None,
    sinks: Any = None,
    offsets: Any = None,
    window_alignment: Any = "top_left",
) -> Tuple[_subquad.Problem, Any, Any, Any]:
    """The problem, and its three tensors as they are read."""
    query = readable("query", query, notes)
    key = readable("key", key, notes)
    value = readable("value", value, notes)
    keys = key.shape[-2] if len(key.shape) > 1 else 0
    query_offsets, key_offsets = _offsets(offsets)
    problem = _subquad.Problem(
        query,
        key,
        value,
        None if scale is None else number("scale", scale, float),
        _causal(causal),
        _window(window, window_alignment),
        None if mask is None else readable_mask(mask, keys, notes),
        [] if sinks is None else floats("sinks", sinks),
        query_offsets,
        key_offsets,
    )
    return problem, query, key, value


def given_rows(offsets: Any, keys: Any) -> _subquad.Given:
    """The entries that ``given(i)`` of a spec stands for, as compressed sparse rows.

    Query position i meets ``keys[offsets[i]:offsets[i + 1]]``, key positions in strictly ascending order
    (``indptr`` and ``indices`` of a ``scipy.sparse.csr_array``). Lq + 1 offsets: all query heads share the
    lists; Hq * Lq + 1: one list after the other, heads outermost.
    """
    return _subquad.Given(integers("offsets", offsets), integers("keys", keys))


def given_blocks(
    pairs: Any, query_block_size: int, key_block_size: int, offsets: Union[Sequence[int], Any] = ()
) -> _subquad.Given:
    """Pairs (query block, key block), an integer array (n, 2), of blocks that meet as a whole.

    ``offsets``: empty, all query heads share the pairs; or Hq + 1, head h has ``pairs[offsets[h]:offsets[h + 1]]``.
    """
    rows = [integers("pairs", pair) for pair in pairs]
    if any(len(row) != 2 for row in rows):
        raise Error("pairs: must be pairs (query block, key block)")
    flat = [block for row in rows for block in row]
    heads = integers("offsets", offsets) if len(offsets) else []
    return _subquad.Given(heads, flat, query_block_size, key_block_size)
