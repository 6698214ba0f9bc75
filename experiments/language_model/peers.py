"""The same prefill by other programs on the same file: subquad exact and sparse, PyTorch f32, OpenVINO
GenAI dense and sparse, llama.cpp. Contenders take turns; one that is not installed is left out."""
import json
import os
import subprocess
import sys

import pictures
import tables
from perplexities import expected_seconds
from shared import HERE
from store import Store
from tool import run_json
from work import Job, run_all

KEY = ["text", "tokens", "threads", "contender", "round"]
METHODS = ["exact", "sink(4)+window(512)", "hyper"]
# name, script, its word, the package it imports
PROGRAMS = [("PyTorch f32", "peer_torch.py", "", "torch, transformers, accelerate"),
            ("llama.cpp", "peer_llama.py", "", "llama_cpp"),
            ("OpenVINO dense", "peer_openvino.py", "dense", "openvino_genai"),
            ("OpenVINO dense, its own precisions", "peer_openvino.py", "defaults",
             "openvino_genai"),
            ("OpenVINO TRISHAPE", "peer_openvino.py", "trishape", "openvino_genai"),
            ("OpenVINO XATTENTION", "peer_openvino.py", "xattention", "openvino_genai")]
PACKAGES = ["gguf tokenizers numpy", "openvino-genai", "llama-cpp-python", "torch transformers accelerate"]


def add_options(parser):
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--text", default="wikitext")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--method", action="append", help="specs of subquad, instead of the list")
    parser.add_argument("--only", default="", help="contenders with this in their name")
    parser.add_argument("--install", action="store_true",
                        help="make an environment in OUT/cache/peers with the other programs, and end")
    parser.add_argument("--torch-env", help="for --install: take PyTorch from this environment")


def quick(options):
    options.tokens, options.rounds = 1024, 1


def folder_of(options):
    """Beside the results of --quick, too: one environment for both."""
    out = os.path.dirname(options.out) if options.quick else options.out
    return os.path.join(out, "cache")


def python_of(options):
    return os.path.join(folder_of(options), "peers", "bin", "python")


def site_of(environment):
    """The folder of an environment's packages."""
    done = subprocess.run([os.path.join(environment, "bin", "python"), "-c",
                           "import sysconfig; print(sysconfig.get_path('purelib'))"],
                          capture_output=True, text=True, check=True)
    return done.stdout.strip()


def install(options):
    """Each package for itself: one that cannot be installed leaves its contender out."""
    home = os.path.join(folder_of(options), "peers")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    packages = PACKAGES
    if options.torch_env:
        with open(os.path.join(site_of(home), "torch.pth"), "w") as file:
            file.write(site_of(options.torch_env) + "\n")
        packages = [p.replace("torch ", "") for p in packages]
    failed = 0
    for names in packages:
        print(f"installing {names}", flush=True)
        done = subprocess.run([os.path.join(home, "bin", "pip"), "install", "-q", *names.split()],
                              env=dict(os.environ, CMAKE_BUILD_PARALLEL_LEVEL="1"))
        failed += done.returncode != 0
    return failed


def write_prompt(tool, options):
    """Writes the tokens (JSON) and their text, for all contenders the same; their paths' common part."""
    path, skip = tool.text_of(options.text)
    stem = os.path.join(folder_of(options), f"prompt_{pictures.text_name(path)}_{options.tokens}")
    if not os.path.exists(stem + ".json"):
        subprocess.run([python_of(options), os.path.join(HERE, "peer_tokens.py"), tool.model, path,
                        str(skip), str(options.tokens), stem], check=True)
    return stem


def run_subquad(tool, options, stem, method, score):
    """The prefill with the next token's scores; with `score` also the perplexity's whole command."""
    (found,) = run_json([tool.subquad, "lm", "generate", "--model", tool.model, "--prompt-file",
                        stem + ".txt", "--method", method, "--max-tokens", "1", "--threads",
                        str(tool.threads)])["runs"]
    note = "" if found["prompt_tokens"] == options.tokens else f"{found['prompt_tokens']} tokens"
    record = {"prefill_s": found["prefill_s"], "note": note}
    if score:
        runs, _ = tool.perplexity(options.text, options.tokens, [method], "all")
        record |= {"score_s": runs[0]["total_s"], "perplexity": runs[0]["perplexity"]}
    return record


def run_program(tool, options, stem, script, word, score):
    command = [python_of(options), os.path.join(HERE, script), "--model", tool.model, "--ids",
               stem + ".json", "--threads", str(tool.threads)]
    command += (["--mode", word] if word else []) + (["--score"] if score else [])
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        error = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(f"{script} {word}: {error[-1]}")
    return json.loads(lines[-1])


def is_installed(python, packages):
    return os.path.exists(python) and subprocess.run(
        [python, "-c", f"import {packages}"], capture_output=True).returncode == 0


def contenders(tool, options, stem):
    """(name, a call with whether to score that gives a record), those installed."""
    for method in options.method or METHODS:
        yield f"subquad {method}", (
            lambda score, method=method: run_subquad(tool, options, stem, method, score))
    for name, script, word, packages in PROGRAMS:
        if options.only not in name:
            continue
        if not is_installed(python_of(options), packages):
            print(f"{name}: not installed (run peers --install): left out", file=sys.stderr)
            continue
        yield name, (lambda score, script=script, word=word:
                     run_program(tool, options, stem, script, word, score))


def one(store, key, call):
    record = key | {"prefill_s": None, "score_s": None, "perplexity": None, "note": ""}
    store.add(record | call(key["round"] == 0))
    last = store.records[-1]
    quality = f", perplexity {last['perplexity']:.4f}" if last["perplexity"] else ""
    return f"round {key['round'] + 1}: {key['contender']} {last['prefill_s']:.2f} s{quality}"


def jobs_of(tool, options, store):
    if not is_installed(python_of(options), "gguf, tokenizers"):
        sys.exit("language_model: peers needs its environment: run peers --install first")
    stem = write_prompt(tool, options)
    named = [c for c in contenders(tool, options, stem) if options.only in c[0]]
    for turn in range(options.rounds):
        for name, call in named:
            key = {"text": options.text, "tokens": options.tokens, "threads": tool.threads,
                   "contender": name, "round": turn}
            if not store.has(**key):
                yield Job(expected_seconds(options.tokens) * (1 if turn else 2),
                          lambda key=key, call=call: one(store, key, call))


def run(tool, options):
    if options.install:
        return install(options)
    store = Store(os.path.join(options.out, "peers.jsonl"), KEY)
    failed = 0
    if not options.draw:
        failed = run_all(list(jobs_of(tool, options, store)), "peers", options.minutes)
    if store.records:
        tables.write(options.out, "peers", store.records, tables.peers(store.records))
        rows = [(name, tables.median(group, "prefill_s"), tables.median(group, "perplexity"))
                for (name,), group in tables.grouped(store.records, "contender").items()]
        pictures.peers(rows, options.out)
    return failed
