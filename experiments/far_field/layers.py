"""Layers (safetensors files with q, k, v) in NumPy, and clusters of their rows."""
import json
import os
import struct
import sys

import numpy as np

NUMPY_TYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}  # BF16: bits


def bfloat16_bits(array):
    """Finite float32 to the nearest bfloat16, ties to even."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + ((bits >> 16) & 1) + 0x7FFF) >> 16).astype(np.uint16)


def to_float32(flat):
    if flat.dtype == np.uint16:
        return (flat.astype(np.uint32) << 16).view(np.float32)
    return flat.astype(np.float32)


def find_layers(folder, names):
    """Paths of the named layers. Says what is missing; ends the program, successfully, without any."""
    paths = [os.path.join(folder, name + ".safetensors") for name in names]
    found = [path for path in paths if os.path.exists(path)]
    for path in paths:
        if path not in found:
            print(f"no {path}: skipped", file=sys.stderr)
    if not found:
        print(f"no layers in {folder}: skipped", file=sys.stderr)
        sys.exit(0)
    return found


def read_header(file):
    """The JSON header and the offset of the tensors' bytes."""
    (length,) = struct.unpack("<Q", file.read(8))
    return json.loads(file.read(length)), 8 + length


def read_layer(path):
    """q, k, v as (heads, n, d) float32, and the metadata."""
    with open(path, "rb") as file:
        header, start = read_header(file)
        tensors = []
        for name in "qkv":
            entry = header[name]
            begin, end = entry["data_offsets"]
            file.seek(start + begin)
            flat = np.frombuffer(file.read(end - begin), NUMPY_TYPES[entry["dtype"]])
            tensors.append(to_float32(flat).reshape(entry["shape"]))
    return *tensors, header.get("__metadata__", {})


def write_layer(path, tensors, metadata):
    """tensors: name -> array, float16, float32 or bfloat16_bits(). metadata: strings."""
    names = {np.dtype(t): name for name, t in NUMPY_TYPES.items()}
    header, end = {"__metadata__": metadata}, 0
    for name, array in tensors.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape),
                        "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).data)
    os.replace(path + ".part", path)


def leading_direction(points, rng, steps=4):
    """Of the points' covariance, by power iteration on at most 256 of them."""
    sample = points if len(points) <= 256 else rng.choice(points, 256, replace=False)
    centred = sample - sample.mean(0)
    direction = rng.standard_normal(points.shape[1])
    for _ in range(steps):
        direction = centred.T @ (centred @ direction)
        direction /= np.linalg.norm(direction) + 1e-30
    return direction


def tree_clusters(points, count, rng):
    """Index arrays of `count` clusters of near equal sizes: median splits along leading directions
    (count: a power of two, at most len(points))."""
    clusters = [np.arange(len(points))]
    while len(clusters) < count:
        halves = []
        for ids in clusters:
            along = points[ids] @ leading_direction(points[ids], rng)
            order = ids[np.argsort(along, kind="stable")]
            halves += [order[:len(ids) // 2], order[len(ids) // 2:]]
        clusters = halves
    return clusters
