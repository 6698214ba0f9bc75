"""subquad in PyTorch: ``attend`` with gradients, SDPA's meaning of arguments, routing, Hugging Face models.

``subquad.torch.huggingface`` registers ``attn_implementation="subquad"`` when it is imported.
"""

from .op import attend, last_report
from .sdpa import SdpaCall, SdpaReport, route_sdpa, scaled_dot_product_attention

__all__ = [
    "SdpaCall",
    "SdpaReport",
    "attend",
    "last_report",
    "route_sdpa",
    "scaled_dot_product_attention",
]
