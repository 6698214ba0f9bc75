"""Draws the metrics that `subquad vit --metrics` wrote: a panel each, a line for each method."""
import argparse
import csv

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

PANELS = {"token_similarity": "cosine similarity between tokens, after the block",
          "attention_std": "standard deviation of attention weights",
          "residual_attention": "|attention(x)| / |x|",
          "residual_mlp": "|mlp(x)| / |x|",
          "nonlocality": "nonlocality in patches",
          "class_weight": "weight on the class token"}
HEADINGS = ("token similarity", "std of weights", "attention branch", "MLP branch", "nonlocality",
            "class weight")
PER_HEAD = ("attention_std", "nonlocality", "class_weight")


def read_lines(name):
    with open(name, newline="") as file:
        return list(csv.DictReader(file))


def values_of(lines, method, head, field):
    points = [(int(line["block"]), float(line[field])) for line in lines
              if line["method"] == method and line["head"] == head and line[field]]
    return zip(*sorted(points)) if points else ([], [])


def draw_panel(axes, lines, methods, field):
    heads = sorted({line["head"] for line in lines} - {"all"})
    for index, method in enumerate(methods):
        colour = f"C{index}"
        if field in PER_HEAD:
            for head in heads:
                axes.plot(*values_of(lines, method, head, field), ".", color=colour, alpha=0.4)
        axes.plot(*values_of(lines, method, "all", field), marker="o", markersize=4, color=colour,
                  label=method)
    axes.set(title=PANELS[field], xlabel="block")
    axes.grid(alpha=0.3)


def print_table(lines, methods):
    print(f"Each cell: {', '.join(methods)}\n\n| block | {' | '.join(HEADINGS)} |")
    print("|---" * (1 + len(PANELS)) + "|")
    blocks = sorted({int(line["block"]) for line in lines})
    for block in blocks:
        row = []
        for field in PANELS:
            found = [line[field] for m in methods for line in lines if line["method"] == m
                     and line["head"] == "all" and int(line["block"]) == block]
            row.append(", ".join(f"{float(value):.3g}" if value else "-" for value in found))
        print(f"| {block} | " + " | ".join(row) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv")
    parser.add_argument("--picture", required=True)
    options = parser.parse_args()
    lines = read_lines(options.csv)
    methods = list(dict.fromkeys(line["method"] for line in lines))
    figure, grid = plt.subplots(2, 3, figsize=(14, 7.5), layout="constrained")
    for axes, field in zip(grid.flat, PANELS):
        draw_panel(axes, lines, methods, field)
    grid.flat[0].legend()
    figure.suptitle("DeiT-tiny, 224 pixels, mean over pictures; dots: single heads")
    figure.savefig(options.picture, dpi=130)
    print_table(lines, methods)


if __name__ == "__main__":
    main()
