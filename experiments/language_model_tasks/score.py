"""Scores the task files: a JSON for each file, method and number of patched layers. What is there is kept."""
import json
import sys
import time

EXACT = "exact"


def slug(text):
    return "".join(c if c.isalnum() else "_" for c in text).strip("_")


def result_name(folder, family, length, method, layers):
    return folder / f"{family}_{length}_{slug(method)}_{'all' if method == EXACT else layers}.json"


def plan(out, seed, options):
    """(task file, result, method, layers) in the order that says most soonest."""
    folder = out / str(seed)
    jobs = []
    for length in options.lengths:
        runs = [(EXACT, 0)] + [(m, n) for n in options.layers for m in options.methods if m != EXACT]
        for method, layers in runs:
            for family in options.families:
                jobs.append((folder / f"{family}_{length}.jsonl",
                             result_name(folder, family, length, method, layers), method, layers))
    return jobs


def keep(report, name):
    """The first run of a report, without what the table has no use for."""
    run = report["runs"][0]
    part = name.with_suffix(".part")
    part.write_text(json.dumps(run))
    part.replace(name)


def score(tool, out, seed, options):
    jobs = plan(out, seed, options)
    todo = [job for job in jobs if not job[1].exists()]
    start = time.monotonic()
    for done, (tasks, name, method, layers) in enumerate(todo):
        spent = time.monotonic() - start
        if options.minutes and spent > 60 * options.minutes:
            print(f"stopped after {options.minutes} minutes, {len(todo) - done} left: run again to go on")
            return
        where = [] if method == EXACT else ["--layers", f"last:{layers}"]
        print(f"[{done + 1}/{len(todo)}] {spent:.0f} s  {tasks.stem}, {method}, "
              f"{'no' if method == EXACT else layers} layers", file=sys.stderr, flush=True)
        keep(tool.run(["--tasks", str(tasks), "--method", method, "--threads", str(options.threads),
                       "--seed", str(seed)] + where), name)
