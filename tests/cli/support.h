// Running the tool and making its inputs.
#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace subquad::test {

struct Outcome {
  int code = -1;   // exit code; -1 when the tool died of a signal
  int signal = 0;  // which
  std::string out, err;
};

// Each test has a folder of its own, gone afterwards.
class CliTest : public ::testing::Test {
 protected:
  CliTest();
  ~CliTest() override;

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  // Runs the tool in the test's folder.
  Outcome run(const std::vector<std::string>& arguments) const;
  // Runs a line of sh in the test's folder; $SUBQUAD is the tool.
  Outcome shell(const std::string& line) const;
  // Starts the tool; finish() waits for its end.
  pid_t start(const std::vector<std::string>& arguments) const;
  Outcome finish(pid_t child) const;
  // Runs it, expects success, and parses what `--json -` printed.
  nlohmann::json run_json(std::vector<std::string> arguments) const;
  // Runs it, expects exit code 2, nothing on stdout, one line on stderr that has all of `words`,
  // and no file made or removed.
  void expect_error(const std::vector<std::string>& arguments,
                    const std::vector<std::string>& words) const;
  // Names of the files in the folder, sorted.
  std::vector<std::string> files() const;

 private:
  std::filesystem::path folder_;
};

// Tests of experiments/NAME, by a Python with numpy and matplotlib; skipped where there is none.
class ExperimentTest : public CliTest {
 protected:
  explicit ExperimentTest(const std::string& name);
  void SetUp() override;

  // Runs Python in the experiment's folder, one thread, SUBQUAD_LIBRARY set; what it prints goes to
  // the file "log". Whether it exits with 0.
  bool python(const std::string& arguments) const;
  std::string log() const;
  const std::filesystem::path& library() const { return library_; }

 private:
  std::filesystem::path experiment_, library_;
  std::string python_;
};

struct LayerSpec {
  std::vector<std::int64_t> q{2, 40, 8}, k{2, 40, 8}, v{2, 40, 8};
  std::map<std::string, std::string> metadata = {};
  bool doubles = false;  // f64 tensors with the f32 values
};

// Fixed smooth values, as many as the shape has elements.
std::vector<float> smooth_values(const std::vector<std::int64_t>& shape, double phase);

// Writes q, k, v with fixed smooth values; the extension chooses the format.
void write_layer(const std::string& path, const LayerSpec& spec = {});

std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);

// A safetensors file: the header's length (as stated), the header, and `data` zero bytes.
void write_raw_safetensors(const std::string& path, std::uint64_t stated, const std::string& header,
                           std::size_t data);

std::vector<float> read_floats(const std::string& path, const std::string& tensor);

}  // namespace subquad::test
