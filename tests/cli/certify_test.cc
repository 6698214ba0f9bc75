// `--certify R`: what it states is what the errors are.
#include <algorithm>
#include <cmath>

#include "support.h"

namespace subquad::test {
namespace {

constexpr std::size_t width = 8;

// |a_i - e_i| / |e_i| of every row, ascending.
std::vector<double> row_errors(const std::vector<float>& approx, const std::vector<float>& exact) {
  std::vector<double> errors;
  for (std::size_t begin = 0; begin < exact.size(); begin += width) {
    double error = 0, norm = 0;
    for (std::size_t i = begin; i < begin + width; ++i) {
      error += std::pow(static_cast<double>(approx[i]) - static_cast<double>(exact[i]), 2);
      norm += std::pow(static_cast<double>(exact[i]), 2);
    }
    errors.push_back(std::sqrt(error / norm));
  }
  std::sort(errors.begin(), errors.end());
  return errors;
}

class CertifyTest : public CliTest {
 protected:
  CertifyTest() {
    write_layer(path("a.safetensors"), {.q = {4, 96, 8}, .k = {2, 96, 8}, .v = {2, 96, 8}});
  }

  std::vector<double> errors_of(const std::string& method, const std::string& seed) {
    EXPECT_EQ(run({"attend", "a.safetensors", "--out", "e.safetensors"}).code, 0);
    EXPECT_EQ(run({"attend", "a.safetensors", "--method", method, "--seed", seed, "--out",
                   "m.safetensors"})
                  .code,
              0);
    return row_errors(read_floats(path("m.safetensors"), "out"),
                      read_floats(path("e.safetensors"), "out"));
  }
};

TEST_F(CertifyTest, AttendStatesTheErrorOfOneOfItsRows) {
  const std::vector<double> errors = errors_of("uniform(m=16)", "3");
  const auto json = run_json(
      {"attend", "a.safetensors", "--method", "uniform(m=16)", "--seed", "3", "--certify", "59"});
  const auto& stated = json["runs"][0]["certificate"];
  EXPECT_EQ(stated["rows"], 59);
  EXPECT_EQ(stated["share"], 0.95);
  EXPECT_NEAR(stated["confidence"].get<double>(), 1 - std::pow(0.95, 59), 1e-12);
  EXPECT_GT(stated["largest_row_error_to_rms"].get<double>(), 0);
  EXPECT_GT(stated["rel_fro"].get<double>(), 0);
  const double largest = stated["largest_row_error"];
  EXPECT_LE(stated["rel_fro"].get<double>(), largest);
  const auto nearest = std::min_element(errors.begin(), errors.end(), [&](double a, double b) {
    return std::fabs(a - largest) < std::fabs(b - largest);
  });
  EXPECT_NEAR(largest, *nearest, 1e-4 * largest);
  // 59 rows at random: the largest is not among the lower half (1 in 2^59).
  EXPECT_GE(largest, errors[errors.size() / 2]);
}

TEST_F(CertifyTest, AllRowsGiveTheLargestErrorOfAll) {
  const std::vector<double> errors = errors_of("window(8)", "0");
  const auto json =
      run_json({"attend", "a.safetensors", "--method", "window(8)", "--certify", "100000"});
  const auto& stated = json["runs"][0]["certificate"];
  EXPECT_EQ(stated["rows"], 4 * 96);
  EXPECT_EQ(stated["share"], 1);
  EXPECT_EQ(stated["confidence"], 1);
  EXPECT_NEAR(stated["largest_row_error"].get<double>(), errors.back(), 1e-4 * errors.back());
}

TEST_F(CertifyTest, CompareCertifiesEachMethodOnce) {
  const auto json = run_json({"compare", "a.safetensors", "--method", "window(8)", "--method",
                              "uniform(m=16)", "--repeats", "1", "--certify", "400"});
  std::size_t certified = 0;
  for (const auto& run : json["runs"]) {
    ASSERT_TRUE(run.contains("certificate"));
    if (run["certificate"].is_null()) continue;
    ++certified;
    EXPECT_EQ(run["head"], "all");
    // All rows: the certificate's rel_fro is the run's own.
    const double rel_fro = run["rel_fro"];
    EXPECT_NEAR(run["certificate"]["rel_fro"].get<double>(), rel_fro, 1e-4 * rel_fro);
  }
  EXPECT_EQ(certified, 2u);
}

TEST_F(CertifyTest, WithoutTheOptionThereIsNone) {
  EXPECT_TRUE(run_json({"attend", "a.safetensors"})["runs"][0]["certificate"].is_null());
  EXPECT_EQ(run({"attend", "a.safetensors"}).out.find("recomputed"), std::string::npos);
}

TEST_F(CertifyTest, SaysItInWords) {
  const auto attend =
      run({"attend", "a.safetensors", "--method", "uniform(m=16)", "--certify", "59"});
  EXPECT_EQ(attend.code, 0) << attend.err;
  for (const char* words :
       {"at least 95 % of all rows have an error of at most ",
        "(confidence 95.1 %, 59 rows recomputed exactly)", "; rel Fro of these rows "})
    EXPECT_NE(attend.out.find(words), std::string::npos) << words << " in " << attend.out;
  const auto compare = run({"compare", "a.safetensors", "--method", "uniform(m=16)", "--repeats",
                            "1", "--certify", "200"});
  EXPECT_NE(compare.out.find("uniform(m=16): at least 95 % of all rows"), std::string::npos)
      << compare.out;
  EXPECT_NE(compare.out.find("(confidence above 99.9 %, 200 rows"), std::string::npos)
      << compare.out;
  const auto all = run({"attend", "a.safetensors", "--certify", "384"});
  EXPECT_NE(all.out.find("all 384 rows, recomputed exactly"), std::string::npos) << all.out;
}

TEST_F(CertifyTest, OutputsOfNanAreNotCertified) {
  std::string bytes = read_text(path("a.safetensors"));
  std::fill_n(bytes.end() - 2 * 96 * 8 * 4, 2 * 96 * 8 * 4, '\xff');  // v: NaN
  write_text(path("nan.safetensors"), bytes);
  const auto words = run({"attend", "nan.safetensors", "--certify", "59"});
  EXPECT_NE(words.out.find("no bound on the errors: of 59 rows recomputed exactly some are not "),
            std::string::npos)
      << words.out;
  const auto json = run_json({"attend", "nan.safetensors", "--certify", "59"});
  EXPECT_TRUE(json["runs"][0]["certificate"]["largest_row_error"].is_null());
}

TEST_F(CertifyTest, RowsMustBeACount) {
  for (const char* bad : {"0", "-1", "2.5", "many"})
    for (const char* command : {"attend", "compare"})
      expect_error({command, "a.safetensors", "--certify", bad}, {"--certify"});
}

}  // namespace
}  // namespace subquad::test
