"""Lemma 3 (KVT, supplement): how many keys score above the smallest relevant one.

Assumptions 3.1 and 3.2: q = beta K + eps, eps ~ N(0, sigma^2 I), keys with entries of mean 0 and
variance 1 over their d coordinates (the proof's, and Fan and Lv's, normalisation). beta = 1 / s on
s = round(2 d^kappa) relevant keys, so min beta >= c5 d^-kappa. Keys are Gaussian in groups of
round(d^tau) with correlation RHO within, so lambda_max(Sigma) <= d^tau; tau = 0: independent.
Claim: at most c n d^(2 kappa + tau - 1) keys.
"""
import math

import numpy as np

SIGMA = 0.5
RHO = 0.5
QUERIES = 32  # for each draw of keys
LINES = ((0.0, 0.0), (0.25, 0.0), (0.4, 0.0), (0.0, 0.4))  # (kappa, tau); 2 kappa + tau < 1
NS = (256, 512, 1024, 2048, 4096, 8192, 16384)
DS = (8, 16, 32, 64, 128, 256, 512, 1024)
FIXED_N, FIXED_D = 4096, 64


def relevant_keys(d, kappa):
    return round(2 * d**kappa)


def draw_keys(rng, n, d, tau):
    group = round(d**tau)
    keys = rng.standard_normal((n, d))
    if group > 1:
        common = rng.standard_normal((-(-n // group), d))[np.arange(n) // group]
        keys = math.sqrt(RHO) * common + math.sqrt(1 - RHO) * keys
    keys -= keys.mean(1, keepdims=True)
    return keys / keys.std(1, keepdims=True)


def draw_queries(rng, keys, s):
    """(queries, indices of their relevant keys)."""
    relevant = np.stack([rng.choice(len(keys), s, replace=False) for _ in range(QUERIES)])
    noise = SIGMA * rng.standard_normal((QUERIES, keys.shape[1]))
    return keys[relevant].mean(1) + noise, relevant


def count_above(scores, relevant):
    """Keys at least as high as the smallest relevant one, and that score; one for each query."""
    smallest = np.take_along_axis(scores, relevant, 1).min(1)
    return (scores >= smallest[:, None]).sum(1), smallest


def proof_counts(scores, smallest):
    """|omega|^2 / (min omega)^2, which the proof bounds; no bound where the smallest is negative."""
    bound = (scores**2).sum(1) / np.maximum(smallest, 1e-30)**2
    return np.where(smallest > 0, np.minimum(bound, scores.shape[1]), scores.shape[1])


def gaussian_counts(n, s, queries, smallest):
    """Expected counts if the other keys' scores are N(0, |q|^2)."""
    z = smallest / np.linalg.norm(queries, axis=1) / math.sqrt(2)
    return s + (n - s) * np.array([math.erfc(x) / 2 for x in z])


def predicted(n, d, kappa, tau):
    """The claim with c = 1."""
    return n * d**(2 * kappa + tau - 1)


def run_point(swept, n, d, kappa, tau, repetitions, rng):
    s = min(relevant_keys(d, kappa), n)
    counts, proofs, gaussians = [], [], []
    for _ in range(repetitions):
        keys = draw_keys(rng, n, d, tau)
        queries, relevant = draw_queries(rng, keys, s)
        scores = queries @ keys.T
        count, smallest = count_above(scores, relevant)
        counts.append(count)
        proofs.append(proof_counts(scores, smallest))
        gaussians.append(gaussian_counts(n, s, queries, smallest))
    counts = np.concatenate(counts)
    return {"swept": swept, "kappa": kappa, "tau": tau, "n": n, "d": d, "relevant": s,
            "mean": counts.mean(), "standard_error": counts.std() / math.sqrt(len(counts)),
            "quantile95": np.quantile(counts, 0.95), "proof": np.median(np.concatenate(proofs)),
            "gaussian": np.concatenate(gaussians).mean(), "predicted": predicted(n, d, kappa, tau),
            "above_predicted": (counts > predicted(n, d, kappa, tau)).mean()}


def points():
    for kappa, tau in LINES:
        yield from (("n", n, FIXED_D, kappa, tau) for n in NS)
        yield from (("d", FIXED_N, d, kappa, tau) for d in DS)


def run(options, progress):
    chosen = list(points())
    repetitions = 2 if options.quick else 25
    if options.quick:
        chosen = [p for p in chosen if p[1] * p[2] <= FIXED_N * FIXED_D]
    bar, records = progress(sum(n * d for _, n, d, _, _ in chosen), "lemma 3"), []
    for index, point in enumerate(chosen):
        rng = np.random.Generator(np.random.Philox(key=[options.seed, 10**6 + index]))
        records.append(run_point(*point, repetitions, rng))
        bar.advance(point[1] * point[2])
    bar.close()
    return records
