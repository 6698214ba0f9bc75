"""The data sets D0 and D1 of "Superiority of Softmax" (arXiv 2310.11685), one per repetition.

An input is (query, key, value), float64 arrays (repetitions, length, channels): attention is that
of query and key at scale 1, so query = A1 X with X = Q K^T. D0 and D1 differ in one number only:
`a` is a_0 or a_1, `large` whether one score of the regression is 4 log n.
"""
import numpy as np


def identity_blocks(n, d):
    """I_d over I_d over ..., n rows; the last block is cut where d does not divide n."""
    return np.eye(d)[np.arange(n) % d]


def one_hot(rows, n):
    return (rows[:, None] == np.arange(n)).astype(float)


def regression(n, large, rng, repetitions):
    """Definition 3.8: the scores A x, (repetitions, n). F sees A and x only through A x."""
    scores = np.log(n) * rng.uniform(1.0, 1.4, (repetitions, n))
    if large:
        scores[np.arange(repetitions), rng.integers(n, size=repetitions)] = 4 * np.log(n)
    return scores


def self_attention(n, d, a, b, c, j3, x):
    """Definition D.1: A1 = A2 = A3, j3 (repetitions,); x is "identity" or "ones"."""
    if n % (d - 2) != 0:
        raise ValueError(f"n = {n} is not a multiple of d - 2 = {d - 2}")
    columns = [a * one_hot(j3, n)[..., None],
               np.broadcast_to(b * identity_blocks(n, d - 2), (len(j3), n, d - 2)),
               np.full((len(j3), n, 1), c)]
    rows = np.sqrt(np.log(n)) * np.concatenate(columns, axis=-1)
    query = rows if x == "identity" else np.repeat(rows.sum(-1, keepdims=True), d, axis=-1)
    return query, rows, rows


def cross_attention(n, d, a, j2, j3):
    """Definition F.1 with X = I; columns 2 to d of A2 = A3 are I_(d-1) (printed: to d - 1)."""
    query = np.log(n) * np.concatenate(
        [a * one_hot(j2, n)[..., None], np.ones((len(j2), n, d - 1))], axis=-1)
    blocks = np.broadcast_to(identity_blocks(n, d - 1), (len(j3), n, d - 1))
    key = np.concatenate([one_hot(j3, n)[..., None], blocks], axis=-1)
    return query, key, key
