// experiments/softmax_superiority: its own tests, and three points of every sweep to the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "support.h"

namespace subquad::test {
namespace {

class SoftmaxSuperiorityTest : public CliTest {
 protected:
  void SetUp() override {
    for (const std::string candidate : {"python3", "/usr/bin/python3"})
      if (python_.empty() && shell(candidate + " -c 'import matplotlib, numpy'"))
        python_ = candidate;
    if (python_.empty()) GTEST_SKIP() << "python3 with numpy and matplotlib is not installed";
    if (!std::filesystem::exists(library_)) GTEST_SKIP() << "no " << library_ << ": a static build";
  }

  // Runs it in the experiment's folder, one process; what it prints goes to the file "log".
  bool shell(const std::string& command) const {
    const std::filesystem::path checkout = std::filesystem::path(__FILE__).parent_path() / "../..";
    const std::string folder = (checkout / "experiments/softmax_superiority").string();
    const std::string environment =
        "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 SUBQUAD_LIBRARY='" +
        library_.string() + "' ";
    const std::string line =
        "cd '" + folder + "' && " + environment + command + " >'" + path("log") + "' 2>&1";
    return std::system(line.c_str()) == 0;
  }

  const std::filesystem::path library_ =
      std::filesystem::path(SUBQUAD_BINARY).parent_path() / "../../src/libsubquad.so";
  std::string python_;
};

TEST_F(SoftmaxSuperiorityTest, LemmasLoopsAndEnumeration) {
  EXPECT_TRUE(shell(python_ + " -m unittest test_superiority")) << read_text(path("log"));
}

TEST_F(SoftmaxSuperiorityTest, QuickRunWritesTableFiguresAndCsv) {
  const std::string out = path("results");
  ASSERT_TRUE(shell(python_ + " superiority.py --quick --jobs 1 --library '" + library_.string() +
                    "' --out '" + out + "'"))
      << read_text(path("log"));
  for (const std::string name : {"figure3.png", "figure4.png", "figure5.png", "figure7.png"})
    EXPECT_GT(std::filesystem::file_size(out + "/" + name), 10000u) << name;
  EXPECT_NE(read_text(out + "/table.md").find("decisions that differ: 0."), std::string::npos);
  // A line of the CSV for 3 points of each line and threshold, and the head.
  const std::string csv = read_text(out + "/sweeps.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 3 * 41);
}

}  // namespace
}  // namespace subquad::test
