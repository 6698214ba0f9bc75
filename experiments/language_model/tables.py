"""CSV files and Markdown tables of the measurements."""
import os

import shared  # noqa: F401: the folder of records
from perplexities import is_exact
from records import write_csv


def markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def write(folder, name, records, table):
    fields = list(dict.fromkeys(field for record in records for field in record))
    write_csv(records, os.path.join(folder, name + ".csv"), fields)
    with open(os.path.join(folder, name + ".md"), "w") as file:
        file.write(table)
    print(table, end="")


def grouped(records, *names):
    """Records by the values of these fields, in the order of their first appearance."""
    groups = {}
    for record in records:
        groups.setdefault(tuple(record[name] for name in names), []).append(record)
    return groups


def figure3_cell(record):
    if record is None:
        return ""
    mark = ", exact" if is_exact(record) and record["last"] else ""
    return (f"{record['perplexity']:.4g}, {record['attention_speedup']:.2g}x, "
            f"{record['prefill_speedup']:.2g}x{mark}")


def figure3(records):
    """A table for each text and length: methods against the number of replaced layers."""
    text = ""
    for (name, tokens), group in sorted(grouped(records, "text", "tokens").items()):
        counts = sorted({r["last"] for r in group if r["last"]})
        exact = [r for r in group if r["method"] == "exact"][0]
        text += (f"\n{name}, {tokens} tokens, rotary base {exact['rope_base']:g}: exact "
                 f"{exact['perplexity']:.4f}. Perplexity, speed of all attention and of the "
                 "prefill over exact's of the same command; layers replaced, the last ones:\n\n")
        rows = []
        for (method,), mine in grouped(group, "method").items():
            found = {r["last"]: r for r in mine}
            if method != "exact":
                rows.append([f"`{method}`", *(figure3_cell(found.get(c)) for c in counts)])
        text += markdown(["method", *map(str, counts)], rows)
    return text.lstrip("\n")


def layers(records):
    """For each method the layers in the order of what they cost."""
    text = ""
    for (name, tokens, method), group in grouped(records, "text", "tokens", "method").items():
        ranked = sorted(group, key=lambda r: r["excess"])
        text += f"\n{name}, {tokens} tokens, `{method}` in one layer; perplexity against exact:\n\n"
        text += markdown(["layer", "perplexity", "more than exact"],
                         [[str(r["layer"]), f"{r['perplexity']:.4f}", f"{100 * r['excess']:+.2f} %"]
                          for r in ranked])
    return text.lstrip("\n")


def rope(records):
    rows = [[r["text"], str(r["tokens"]), f"{r['rope_base']:g}", f"{r['perplexity']:.4f}",
             f"{r['perplexity_last_2048']:.4f}" if r["perplexity_last_2048"] else "-"]
            for r in sorted(records, key=lambda r: (r["text"], r["tokens"], r["rope_base"]))]
    return markdown(["text", "tokens", "base", "perplexity", "of the last 2,048"], rows)


def percent(values, share):
    ranked = sorted(values)
    return ranked[round(share * (len(ranked) - 1))]


def figure5(probes):
    """alpha / n: mean, median and tenth over layers and heads, for each length; then kappa and rank."""
    rows = []
    for (skip, tokens), group in sorted(grouped(probes, "skip_columns", "seq").items()):
        shares = [p["alpha_over_n"] for p in group if p["alpha_over_n"] is not None]
        if shares:
            rows.append([str(skip), str(tokens), str(len(shares)),
                         f"{sum(shares) / len(shares):.3g}",
                         *(f"{percent(shares, s):.3g}" for s in (0.1, 0.5, 0.9))])
    text = markdown(["columns left out", "n", "layers x heads", "alpha / n, mean", "10 %", "median",
                     "90 %"], rows)
    return text + "\n" + spreads(probes)


def spreads(probes):
    rows = []
    for (tokens,), group in sorted(grouped(probes, "seq").items()):
        for name in ("log10_kappa", "stable_rank"):
            values = [p[name] for p in group if p[name] is not None]
            if values:
                rows.append([name, str(tokens), str(len(values)),
                             *(f"{percent(values, s):.3g}" for s in (0, 0.1, 0.5, 0.9, 1))])
    return markdown(["", "n", "layers x heads", "least", "10 %", "median", "90 %", "most"], rows)


def peers(records):
    """Medians of the rounds; speeds over exact's of the same rounds."""
    groups = grouped(records, "contender")
    exact = groups.get(("subquad exact",), [])
    rows = []
    for (name,), group in groups.items():
        rows.append([name, str(len(group)), *(peer_cells(group, exact)), group[-1]["note"]])
    return markdown(["", "rounds", "prefill, s", "over exact", "with -log p, s", "over exact",
                     "perplexity", "note"], rows)


def median(records, name):
    values = [r[name] for r in records if r.get(name) is not None]
    return percent(values, 0.5) if values else None


def peer_cells(group, exact):
    cells = []
    for name in ("prefill_s", "score_s"):
        own, ours = median(group, name), median(exact, name)
        cells += [f"{own:.2f}" if own else "-", f"{own / ours:.2f}" if own and ours else "-"]
    value = median(group, "perplexity")
    return [*cells, f"{value:.4f}" if value else "-"]
