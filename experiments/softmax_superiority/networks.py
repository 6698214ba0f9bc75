"""The networks F_exp and F_lin, and softmax and linear attention in plain double precision."""
import numpy as np


def softmax_attention(query, key, value):
    """Definitions 3.3 and C.4, as printed: no maximum is subtracted."""
    u = np.exp(query @ key.swapaxes(-1, -2))
    return u @ value / u.sum(-1, keepdims=True)


def linear_attention(query, key, value):
    """Definitions 3.2 and C.1, as printed: n x n products, then their normalised sums."""
    u = query @ key.swapaxes(-1, -2)
    return u @ value / u.sum(-1, keepdims=True)


DOUBLE = {"exp": softmax_attention, "lin": linear_attention}


def relu(z, tau=0.0):
    """Definition 3.4."""
    return np.maximum(z - tau, 0.0)


def network(projections, tau):
    """F of Definitions 3.5, 3.6, C.2 and C.6 from <f, y_l> or <c_j, y_l>: (.., rows, m) -> (..)."""
    return relu(relu(projections, tau).sum((-2, -1)))


def rademacher(rng, shape):
    """Definition 3.7: one random bit an entry."""
    count = int(np.prod(shape))
    bits = np.unpackbits(np.frombuffer(rng.bytes((count + 7) // 8), np.uint8), count=count)
    return (2 * bits.view(np.int8) - 1).reshape(shape).astype(np.float32)
