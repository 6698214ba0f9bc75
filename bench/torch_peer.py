"""PyTorch's side of exact_bench, on the type that the first argument names (f32, bf16): reads "heads seq head_dim causal backward threads" lines, answers
with the seconds of one forward or backward pass. Inputs are made once a shape; the second pass is the one that counts."""
import math
import sys
import time

import torch

dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[sys.argv[1]]
inputs = {}


def attention(q, k, v, causal):
    fused = getattr(torch.nn.functional, "scaled_dot_product_attention", None)
    if fused is not None:  # with a batch: without one PyTorch has no fused kernel
        return fused(q[None], k[None], v[None], is_causal=causal)[0]
    scores = torch.bmm(q, k.transpose(1, 2)).mul_(1.0 / math.sqrt(q.shape[-1]))
    if causal:
        n = q.shape[1]
        scores.masked_fill_(torch.ones(n, n, dtype=torch.bool).triu_(1), -math.inf)
    return torch.bmm(torch.softmax(scores, dim=-1), v)


def seconds_of(tensors, causal, backward):
    q, k, v, grad_out = tensors
    with torch.set_grad_enabled(backward):
        start = time.perf_counter()
        out = attention(q, k, v, causal)
        if backward:
            start = time.perf_counter()
            torch.autograd.grad(out, (q, k, v), grad_out)
        return time.perf_counter() - start


print(f"torch {torch.__version__} {sys.argv[1]}", flush=True)
for line in sys.stdin:
    heads, seq, dim, causal, backward, threads = (int(word) for word in line.split())
    torch.set_num_threads(threads)
    key = (heads, seq, dim)
    if key not in inputs:
        inputs.clear()
        inputs[key] = [torch.randn(heads, seq, dim).to(dtype).requires_grad_() for _ in range(4)]
        seconds_of(inputs[key], bool(causal), bool(backward))
    print(seconds_of(inputs[key], bool(causal), bool(backward)), flush=True)
