"""From a point of a sweep to its inputs: the pair (D0, D1) of every repetition, and y."""
import numpy as np

import datasets
from networks import rademacher


def attention_inputs(p, j2, j3):
    """(query, key, value) of D0 and of D1; j2 and j3 (2, repetitions), the special positions."""
    if p["model"] == "self":
        return [datasets.self_attention(p["n"], p["d"], p[f"a{which}"], p["b"], p["c"], j3[which],
                                        p["x"]) for which in (0, 1)]
    return [datasets.cross_attention(p["n"], p["d"], p[f"a{which}"], j2[which], j3[which])
            for which in (0, 1)]


def regression_inputs(p, rng, repetitions, y):
    """<f(A; x), y_l> for all l is attention of the query x = 1 over the rows of A, values y."""
    one = np.ones((repetitions, 1, 1))
    scores = [datasets.regression(p["n"], large, rng, repetitions) for large in (False, True)]
    return [(one, s[..., None], y) for s in scores]


def draw(p, rng, repetitions):
    """The inputs and y: (repetitions, n, m) for the regression, else (repetitions, d, m)."""
    y = rademacher(rng, (repetitions, p["n"] if p["model"] == "regression" else p["d"], p["m"]))
    if p["model"] == "regression":
        return regression_inputs(p, rng, repetitions, y), y
    j2, j3 = rng.integers(p["n"], size=(2, 2, repetitions))
    return attention_inputs(p, j2, j3), y


def projections(p, attention, inputs, y):
    """<f, y_l> (repetitions, 1, m), or <c_j, y_l> (repetitions, n, m), in double precision."""
    out = attention(*inputs).astype(np.float64)
    return out if p["model"] == "regression" else out @ y
