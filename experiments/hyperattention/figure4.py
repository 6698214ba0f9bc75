"""Collects `subquad bench --json` files into Figure 4: speed-up over exact attention against n."""
import csv
import json

import matplotlib

from options import read_options

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

FIELDS = ["causal", "pass", "seq", "heads", "head_dim", "method", "path", "median_s",
          "exact_median_s", "exact_rows", "speedup_over_exact", "rel_fro", "max_over_vmax",
          "fraction_of_fma", "peak_extra_bytes"]
TITLES = {"none": "no mask", "top_left": "causal"}
PASSES = {"forward": "forward", "both": "forward + backward"}


def read_runs(files):
    runs = []
    for name in files:
        with open(name) as file:
            runs += [r for r in json.load(file)["runs"] if r["head"] == "all"]
    return sorted(runs, key=lambda r: (r["causal"], r["pass"], r["method"], r["seq"]))


def write_csv(runs, name):
    with open(name, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(runs)


def draw_speedups(axes, runs):
    for method in sorted({r["method"] for r in runs if r["method"] != "exact"}):
        points = [r for r in runs if r["method"] == method]
        axes.plot([r["seq"] for r in points], [r["speedup_over_exact"] for r in points],
                  marker="o", label=method)
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="n", ylabel="speed-up over exact, same run")
    ticks = sorted({r["seq"] for r in runs})
    axes.set_xticks(ticks, [f"{n // 1024}k" for n in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def draw(runs, name):
    cells = [(c, p) for p in PASSES for c in TITLES]
    figure, grid = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    for axes, (causal, which) in zip(grid.flat, cells):
        chosen = [r for r in runs if r["causal"] == causal and r["pass"] == which]
        if not chosen:
            axes.set_visible(False)
            continue
        draw_speedups(axes, chosen)
        axes.set_title(f"{PASSES[which]}, {TITLES[causal]}")
    figure.suptitle("HyperAttention, Figure 4: 12 heads, D = 64, block = m = 256, Gaussian input")
    figure.savefig(name, dpi=130)


def main():
    options = read_options(__doc__)
    runs = read_runs(options.files)
    write_csv(runs, options.csv)
    draw(runs, options.picture)


if __name__ == "__main__":
    main()
