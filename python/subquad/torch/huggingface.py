"""``attn_implementation="subquad"`` for Hugging Face models; importing this module registers it.

The model's config chooses methods, in a dictionary ``config.subquad``:

    {"method": "far(error=0.03)",          # of layers that are not named; the default
     "layers": {"0-1": "exact", "5": "sink(4)+window(512)"},
     "decode": "exact",                    # of calls with one query position; the default
     "seed": 0, "threads": 0}

Causal masks and sliding windows reach the library as such, padding as a row of keys; any other mask as
the tensor that PyTorch's attention would get. Source of the interface: transformers' AttentionInterface and
AttentionMaskInterface.
"""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from .._problem import spec
from .._subquad import Error
from .op import attend

_KEYS = {"method", "layers", "decode", "seed", "threads"}


def _in_range(layer: int, where: Any) -> bool:
    first, _, last = str(where).partition("-")
    try:
        return int(first) <= layer <= int(last or first)
    except ValueError:
        raise Error(f"config.subquad: layers: {where!r} is neither a layer nor a range such as '0-3'") from None


def method_of(settings: Dict[str, Any], layer: Optional[int], queries: int) -> str:
    """The spec that the config chooses for a layer and so many query positions."""
    unknown = set(settings) - _KEYS
    if unknown:
        raise Error(f"config.subquad: unknown key {sorted(unknown)[0]!r}; known: {', '.join(sorted(_KEYS))}")
    if queries == 1:
        return spec("config.subquad: decode", settings.get("decode", "exact"))
    for where, method in settings.get("layers", {}).items():
        if layer is not None and _in_range(layer, where):
            return spec("config.subquad: layers", method)
    return spec("config.subquad: method", settings.get("method", "far(error=0.03)"))


def _refuse_unsupported(dropout: float, softcap: Any, position_bias: Any) -> None:
    if dropout:
        raise Error(f"dropout: {dropout}, must be 0: attention_dropout is not supported")
    if softcap is not None:
        raise Error("softcap: is not supported; use attn_implementation='eager'")
    if position_bias is not None:
        raise Error("position_bias: is not supported; use attn_implementation='sdpa'")


def _mask_arguments(
    attention_mask: Optional[torch.Tensor], causal: bool, sliding_window: Optional[int]
) -> Dict[str, Any]:
    """How the mask of ``subquad_mask`` reaches the library."""
    if attention_mask is not None and attention_mask.dim() == 4:
        return {"mask": attention_mask}  # it holds everything
    arguments: Dict[str, Any] = {}
    if attention_mask is not None:
        arguments["mask"] = attention_mask[:, None, None, :].bool()
    if causal:
        arguments["causal"] = "bottom_right"
        if sliding_window is not None:
            arguments["window"] = (sliding_window - 1, None)
    return arguments


def subquad_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Optional[torch.Tensor],
    dropout: float = 0.0,
    scaling: Optional[float] = None,
    is_causal: Optional[bool] = None,
    sliding_window: Optional[int] = None,
    softcap: Optional[float] = None,
    s_aux: Optional[torch.Tensor] = None,
    position_bias: Optional[torch.Tensor] = None,
    **_: Any,
) -> Tuple[torch.Tensor, None]:
    """The attention of one layer: query (B, Hq, Lq, D), key and value (B, Hkv, Lk, ..) -> (B, Lq, Hq, Dv)."""
    _refuse_unsupported(dropout, softcap, position_bias)
    settings = getattr(getattr(module, "config", None), "subquad", None) or {}
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    out = attend(
        query,
        key,
        value,
        method_of(settings, getattr(module, "layer_idx", None), query.shape[2]),
        scale=scaling,
        sinks=s_aux,
        seed=settings.get("seed", 0),
        threads=settings.get("threads", 0),
        **_mask_arguments(attention_mask, causal, sliding_window),
    )
    return out.transpose(1, 2).contiguous(), None


def _is_plain(config: Any, kv_length: int, local_size: Optional[int]) -> bool:
    """Whether the pattern is the causal one, or the sliding window that the layer passes on."""
    if local_size is None or kv_length < local_size:
        return True
    return local_size == getattr(config, "sliding_window", None) != getattr(config, "attention_chunk_size", None)


def subquad_mask(**kwargs: Any) -> Optional[torch.Tensor]:
    """None, or padding as (batch, keys), where causality and the window say the rest; else sdpa's mask."""
    q_length, kv_length = kwargs["q_length"], kwargs["kv_length"]
    q_offset, kv_offset = kwargs.get("q_offset"), kwargs.get("kv_offset", 0)
    # A sliding window's or a causal pattern whose last query sits at the last key.
    follows = (
        kwargs.get("allow_is_causal_skip", False)
        and q_offset is not None
        and int(q_offset) + q_length == int(kv_offset) + kv_length
        and _is_plain(kwargs.get("config"), kv_length, kwargs.get("local_size"))
    )
    padding = kwargs.get("attention_mask")
    if follows and padding is not None:
        padding = padding[:, int(kv_offset) : int(kv_offset) + kv_length]
        follows = padding.shape[1] == kv_length
    if follows:
        return None if padding is None or bool(padding.all()) else padding
    kwargs["allow_is_causal_skip"] = False
    return sdpa_mask(**kwargs)


AttentionInterface.register("subquad", subquad_attention)
AttentionMaskInterface.register("subquad", subquad_mask)
