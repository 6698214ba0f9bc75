#!/usr/bin/env python3
"""Numerical rank of the softmax matrix P of real layers: how well rank r can serve any values.

For each head and r it prints, as CSV:
  svd       |P_r V - P V|_F / |P V|_F, P_r the best rank-r approximation of P (P V alone has rank
            Dv at most: the question is what holds for values that are not known beforehand)
  own       the same with the weight of each row's own key exact, and P without its diagonal of rank r
  clusters  as svd for r features exp(q . mu_c - lse), mu_c the means of r tree clusters of the
            keys, and coefficients by least squares on all rows: what ever more probes tend to
  order0    the same clusters with their summed values and counts as coefficients: nothing fitted
Masks are left out (no mask: what the prefixes of a causal layer share, docs/theory/far_field.md).
P_r comes from a randomized range finder with two power iterations (Halko, Martinsson, Tropp 2011).
"""
import argparse
import csv
import sys

import numpy as np

from layers import find_layers, read_layer, tree_clusters

LAYERS = ["deit_tiny_1024_block00", "deit_tiny_1024_block05", "deit_tiny_1024_block11",
          "deit_tiny_2048_block05", "stories260k_layer0", "stories260k_layer2",
          "stories260k_layer4"]
RANKS = [16, 32, 64, 128, 256, 512]


def softmax(scores):
    """Rows of the softmax in place, and the log of each row's sum."""
    top = scores.max(1, keepdims=True)
    np.exp(np.subtract(scores, top, out=scores), out=scores)
    total = scores.sum(1, keepdims=True)
    scores /= total
    return scores, top + np.log(total)


def relative_error(approximate, exact):
    return float(np.linalg.norm(approximate - exact) / np.linalg.norm(exact))


def leading_factors(matrix, count, rng):
    """U, U^T matrix ordered by singular value: leading rows give the best approximations."""
    count = min(count, *matrix.shape)
    basis = matrix @ rng.standard_normal((matrix.shape[1], count)).astype(np.float32)
    for _ in range(2):
        basis = np.linalg.qr(basis)[0]
        basis = matrix @ np.linalg.qr(matrix.T @ basis)[0]
    basis = np.linalg.qr(basis)[0]
    inner = basis.T @ matrix
    values, vectors = np.linalg.eigh((inner @ inner.T).astype(np.float64))
    turn = vectors[:, np.argsort(-values)].astype(np.float32)
    return basis @ turn, turn.T @ inner


def svd_errors(matrix, values, out, rng, added=0):
    """By rank: the error of the best approximation of `matrix`, times values, plus `added`."""
    left, right = leading_factors(matrix, max(RANKS) + 64, rng)
    projected = right @ values
    return {r: relative_error(left[:, :r] @ projected[:r] + added, out) for r in RANKS}


def own_key_errors(matrix, values, out, rng):
    """The same where the diagonal is exact, which is taken out of the matrix."""
    own = np.diag(matrix).copy()
    np.fill_diagonal(matrix, 0)
    return svd_errors(matrix, values, out, rng, own[:, None] * values)


def normalise(sums):
    """Values over their sum of weights, the last column."""
    return sums[:, :-1] / sums[:, -1:]


def cluster_errors(q, k, v, log_sum, out, rank, rng):
    """Errors of fitted and of plain coefficients on the features of `rank` clusters."""
    members = tree_clusters(k, rank, rng)
    means = np.stack([k[ids].mean(0) for ids in members])
    ones = np.ones((len(k), 1), np.float32)
    plain = np.stack([np.hstack([v, ones])[ids].sum(0) for ids in members])
    features = np.exp(q @ means.T - log_sum).astype(np.float64)
    targets = np.hstack([out, np.ones((len(q), 1))]) - features @ plain
    counts = plain[:, -1]
    gain = np.linalg.lstsq(features * counts, targets, rcond=1e-9)[0] * counts[:, None]
    return (relative_error(normalise(features @ (plain + gain)), out),
            relative_error(normalise(features @ plain), out))


def measure(path, heads):
    q, k, v, metadata = read_layer(path)
    scale = float(metadata.get("scale", q.shape[2] ** -0.5))
    for head in range(min(heads, len(q))):
        shared = head * len(k) // len(q)
        queries, values = q[head] * scale, v[shared]
        keys = k[shared] - k[shared].mean(0)
        matrix, log_sum = softmax(queries @ keys.T)
        out = matrix @ values
        svd = svd_errors(matrix, values, out, np.random.default_rng(head))
        own = own_key_errors(matrix, values, out, np.random.default_rng(head))
        for rank in (r for r in RANKS if r < len(keys)):
            fitted, plain = cluster_errors(queries, keys, values, log_sum, out, rank,
                                           np.random.default_rng([head, rank]))
            yield head, rank, svd[rank], own[rank], fitted, plain


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/qkv", help="folder of the layers")
    parser.add_argument("--layers", default=",".join(LAYERS), help="names, comma-separated")
    parser.add_argument("--heads", type=int, default=1000, help="the first so many of each layer")
    options = parser.parse_args()
    paths = find_layers(options.data, options.layers.split(","))
    writer = csv.writer(sys.stdout)
    writer.writerow(["layer", "head", "rank", "svd", "own", "clusters", "order0"])
    for path in paths:
        layer = path.rsplit("/", 1)[-1].removesuffix(".safetensors")
        for head, rank, *errors in measure(path, options.heads):
            writer.writerow([layer, head, rank, *(f"{e:.3g}" for e in errors)])
            sys.stdout.flush()


if __name__ == "__main__":
    main()
