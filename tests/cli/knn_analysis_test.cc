// experiments/knn_analysis: its own tests, and the quick run of the lemmas to the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "support.h"

namespace subquad::test {
namespace {

class KnnAnalysisTest : public CliTest {
 protected:
  void SetUp() override {
    for (const std::string candidate : {"python3", "/usr/bin/python3"})
      if (python_.empty() && shell(candidate + " -c 'import matplotlib, numpy'"))
        python_ = candidate;
    if (python_.empty()) GTEST_SKIP() << "python3 with numpy and matplotlib is not installed";
    if (!std::filesystem::exists(library_)) GTEST_SKIP() << "no " << library_ << ": a static build";
  }

  // Runs it in the experiment's folder; what it prints goes to the file "log".
  bool shell(const std::string& command) const {
    const std::filesystem::path checkout = std::filesystem::path(__FILE__).parent_path() / "../..";
    const std::string folder = (checkout / "experiments/knn_analysis").string();
    const std::string environment =
        "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 SUBQUAD_LIBRARY='" +
        library_.string() + "' ";
    const std::string line =
        "cd '" + folder + "' && " + environment + command + " >'" + path("log") + "' 2>&1";
    return std::system(line.c_str()) == 0;
  }

  // knn_analysis.py with the library, results in `out`.
  bool analyse(const std::string& parts, const std::string& out) const {
    return shell(python_ + " knn_analysis.py " + parts + " --quick --library '" +
                 library_.string() + "' --out '" + out + "'");
  }

  const std::filesystem::path library_ =
      std::filesystem::path(SUBQUAD_BINARY).parent_path() / "../../src/libsubquad.so";
  std::string python_;
};

TEST_F(KnnAnalysisTest, ModelsAndMeasuresAgainstLoops) {
  EXPECT_TRUE(shell(python_ + " -m unittest test_knn_analysis")) << read_text(path("log"));
}

TEST_F(KnnAnalysisTest, QuickRunWritesTablePictureAndCsv) {
  const std::string out = path("results");
  ASSERT_TRUE(analyse("lemma2 lemma3", out)) << read_text(path("log"));
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
  EXPECT_NE(read_text(path("log")).find("no part lemma4"), std::string::npos);
}

}  // namespace
}  // namespace subquad::test
