"""Figure 4 of "Support Basis": run time and error against the threshold.

Gaussian layer as printed (n = 8,192, D = 64, channels N(0, 0.1^2), scale 1 / D), or the given layers.
"""
import argparse
import csv
import json
import pathlib
import re
import struct
import subprocess

import numpy

FIELDS = ["input", "threshold", "method", "median_s", "exact_median_s", "speedup_over_exact",
          "rel_fro", "max_over_vmax", "fallback_rows", "failure"]


def write_layer(name, n, seed):
    """q, k: (1, n, 64) of N(0, 0.1^2), v: N(0, 1); scale 1/64 as in the paper's definition."""
    draw = numpy.random.default_rng(seed)
    tensors = {key: (spread * draw.standard_normal((1, n, 64))).astype("<f4")
               for key, spread in (("q", 0.1), ("k", 0.1), ("v", 1.0))}
    header, offset = {"__metadata__": {"scale": str(1 / 64)}}, 0
    for key, tensor in tensors.items():
        header[key] = {"dtype": "F32", "shape": list(tensor.shape),
                       "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(name, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.tobytes())


def read_channels(name):
    """|q| and |k| of a safetensors file: for the thresholds of its own quantiles."""
    data = pathlib.Path(name).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    types = {"F32": "<f4", "F16": "<f2"}
    parts = []
    for key in ("q", "k"):
        begin, end = header[key]["data_offsets"]
        values = numpy.frombuffer(data[8 + length + begin:8 + length + end],
                                  types[header[key]["dtype"]])
        parts.append(numpy.abs(values.astype("f4")).reshape(-1, header[key]["shape"][-1]).max(1))
    return numpy.concatenate(parts)  # the largest channel of each row


def measure(subquad, layer, methods, options):
    """method -> its run, all in one command; a refusal of one stops none of the others."""
    words = [subquad, "compare", str(layer), "--json", "-", "--threads", str(options.threads)]
    for method in methods:
        words += ["--method", method]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode == 0:
        return {r["method"]: r for r in json.loads(done.stdout)["runs"] if r["head"] == "all"}
    if len(methods) == 1:
        return {methods[0]: {"method": methods[0], "failure": done.stderr.strip()}}
    runs = {}
    for method in methods:
        runs.update(measure(subquad, layer, [method], options))
    return runs


def methods_at(threshold, degrees, printed):
    methods = {}
    for g in degrees:
        methods[f"support_basis(t={threshold:.4g},degree={g})"] = threshold
        if printed:
            methods[f"support_basis(t={threshold:.4g},degree={g},printed=true)"] = threshold
    return methods


def layer_rows(subquad, layer, thresholds, options, printed):
    degrees = options.degrees
    methods = {f"as23(degree={g})": None for g in degrees}
    for threshold in thresholds:
        methods.update(methods_at(threshold, degrees, printed))
    runs = measure(subquad, layer, list(methods), options)
    return [dict(runs.get(method, {}), input=pathlib.Path(layer).stem, method=method,
                 threshold=methods[method]) for method in methods]


def draw(rows, name, title):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    def kind_of(row):
        return re.sub(r"t=[^,]*,", "", row["method"])

    for kind in sorted({kind_of(r) for r in rows}):
        own = [r for r in rows if r.get("median_s") and kind_of(r) == kind]
        for axes, value in ((left, lambda r: r["median_s"] / r["exact_median_s"]),
                            (right, lambda r: r["rel_fro"])):
            points = sorted((r["threshold"], value(r)) for r in own if r["threshold"] is not None)
            if points:
                axes.plot(*zip(*points), marker="o", label=kind)
            elif own:
                axes.axhline(value(own[0]), linestyle="--", color="black", linewidth=0.8,
                             label=kind)
    left.axhline(1, color="grey", linewidth=0.8)
    left.set(xlabel="threshold", ylabel="time over that of exact, same command", yscale="log")
    right.set(xlabel="threshold", ylabel="relative Frobenius error of the output", yscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    left.legend(fontsize=7)
    figure.suptitle(title)
    figure.savefig(name, dpi=130)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subquad", default="subquad")
    parser.add_argument("--out", default="out/support_basis")
    parser.add_argument("--layers", nargs="*", default=[], help="safetensors files, beside Figure 4")
    parser.add_argument("--n", type=int, default=8192)
    parser.add_argument("--degrees", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    gaussian = out / "figure4.safetensors"
    write_layer(gaussian, options.n, options.seed)
    jobs = [(gaussian, [round(0.15 + 0.05 * i, 2) for i in range(8)], True)]
    for layer in options.layers:
        largest = read_channels(layer)
        jobs.append((layer, [float(numpy.quantile(largest, p)) for p in (0.5, 0.9, 0.99, 0.999)], False))
    rows = []
    for layer, thresholds, printed in jobs:
        own = layer_rows(options.subquad, layer, thresholds, options, printed)
        draw(own, out / f"{pathlib.Path(layer).stem}.png", pathlib.Path(layer).stem)
        rows += own
        for row in own:
            print(",".join(str(row.get(field, "")) for field in FIELDS), flush=True)
    with open(out / "figure4.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
