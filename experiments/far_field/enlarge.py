#!/usr/bin/env python3
"""A long synthetic layer from a real one: its tokens, resampled, with noise.

Token i' of the result is token floor((i' + u) N / n) of the N given ones (systematic resampling: each
comes about n / N times, in the order of position), so that all copies together have the softmax of
the given layer. To each copy of a query, and of a key with its value, Gaussian noise is added whose
covariance is (noise^2) times that of the token's cluster (256 tree clusters of the queries, and of
the keys; key and value move together). The metadata says that the layer is synthetic.
The same seed gives the same layer, to the rounding of the installed BLAS.
"""
import argparse
import os
import sys

import numpy as np

from layers import bfloat16_bits, read_layer, tree_clusters, write_layer


def cluster_noise(points, clusters, sources, rng):
    """Rows ~ N(0, covariance of the cluster that points[sources[i]] lies in)."""
    cluster_of = np.empty(len(points), np.int64)
    for c, ids in enumerate(clusters):
        cluster_of[ids] = c
    order = np.argsort(cluster_of[sources], kind="stable")
    ends = np.cumsum(np.bincount(cluster_of[sources], minlength=len(clusters)))
    noise = np.empty((len(sources), points.shape[1]), np.float32)
    for ids, rows in zip(clusters, np.split(order, ends[:-1])):
        offsets = (points[ids] - points[ids].mean(0)) / np.sqrt(len(ids))
        noise[rows] = rng.standard_normal((len(rows), len(ids)), np.float32) @ offsets
    return noise


def enlarge(points, count, sources, noise, rng):
    """points[sources] with noise of the clusters' shape."""
    clusters = tree_clusters(points[:, :count], 256, rng)
    return points[sources] + noise * cluster_noise(points, clusters, sources, rng)


def stored(array, dtype):
    return bfloat16_bits(array) if dtype == "bfloat16" else array.astype(dtype)


def enlarge_layer(q, k, v, length, noise, seed, dtype):
    """Tensors of `length` tokens; key heads may be fewer than query heads."""
    if q.shape[1] != k.shape[1]:
        sys.exit("enlarge.py: q and k must have the same number of tokens")
    tokens, dim = k.shape[1:]
    shift = np.random.default_rng(seed).random()
    sources = np.minimum(((np.arange(length) + shift) * tokens / length).astype(np.int64),
                         tokens - 1)
    result = {}
    result["q"] = np.stack([
        stored(enlarge(q[h], dim, sources, noise, np.random.default_rng([seed, 1, h])), dtype)
        for h in range(len(q))])
    pairs = np.stack([
        stored(enlarge(np.hstack([k[h], v[h]]), dim, sources, noise,
                       np.random.default_rng([seed, 2, h])), dtype)
        for h in range(len(k))])
    result["k"], result["v"] = pairs[..., :dim], pairs[..., dim:]
    return result


def describe(metadata, source, options):
    """The source's metadata without what no longer holds, labelled."""
    kept = {key: metadata[key] for key in ("scale", "causal", "softmax", "model", "block", "layer")
            if key in metadata}
    return kept | {"note": f"synthetic: {source} enlarged to {options.length} tokens by resampling "
                           f"with noise of {options.noise} of its within-cluster spread, "
                           f"seed {options.seed}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?",
                        default="../shared/data/qkv/deit_tiny_2048_block05.safetensors")
    parser.add_argument("--out", required=True, help="safetensors file to write")
    parser.add_argument("--length", type=int, default=131072, help="tokens")
    parser.add_argument("--noise", type=float, default=0.1, help="of the within-cluster spread")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--heads", type=int, default=1000, help="the first so many of each tensor")
    parser.add_argument("--dtype", choices=["bfloat16", "float16", "float32"], default="float16")
    options = parser.parse_args()
    if options.length < 1 or options.heads < 1 or not 0 <= options.noise < np.inf:
        parser.error("length and heads must be positive, noise at least 0")
    if not os.path.exists(options.source):
        print(f"enlarge.py: no {options.source}: skipped", file=sys.stderr)
        return
    q, k, v, metadata = read_layer(options.source)
    heads = min(options.heads, len(q))
    shared = heads * len(k) // len(q)
    if shared * len(q) != heads * len(k):
        parser.error("heads must fill whole groups of the query heads that share keys")
    tensors = enlarge_layer(q[:heads], k[:shared], v[:shared], options.length, options.noise,
                            options.seed, options.dtype)
    name = os.path.splitext(os.path.basename(options.source))[0]
    write_layer(options.out, tensors, describe(metadata, name, options))
    print(f"wrote {options.out}: q {tensors['q'].shape}, k {tensors['k'].shape}, {options.dtype}")


if __name__ == "__main__":
    main()
