"""Figures 3, 4, 5 and 7 in the paper's arrangement."""
import os

import matplotlib

import table
import theory

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

GRIDS = {"3": ["ab"], "4": ["abc", "def"], "5": ["abc", "def"], "7": ["abc", "de."]}
EXACT = "100 repetitions; lines: exact probability"
TITLES = {"3": "Figure 3: softmax regression, 1,000 repetitions",
          "4": f"Figure 4: self-attention, X = vec(I), {EXACT}",
          "5": f"Figure 5: self-attention, X = all ones, {EXACT}",
          "7": f"Figure 7: cross-attention, X = vec(I), {EXACT}"}
SWEPT = {"a0": "$a_0$", "a1": "$a_1$"}


def draw_line(axes, line, label, color, marker):
    x = [r["x_value"] for r in line]
    ratios = [r["ratio"] for r in line]
    axes.plot(x, ratios, marker, color=color, markersize=3, alpha=0.6, label=label)
    if all(r["probability"] is not None for r in line):
        axes.plot(x, [r["probability"] for r in line], color=color, linewidth=1)


def draw_thresholds(axes, panel):
    for i, (x, label) in enumerate(theory.THRESHOLDS.get(panel, [])):
        axes.axvline(x, color="black", linestyle=":", linewidth=1)
        axes.annotate(label, (x, 0.03 + 0.07 * i), fontsize=7, xytext=(3, 0),
                      textcoords="offset points")


def draw_hit_bound(axes, line):
    """F_exp(D1) > 0 needs one y_l of m with the sign of the large entry."""
    axes.plot([r["x_value"] for r in line], [1 - 0.5**r["m"] for r in line], ":", color="black",
              linewidth=1, label="$1 - 2^{-m}$")


def draw_panel(axes, panel, lines):
    variants = list(dict.fromkeys(variant for _, variant, _ in lines))
    taus = list(dict.fromkeys(tau for _, _, tau in lines))
    for (_, variant, tau), line in lines.items():
        color = f"C{len(taus) * variants.index(variant) + taus.index(tau)}"
        label = f"tau = {tau}" if len(variants) == 1 else f"{variant}, tau = {tau}"
        label = label.replace(" sqrt(log n)", r"$\sqrt{\log n}$")
        draw_line(axes, line, label, color, "os"[taus.index(tau)])
    first = next(iter(lines.values()))
    if panel[0] == "3":
        draw_hit_bound(axes, first)
    draw_thresholds(axes, panel)
    swept = first[0]["swept"]
    axes.set(xlabel=SWEPT.get(swept, swept), ylabel="ratio of success", ylim=(-0.05, 1.05),
             title=f"({panel[1]})")
    axes.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncol=2,
                columnspacing=0.8, handletextpad=0.2)
    axes.grid(alpha=0.3)


def draw_figure(figure, lines, name):
    rows = GRIDS[figure]
    canvas, grid = plt.subplot_mosaic("\n".join(rows), figsize=(4.6 * len(rows[0]), 4 * len(rows)),
                                      layout="constrained")
    for letter, axes in grid.items():
        panel = figure + letter
        draw_panel(axes, panel, {key: line for key, line in lines.items() if key[0] == panel})
    canvas.suptitle(TITLES[figure], fontsize=11)
    canvas.savefig(name, dpi=130)
    plt.close(canvas)


def draw_all(records, folder):
    lines = table.lines_of(records)
    for figure in GRIDS:
        draw_figure(figure, lines, os.path.join(folder, f"figure{figure}.png"))
