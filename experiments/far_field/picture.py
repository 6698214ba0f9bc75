"""Pictures of error against time, one for each layer."""
import itertools
import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def measured(rows):
    return [row for row in rows if row.get("rel_fro") and row.get("share_of_exact")]


def pareto_front(rows):
    """The rows that no other row beats in both time and error, by time. Exact runs do not count."""
    front, least = [], float("inf")
    for row in sorted(measured(rows), key=lambda r: (r["share_of_exact"], r["rel_fro"])):
        if row["rel_fro"] < least and "exact" not in (row["path"] or ""):
            front.append(row)
            least = row["rel_fro"]
    return front


def draw_families(axes, rows):
    styles = itertools.cycle(itertools.product("osv^DPX", [f"C{i}" for i in range(10)]))
    for family in dict.fromkeys(row["family"] for row in rows):
        marker, color = next(styles)
        members = [row for row in rows if row["family"] == family]
        hollow = all("exact" in (row["path"] or "") for row in members)
        axes.plot([row["share_of_exact"] for row in members], [row["rel_fro"] for row in members],
                  marker=marker, color=color, linewidth=0.8, markersize=5, label=family,
                  markerfacecolor="none" if hollow else color)


def draw_front(axes, rows):
    front = pareto_front(rows)
    axes.plot([row["share_of_exact"] for row in front], [row["rel_fro"] for row in front],
              color="black", linewidth=1.5, drawstyle="steps-post", label="Pareto front", zorder=1)
    for row in front:
        axes.annotate(row["method"], (row["share_of_exact"], row["rel_fro"]), fontsize=5,
                      xytext=(3, 3), textcoords="offset points")


def draw_layer(layer, rows, name):
    rows = measured(rows)
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(11, 7), layout="constrained")
    axes.axvline(1, color="grey", linewidth=1, label="exact (error: rounding)")
    draw_families(axes, rows)
    draw_front(axes, rows)
    axes.set(xscale="log", yscale="log", xlabel="time over that of exact attention, same run",
             ylabel="relative Frobenius error")
    exact_ms = 1000 * sorted(row["exact_median_s"] for row in rows)[len(rows) // 2]
    top = axes.secondary_xaxis("top", functions=(lambda x: x * exact_ms, lambda x: x / exact_ms))
    top.set_xlabel(f"milliseconds (exact: {exact_ms:.0f})")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1))
    axes.set_title(f"{layer}, n = {rows[0]['seq']}")
    figure.savefig(name, dpi=140)
    plt.close(figure)


def draw_all(rows, folder):
    for layer in dict.fromkeys(row["layer"] for row in rows):
        chosen = [row for row in rows if row["layer"] == layer]
        draw_layer(layer, chosen, os.path.join(folder, f"pareto_{layer}.png"))
