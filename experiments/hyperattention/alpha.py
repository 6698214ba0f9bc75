"""Collects `subquad diagnose --lengths` JSON files into the study of alpha over n (section 4.3)."""
import collections
import csv
import json
import os

import matplotlib

from options import read_options

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

FIELDS = ["layer", "seq", "skip_columns", "head", "alpha", "alpha_over_n", "alpha_column"]


def read_probes(files):
    probes = []
    for name in files:
        with open(name) as file:
            for probe in json.load(file)["probes"]:
                layer = os.path.splitext(os.path.basename(probe["input"]))[0]
                probes.append(probe | {"layer": layer})
    return probes


def write_csv(probes, name):
    with open(name, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(probes)


def curves(probes):
    """(layer, skipped columns) -> [(n, mean of alpha over heads)], as in the paper's Figure 5."""
    sums = collections.defaultdict(lambda: collections.defaultdict(list))
    for probe in probes:
        if probe["head"] != "worst" and probe["alpha"] is not None:
            sums[probe["layer"], probe["skip_columns"]][probe["seq"]].append(probe["alpha"])
    return {key: sorted((n, sum(a) / len(a)) for n, a in by_n.items())
            for key, by_n in sums.items()}


def draw(probes, name):
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    colors = {}
    for (layer, skip), points in sorted(curves(probes).items()):
        color = colors.setdefault(layer, f"C{len(colors)}")
        style = dict(color=color, marker="o", linestyle="--" if skip else "-",
                     label=None if skip else layer)
        left.plot([n for n, _ in points], [a for _, a in points], **style)
        right.plot([n for n, _ in points], [a / n for n, a in points], **style)
    left.set(xscale="log", yscale="log", xlabel="n", ylabel="alpha, mean over heads")
    right.set(xscale="log", yscale="log", xlabel="n", ylabel="alpha / n")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    right.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.02, 1))
    figure.suptitle("alpha = n max_j |D^-1 A e_j|^2 on the first n positions of real layers "
                    "(dashed: first 32 columns left out)")
    figure.savefig(name, dpi=130)


def main():
    options = read_options(__doc__)
    probes = read_probes(options.files)
    write_csv(probes, options.csv)
    draw(probes, options.picture)


if __name__ == "__main__":
    main()
