"""CPU times and errors of kernel densities; see run."""
import json
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

DENSITIES = (1e-2, 1e-3, 1e-4, 1e-5)
QUERIES, PEER_QUERIES = 1000, 50
# |N(0, 1)| is 0.798 on average: the half width of a mean relative error of 0.1 has this confidence.
ERROR, CONFIDENCE = 0.1, 0.575
METHODS = ("exact", "sampled", "deann(k=128)", "deann(k=1024)", "far(error=0.05)", "auto")
HASHED = ("hbe", "ckns")  # on the peers' queries: they take milliseconds each
PEERS = ("sklearn", "scipy")


def prepare(source, folder):
    """Standardised points and held-out queries of a set, as files."""
    files = {name: folder / f"{source.stem}_{name}.npy" for name in ("points", "queries", "few")}
    if not all(file.exists() for file in files.values()):
        rows = np.load(source).astype(np.float64)
        rows = rows[np.random.default_rng(1).permutation(len(rows))]
        rows = (rows - rows.mean(0)) / rows.std(0)
        np.save(files["queries"], rows[:QUERIES].astype(np.float32))
        np.save(files["few"], rows[:PEER_QUERIES].astype(np.float32))
        np.save(files["points"], rows[QUERIES:].astype(np.float32))
    return files


def kde(subquad, files, bandwidth, method, seed, out, queries="queries"):
    command = [subquad, "kde", "--points", files["points"], "--queries", files[queries],
               "--bandwidth", bandwidth, "--rel-error", ERROR, "--confidence", CONFIDENCE,
               "--method", method, "--seed", seed, "--cells", "--repeats", 3, "--threads", 1, "--json", "-", "--out", out]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["runs"][0], np.load(out)


def bandwidth(subquad, files, density, out):
    try:
        return kde(subquad, files, f"density={density}", "exact", 0, out)[0]["bandwidth"][0]
    except subprocess.CalledProcessError as error:
        if "duplicates" in error.stderr:
            return None
        raise


def tree(points, queries, sigma):
    """scikit-learn's ball or k-d tree, told the same relative error."""
    from sklearn.neighbors import KernelDensity
    d = points.shape[1]
    model = KernelDensity(bandwidth=sigma, rtol=ERROR, algorithm="kd_tree" if d < 20 else "ball_tree")
    model.fit(points)
    start = time.process_time()
    log = model.score_samples(queries)
    seconds = time.process_time() - start
    return seconds, np.exp(log + d / 2 * np.log(2 * np.pi) + d * np.log(sigma))


def scipy_kde(points, queries, sigma):
    """gaussian_kde takes one covariance, that of the data times a factor: whitened by sigma it is the
    sum that we want, up to its normalisation."""
    from scipy.stats import gaussian_kde
    model = gaussian_kde(points.T)
    d = points.shape[1]
    model.covariance = np.eye(d) * sigma ** 2
    model.cho_cov = np.eye(d) * sigma
    model.log_det = 2 * d * np.log(sigma) + d * np.log(2 * np.pi)
    start = time.process_time()
    values = model.evaluate(queries.T)
    seconds = time.process_time() - start
    return seconds, values * np.exp(d / 2 * np.log(2 * np.pi) + d * np.log(sigma))


def relative_error(found, wanted):
    kept = wanted > 0
    return float(np.mean(np.abs(found[kept] - wanted[kept]) / wanted[kept]))


def peer(name, files, sigma, wanted):
    points, queries = np.load(files["points"]), np.load(files["queries"])[:PEER_QUERIES]
    try:
        seconds, values = {"sklearn": tree, "scipy": scipy_kde}[name](points, queries, sigma)
    except np.linalg.LinAlgError:  # SciPy refuses columns that depend on each other
        return {"us": float("nan"), "error": float("nan")}
    return {"us": seconds / len(queries) * 1e6, "error": relative_error(values, wanted[: len(queries)])}


class Records:
    """JSON lines; what is there is not run again."""

    def __init__(self, path):
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows = {tuple(row["key"]): row for row in map(json.loads, lines)}

    def get(self, key, run):
        if key not in self.rows:
            self.rows[key] = {"key": key, **run()}
            with self.path.open("a") as file:
                file.write(json.dumps(self.rows[key]) + "\n")
        return self.rows[key]


def available(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def measure_row(subquad, files, name, density, rounds, records, folder):
    out = folder / "d.npy"
    sigma = records.get((name, density, "bandwidth"),
                        lambda: {"sigma": bandwidth(subquad, files, density, out)})["sigma"]
    if sigma is None:  # duplicates alone are denser
        return
    _, wanted = kde(subquad, files, sigma, "exact", 0, out)

    def ours(method, seed):
        queries = "few" if method in HASHED else "queries"
        try:
            run, values = kde(subquad, files, sigma, method, seed, out, queries)
        except subprocess.CalledProcessError as error:
            if "at most" not in error.stderr:  # far takes no more than 512 columns
                raise
            return {"us": float("nan"), "error": float("nan")}
        return {"us": min(run["cpu_s"]) / len(values) * 1e6,
                "error": relative_error(values, wanted[: len(values)]),
                "path": run["path"], "unmet": run["unmet"], "evaluations": run["scored_entries"]}

    for seed in range(rounds):
        for method in METHODS + (HASHED if seed == 0 else ()):
            records.get((name, density, method, seed), lambda: ours(method, seed))
        for module in PEERS if seed == 0 else ():
            if available(module):
                records.get((name, density, module, seed), lambda: peer(module, files, sigma, wanted))


def cell(records, name, density, method):
    rows = [row for key, row in records.rows.items() if key[:3] == (name, density, method)]
    if not rows:
        return "-"
    return (f'{statistics.median(row["us"] for row in rows):.4g} us, '
            f'{statistics.median(row["error"] for row in rows):.2g}')


def write_table(records, names, path):
    columns = METHODS + HASHED + PEERS
    lines = ["| set, mean density | " + " | ".join(columns) + " | auto took |", "|---" * (len(columns) + 2) + "|"]
    for name in names:
        for density in DENSITIES:
            chosen = records.rows.get((name, density, "auto", 0), {}).get("path", "-")
            cells = [cell(records, name, density, method) for method in columns]
            lines.append(f"| {name}, {density:g} | " + " | ".join(cells) + f" | {chosen} |")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


def main():
    subquad, data, folder, names, rounds = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    records = Records(folder / "records.jsonl")
    names = names.split(",")
    for name in names:
        files = prepare(pathlib.Path(data) / f"{name}.npy", folder)
        for density in DENSITIES:
            print(f"densities: {name} {density:g}", file=sys.stderr, flush=True)
            measure_row(subquad, files, name, density, int(rounds), records, folder)
    write_table(records, names, folder / "table.md")


if __name__ == "__main__":
    main()
