// experiments/softmax_superiority: its own tests, and three points of every sweep to the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "support.h"

namespace subquad::test {
namespace {

class SoftmaxSuperiorityTest : public ExperimentTest {
 protected:
  SoftmaxSuperiorityTest() : ExperimentTest("softmax_superiority") {}
};

TEST_F(SoftmaxSuperiorityTest, LemmasLoopsAndEnumeration) {
  EXPECT_TRUE(python("-m unittest test_superiority")) << log();
}

TEST_F(SoftmaxSuperiorityTest, QuickRunWritesTableFiguresAndCsv) {
  const std::string out = path("results");
  ASSERT_TRUE(python("superiority.py --quick --jobs 1 --library '" + library().string() +
                     "' --out '" + out + "'"))
      << log();
  for (const std::string name : {"figure3.png", "figure4.png", "figure5.png", "figure7.png"})
    EXPECT_GT(std::filesystem::file_size(out + "/" + name), 10000u) << name;
  EXPECT_NE(read_text(out + "/table.md").find("decisions that differ: 0."), std::string::npos);
  // A line of the CSV for 3 points of each line and threshold, and the head.
  const std::string csv = read_text(out + "/sweeps.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 3 * 41);
}

}  // namespace
}  // namespace subquad::test
