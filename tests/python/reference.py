"""The plain double-precision loops that the tests compare with."""
import numpy as np


def visible(i, j, queries, keys, causal, window, alignment):
    """Whether query i sees key j."""
    shift = keys - queries if (causal or alignment) == "bottom_right" else 0
    if causal is not None and j > i + shift:
        return False
    left, right = window
    return (left is None or j >= i + shift - left) and (right is None or j <= i + shift + right)


def attention(q, k, v, causal=None, mask=None, scale=None, window=(None, None), sinks=None, alignment="top_left"):
    """(out, lse) of (B, H, n, d) arrays in double, one row at a time."""
    q, k, v = (np.asarray(x, np.float64) for x in (q, k, v))
    batch, heads, queries, dim = q.shape
    keys, group = k.shape[2], heads // k.shape[1]
    scale = dim**-0.5 if scale is None else scale
    out = np.zeros((batch, heads, queries, v.shape[3]))
    lse = np.full((batch, heads, queries), -np.inf)
    if mask is not None:
        mask = np.broadcast_to(mask, (batch, heads, queries, keys))
    for b in range(batch):
        for h in range(heads):
            for i in range(queries):
                scores = scale * k[b, h // group] @ q[b, h, i]
                seen = np.array([visible(i, j, queries, keys, causal, window, alignment) for j in range(keys)], bool)
                if mask is not None and mask.dtype == bool:
                    seen &= mask[b, h, i]
                elif mask is not None:
                    scores = scores + mask[b, h, i]
                    seen &= ~np.isneginf(scores)
                scores = scores[seen]
                extra = [] if sinks is None else [sinks[h]]
                largest = max([*scores, *extra], default=-np.inf)
                if largest == -np.inf:
                    continue
                weights = np.exp(scores - largest)
                total = weights.sum() + sum(np.exp(s - largest) for s in extra)
                out[b, h, i] = weights @ v[b, h // group][seen] / total
                lse[b, h, i] = largest + np.log(total)
    return out, lse


def kernel_sums(q, k, x, bandwidth):
    q, k, x = (np.asarray(a, np.float64) for a in (q, k, x))
    return np.array([np.exp(-((row - k) ** 2).sum(axis=1) / (2 * bandwidth**2)) @ x for row in q])


def gradient(function, at, step=1e-5):
    """Central differences of a scalar function of one array."""
    at = np.asarray(at, np.float64)
    result = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        ahead, behind = at.copy(), at.copy()
        ahead[index] += step
        behind[index] -= step
        result[index] = (function(ahead) - function(behind)) / (2 * step)
    return result


def relative(a, b):
    """|a - b|_F / |b|_F"""
    return np.linalg.norm(np.asarray(a, np.float64) - b) / np.linalg.norm(b)
