"""Linear attention step by step."""

from __future__ import annotations

from typing import Any, List, Optional

from . import _subquad
from ._arrays import empty_like_query, readable
from ._problem import integer, number


class LinearState:
    """The sums over all keys so far: causal attention by ``linear(map=..)`` for decoding, in constant memory.

    batch: sequences that go in step. kv_heads, head_dim (1 to 512), value_dim (1 to 512). feature_map:
    "none" (normalised dot products, times ``scale``), "elu" (Katharopoulos et al. 2020, equation 7) or
    "relu". Equals ``attend(.., "linear(map=..)")`` with a causal mask, row by row, up to rounding.
    """

    def __init__(
        self,
        head_dim: int,
        value_dim: int,
        kv_heads: int = 1,
        batch: int = 1,
        feature_map: str = "elu",
        scale: Optional[float] = None,
    ) -> None:
        most = 2**62
        self._state = _subquad.LinearState(
            integer("batch", batch, -most, most),
            integer("kv_heads", kv_heads, -most, most),
            integer("head_dim", head_dim, -most, most),
            integer("value_dim", value_dim, -most, most),
            str(feature_map),
            None if scale is None else number("scale", scale, float),
        )
        self._value_dim = value_dim

    def append(self, key: Any, value: Any, threads: int = 0) -> None:
        """Adds keys (.., Hkv, L, D) and their values (.., Hkv, L, Dv). O(L D Dv) a head."""
        notes: List[str] = []
        keys, values = readable("keys", key, notes), readable("values", value, notes)
        self._state.append(keys, values, integer("threads", threads, 0, 2**31 - 1))

    def attend(self, query: Any, threads: int = 0) -> Any:
        """What queries (.., Hq, L, D) get from all keys appended so far, (.., Hq, L, Dv)."""
        notes: List[str] = []
        query = readable("queries", query, notes)
        target, out = empty_like_query(query, (*query.shape[:-1], self._value_dim), notes)
        self._state.attend(query, target, integer("threads", threads, 0, 2**31 - 1))
        return out

    @property
    def sums(self) -> Any:
        """(batch, kv_heads, D, Dv + 1), float64, a view: save it, restore it, or zero it to begin again."""
        return self._state.sums
