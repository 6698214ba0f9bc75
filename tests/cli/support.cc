#include "support.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "subquad/io.h"
#include "support/python.h"

extern char** environ;

namespace subquad::test {
namespace {

// One tensor's values, and the bytes they are written from.
struct Values {
  Values(const std::vector<std::int64_t>& shape, double phase)
      : floats(smooth_values(shape, phase)), doubles(floats.begin(), floats.end()) {}
  std::vector<float> floats;
  std::vector<double> doubles;
};

io::Tensor make_tensor(const std::string& name, const std::vector<std::int64_t>& shape,
                       const Values& values, bool doubles) {
  if (doubles) return {name, io::ElementType::f64, shape, values.doubles.data()};
  return {name, io::ElementType::f32, shape, values.floats.data()};
}

pid_t start_program(const std::string& folder, std::vector<std::string> words) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, 1, (folder + ".out").c_str(), flags, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, (folder + ".err").c_str(), flags, 0600);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = -1;
  if (::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ) != 0) child = -1;
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

}  // namespace

CliTest::CliTest() {
  std::string pattern = (std::filesystem::temp_directory_path() / "subquad_cli_XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
}

CliTest::~CliTest() {
  for (const char* end : {"", ".out", ".err"}) std::filesystem::remove_all(folder_.string() + end);
}

pid_t CliTest::start(const std::vector<std::string>& arguments) const {
  std::vector<std::string> words{SUBQUAD_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return start_program(folder_.string(), std::move(words));
}

Outcome CliTest::finish(pid_t child) const {
  int status = -1;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return {};
  Outcome outcome;
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  outcome.out = read_text(folder_.string() + ".out");
  outcome.err = read_text(folder_.string() + ".err");
  return outcome;
}

Outcome CliTest::run(const std::vector<std::string>& arguments) const {
  return finish(start(arguments));
}

Outcome CliTest::shell(const std::string& line) const {
  const std::string script = std::string("SUBQUAD='") + SUBQUAD_BINARY + "'; " + line;
  return finish(start_program(folder_.string(), {"/bin/sh", "-c", script}));
}

nlohmann::json CliTest::run_json(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--json", "-"});
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  nlohmann::json json = nlohmann::json::parse(outcome.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << outcome.out;
  return json;
}

void CliTest::expect_error(const std::vector<std::string>& arguments,
                           const std::vector<std::string>& words) const {
  const std::vector<std::string> before = files();
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.rfind("subquad: ", 0), 0u) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  for (const std::string& word : words)
    EXPECT_NE(outcome.err.find(word), std::string::npos)
        << "no '" << word << "' in " << outcome.err;
  EXPECT_EQ(files(), before);
}

std::vector<std::string> CliTest::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

ExperimentTest::ExperimentTest(const std::string& name)
    : experiment_(std::filesystem::path(__FILE__).parent_path() / "../../experiments" / name),
      library_(std::filesystem::path(SUBQUAD_BINARY).parent_path() / "../../src/libsubquad.so") {}

void ExperimentTest::SetUp() {
  python_ = testing::find_python("matplotlib, numpy");
  if (python_.empty()) GTEST_SKIP() << "no python3 with numpy and matplotlib is installed";
  if (!std::filesystem::exists(library_)) GTEST_SKIP() << "no " << library_ << ": a static build";
}

bool ExperimentTest::python(const std::string& arguments) const {
  const std::string command =
      "cd '" + experiment_.string() +
      "' && OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 SUBQUAD_LIBRARY='" +
      library_.string() + "' " + python_ + " " + arguments + " >'" + path("log") + "' 2>&1";
  return std::system(command.c_str()) == 0;
}

std::string ExperimentTest::log() const { return read_text(path("log")); }

std::vector<float> smooth_values(const std::vector<std::int64_t>& shape, double phase) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(
        static_cast<float>(1.5 * std::sin(0.7 * static_cast<double>(i * i % 9973) + phase)));
  return values;
}

void write_layer(const std::string& path, const LayerSpec& spec) {
  const Values q(spec.q, 0.1), k(spec.k, 1.3), v(spec.v, 2.9);
  const std::vector<io::Tensor> tensors{make_tensor("q", spec.q, q, spec.doubles),
                                        make_tensor("k", spec.k, k, spec.doubles),
                                        make_tensor("v", spec.v, v, spec.doubles)};
  io::write_file(path, tensors, spec.metadata);
}

std::string read_text(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

void write_raw_safetensors(const std::string& path, std::uint64_t stated, const std::string& header,
                           std::size_t data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(stated >> (8 * i) & 0xFF);
  write_text(path, bytes + header + std::string(data, '\0'));
}

std::vector<float> read_floats(const std::string& path, const std::string& tensor) {
  const io::TensorFile file = io::TensorFile::open(path);
  const io::Tensor& found = file.at(tensor);
  EXPECT_EQ(found.type, io::ElementType::f32);
  const auto* first = static_cast<const float*>(found.data);
  return {first, first + found.count()};
}

}  // namespace subquad::test
