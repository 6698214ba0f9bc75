// experiments/knn_analysis: its own tests, and the quick run of the lemmas to the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "support.h"

namespace subquad::test {
namespace {

class KnnAnalysisTest : public ExperimentTest {
 protected:
  KnnAnalysisTest() : ExperimentTest("knn_analysis") {}

  // knn_analysis.py with the library, results in `out`.
  bool analyse(const std::string& parts, const std::string& out) const {
    return python("knn_analysis.py " + parts + " --quick --library '" + library().string() +
                  "' --out '" + out + "'");
  }
};

TEST_F(KnnAnalysisTest, ModelsAndMeasuresAgainstLoops) {
  EXPECT_TRUE(python("-m unittest test_knn_analysis")) << log();
}

TEST_F(KnnAnalysisTest, QuickRunWritesTablePictureAndCsv) {
  const std::string out = path("results");
  ASSERT_TRUE(analyse("lemma2 lemma3", out)) << log();
  for (const std::string part : {"lemma2", "lemma3"}) {
    EXPECT_GT(std::filesystem::file_size(out + "/" + part + ".png"), 10000u) << part;
    EXPECT_GT(std::filesystem::file_size(out + "/" + part + ".md"), 100u) << part;
  }
  // 6 panels of 6 values of k, and the head.
  const std::string csv = read_text(out + "/lemma2.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 6 * 6);
}

TEST_F(KnnAnalysisTest, RefusesAnUnknownPart) {
  EXPECT_FALSE(analyse("lemma4", path("results")));
  EXPECT_NE(log().find("no part lemma4"), std::string::npos);
}

}  // namespace
}  // namespace subquad::test
