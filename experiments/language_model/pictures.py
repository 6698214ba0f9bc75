"""Pictures of the measurements."""
import os

import matplotlib
import numpy as np

from perplexities import is_exact
from tables import grouped

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator  # noqa: E402

MARKERS = "osv^DPX*<>hd"
PANELS = [("perplexity", "perplexity"), ("attention_speedup", "speed of all attention over exact's"),
          ("prefill_speedup", "speed of the prefill over exact's")]


def save(figure, folder, name):
    figure.savefig(os.path.join(folder, name + ".png"), dpi=130)
    plt.close(figure)


def styles(records):
    """method -> marker and colour, the same in every panel."""
    methods = dict.fromkeys(r["method"] for r in records if r["method"] != "exact")
    return {m: {"marker": MARKERS[i % len(MARKERS)], "color": f"C{i % 10}"}
            for i, m in enumerate(methods)}


def plain_log(axis, values):
    """A logarithmic axis with at most eight round numbers in plain figures."""
    low, high = min(values) / 1.02, max(values) * 1.02
    if high / low < 4:
        ticks = MaxNLocator(6).tick_values(min(values), max(values))
    else:
        steps = (1, 2, 5) if high / low < 100 else (1,)
        ticks = [step * 10.0**d for d in range(-4, 9) for step in steps]
    axis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())


def figure3_panel(axes, group, field, style):
    """Lines from exact at 0 layers; hollow where the method itself chose exact."""
    exact = [r for r in group if r["method"] == "exact"][0]
    start = exact["perplexity"] if field == "perplexity" else 1.0
    values = [start]
    axes.axhline(start, color="grey", linewidth=0.8)
    for (method,), mine in grouped(group, "method").items():
        if method == "exact":
            continue
        points = [(0, start)] + sorted((r["last"], r[field]) for r in mine)
        values += [y for _, y in points]
        hollow = all(is_exact(r) for r in mine)
        axes.plot(*zip(*points), label=method, linewidth=1.2, markersize=5,
                  markerfacecolor="white" if hollow else None, **style[method])
    axes.set_yscale("log")
    plain_log(axes.yaxis, values)
    axes.grid(alpha=0.3)
    axes.set(xlabel="replaced layers, the last ones", xlim=(-0.5, 30.5))


def figure3(records, folder):
    """A picture for each text: a row for each length, perplexity and both speeds beside each other."""
    style = styles(records)
    for (text,), group in grouped(records, "text").items():
        lengths = sorted({r["tokens"] for r in group})
        figure, grid = plt.subplots(
            len(lengths) + 1, 3, figsize=(13, 3.2 * len(lengths) + 1.2), squeeze=False,
            layout="constrained", gridspec_kw={"height_ratios": [3.2] * len(lengths) + [0.8]})
        for row, tokens in zip(grid, lengths):
            mine = [r for r in group if r["tokens"] == tokens]
            for axes, (field, title) in zip(row, PANELS):
                figure3_panel(axes, mine, field, style)
                axes.set_title(f"n = {tokens:,}: {title}", fontsize=10)
        handles = [plt.Line2D([], [], label=m, **s) for m, s in style.items()]
        for axes in grid[-1]:
            axes.set_axis_off()
        figure.legend(handles=handles, loc="lower center", ncol=3, fontsize=9, frameon=False)
        figure.suptitle(f"SmolLM2-135M on {text}: attention of the last layers replaced "
                        "(hollow: the method chose exact)")
        save(figure, folder, f"figure3_{text_name(text)}")


def text_name(text):
    return os.path.splitext(os.path.basename(text))[0]


def layers(records, folder):
    """What one replaced layer costs, in per cent of exact's perplexity."""
    groups = grouped(records, "text", "tokens")
    figure, grid = plt.subplots(len(groups), 1, figsize=(11, 4.2 * len(groups)), squeeze=False,
                                layout="constrained")
    style = styles(records)
    for axes, ((text, tokens), group) in zip(grid.flat, groups.items()):
        for (method,), mine in grouped(group, "method").items():
            points = sorted((r["layer"], 100 * r["excess"]) for r in mine)
            axes.plot(*zip(*points), label=method, linewidth=1, **style[method])
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set_yscale("symlog", linthresh=0.1)
        axes.set(xlabel="the replaced layer", ylabel="perplexity over exact's, %",
                 title=f"{text}, n = {tokens:,}: one layer's attention replaced")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    save(figure, folder, "layers")


def alpha_over_n(axes, probes):
    """Mean, median and the middle eight tenths over layers and heads, against n."""
    for i, ((skip,), group) in enumerate(sorted(grouped(probes, "skip_columns").items())):
        by_n = {n: [p["alpha_over_n"] for p in found if p["alpha_over_n"] is not None]
                for (n,), found in sorted(grouped(group, "seq").items())}
        by_n = {n: values for n, values in by_n.items() if values}
        if not by_n:
            continue
        lengths, values = list(by_n), list(by_n.values())
        name = f"without the first {skip} columns" if skip else "all columns"
        axes.fill_between(lengths, [np.quantile(v, 0.1) for v in values],
                          [np.quantile(v, 0.9) for v in values], alpha=0.2, color=f"C{i}")
        axes.plot(lengths, [np.mean(v) for v in values], "o-", color=f"C{i}", label=name + ", mean")
        axes.plot(lengths, [np.median(v) for v in values], "--", color=f"C{i}", label="median")
        axes.set_xticks(lengths, [f"{n:,}" for n in lengths], fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="n", ylabel="alpha / n",
             title="alpha / n over layers and heads (band: 10 to 90 %)")
    axes.set_xticks(lengths, [f"{n:,}" for n in lengths], fontsize=8)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def slopes(probes, skip):
    """(layer, head) -> the slope of log alpha against log n: 1 is alpha / n constant, 0 is alpha."""
    found = {}
    for key, group in grouped([p for p in probes if p["skip_columns"] == skip],
                              "layer", "head").items():
        points = [(np.log(p["seq"]), np.log(p["alpha"])) for p in group if p["alpha"]]
        if len(points) > 1:
            found[key] = np.polyfit(*zip(*points), 1)[0]
    return found


def heat_map(figure, axes, values, title):
    """`values`: (layer, head) -> number."""
    if not values:
        axes.set_visible(False)
        return
    layers_, heads = (sorted({key[i] for key in values}) for i in (0, 1))
    cells = [[values.get((l, h), np.nan) for h in heads] for l in layers_]
    image = axes.imshow(cells, aspect="auto", cmap="viridis")
    axes.set(xlabel="head", ylabel="layer", title=title)
    axes.set_xticks(range(len(heads)), heads, fontsize=7)
    axes.set_yticks(range(len(layers_)), layers_, fontsize=7)
    figure.colorbar(image, ax=axes, shrink=0.8)


def of_heads(probes, field):
    return {(p["layer"], p["head"]): p[field] for p in probes if p.get(field) is not None}


def figure5(probes, folder):
    figure, grid = plt.subplots(2, 3, figsize=(15, 11), layout="constrained")
    alphas = [p for p in probes if p["alpha_over_n"] is not None]
    skips = sorted({p["skip_columns"] for p in alphas})
    most = max(p["seq"] for p in alphas)
    alpha_over_n(grid[0, 0], alphas)
    for axes, skip in zip(grid[0, 1:], skips):
        last = [p | {"log": np.log10(p["alpha_over_n"])} for p in alphas
                if p["skip_columns"] == skip and p["seq"] == most and p["alpha_over_n"] > 0]
        heat_map(figure, axes, of_heads(last, "log"),
                 f"log10(alpha / n), n = {most:,}, {skip} columns left out")
    heat_map(figure, grid[1, 0], slopes(alphas, skips[-1]),
             f"slope of log alpha over log n, {skips[-1]} columns left out")
    others = [p for p in probes if p["stable_rank"] is not None]
    at = f"n = {others[0]['seq']:,}" if others else ""
    heat_map(figure, grid[1, 1], of_heads(probes, "log10_kappa"), f"log10(kappa), {at}")
    ranks = {key: np.log10(value) for key, value in of_heads(others, "stable_rank").items()}
    heat_map(figure, grid[1, 2], ranks, f"log10(stable rank), {at}")
    figure.suptitle("SmolLM2-135M: what HyperAttention assumes, layer by layer and head by head")
    save(figure, folder, "figure5")


def peers(rows, folder):
    """`rows`: (name, seconds of the prefill, perplexity), as far as there are any."""
    figure, axes = plt.subplots(figsize=(9, 0.5 * len(rows) + 1.6), layout="constrained")
    names = [name for name, _, _ in rows]
    axes.barh(names, [seconds or 0 for _, seconds, _ in rows],
              color=["C0" if name.startswith("subquad") else "C7" for name in names])
    for i, (_, seconds, perplexity) in enumerate(rows):
        text = f" {seconds:.1f} s" if seconds else " not measured"
        axes.text(seconds or 0, i, text + (f", perplexity {perplexity:.2f}" if perplexity else ""),
                  va="center", fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="prefill, seconds (median of the rounds)")
    axes.margins(x=0.3)
    save(figure, folder, "peers")
