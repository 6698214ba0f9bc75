#!/usr/bin/env python3
"""The expansion and the fit of docs/theory/far_field.md on real layers, in NumPy: order 0, tree clusters.

CSV, one line for each head, number of probes p and ridge lambda:
  a_median                     |q| times the radius of a cluster
  spread_median                standard deviation of q . k within a cluster
  order0_median, order0_90     |error of the log of a cluster's weight|, expansion to order 0
  order2_median, order2_90     the same, order 2 with the full covariance
  held_out                     relative Frobenius error of the fitted model on rows that are no probes
  leave_one_out, residual      the same from leave-one-out residuals of the probes; from plain ones
  parameters                   sum of leverages
Quantiles are over (query, cluster), weighted by the cluster's share of the row. No mask. Layers above
5,000 tokens: 4,097 random queries.
"""
import argparse
import csv
import sys

import numpy as np

from layers import find_layers, read_layer, tree_clusters

LAYERS = ["deit_tiny_1024_block00", "deit_tiny_1024_block05", "deit_tiny_1024_block11",
          "deit_tiny_2048_block05"]
FIELDS = ["layer", "head", "a_median", "spread_median", "order0_median", "order0_90",
          "order2_median", "order2_90", "p", "lambda", "held_out", "leave_one_out", "residual",
          "parameters"]


def relative_error(approximate, exact):
    return np.linalg.norm(approximate - exact) / np.linalg.norm(exact)


class Head:
    """Exact sums of a head and its cluster model, rows divided by their exact sum of weights."""

    def __init__(self, q, k, v, clusters, rng):
        self.members = tree_clusters(k, clusters, rng)
        self.means = np.stack([k[ids].mean(0) for ids in self.members])
        self.counts = np.array([len(ids) for ids in self.members])
        scores = q @ k.T
        top = scores.max(1, keepdims=True)
        weights = np.exp(np.subtract(scores, top, out=scores), out=scores)
        total = weights.sum(1, keepdims=True)
        weights /= total
        self.out = weights @ v
        self.shares = np.stack([weights[:, ids].sum(1) for ids in self.members], 1)
        sums = np.stack([v[ids].sum(0) for ids in self.members])
        self.prior = np.hstack([sums, self.counts[:, None]])
        self.features = (np.exp(q @ self.means.T - top) / total).astype(np.float64)
        exact = np.hstack([self.out, np.ones((len(q), 1))])
        self.targets = exact - self.features @ self.prior

    def quantiles(self, values, at):
        """Weighted by the clusters' shares of the rows."""
        order = np.argsort(values, axis=None)
        cumulative = np.cumsum(self.shares.ravel()[order], dtype=np.float64)
        return [values.ravel()[order[np.searchsorted(cumulative, x * cumulative[-1])]] for x in at]


def expansion(head, q, k):
    offsets = [k[ids] - mean for ids, mean in zip(head.members, head.means)]
    radius = np.array([np.sqrt((x * x).sum(1).max()) for x in offsets])
    second = np.stack([((q @ x.T) ** 2).mean(1) for x in offsets], 1)
    order0 = np.log(head.shares / (head.features * head.counts))
    return [*head.quantiles(np.linalg.norm(q, axis=1)[:, None] * radius, [0.5]),
            *head.quantiles(np.sqrt(second), [0.5]),
            *head.quantiles(np.abs(order0), [0.5, 0.9]),
            *head.quantiles(np.abs(order0 - second / 2), [0.5, 0.9])]


def output_error(residual, out):
    """Relative error of the outputs whose sums miss `residual`, Dv + 1 columns."""
    weight = residual[:, -1:]
    error = (residual[:, :-1] - out * weight) / np.maximum(0.05, 1 - weight)
    return np.linalg.norm(error) / np.linalg.norm(out)


def fit(head, probes, ridge):
    features = head.features * head.counts
    chosen, targets = features[probes], head.targets[probes]
    gram = chosen.T @ chosen
    mu = ridge * np.trace(gram) / len(gram)
    inverse = np.linalg.inv(gram + mu * np.eye(len(gram)))
    gain = inverse @ (chosen.T @ targets)
    leverages = ((chosen @ inverse) * chosen).sum(1)
    others = np.setdiff1d(np.arange(len(features)), probes)
    sums = (head.features @ head.prior + features @ gain)[others]
    residual = targets - chosen @ gain
    return [relative_error(sums[:, :-1] / sums[:, -1:], head.out[others]),
            output_error(residual / (1 - leverages)[:, None], head.out[probes]),
            output_error(residual, head.out[probes]), leverages.sum()]


def measure(path, options):
    q, k, v, metadata = read_layer(path)
    scale = float(metadata.get("scale", q.shape[2] ** -0.5))
    for h in range(len(q)):
        rng = np.random.default_rng(h)
        rows = np.arange(q.shape[1])
        if len(rows) > 5000:
            rows = np.sort(rng.choice(rows, 4097, replace=False))
        queries, keys = q[h][rows] * scale, k[h] - k[h].mean(0)
        head = Head(queries, keys, v[h], options.clusters, rng)
        cumulants = expansion(head, queries, keys)
        for p in options.probes:
            probes = rng.choice(len(rows), p, replace=False)
            for ridge in options.ridge:
                yield h, *cumulants, p, ridge, *fit(head, probes, ridge)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/qkv", help="folder of the layers")
    parser.add_argument("--clusters", type=int, default=256, help="a power of two")
    parser.add_argument("--probes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--ridge", type=float, nargs="+",
                        default=[1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
    options = parser.parse_args()
    writer = csv.writer(sys.stdout)
    writer.writerow(FIELDS)
    for path in find_layers(options.data, LAYERS):
        layer = path.rsplit("/", 1)[-1].removesuffix(".safetensors")
        for row in measure(path, options):
            writer.writerow([layer, *(x if isinstance(x, int) else f"{x:.3g}" for x in row)])
            sys.stdout.flush()


if __name__ == "__main__":
    main()
