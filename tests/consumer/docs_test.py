#!/usr/bin/env python3
"""Compiles and runs the code of the documentation against an installed subquad, and checks the
commands that it shows.

Usage: docs_test.py SOURCE PREFIX LIBDIR COMPILER WORK

Code blocks (fences ```cpp, ```c, ```cmake, ```sh) of every .md file; an HTML comment on the line
before the fence says how:
    <!-- file: NAME -->           a file of the document's project: NAME is written down, and where one
                                  is CMakeLists.txt, CMake builds them and every executable is run
    <!-- run -->                  shell commands, run among the document's files with pkg-config ready
    <!-- wrap: NAME -->           lines of C++ for the place `// SNIPPET` of snippets/NAME.cc
    <!-- not compiled: REASON --> left alone, as are <!-- row --> and files of the source tree
                                  (src/..), which tests/house/new_part_test.py builds
A C++ or C block without a comment is a complete program. Programs fail by their exit code.

Commands (lines and `inline` code that start with `subquad`, or with a path to it): the command and
each option must be in --help, and each spec after --method must run on a small layer.
"""
import re
import shlex
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

NOTE = re.compile(r"^<!-- (file|run|wrap|row|not compiled)(?:: (.+))? -->$")
FENCE = re.compile(r"^```(\w*)\s*$")
COMPILED = {"cpp", "c", "cmake"}


@dataclass
class Block:
    place: str  # README.md:12
    document: Path
    language: str
    kind: str  # of the comment; "" without one
    argument: str
    text: str


def documents(source):
    found = [source / "README.md", source / "CONTRIBUTING.md"]
    for folder in ("docs", "experiments"):
        found += sorted((source / folder).rglob("*.md"))
    return found


def blocks_of(document, source):
    lines = document.read_text().splitlines()
    note, start, language = None, None, ""
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if start is not None and fence:
            kind, argument = note.groups() if note else ("", "")
            place = f"{document.relative_to(source)}:{start}"
            text = "\n".join(lines[start:number - 1]) + "\n"
            yield Block(place, document, language, kind, argument or "", text)
            note, start = None, None
        elif start is None and fence:
            start, language = number, fence.group(1)
        elif start is None and line.strip():
            note = NOTE.match(line.strip())


class Failure(Exception):
    pass


class Tester:
    def __init__(self, source, prefix, libdir, compiler, work):
        self.source, self.prefix, self.compiler, self.work = source, prefix, compiler, work
        self.static = not list(libdir.glob("libsubquad.so"))
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8",
                            "PKG_CONFIG_PATH": str(libdir / "pkgconfig"),
                            "LD_LIBRARY_PATH": str(libdir)}
        self.tool = prefix / "bin" / "subquad"
        words = ["pkg-config", "--cflags", "--libs", "subquad"] + ["--static"] * self.static
        self.flags = shlex.split(self.run("pkg-config", words, work))

    def run(self, what, words, folder):
        result = subprocess.run(words, cwd=folder, env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        if result.returncode != 0:
            raise Failure(f"{what}: exit code {result.returncode}\n{result.stdout}")
        return result.stdout

    def compile_and_run(self, block, name, text):
        suffix, standard = (".c", "-std=c99") if block.language == "c" else (".cc", "-std=c++20")
        program = self.work / name
        code = program.with_suffix(suffix)
        code.write_text(text)
        language = ["-x", "c"] if block.language == "c" else []
        self.run(block.place, [self.compiler, *language, standard, "-Wall", "-Wextra", "-Werror",
                               str(code), "-x", "none", "-o", str(program), *self.flags], self.work)
        self.run(block.place, [str(program)], self.work)

    # --- blocks ---------------------------------------------------------------------------------

    def test_wrapped(self, block):
        wrapper = self.source / "tests/consumer/snippets" / f"{block.argument}.cc"
        if not wrapper.exists():
            raise Failure(f"{block.place}: no {wrapper.relative_to(self.source)}")
        includes = re.findall(r"^#include.*$", block.text, re.M)
        body = re.sub(r"^#include.*$", "", block.text, flags=re.M)
        before, after = wrapper.read_text().split("// SNIPPET\n")
        self.compile_and_run(block, block.argument, "\n".join([*includes, before + body + after]))

    def test_program(self, block):
        if not re.search(r"\bint main\(", block.text):
            raise Failure(f"{block.place}: no main(), and no comment says what else it is")
        self.compile_and_run(block, re.sub(r"\W", "_", block.place), block.text)

    def test_project(self, files):
        folder = self.work / re.sub(r"\W", "_", files[0].place.split(":")[0])
        folder.mkdir(exist_ok=True)
        for block in files:
            (folder / block.argument).write_text(block.text)
        lists = [block for block in files if block.argument == "CMakeLists.txt"]
        if lists:
            self.build_with_cmake(lists[0], folder)
        return folder

    def build_with_cmake(self, lists, folder):
        build = folder / "build"
        self.run(lists.place, ["cmake", "-G", "Ninja", "-S", str(folder), "-B", str(build),
                               f"-DCMAKE_PREFIX_PATH={self.prefix}"], folder)
        self.run(lists.place, ["cmake", "--build", str(build)], folder)
        for name in re.findall(r"add_executable\((\w+)", lists.text):
            self.run(f"{lists.place}: {name}", [str(build / name)], folder)

    def test_document(self, blocks):
        """The files of one document, and then its commands, which may use them."""
        files = [block for block in blocks if block.kind == "file" and "/" not in block.argument]
        folder = self.test_project(files) if files else self.work
        for block in blocks:
            if block.kind == "run" and not self.static:  # the page's pkg-config lines are for shared
                self.run(block.place, ["sh", "-euc", block.text], folder)

    def jobs(self):
        for document in documents(self.source):
            blocks = list(blocks_of(document, self.source))
            if any(block.kind in ("file", "run") for block in blocks):
                yield lambda blocks=blocks: self.test_document(blocks)
            for block in blocks:
                if block.kind == "wrap":
                    yield lambda block=block: self.test_wrapped(block)
                elif block.kind == "" and block.language in COMPILED:
                    yield lambda block=block: self.test_program(block)

    # --- commands -------------------------------------------------------------------------------

    def prepare_commands(self):
        self.run("synth", [str(self.tool), "synth", "s.safetensors", "--n", "256", "--heads", "1",
                           "--head-dim", "16"], self.work)
        write_npy(self.work / "p.npy", (64, 2))
        self.help = {name: self.help_of(name) for name in subcommands(self.help_of())}
        for name, text in self.help.items():  # bench attention
            self.help[name] += "".join(self.help_of(name, below) for below in subcommands(text))
        self.specs = {}  # by (command, spec): what was wrong, or ""

    def help_of(self, *words):
        return self.run("--help", [str(self.tool), *words, "--help"], self.work)

    def try_spec(self, command, spec):
        """The complaint of a spec that runs neither with nor without a causal mask."""
        kernel = "kernel --queries p.npy --keys p.npy --x p.npy --bandwidth 1 --out y.npy".split()
        layer = ["diagnose" if command == "diagnose" else "attend", "s.safetensors", "--causal"]
        sums = ("kernel", "spectrum", "solve", "denoise")
        for words in [kernel] if command in sums else [layer + ["none"], layer + ["top_left"]]:
            result = subprocess.run([str(self.tool), *words, "--method", spec], cwd=self.work,
                                    env=self.environment, text=True, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, timeout=60)
            if result.returncode == 0:
                return ""
        return result.stderr

    def check_spec(self, place, command, spec):
        if not re.match(r"[a-z]", spec) or "given" in spec or ".." in spec:
            return  # a placeholder, or one that needs files
        if (command, spec) not in self.specs:
            self.specs[command, spec] = self.try_spec(command, spec)
        if self.specs[command, spec]:
            raise Failure(f"{place}: --method {spec}: {self.specs[command, spec]}")

    def check_command(self, place, text):
        words = words_of(text)
        name = words[1] if len(words) > 1 else ""
        if not re.match(r"[a-z]", name):
            return  # `subquad COMMAND --help`, `subquad --version`
        if name not in self.help:
            raise Failure(f"{place}: subquad has no command '{name}'")
        for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)):
            if not re.search(rf"{option}(?![\w-])", self.help[name]):
                raise Failure(f"{place}: subquad {name} has no option {option}")
        for flag, value in zip(words, words[1:]):
            if flag == "--method":
                self.check_spec(place, name, value)


def subcommands(help_text):
    return re.findall(r"^  (\w+) ", help_text.partition("Subcommands:")[2], re.M)


def words_of(text):
    """A command's words, without the brackets around what may be left out."""
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        words = text.split()
    return [word.strip("[]") if word.startswith("[") or "(" not in word else word for word in words]


def write_npy(path, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    values = [(37 * i % 101) / 50 for i in range(shape[0] * shape[1])]
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
                     struct.pack(f"<{len(values)}f", *values))


COMMAND = re.compile(r"^(?:\S*/)?subquad(?= )")


def commands_of(document, source):
    """(place, text) of every command line, continued lines joined."""
    text = re.sub(r"\\\n\s*", "  ", document.read_text())
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{document.relative_to(source)}, near line {number}"
        shown = line.strip()
        if line.startswith("    ") and COMMAND.match(shown):
            yield place, COMMAND.sub("subquad", shown)
        for inline in re.findall(r"`(subquad [^`]+)`", line):
            yield place, inline


def main():
    source, prefix, libdir, compiler, work = sys.argv[1:]
    work = Path(work)
    work.mkdir(parents=True, exist_ok=True)
    tester = Tester(Path(source), Path(prefix), Path(libdir), compiler, work)
    jobs = list(tester.jobs())
    if tester.tool.exists():
        tester.prepare_commands()
        for document in documents(tester.source):
            for place, text in commands_of(document, tester.source):
                jobs.append(lambda place=place, text=text: tester.check_command(place, text))
    failures = []

    def attempt(job):
        try:
            job()
        except (Failure, subprocess.TimeoutExpired) as failure:
            failures.append(str(failure))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(attempt, jobs))
    print(f"{len(jobs)} code blocks and commands, {len(failures)} wrong")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
