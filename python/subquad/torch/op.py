"""``torch.ops.subquad.attend`` and its derivative: operators that autograd and FakeTensor know."""

from __future__ import annotations

import threading
from typing import Any, List, Optional, Tuple

import torch

from .. import _subquad
from .._arrays import floats
from .._problem import draws, integer, number, spec
from .._subquad import Error
from ..reports import Report, report_of

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_last = threading.local()


def last_report() -> Optional[Report]:
    """The report of this thread's last forward or backward, None before the first."""
    return getattr(_last, "report", None)


def why_not(name: str, tensor: torch.Tensor) -> Optional[str]:
    """Why the library cannot read this tensor, or None."""
    if tensor.device.type != "cpu":
        return f"{name}: is on device {tensor.device}, must be in the processor's memory"
    if tensor.dtype not in _DTYPES:
        return f"{name}: dtype {tensor.dtype} is none of float32, bfloat16 and float16"
    return None


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    """Without a gradient; copied only where channels are not next to each other."""
    tensor = tensor.detach()
    return tensor if tensor.shape[-1] < 2 or tensor.stride(-1) == 1 else tensor.contiguous()


def _problem(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: Optional[torch.Tensor],
    sinks: Optional[torch.Tensor],
    causal: str,
    scale: Optional[float],
    window: List[int],
) -> _subquad.Problem:
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        reason = why_not(name, tensor)
        if reason:
            raise Error(reason)
    alignment = "bottom_right" if causal == "bottom_right" else "top_left"
    return _subquad.Problem(
        _dense(query),
        _dense(key),
        _dense(value),
        scale,
        causal,
        (window[0], window[1], alignment),
        None if mask is None else _mask(mask, key.shape[-2]),
        [] if sinks is None else floats("sinks", sinks.detach().float().numpy()),
        [],
        [],
    )


def _mask(mask: torch.Tensor, keys: int) -> torch.Tensor:
    mask = mask.detach()
    if mask.dtype != torch.bool:
        mask = mask.float()
    if mask.shape[-1] == 1 and keys > 1:
        mask = mask.expand(*mask.shape[:-1], keys)
    return mask if mask.stride(-1) == 1 or keys < 2 else mask.contiguous()


def _output_shape(query: torch.Tensor, value: torch.Tensor) -> Tuple[int, ...]:
    return (*query.shape[:-1], value.shape[-1])


@torch.library.custom_op("subquad::attend", mutates_args=())
def attend_op(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: Optional[torch.Tensor],
    sinks: Optional[torch.Tensor],
    method: str,
    causal: str,
    scale: Optional[float],
    window: List[int],
    seed: int,
    threads: int,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """(out, lse) of ``subquad.torch.attend``; window: left and right, -1 for no limit."""
    problem = _problem(query, key, value, mask, sinks, causal, scale, window)
    out = torch.empty(_output_shape(query, value), dtype=query.dtype)
    lse = torch.empty(query.shape[:-1], dtype=torch.float32)
    fields = _subquad.attend(problem, method, out, lse, None, [], seed, threads)
    _last.report = report_of(fields, ())
    return out, lse


@torch.library.register_fake("subquad::attend")
def _fake_attend(
    query: Any, key: Any, value: Any, mask: Any, sinks: Any, method: Any, causal: Any, scale: Any,
    window: Any, seed: Any, threads: Any,
) -> Tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    out = query.new_empty(_output_shape(query, value))
    return out, query.new_empty(query.shape[:-1], dtype=torch.float32)


@torch.library.custom_op("subquad::attend_backward", mutates_args=())
def attend_backward_op(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: Optional[torch.Tensor],
    sinks: Optional[torch.Tensor],
    out: torch.Tensor,
    lse: torch.Tensor,
    grad_out: torch.Tensor,
    grad_lse: torch.Tensor,
    method: str,
    causal: str,
    scale: Optional[float],
    window: List[int],
    seed: int,
    threads: int,
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of ``subquad::attend`` for query, key and value, in their dtypes."""
    problem = _problem(query, key, value, mask, sinks, causal, scale, window)
    one, two, three = (torch.empty(x.shape, dtype=torch.float32) for x in (query, key, value))
    fields = _subquad.attend_backward(
        problem, method, out.detach(), lse.detach(), _dense(grad_out), grad_lse.detach(), one, two, three,
        [], seed, threads,
    )  # fmt: skip
    _last.report = report_of(fields, ())
    return one.to(query.dtype), two.to(key.dtype), three.to(value.dtype)


@torch.library.register_fake("subquad::attend_backward")
def _fake_backward(
    query: Any, key: Any, value: Any, mask: Any, sinks: Any, out: Any, lse: Any, grad_out: Any,
    grad_lse: Any, method: Any, causal: Any, scale: Any, window: Any, seed: Any, threads: Any,
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)


def _remember(ctx: Any, inputs: Any, output: Any) -> None:
    query, key, value, mask, sinks, *rest = inputs
    out, lse = output
    for name, constant in (("mask", mask), ("sinks", sinks)):
        if constant is not None and constant.requires_grad:
            raise Error(f"{name}: has no gradient here; detach() it")
    ctx.save_for_backward(query, key, value, mask, sinks, out, lse)
    ctx.rest = rest


def _backward(ctx: Any, grad_out: torch.Tensor, grad_lse: torch.Tensor) -> Tuple[Any, ...]:
    query, key, value, mask, sinks, out, lse = ctx.saved_tensors
    gradients = attend_backward_op(query, key, value, mask, sinks, out, lse, grad_out, grad_lse, *ctx.rest)
    return (*gradients, *(None for _ in range(8)))


torch.library.register_autograd("subquad::attend", _backward, setup_context=_remember)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    method: str = "far(error=0.03)",
    causal: Optional[str] = None,
    mask: Optional[torch.Tensor] = None,
    scale: Optional[float] = None,
    window: Optional[Tuple[Optional[int], Optional[int]]] = None,
    sinks: Optional[torch.Tensor] = None,
    return_lse: bool = False,
    seed: int = 0,
    threads: int = 0,
) -> Any:
    """``subquad.attend`` on tensors, with gradients: out, or (out, lse) with ``return_lse``.

    query (.., Hq, Lq, D), key (.., Hkv, Lk, D), value (.., Hkv, Lk, Dv): float32, bfloat16 or float16, on
    the CPU, of 2 to 4 dimensions; nothing is copied where channels are dense. mask and sinks get no
    gradient. ``last_report()`` has the report. Raises ``subquad.Error``.
    """
    sides = [-1 if side is None else integer("window", side, -1, 2**62) for side in window or (None, None)]
    if len(sides) != 2:
        raise Error("window: must be a pair (left, right), each None or a number of keys")
    out, lse = attend_op(
        query, key, value, mask, sinks, spec("method", method), causal or "none",
        None if scale is None else number("scale", scale, float), sides, *draws(seed, threads),
    )  # fmt: skip
    return (out, lse) if return_lse else out
