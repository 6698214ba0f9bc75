"""Tasks that are well-formed and decided by the seed, intervals that respect contexts, the table's words."""
import json
import random
import tempfile
import types
import unittest
from pathlib import Path

import code_lines
import facts
import few_shot
import intervals
import keywords
import make
import retrieval
import score
import table


class SmallLibrary:
    """Made-up texts in the form of texts.Library; a token every four characters."""

    def __init__(self):
        rng = random.Random(0)
        words = [f"w{chr(97 + i % 26)}{i}" for i in range(400)]

        def paragraphs(count, extra=()):
            return [" ".join(rng.choices(words, k=50) + list(extra)) for _ in range(count)]

        self.novel, self.play = paragraphs(300), paragraphs(100)
        self.articles = [(f"t{i}", paragraphs(6, [f"Topic{chr(97 + i)}{c * 3}" for c in "defghk"]))
                         for i in range(20)]
        line = "    value = compute(first, second, number{0}) + offset{0} * another_thing;"
        self.code = {f"src/{folder}/f{i}.cc": "\n".join(line.format(f"{folder}{i}_{n}") for n in range(60))
                     for folder in "ab" for i in range(12)}
        texts = self.novel + self.play + [p for _, ps in self.articles for p in ps] + list(self.code.values())
        self.tokens = {text: len(text) // 4 + 1 for text in texts}

    def passage(self, rng, budget, paragraphs=None):
        taken = []
        for paragraph in paragraphs or self.novel[rng.randrange(50):]:
            budget -= self.tokens[paragraph]
            if budget < 0:
                break
            taken.append(paragraph)
        return taken


class Families(unittest.TestCase):
    library = SmallLibrary()

    def built(self, family, seed=3):
        return make.FAMILIES[family][0](self.library, random.Random(seed), 3000, 8)

    def test_every_question_has_four_choices_and_one_answer(self):
        for family in make.FAMILIES:
            with self.subTest(family):
                context, asked = self.built(family)
                self.assertEqual(len(asked), 8)
                self.assertGreater(len(context), 3000)
                for question in asked:
                    self.assertEqual(len(set(question["choices"])), 4)
                    self.assertIn(question["answer"], range(4))

    def test_the_seed_decides(self):
        for family in make.FAMILIES:
            self.assertEqual(self.built(family), self.built(family), family)
            self.assertNotEqual(self.built(family), self.built(family, 4), family)

    def test_planted_facts_decide(self):
        context, asked = self.built("single")
        for q in asked:
            self.assertIn(q["question"].split("Answer: ")[1] + q["choices"][q["answer"]] + ".", context)
        context, asked = self.built("multi")
        for q in asked:
            begin = q["question"].split("Answer: ")[1]
            stated = [begin + choice + "." in context for choice in q["choices"]]
            self.assertEqual(stated, [i == q["answer"] for i in range(4)])
            for choice in q["choices"]:
                self.assertIn(choice + ".", context)

    def test_pass_keys_and_numbers_are_in_the_context(self):
        context, asked = self.built("passkey")
        for q in asked:
            right = q["choices"][q["answer"]]
            self.assertIn(q["question"] + right + ".", " ".join(context.split()))
            for choice in q["choices"]:
                self.assertIn(choice + ".", context)
        context, asked = self.built("paragraph")
        for q in asked:
            self.assertIn(q["question"].split('"')[1] + q["choices"][q["answer"]], context)

    def test_shots_and_questions_are_apart(self):
        context, asked = self.built("few_shot")
        for q in asked:
            self.assertNotIn(q["question"], context)

    def test_code_answers_are_the_next_line(self):
        _, asked = self.built("code")
        for q in asked:
            name, shown = q["question"].split("\n", 1)
            self.assertIn(shown + q["choices"][q["answer"]], self.library.code[name.removeprefix("// ")])

    def test_contexts_shrink_until_they_fit(self):
        class Count:
            def count(self, lines, _):
                return [{"choices": [{"all_tokens": len(x["context"]) // 4 + 300}]} for x in lines]

        lines = make.make_context(self.library, Count(), "none", 1, "single", 2048, 0)
        self.assertLessEqual(len(lines[0]["context"]) // 4 + 300, 2048)
        self.assertEqual(len({line["context"] for line in lines}), 1)
        self.assertEqual(lines[5]["id"], "single/2048/0/5")


class Intervals(unittest.TestCase):
    def test_equal_questions_of_a_context_count_once(self):
        apart = [[i % 2] for i in range(40)]
        together = [[i % 2] * 10 for i in range(4)]
        low, high = intervals.interval(apart)
        self.assertAlmostEqual(high - low, 2 * 1.96 * (0.25 / 40) ** 0.5, delta=0.04)
        low, high = intervals.interval(together)
        self.assertAlmostEqual(low, 0)
        self.assertAlmostEqual(high, 1)

    def test_percentiles(self):
        self.assertAlmostEqual(intervals.percentile([3, 1, 2, 4], 0.5), 2.5)
        self.assertEqual(intervals.percentile([3, 1, 2], 1), 3)

    def test_covers(self):
        rng = random.Random(1)
        inside = 0
        for trial in range(60):
            levels = [rng.uniform(0.3, 0.9) for _ in range(12)]
            groups = [[float(rng.random() < level) for _ in range(8)] for level in levels]
            low, high = intervals.interval(groups, trial)
            inside += low <= 0.6 <= high
        self.assertGreaterEqual(inside, 49)


class Table(unittest.TestCase):
    options = types.SimpleNamespace(lengths=[2048], layers=[10], methods=["hyper"], families=["single"])

    def run_of(self, method, right):
        scores = [{"id": f"single/2048/{i // 8}/{i % 8}", "choices": [0] * 4, "right_by_sum": r}
                  for i, r in enumerate(right)]
        return {"method": method, "scores": scores, "prefill_tokens": 4000, "prefills": 2, "prefill_s": 1,
                "score_s": 1}

    def records(self, exact, hyper):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            (out / "1").mkdir()
            for _, name, method, _ in score.plan(out, 1, self.options):
                name.write_text(json.dumps(self.run_of(method, exact if method == "exact" else hyper)))
            return table.records(out, 1, self.options, {"single": "sum"})

    def test_changes_are_paired(self):
        exact, hyper = self.records([True] * 12 + [False] * 4, [True] * 8 + [False] * 8)
        self.assertEqual(exact["accuracy"], 0.75)
        self.assertEqual((exact["tasks"], exact["contexts"], exact["chance"]), (16, 2, 0.25))
        self.assertEqual(hyper["change"], -0.25)
        self.assertEqual((hyper["change_low"], hyper["change_high"]), (-0.5, 0))
        self.assertTrue(exact["able"])
        self.assertIn("is above chance", table.statement(exact))

    def test_without_scores_there_is_no_table(self):
        with tempfile.TemporaryDirectory() as folder:
            table.table(Path(folder), 1, self.options, {"single": "sum"})
            self.assertEqual(list(Path(folder).iterdir()), [])

    def test_says_what_the_model_cannot_do(self):
        exact, _ = self.records(([True] + [False] * 3) * 4, [True] * 16)
        self.assertFalse(exact["able"])
        self.assertIn("cannot do it", table.statement(exact))

    def test_scoring_begins_with_exact_and_keeps_results(self):
        plan = score.plan(Path("out"), 1, self.options)
        self.assertEqual([(method, layers) for _, _, method, layers in plan], [("exact", 0), ("hyper", 10)])
        calls = []
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "1").mkdir()
            tool = types.SimpleNamespace(run=lambda a: calls.append(a) or {"runs": [self.run_of("x", [True])]})
            options = types.SimpleNamespace(**vars(self.options), minutes=0, threads=1)
            score.score(tool, Path(folder), 1, options)
            score.score(tool, Path(folder), 1, options)
        self.assertEqual(len(calls), 2)
        self.assertIn("last:10", calls[1])


if __name__ == "__main__":
    unittest.main()
