"""The four pictures."""
import os

import matplotlib

from shared import lines_of

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

SIZE = 128  # lemma2.SIZE, as in the CSV's run


def legend_below(figure, handles, labels, ncol):
    figure.tight_layout(rect=(0, 0.06, 1, 0.97))
    figure.legend(handles, labels, loc="lower center", ncol=ncol, fontsize=9)


def panel_lemma2(axes, line):
    k = [r["k"] for r in line]
    axes.plot(k, [r["mean"] for r in line], "o-", color="C0", markersize=4, label="top-k, mean")
    axes.plot(k, [r["quantile95"] for r in line], "--", color="C0", linewidth=1,
              label="top-k, 95 % of the queries")
    axes.axhline(line[0]["exact_mean"], color="C1", label="exact softmax, mean")
    axes.plot(k, [r["trend"] for r in line], color="black", linewidth=1,
              label=r"trend: $\sigma\sqrt{2\log(2d)/k} + 1 - k_1/k$")
    if line[0]["bound"] is not None:
        axes.plot(k, [r["bound"] for r in line], ":", color="C3", label="bound (6) as printed")
    axes.axvline(SIZE, color="grey", linewidth=0.8, linestyle=":")
    axes.annotate("size of a cluster", (SIZE, 60), fontsize=7, rotation=90, va="top",
                  xytext=(3, 0), textcoords="offset points")
    axes.set(xscale="log", yscale="log", xlabel="k", ylim=(0.08, 70),
             title=f"$\\sigma$ = {line[0]['sigma']:g}, score of the own centre "
                   f"{line[0]['own_score']:.3g}")
    axes.grid(alpha=0.3, which="both")


def draw_lemma2(records, name):
    lines = lines_of(records, "in_condition", "sigma")
    figure, grid = plt.subplots(2, 3, figsize=(14, 9), sharey=True)
    for axes, line in zip(grid.flat, lines.values()):
        panel_lemma2(axes, line)
    grid[0, 0].set_ylabel("within the lemma's condition\nlargest |output - value| / |value|")
    grid[1, 0].set_ylabel("scores that tell clusters apart\nlargest |output - value| / |value|")
    legend_below(figure, *grid[0, 0].get_legend_handles_labels(), ncol=5)
    figure.suptitle("Lemma 2: n = 1,024 tokens in 8 clusters, d = 64")
    figure.savefig(name, dpi=120)
    plt.close(figure)


def panel_lemma3(axes, records, swept):
    for index, ((kappa, tau), line) in enumerate(lines_of(records, "kappa", "tau").items()):
        line = [r for r in line if r["swept"] == swept]
        x, colour = [r[swept] for r in line], f"C{index}"
        axes.errorbar(x, [r["mean"] for r in line], [2 * r["standard_error"] for r in line],
                      fmt="o", color=colour, markersize=4,
                      label=rf"$\kappa$ = {kappa:g}, $\tau$ = {tau:g}")
        axes.plot(x, [r["gaussian"] for r in line], color=colour, linewidth=1)
        axes.plot(x, [r["predicted"] for r in line], "--", color=colour, linewidth=1)
        axes.plot(x, [r["proof"] for r in line], ":", color=colour, linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel=swept, ylabel="keys above the smallest relevant one")
    axes.grid(alpha=0.3, which="both")


def draw_lemma3(records, name):
    figure, grid = plt.subplots(1, 2, figsize=(13, 6.5), sharey=True)
    for axes, swept, title in zip(grid, "nd", ("d = 64", "n = 4,096")):
        panel_lemma3(axes, records, swept)
        axes.set_title(title)
    handles, labels = grid[0].get_legend_handles_labels()
    styles = {"-": "Gaussian scores", "--": r"claim, c = 1: $n\,d^{2\kappa+\tau-1}$",
              ":": r"the proof's $|\omega|^2/\min\omega^2$, at most n"}
    handles += [plt.Line2D([], [], color="black", linestyle=s, linewidth=1) for s in styles]
    legend_below(figure, handles, labels + list(styles.values()), ncol=4)
    figure.suptitle("Lemma 3: dots are means with 2 standard errors")
    figure.savefig(name, dpi=120)
    plt.close(figure)


def grid_of(count, width):
    figure, grid = plt.subplots(-(-count // width), width, squeeze=False, layout="constrained",
                                figsize=(5.2 * width, 4.6 * -(-count // width)))
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    return figure, grid.flat


def panel_candidates(axes, line):
    for marker, ((k,), members) in zip("o^sDv", lines_of(line, "k").items()):
        x = [r["time_over_exact"] for r in members]
        axes.plot(x, [r["recall"] for r in members], marker, color="C0", markersize=4,
                  label=f"recall, k = {k:g}")
        full = members[0]["time_over_exact"] / members[0]["time_over_topk"]
        axes.plot(full, 1, marker, color="C3", markersize=6, label=f"topk(k={k:g})")
    rules = [r for r in members if "{k}" not in r["rule"]]
    axes.plot([r["time_over_exact"] for r in rules], [r["share"] for r in rules], "x", color="grey",
              label="as many random keys")
    for r in members:
        label = r["rule"].replace("topk(k={k},candidates=", "").replace(",recall_rows=0)", "")
        axes.annotate(label, (r["time_over_exact"], r["recall"]), fontsize=6,
                      xytext=(4, 2), textcoords="offset points")


def draw_candidates(records, name):
    panels = lines_of(records, "layer")
    figure, grid = grid_of(len(panels), min(2, len(panels)))
    for axes, ((layer,), line) in zip(grid, panels.items()):
        panel_candidates(axes, line)
        axes.axvline(1, color="grey", linestyle=":", linewidth=1, label="exact attention")
        axes.set(xscale="log", ylim=(0, 1.05), title=f"{layer}, n = {line[0]['n']:g}",
                 xlabel="CPU time over that of exact attention", ylabel="share of the true top k")
        axes.grid(alpha=0.3)
    grid[0].legend(fontsize=7, loc="center left")
    figure.savefig(name, dpi=100)
    plt.close(figure)


def panel_composition(axes, line):
    for index, ((light,), members) in enumerate(lines_of(line, "light").items()):
        style = "k" if light == "drop" else f"C{index - 1}"
        axes.plot([r["time_over_exact"] for r in members], [r["error"] for r in members],
                  color=style, linewidth=0.8)
        for r in members:
            axes.plot(r["time_over_exact"], r["error"], "o", color=style, markersize=4,
                      markerfacecolor="none" if r["k"] == 0 else style)
            axes.annotate(f"{r['k']:g}", (r["time_over_exact"], r["error"]), fontsize=5.5,
                          xytext=(3, 2), textcoords="offset points")
        axes.plot([], [], "o-", color=style, label="topk alone" if light == "drop" else light)
    axes.axvline(1, color="grey", linestyle=":", linewidth=1, label="exact attention")
    axes.set(xscale="log", yscale="log", xlabel="CPU time over that of exact attention",
             ylabel="relative Frobenius error", ylim=(1e-3, 3))
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=6)


def draw_composition(records, name):
    panels = lines_of(records, "layer")
    figure, grid = grid_of(len(panels), min(3, len(panels)))
    for axes, ((layer,), line) in zip(grid, panels.items()):
        panel_composition(axes, line)
        axes.set_title(f"{layer}, n = {line[0]['n']:g}")
    figure.suptitle("topk(k), the rest dropped or estimated; numbers: k; hollow: light part alone")
    figure.savefig(name, dpi=90)
    plt.close(figure)


DRAW = {"lemma2": draw_lemma2, "lemma3": draw_lemma3, "candidates": draw_candidates,
        "composition": draw_composition}


def draw(part, records, folder):
    DRAW[part](records, os.path.join(folder, part + ".png"))
