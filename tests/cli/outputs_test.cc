// Results appear whole or not at all, never in the place of what was read, and never get lost
// silently.
#include <csignal>
#include <chrono>
#include <thread>

#include "subquad/io.h"
#include "support.h"

namespace subquad::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

Words operator+(Words first, const Words& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// Every way to write a file: a command that reads `input` as `option`, and writes `output`.
struct Writer {
  std::string input, input_option, output_option;
  Words command;  // without the output
};

class OutputsTest : public CliTest {
 protected:
  OutputsTest() {
    write_layer(path("a.safetensors"));
    write_layer(path("b.npz"));
    write_text(path("shapes.json"), R"([{"seq": 16, "heads": 1, "head_dim": 8}])");
    write_matrix("q.npy", {9, 3});
    write_matrix("k.npy", {8, 3});
    write_matrix("x.npy", {8, 2});
  }

  void write_matrix(const std::string& name, const std::vector<std::int64_t>& shape) {
    const std::vector<float> values = smooth_values(shape, 0.3);
    const io::Tensor tensor{"a", io::ElementType::f32, shape, values.data()};
    io::write_file(path(name), {&tensor, 1});
  }

  static std::vector<Writer> writers() {
    const Words compare{"compare",   "a.safetensors", "b.npz", "--method",
                        "window(8)", "--repeats",     "1"};
    const Words kernel{"kernel", "--queries", "q.npy",       "--keys", "k.npy",
                       "--x",    "x.npy",     "--bandwidth", "1"};
    const Words with_out = kernel + Words{"--out", "y.npy"};
    const Words bench{"bench", "attention", "--repeats", "1", "--problem", "shapes.json"};
    const Words layer{"bench", "attention", "--repeats", "1", "--input", "b.npz"};
    return {{"a.safetensors", "INPUT", "--out", {"attend", "a.safetensors"}},
            {"a.safetensors", "INPUT", "--json", {"attend", "a.safetensors"}},
            {"a.safetensors", "INPUT", "--json", compare},
            {"b.npz", "INPUT", "--html", compare},
            {"b.npz", "INPUT", "--json", {"diagnose", "a.safetensors", "b.npz"}},
            {"shapes.json", "--problem", "--json", bench},
            {"b.npz", "--input", "--json", layer},
            {"q.npy", "--queries", "--out", kernel},
            {"k.npy", "--keys", "--out", kernel},
            {"x.npy", "--x", "--json", with_out}};
  }
};

TEST_F(OutputsTest, AnOutputThatIsAnInputIsRefused) {
  for (const Writer& writer : writers()) {
    SCOPED_TRACE(writer.command.front() + " " + writer.output_option + " " + writer.input);
    const std::string extension = fs::path(writer.input).extension();
    const std::string symbolic = "symbolic" + extension, hard = "hard" + extension;
    fs::create_symlink(writer.input, path(symbolic));
    fs::create_hard_link(path(writer.input), path(hard));
    const std::string before = read_text(path(writer.input));
    for (const std::string& name :
         {writer.input, "./" + writer.input, path(writer.input), symbolic, hard})
      expect_error(writer.command + Words{writer.output_option, name},
                   {writer.output_option + " " + name, writer.input_option + " " + writer.input});
    EXPECT_EQ(read_text(path(writer.input)), before);
    fs::remove(path(symbolic));
    fs::remove(path(hard));
  }
}

TEST_F(OutputsTest, AMaskThatIsAnOutputIsRefused) {
  expect_error(
      {"attend", "a.safetensors", "--method", "given", "--given", "b.npz", "--out", "b.npz"},
      {"--out b.npz", "--given b.npz"});
  expect_error(
      {"compare", "a.safetensors", "--method", "given", "--given", "b.npz", "--json", "b.npz"},
      {"--json b.npz", "--given b.npz"});
}

TEST_F(OutputsTest, TwoOutputsInOneFileAreRefused) {
  fs::create_symlink("o.npz", path("link.npz"));
  fs::create_directory(path("sub"));
  const Words attend{"attend", "a.safetensors", "--out", "o.npz", "--json"};
  for (const std::string name : {"o.npz", "./o.npz", "sub/../o.npz", "link.npz"})
    expect_error(attend + Words{name}, {"--json " + name, "--out o.npz"});
  expect_error({"compare", "a.safetensors", "--html", "r", "--json", "r"},
               {"--html r", "--json r"});
  write_text(path("old"), "here already");
  fs::create_hard_link(path("old"), path("other"));
  expect_error({"compare", "a.safetensors", "--html", "old", "--json", "other"},
               {"--html old", "--json other"});
  EXPECT_EQ(read_text(path("old")), "here already");
}

// Certain to fail at the end: refused at the start, in the words of the option.
TEST_F(OutputsTest, NamesThatNoResultCanHave) {
  fs::create_symlink("loop.npz", path("pool.npz"));
  fs::create_symlink("pool.npz", path("loop.npz"));
  fs::create_symlink("self.json", path("self.json"));
  const Words kernel{"kernel", "--queries", "q.npy",       "--keys", "k.npy",
                     "--x",    "x.npy",     "--bandwidth", "1"};
  expect_error({"attend", "a.safetensors", "--out", "loop.npz"}, {"--out loop.npz: ", "links"});
  expect_error({"attend", "a.safetensors", "--json", "self.json"}, {"--json self.json: ", "links"});
  expect_error(kernel + Words{"--out", "loop.npz"}, {"--out loop.npz: ", "links"});
  for (const std::string name : {".npz", ".safetensors", "./.npz"}) {
    const Words words{"--out " + name + ": has no name before the '"};
    expect_error({"attend", "a.safetensors", "--out", name}, words);
    expect_error(kernel + Words{"--out", name}, words);
  }
  expect_error({"synth", ".safetensors", "--n", "64"}, {"OUT .safetensors: has no name"});
}

TEST_F(OutputsTest, StandardOutputIsNoPlaceForAFile) {
  expect_error({"attend", "a.safetensors", "--out", "-"}, {"--out", "-"});
  expect_error({"compare", "a.safetensors", "--html", "-"}, {"--html -", "standard output"});
  const Outcome outcome = shell("exec \"$SUBQUAD\" attend a.safetensors --json r.json > r.json");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("--json r.json"), std::string::npos) << outcome.err;
  EXPECT_EQ(read_text(path("r.json")), "");
}

// Every command prints something; a full device takes none of it.
TEST_F(OutputsTest, ALostStandardOutputIsAnError) {
  const std::string matrices = "--queries q.npy --keys k.npy --x x.npy --bandwidth 1";
  for (const std::string& command : std::vector<std::string>{
           "info", "info --json -", "specs", "specs topk", "specs --markdown", "--help",
           "attend --help", "--version", "attend a.safetensors --out o.npz --json o.json",
           "attend a.safetensors --json -",
           "compare a.safetensors --repeats 1 --method window --html o.html --json o.json",
           "compare a.safetensors --repeats 1 --method window --json -",
           "diagnose a.safetensors --json o.json", "kernel " + matrices + " --out o.npy",
           "bench attention --seq 16 --repeats 1 --json o.json"}) {
    SCOPED_TRACE(command);
    const Words before = files();
    for (const std::string place : {"> /dev/full", ">&-"}) {
      const Outcome outcome = shell("exec \"$SUBQUAD\" " + command + " " + place);
      EXPECT_EQ(outcome.code, 1) << outcome.err;
      EXPECT_NE(outcome.err.find("subquad: cannot write to standard output"), std::string::npos)
          << outcome.err;
      EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
      EXPECT_EQ(outcome.err.find("cannot write", outcome.err.find("cannot write") + 1),
                std::string::npos)
          << "says it twice: " << outcome.err;
      EXPECT_EQ(files(), before);
    }
  }
}

TEST_F(OutputsTest, AClosedPipeIsAnError) {
  const Outcome outcome = shell(
      "{ \"$SUBQUAD\" attend a.safetensors --out o.npz; echo code $? >&2; } | sleep 0; exit 0");
  // The reader may have left before or after the summary was written.
  const bool lost = outcome.err.find("code 1") != std::string::npos;
  EXPECT_TRUE(lost || outcome.err.find("code 0") != std::string::npos) << outcome.err;
  EXPECT_EQ(fs::exists(path("o.npz")), !lost);
}

TEST_F(OutputsTest, ClosedStreamsAreNotMistakenForFiles) {
  const Outcome outcome =
      shell("exec \"$SUBQUAD\" attend a.safetensors --out o.safetensors <&- >&- 2>&-");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_FALSE(fs::exists(path("o.safetensors")));
  const Outcome silent = shell("exec \"$SUBQUAD\" synth o.safetensors --n 64 <&- >&- 2>&-");
  EXPECT_EQ(silent.code, 0);
  EXPECT_EQ(io::TensorFile::open(path("o.safetensors")).names().size(), 3u);
}

TEST_F(OutputsTest, AFullStderrChangesNothing) {
  const Outcome outcome = shell("exec \"$SUBQUAD\" attend none.safetensors 2> /dev/full");
  EXPECT_EQ(outcome.code, 2);
}

// Files cannot grow beyond 8 or 16 kB (sh counts blocks of 512 or 1,024 bytes).
TEST_F(OutputsTest, AFullDiskLeavesNothing) {
  write_layer(path("big.safetensors"), {.q = {2, 400, 16}, .k = {2, 400, 16}, .v = {2, 400, 16}});
  write_text(path("old.safetensors"), "kept");
  const Words before = files();
  for (const std::string& command : std::vector<std::string>{
           "attend big.safetensors --out o.safetensors", "attend big.safetensors --out o.npz",
           "attend big.safetensors --json o.json --out old.safetensors",
           "synth o.safetensors --n 2000 --heads 1",
           "compare big.safetensors --repeats 1 --method window --json o.json --html o.html"}) {
    SCOPED_TRACE(command);
    const Outcome outcome = shell("ulimit -f 16; exec \"$SUBQUAD\" " + command + " >/dev/null");
    EXPECT_EQ(outcome.code, 1) << outcome.signal;
    EXPECT_NE(outcome.err.find(": cannot write: File too large"), std::string::npos) << outcome.err;
    EXPECT_EQ(files(), before);
    EXPECT_EQ(read_text(path("old.safetensors")), "kept");
  }
}

// A signal, whenever it comes, leaves either all results and exit code 0, or none of them and the
// status of the signal.
class SignalTest : public OutputsTest {
 protected:
  void expect_all_or_nothing(const Words& command, const Words& results, int signal,
                             std::chrono::milliseconds delay) {
    SCOPED_TRACE(std::to_string(delay.count()) + " ms");
    const Words before = files();
    const pid_t child = start(command);
    std::this_thread::sleep_for(delay);
    (void)::kill(child, signal);
    const Outcome outcome = finish(child);
    if (outcome.code == 0) {
      for (const std::string& name : results) EXPECT_TRUE(fs::remove(path(name))) << name;
    } else {
      EXPECT_EQ(outcome.signal, signal) << outcome.code << outcome.err;
      ++interrupted_;
    }
    EXPECT_EQ(files(), before);
  }

  void expect_all_or_nothing(const Words& command, const Words& results, int signal) {
    for (const int delay : {1, 3, 8, 15, 25, 40, 60, 90, 130})
      expect_all_or_nothing(command, results, signal, std::chrono::milliseconds(delay));
    EXPECT_GT(interrupted_, 0);
  }

 private:
  int interrupted_ = 0;
};

TEST_F(SignalTest, Interrupt) {
  expect_all_or_nothing({"synth", "o.safetensors", "--n", "60000", "--heads", "1"},
                        {"o.safetensors"}, SIGINT);
}

TEST_F(SignalTest, Termination) {
  expect_all_or_nothing({"attend", "a.safetensors", "--out", "o.npz", "--json", "o.json"},
                        {"o.npz", "o.json"}, SIGTERM);
}

TEST_F(SignalTest, HangUp) {
  expect_all_or_nothing({"compare", "a.safetensors", "--repeats", "1", "--html", "o.html", "--json",
                         "o.json", "--method", "window(8)"},
                        {"o.html", "o.json"}, SIGHUP);
}

// As under nohup, and as a shell starts what runs in the background.
TEST_F(SignalTest, IgnoredSignalsStayIgnored) {
  const Outcome outcome = shell(
      "trap '' INT HUP; \"$SUBQUAD\" synth o.safetensors --n 20000 --heads 1 & child=$!; "
      "sleep 0.01; kill -INT $child; kill -HUP $child; wait $child");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(io::TensorFile::open(path("o.safetensors")).names().size(), 3u);
}

}  // namespace
}  // namespace subquad::test
