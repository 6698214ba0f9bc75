"""PyTorch's scaled_dot_product_attention by a method of subquad, one call or all of a program."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Tuple

import torch
import torch.nn.functional as functional
from torch.overrides import TorchFunctionMode

from .._subquad import Error
from .op import attend, last_report, why_not

_original = functional.scaled_dot_product_attention


def _broadcast(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, enable_gqa: bool
) -> Tuple[torch.Tensor, ...]:
    """Leading axes as PyTorch broadcasts them, by strides of 0; those of grouped heads stay."""
    kept = 3 if enable_gqa else 2
    tensors = (query, key, value)
    if min(tensor.dim() for tensor in tensors) < kept:
        raise Error(f"query, key, value: must have {kept} dimensions or more")
    try:
        lead = torch.broadcast_shapes(*(tensor.shape[:-kept] for tensor in tensors))
    except RuntimeError:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise Error(f"query, key, value: shapes {shapes} do not fit; grouped heads need enable_gqa") from None
    return tuple(tensor.expand(*lead, *tensor.shape[-kept:]) for tensor in tensors)


def scaled_dot_product_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: Optional[torch.Tensor] = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: Optional[float] = None,
    enable_gqa: bool = False,
    *,
    method: str = "far(error=0.03)",
    seed: int = 0,
    threads: int = 0,
) -> torch.Tensor:
    """``torch.nn.functional.scaled_dot_product_attention`` with every argument's meaning, by ``method``.

    ``is_causal`` aligns top left; a boolean mask attends where it is True. Dropout is not supported, nor
    are more than 4 dimensions. Raises ``subquad.Error``.
    """
    if dropout_p != 0.0:
        raise Error(f"dropout_p: {dropout_p}, must be 0: dropout is not supported")
    if is_causal and attn_mask is not None:
        raise Error("attn_mask: must be None where is_causal is set")
    if attn_mask is not None and attn_mask.dtype not in (torch.bool, query.dtype):
        raise Error(f"attn_mask: dtype {attn_mask.dtype} is neither bool nor query's {query.dtype}")
    query, key, value = _broadcast(query, key, value, enable_gqa)
    if query.dim() > 4:
        raise Error(f"query: {query.dim()} dimensions, must be 2 to 4")
    if attn_mask is not None:
        attn_mask = attn_mask.expand(*attn_mask.shape[:-2], query.shape[-2], key.shape[-2])
    causal = "top_left" if is_causal else None
    return attend(query, key, value, method, causal, attn_mask, scale, seed=seed, threads=threads)


@dataclass(frozen=True)
class SdpaCall:
    """One call: the query's shape, and subquad's path or why PyTorch computed it."""

    shape: Tuple[int, ...]
    path: Optional[str]
    reason: Optional[str]


@dataclass
class SdpaReport:
    """What ``route_sdpa`` has seen, call by call."""

    calls: List[SdpaCall] = field(default_factory=list)

    @property
    def routed(self) -> int:
        """Calls that subquad computed."""
        return sum(call.reason is None for call in self.calls)

    @property
    def reasons(self) -> Dict[str, int]:
        """Why PyTorch computed the others, and how many for each reason."""
        return dict(Counter(call.reason for call in self.calls if call.reason is not None))


class _Router(TorchFunctionMode):
    def __init__(self, method: str, min_length: int, seed: int, threads: int, strict: bool) -> None:
        super().__init__()
        self.report = SdpaReport()
        self._min_length = min_length
        self._strict = strict
        self._options: Dict[str, Any] = {"method": method, "seed": seed, "threads": threads}

    def _reason(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **_: Any) -> Optional[str]:
        if torch.compiler.is_compiling():
            return "the call is being compiled"
        for name, tensor in (("query", query), ("key", key), ("value", value)):
            reason = why_not(name, tensor)
            if reason:
                return reason
        if key.shape[-2] < self._min_length:
            return f"fewer than {self._min_length} keys"
        return None

    def call(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
        arguments = {**dict(zip(names, args)), **kwargs}
        shape = tuple(arguments["query"].shape)
        reason = self._reason(**arguments)
        if reason is None:
            try:
                out = scaled_dot_product_attention(**arguments, **self._options)
                report = last_report()
                self.report.calls.append(SdpaCall(shape, report.path if report else "", None))
                return out
            except Error as error:
                if self._strict:
                    raise
                reason = str(error)
        self.report.calls.append(SdpaCall(shape, None, reason))
        with torch._C.DisableTorchFunction():
            return _original(*args, **kwargs)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _original:
            return self.call(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


@contextmanager
def route_sdpa(
    method: str = "far(error=0.03)", min_length: int = 0, seed: int = 0, threads: int = 0, strict: bool = False
) -> Iterator[SdpaReport]:
    """Within it, scaled_dot_product_attention is computed by ``method`` where subquad can.

    Calls that it cannot take (another device or dtype, dropout, fewer than ``min_length`` keys, a method
    that refuses the mask, ..) go to PyTorch as before, and the report says why; ``strict`` raises instead.
    ``torch.nn.functional.scaled_dot_product_attention`` is replaced for the whole process meanwhile;
    calls of other threads that hold the function by another name are not seen.
    """
    router = _Router(method, min_length, seed, threads, strict)
    before = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = router.call
    try:
        with router:
            yield router.report
    finally:
        functional.scaled_dot_product_attention = before
