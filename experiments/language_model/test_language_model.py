"""The experiment without a model: a stand-in for the tool whose numbers are known."""
import contextlib
import csv
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

import shared
import figure3
import figure5
import language_model
import peers
import perplexities
import pictures
import rope
import single_layers
import tables
import work
from store import Store

EXACT = {"perplexity": 16.0, "attention_s": 12.0, "total_s": 24.0, "path": "exact"}


class FakeTool:
    """Perplexity 16 + replaced layers / 10 for every method but exact; attention takes 3 s a method
    of all 30 layers, 12 s exact."""
    threads = 2

    def __init__(self, failing=()):
        self.commands, self.failing = [], failing

    def run_of(self, method, layers):
        count = {"all": 30}.get(layers) or (int(layers[5:]) if "last:" in layers else 1)
        attention = 12 - 9 * count / 30
        own = {"perplexity": 16 + count / 10, "attention_s": attention, "total_s": 12 + attention,
               "path": "hyper:exact" if method == "far" else "window"}
        return {"method": method, "perplexity_last_2048": None, "rope_base": 1e5,
                "scored_entries": 1, "fallback_rows": 0, "negative_rows": 0,
                "exact_heads": 0} | (EXACT if method == "exact" else own)

    def perplexity(self, text, tokens, methods, layers, rope_base=None):
        self.commands.append((text, tokens, layers, methods))
        if set(methods) & set(self.failing):
            raise RuntimeError("not finite")
        return [self.run_of(method, layers) for method in methods], "a processor"

    def write_layers(self, text, tokens, layers, folder):
        self.commands.append(("layers", tokens))
        os.makedirs(folder)

    def diagnose(self, layer, lengths, probes, skip):
        """alpha = sqrt(n), a hundredth of it without the first columns."""
        self.commands.append((os.path.basename(layer), tuple(lengths), tuple(probes), skip))
        return [self.probe(n, head, probes, skip) for n in lengths for head in (0, 1, "worst")]

    @staticmethod
    def probe(n, head, probes, skip):
        alpha = math.sqrt(n) / (100 if skip else 1) if "alpha" in probes else None
        rank = 7.0 if "stable_rank" in probes else None
        return {"input": "x", "head": head, "seq": n, "skip_columns": skip, "alpha": alpha,
                "alpha_over_n": alpha and alpha / n, "log10_kappa": rank, "stable_rank": rank}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = folder.name

    def options(self, *words):
        options = language_model.read_options([*words, "--out", self.out])
        os.makedirs(options.out, exist_ok=True)
        return options

    def run_quietly(self, module, tool, options):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return module.run(tool, options)

    def rows(self, name):
        with open(os.path.join(self.out, name), newline="") as file:
            return list(csv.DictReader(file))

    def check_picture(self, name):
        self.assertGreater(os.path.getsize(os.path.join(self.out, name)), 10000)


class StoreTest(Case):
    def test_goes_on_after_a_line_that_was_cut(self):
        path = os.path.join(self.out, "x.jsonl")
        store = Store(path, ["a", "b"])
        store.add({"a": 1, "b": None, "value": 0.5})
        store.add({"a": 2, "b": "x", "value": 1.5})
        with open(path, "a") as file:
            file.write('{"a": 3, "b": "cut o')
        again = Store(path, ["a", "b"])
        self.assertEqual(again.records, store.records)
        self.assertTrue(again.has(a=1, b=None))
        self.assertFalse(again.has(a=3, b="cut o"))
        again.add({"a": 3, "b": "y", "value": 2.5})
        self.assertEqual([r["value"] for r in Store(path, ["a", "b"]).records], [0.5, 1.5, 2.5])


class WorkTest(Case):
    def test_stops_before_what_does_not_fit(self):
        job = work.Job(10, str)
        self.assertTrue(work.fits(job, 0, 0, 1))
        self.assertTrue(work.fits(job, 10, 1000, 0))  # no limit
        self.assertTrue(work.fits(job, 20, 40, 1))  # 40 s + 20 s
        self.assertFalse(work.fits(job, 20, 41, 1))

    def test_counts_failures_and_goes_on(self):
        ran = []

        def fail():
            raise RuntimeError("broken")

        jobs = [work.Job(1, fail), work.Job(1, lambda: ran.append(1) or "fine")]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(work.run_all(jobs, "test"), 1)
        self.assertEqual(ran, [1])


class Figure3(Case):
    def test_order(self):
        cells = figure3.cells(self.options("figure3"))
        self.assertEqual(cells[:3], [("wikitext", 8192, last) for last in (30, 20, 10)])
        self.assertEqual(len(cells), 2 * 4 * 6)
        self.assertEqual(len(set(cells)), len(cells))
        with_text = [cell[0] for cell in cells]
        self.assertEqual(with_text, sorted(with_text, reverse=True))  # the first text, then the other

    def test_records_and_resumes(self):
        options = self.options("figure3", "--tokens", "8192,16384", "--last", "30,10", "--text",
                               "wikitext", "--method", "hyper", "--method", "far", "--together", "1")
        tool = FakeTool()
        self.assertEqual(self.run_quietly(figure3, tool, options), 0)
        self.assertEqual(tool.commands[0], ("wikitext", 8192, "last:30", ["exact", "hyper"]))
        self.assertEqual(len(tool.commands), 8)
        rows = self.rows("figure3.csv")
        self.assertEqual(len(rows), 8 + 2)  # and exact at each length
        (row,) = [r for r in rows if (r["method"], r["tokens"], r["last"]) == ("hyper", "8192", "30")]
        self.assertEqual(float(row["attention_speedup"]), 4.0)
        self.assertEqual(float(row["prefill_speedup"]), 1.6)
        self.assertEqual(float(row["exact_perplexity"]), 16.0)
        self.check_picture("figure3_wikitext.png")
        more = self.options("figure3", "--tokens", "8192,16384", "--last", "30,10", "--text",
                            "wikitext", "--method", "hyper", "--method", "far", "--also", "topk(k=9)")
        self.run_quietly(figure3, tool, more)
        self.assertEqual({tuple(c[3]) for c in tool.commands[8:]}, {("exact", "topk(k=9)")})
        self.assertEqual(len(tool.commands), 12)

    def test_a_long_text_has_its_own_base(self):
        options = self.options("figure3", "--tokens", "8192,16384", "--last", "30", "--long-base", "7")
        left = list(figure3.pending(options, Store(os.path.join(self.out, "x"), perplexities.KEY)))
        self.assertEqual({(w["tokens"], w["base"]) for w, _ in left}, {(8192, None), (16384, 7)})

    def test_one_failing_method_does_not_stop_the_others(self):
        options = self.options("figure3", "--tokens", "1024", "--last", "30", "--text", "wikitext",
                               "--method", "hyper", "--method", "bad", "--method", "recursion")
        tool = FakeTool(failing=["bad"])
        self.assertEqual(self.run_quietly(figure3, tool, options), 1)
        self.assertEqual({r["method"] for r in self.rows("figure3.csv")},
                         {"exact", "hyper", "recursion"})

    def test_table(self):
        runs = [FakeTool().run_of(m, "last:30") for m in ("exact", "far")]
        at = {"text": "t", "tokens": 1024, "base": None}
        records = [perplexities.record_of(r, runs[0], at | {"layers": "x"}, "p") | {"last": last}
                   for r, last in zip(runs, (0, 30))]
        table = tables.figure3(records)
        self.assertIn("exact 16.0000", table)
        self.assertIn("| `far` | 19, 4x, 1.6x, exact |", table)


class Layers(Case):
    def test_exact_once_and_the_excess(self):
        options = self.options("layers", "--layers", "3,7")
        tool = FakeTool()
        self.run_quietly(single_layers, tool, options)
        self.assertEqual([c[2] for c in tool.commands], ["all", "3-3", "7-7"])
        self.assertEqual(tool.commands[1][3], single_layers.METHODS)
        for row in self.rows("layers.csv"):
            self.assertAlmostEqual(float(row["excess"]), 0.1 / 16, places=12)
        self.check_picture("layers.png")


class Figure5(Case):
    def test_slopes_and_resuming(self):
        options = self.options("figure5", "--layers", "0,4", "--lengths", "256,1024", "--rank-length",
                               "64")
        tool = FakeTool()
        self.run_quietly(figure5, tool, options)
        self.assertEqual(tool.commands[0], ("layers", 1024))
        self.assertEqual(len(tool.commands), 1 + 2 * 3)
        self.assertFalse(os.path.exists(os.path.join(self.out, "cache", "layers")))
        self.assertEqual(len(self.rows("figure5.csv")), 2 * 2 * (2 + 2 + 1))
        probes = figure5.flat(Store(os.path.join(self.out, "figure5.jsonl"), figure5.KEY).records)
        for skip in (0, 32):
            found = pictures.slopes([p for p in probes if p["alpha"]], skip)
            self.assertEqual(set(found), {(0, 0), (0, 1), (4, 0), (4, 1)})
            for slope in found.values():
                self.assertAlmostEqual(slope, 0.5, places=9)
        self.assertIn("| 32 | 1024 | 4 | 0.000313 |", tables.figure5(probes))
        self.check_picture("figure5.png")
        self.run_quietly(figure5, tool, options)  # nothing left: not even the layers
        self.assertEqual(len(tool.commands), 7)


class Rope(Case):
    def test_each_base_once(self):
        options = self.options("rope", "--bases", "2,3")
        tool = FakeTool()
        self.run_quietly(rope, tool, options)
        self.run_quietly(rope, tool, options)
        self.assertEqual([c[3] for c in tool.commands], [["exact"], ["exact"]])


class Peers(Case):
    def records(self):
        for turn, seconds in enumerate((4.0, 8.0, 5.0)):
            for name, factor in (("subquad exact", 1), ("other", 3)):
                yield {"text": "t", "tokens": 9, "threads": 2, "contender": name, "round": turn,
                       "prefill_s": factor * seconds, "score_s": None if turn else 6.0 * factor,
                       "perplexity": None if turn else 15.5, "note": "n"}

    def test_medians_and_ratios(self):
        table = tables.peers(list(self.records()))
        self.assertIn("| other | 3 | 15.00 | 3.00 | 18.00 | 3.00 | 15.5000 | n |", table)

    def test_draws_what_was_measured(self):
        options = self.options("peers", "--draw")
        with open(os.path.join(self.out, "peers.jsonl"), "w") as file:
            file.writelines(json.dumps(r) + "\n" for r in self.records())
        self.assertEqual(self.run_quietly(peers, FakeTool(), options), 0)
        self.check_picture("peers.png")

    def script(self, name, text):
        path = os.path.join(self.out, name)
        with open(path, "w") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def test_reads_what_subquad_generate_says(self):
        options, tool = self.options("peers", "--tokens", "9"), FakeTool()
        tool.subquad = self.script("subquad", 'echo \'{"runs": [{"prompt_tokens": 8, "prefill_s": '
                                   '1.5}]}\'\n')
        tool.model = "m"
        found = peers.run_subquad(tool, options, "stem", "hyper", True)
        self.assertEqual(found["prefill_s"], 1.5)
        self.assertEqual(found["note"], "8 tokens")  # not the 9 that were asked for
        self.assertEqual((found["score_s"], found["perplexity"]), (15.0, 19.0))
        self.assertNotIn("perplexity", peers.run_subquad(tool, options, "stem", "hyper", False))

    def test_a_program_that_fails_is_named(self):
        options, tool = self.options("peers"), FakeTool()
        tool.model = "m"
        os.makedirs(os.path.join(self.out, "cache", "peers", "bin"))
        self.script("cache/peers/bin/python", "echo first >&2; echo 'no such kernel' >&2; exit 3\n")
        with self.assertRaisesRegex(RuntimeError, "peer_x.py dense: no such kernel"):
            peers.run_program(tool, options, "stem", "peer_x.py", "dense", True)
        self.script("cache/peers/bin/python", "echo noise; echo \'{\"prefill_s\": 2}\'\n")
        self.assertEqual(peers.run_program(tool, options, "stem", "peer_x.py", "", False),
                         {"prefill_s": 2})

    def test_says_what_to_do_without_its_environment(self):
        with self.assertRaisesRegex(SystemExit, "run peers --install"):
            self.run_quietly(peers, FakeTool(), self.options("peers"))


class Program(Case):
    def run_program(self, **environment):
        return subprocess.run([sys.executable, os.path.join(shared.HERE, "language_model.py"),
                               "figure3", "--quick", "--out", self.out, "--subquad", "/nowhere"],
                              env=dict(os.environ, **environment), capture_output=True, text=True)

    def test_names_a_model_that_is_not_there(self):
        done = self.run_program(SUBQUAD_TEST_GGUF="/nowhere/m.gguf")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere/m.gguf: no such file", done.stderr)

    def test_quick_has_a_folder_of_its_own(self):
        self.assertEqual(self.options("figure3", "--quick").out, os.path.join(self.out, "quick"))


if __name__ == "__main__":
    unittest.main()
