"""The commands of `subquad` that the experiment runs."""
import json
import os
import subprocess

from shared import TEXTS


def run_json(words):
    """What `--json -` prints. RuntimeError with the last line of stderr when it fails."""
    done = subprocess.run([*words, "--json", "-"], capture_output=True, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"{words[0]}: exit code {done.returncode}")
    return json.loads(done.stdout)


class Tool:
    """A binary, a model, a folder of texts, a number of threads."""

    def __init__(self, options):
        self.subquad, self.model = options.subquad, options.model
        self.texts, self.threads = options.texts, options.threads

    def text_of(self, name):
        """Path, skipped characters. A name of shared.TEXTS, or a file, from its beginning."""
        if name not in TEXTS:
            return name, 0
        file, skip = TEXTS[name]
        return os.path.join(self.texts, file), skip

    def model_words(self, text, tokens, rope_base=None):
        path, skip = self.text_of(text)
        base = ["--rope-base", str(rope_base)] if rope_base else []
        return ["--model", self.model, "--text", path, "--skip-chars", str(skip),
                "--tokens", str(tokens), "--threads", str(self.threads), *base]

    def perplexity(self, text, tokens, methods, layers, rope_base=None):
        """The runs of one command, and the processor."""
        chosen = [word for method in methods for word in ("--method", method)]
        answer = run_json([self.subquad, "lm", "perplexity", "--layers", layers, *chosen,
                           *self.model_words(text, tokens, rope_base)])
        return answer["runs"], answer["machine"]["processor"]

    def write_layers(self, text, tokens, layers, folder):
        run_json([self.subquad, "lm", "layers", "--layers", ",".join(map(str, layers)),
                  "--dtype", "f16", "--out", folder, *self.model_words(text, tokens)])

    def diagnose(self, layer, lengths, probes, skip):
        return run_json([self.subquad, "diagnose", layer, "--probes", ",".join(probes),
                         "--lengths", ",".join(map(str, lengths)), "--skip-columns", str(skip),
                         "--threads", str(self.threads)])["probes"]
