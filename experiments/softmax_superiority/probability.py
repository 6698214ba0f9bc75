"""The exact probability of success, to compare the measured ratios with.

The columns y_l are independent sign vectors. One is *bad* if it takes some row of F_exp(D0),
F_lin(D0) or F_lin(D1) above tau, and a *hit* if it does so for F_exp(D1). Success is: no bad one,
and a hit. The probabilities of one column are sums over all 2^d sign vectors. Exchanging two
columns of the identity blocks (and the rows that carry them) changes no data set if every block is
whole, except the columns of the two special keys: so one vector for each number of plus signs among
the others, times a binomial coefficient, stands for all.
"""
import itertools
import math

import numpy as np

import models
from networks import DOUBLE


def sign_vectors(groups):
    """Sign vectors up to exchanges within groups of columns, (count, d); their probabilities."""
    d = sum(map(len, groups))
    vectors, weights = [], []
    for pluses in itertools.product(*(range(len(group) + 1) for group in groups)):
        vector = -np.ones(d)
        for group, count in zip(groups, pluses):
            vector[group[:count]] = 1
        vectors.append(vector)
        weights.append(math.prod(map(math.comb, map(len, groups), pluses)) / 2**d)
    return np.array(vectors), np.array(weights)


def column_groups(d, blocks, j3):
    """Every column by itself, but the columns of whole blocks that carry no special key."""
    special = {blocks[j] for j in j3}
    alone = [[i] for i in range(d) if i not in blocks or i in special]
    return alone + [[i for i in blocks if i not in special]]


def one_column(inputs, tau, groups):
    """P(not bad) and P(neither bad nor hit) for one column of y; inputs (D0, D1)."""
    vectors, weights = sign_vectors(groups)

    def crosses(name, which):
        return (DOUBLE[name](*inputs[which])[0] @ vectors.T > tau).any(0)

    bad = crosses("exp", 0) | crosses("lin", 0) | crosses("lin", 1)
    return weights[~bad].sum(), weights[~bad & ~crosses("exp", 1)].sum()


def success(p, tau):
    """None for the regression, whose scores are random, and where the last block is cut."""
    if p["model"] == "regression":
        return None
    blocks = range(1, p["d"] - 1 if p["model"] == "self" else p["d"])
    if p["n"] % len(blocks) != 0:
        return None
    same = 1 / len(blocks)  # the special keys of D0 and D1 carry the same column of the blocks
    total = 0.0
    for j3, share in (((0, 0), same), ((0, 1), 1 - same)):
        if share > 0:
            inputs = models.attention_inputs(p, np.zeros((2, 1), int), np.array(j3)[:, None])
            clean, neither = one_column(inputs, tau, column_groups(p["d"], blocks, j3))
            total += share * (clean**p["m"] - neither**p["m"])
    return total
