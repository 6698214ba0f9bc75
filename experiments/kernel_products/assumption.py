"""Tables and heat maps of Assumption A: KMV's Figures 1 to 4 for the layers that were probed."""
import argparse
import collections
import csv
import json
import os
import re

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

FIELDS = ["layer", "head", "seq", "head_tail_rows", "head_tail_ratio", "head_tail_ratio_error",
          "head_tail_nth_over_next", "head_tail_nth_over_2nth"]
MODELS = {"smollm2_layer": "SmolLM2-135M, all layers", "smollm2_135m": "SmolLM2-135M",
          "deit_tiny_1024": "DeiT-tiny, 1024 x 1024", "deit_tiny_2048": "DeiT-tiny, 2048 x 2048",
          "deit_tiny_224": "DeiT-tiny, 224 x 224", "stories260k": "stories260K",
          "sampled_deit_tiny_2048": "DeiT-tiny, 2048 x 2048, 1,024 sampled rows"}


def read_probes(files):
    probes = []
    for name in files:
        with open(name) as file:
            for probe in json.load(file)["probes"]:
                layer = os.path.splitext(os.path.basename(name))[0]
                if probe["head"] != "worst":
                    probes.append(probe | {"layer": layer})
    return probes


def model_of(layer):
    return max((key for key in MODELS if layer.startswith(key)), key=len, default=layer)


def layer_number(layer):
    return int(re.findall(r"\d+", layer)[-1])


def write_csv(probes, name):
    with open(name, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(probes)


def heat_map(axes, probes, key, worst, title):
    """Layers by heads; of several lengths the worst."""
    cells = collections.defaultdict(list)
    for probe in probes:
        if probe[key] is not None:
            cells[layer_number(probe["layer"]), probe["head"]].append(probe[key])
    layers = sorted({layer for layer, _ in cells})
    heads = sorted({head for _, head in cells})
    grid = [[worst(cells[layer, head]) if cells[layer, head] else float("nan") for head in heads]
            for layer in layers]
    image = axes.imshow(grid, aspect="auto", cmap="viridis")
    axes.set_xticks(range(len(heads)), heads)
    axes.set_yticks(range(len(layers)), layers)
    axes.set_xlabel("head")
    axes.set_ylabel("layer")
    axes.set_title(title, fontsize=9)
    for y, row in enumerate(grid):
        for x, value in enumerate(row):
            axes.text(x, y, f"{value:.3g}", ha="center", va="center", fontsize=5, color="white")
    plt.colorbar(image, ax=axes)


def draw_maps(model, probes, out):
    largest = max(probe["seq"] for probe in probes)
    whole = [probe for probe in probes if probe["seq"] == largest]
    figure, axes = plt.subplots(1, 3, figsize=(15, 0.25 * len({p["layer"] for p in probes}) + 3))
    heat_map(axes[0], probes, "head_tail_ratio", max, "Figures 1, 3: largest tail/head, any prefix")
    heat_map(axes[1], whole, "head_tail_nth_over_2nth", max, f"Figure 2: n-th / 2n-th, n = {largest}")
    heat_map(axes[2], whole, "head_tail_nth_over_next", max,
             f"Figure 2: n-th / (n+1)-th, n = {largest}")
    figure.suptitle(MODELS.get(model, model))
    figure.tight_layout()
    figure.savefig(os.path.join(out, f"heads_{model}.png"), dpi=130)
    plt.close(figure)


def draw_growth(models, out):
    """Figure 4: c against the context length; the largest head, the mean and deviation of all."""
    figure, axes = plt.subplots(figsize=(7, 5))
    for model, probes in models.items():
        by_length = collections.defaultdict(list)
        for probe in probes:
            by_length[probe["seq"]].append(probe["head_tail_ratio"])
        lengths = sorted(by_length)
        mean = [sum(by_length[n]) / len(by_length[n]) for n in lengths]
        deviation = [(sum((x - m) ** 2 for x in by_length[n]) / len(by_length[n])) ** 0.5
                     for n, m in zip(lengths, mean)]
        line = axes.errorbar(lengths, mean, deviation, marker="o", capsize=2,
                             label=MODELS.get(model, model))
        axes.plot(lengths, [max(by_length[n]) for n in lengths], "--", color=line[0].get_color())
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("context length n")
    axes.set_ylabel("tail / head (dashed: the largest head)")
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(os.path.join(out, "growth.png"), dpi=130)


def growth_exponent(probes):
    """Of the median head's ratio, between the shortest and the longest prefix."""
    lengths = sorted({probe["seq"] for probe in probes})
    if len(lengths) < 2:
        return float("nan")
    from math import log
    middle = []
    for n in (lengths[0], lengths[-1]):
        ratios = sorted(probe["head_tail_ratio"] for probe in probes if probe["seq"] == n)
        middle.append(ratios[len(ratios) // 2])
    return log(max(middle[1], 1e-300) / max(middle[0], 1e-300)) / log(lengths[-1] / lengths[0])


def summary(models):
    lines = ["| layers | n | heads | c: median | largest | heads with c <= 5 | n-th / 2n-th: median "
             "| n-th / (n+1)-th: largest | exponent of the median c |", "|---|---|---|---|---|---|---|---|---|"]
    for model, probes in models.items():
        largest = max(probe["seq"] for probe in probes)
        whole = [probe for probe in probes if probe["seq"] == largest]
        ratios = sorted(probe["head_tail_ratio"] for probe in whole)
        second = sorted(float("inf") if p["head_tail_nth_over_2nth"] is None
                        else p["head_tail_nth_over_2nth"] for p in whole)
        nexts = [float("inf") if p["head_tail_nth_over_next"] is None
                 else p["head_tail_nth_over_next"] for p in whole]
        lines.append(f"| {MODELS.get(model, model)} | {largest} | {len(whole)} "
                     f"| {ratios[len(ratios) // 2]:.3g} | {ratios[-1]:.3g} "
                     f"| {sum(r <= 5 for r in ratios)} of {len(ratios)} "
                     f"| {second[len(second) // 2]:.3g} | {max(nexts):.4g} "
                     f"| {growth_exponent(probes):.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("probes", nargs="+")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    models = collections.defaultdict(list)
    probes = read_probes(options.probes)
    for probe in probes:
        models[model_of(probe["layer"])].append(probe)
    write_csv(probes, os.path.join(options.out, "assumption.csv"))
    for model, own in models.items():
        draw_maps(model, own, options.out)
    draw_growth(models, options.out)
    table = summary(models)
    with open(os.path.join(options.out, "assumption.md"), "w") as file:
        file.write(table)
    print(table, end="")


if __name__ == "__main__":
    main()
