// `subquad spectrum` and `subquad solve`: what they write is right by plain loops, and what cannot
// work leaves no file.
#include <array>
#include <cmath>

#include "subquad/io.h"
#include "support.h"
#include "support/plain_kernel.h"

namespace subquad::test {
namespace {

constexpr std::int64_t kRows = 60, kColumns = 2;

class SpectrumCommandTest : public CliTest {
 protected:
  SpectrumCommandTest() : points_(smooth_values({kRows, kColumns}, 0.3)) {
    write("p.npy", {kRows, kColumns}, points_);
    write("b.npy", {kRows}, smooth_values({kRows}, 0.8));
  }
  void write(const std::string& name, const std::vector<std::int64_t>& shape,
             const std::vector<float>& values) const {
    const std::array tensors{io::Tensor{"a", io::ElementType::f32, shape, values.data()}};
    io::write_file(path(name), tensors);
  }
  static std::vector<std::string> command(const std::string& name,
                                          const std::vector<std::string>& more) {
    std::vector<std::string> words{name, "--points", "p.npy", "--bandwidth", "0.4"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  // (K + ridge I) x, entry by entry.
  std::vector<double> times(const std::vector<float>& x, double ridge) const {
    const std::vector<double> kernel = testing::plain_kernel(points_, kColumns, 0.4);
    std::vector<double> y;
    for (std::size_t i = 0; i < x.size(); ++i) {
      y.push_back(ridge * double{x[i]});
      for (std::size_t j = 0; j < x.size(); ++j) y[i] += kernel[i * x.size() + j] * double{x[j]};
    }
    return y;
  }

 private:
  std::vector<float> points_;
};

TEST_F(SpectrumCommandTest, PairsAreEigenpairs) {
  for (const std::string solver : {"power", "spectra"}) {
    const nlohmann::json run =
        run_json(command("spectrum",
                         {"--top", "3", "--out", "e.npz", "--solver", solver, "--exact-residuals"}))
            .at("runs")
            .at(0);
    EXPECT_EQ(run.at("seq"), kRows);
    EXPECT_TRUE(run.at("converged"));
    const std::vector<float> vectors = read_floats(path("e.npz"), "vectors");
    ASSERT_EQ(vectors.size(), 3u * kRows);
    const double largest = run.at("eigenvalues").at(0);
    for (std::size_t k = 0; k < 3; ++k) {
      std::vector<float> vector;
      for (std::size_t i = k; i < vectors.size(); i += 3) vector.push_back(vectors[i]);
      const std::vector<double> image = times(vector, 0);
      const double value = run.at("eigenvalues").at(k);
      double square = 0;
      for (std::size_t i = 0; i < image.size(); ++i)
        square += std::pow(image[i] - value * double{vector[i]}, 2);
      EXPECT_LT(std::sqrt(square), 2e-4 * largest);
      EXPECT_NEAR(run.at("exact_residuals").at(k).get<double>(), std::sqrt(square), 1e-5 * largest);
    }
  }
}

TEST_F(SpectrumCommandTest, TextSaysValuesAndResiduals) {
  const Outcome outcome = run(command("spectrum", {"--top", "2", "--method", "far"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* word : {"eigenvalue", "residual", "60 points, D 2", "far"})
    EXPECT_NE(outcome.out.find(word), std::string::npos) << outcome.out;
  EXPECT_EQ(files(), (std::vector<std::string>{"b.npy", "p.npy"}));
}

TEST_F(SpectrumCommandTest, SolutionsSolve) {
  const nlohmann::json run =
      run_json(command("solve", {"--rhs", "b.npy", "--ridge", "0.2", "--out", "x.npy", "--deflate",
                                 "5", "--exact-residual"}))
          .at("runs")
          .at(0);
  EXPECT_TRUE(run.at("converged"));
  const io::TensorFile file = io::TensorFile::open(path("x.npy"));
  const io::Tensor& x = file.tensors().front();
  EXPECT_EQ(x.shape, (std::vector<std::int64_t>{kRows}));
  const auto* data = static_cast<const float*>(x.data);
  const std::vector<double> image = times({data, data + kRows}, 0.2);
  const std::vector<float> b = smooth_values({kRows}, 0.8);
  double left = 0, size = 0;
  for (std::size_t i = 0; i < image.size(); ++i) {
    left += std::pow(image[i] - double{b[i]}, 2);
    size += std::pow(double{b[i]}, 2);
  }
  EXPECT_LT(std::sqrt(left / size), 1.1e-4);
  EXPECT_NEAR(run.at("residual").get<double>(), std::sqrt(left / size), 1e-5);
}

TEST_F(SpectrumCommandTest, WhatHasNotConvergedFails) {
  const Outcome outcome = run(command(
      "solve", {"--rhs", "b.npy", "--ridge", "1e-6", "--out", "x.npy", "--max-iterations", "1"}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("--tolerance"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.out.find("not converged"), std::string::npos) << outcome.out;
  EXPECT_EQ(files(), (std::vector<std::string>{"b.npy", "p.npy", "x.npy"}));
}

TEST_F(SpectrumCommandTest, WhatCannotWorkIsNamed) {
  expect_error(command("spectrum", {"--top", "61"}), {"--top", "61 of 60"});
  expect_error(command("spectrum", {"--solver", "arnoldi"}), {"--solver arnoldi"});
  expect_error(command("spectrum", {"--method", "near"}), {"near"});
  expect_error(command("spectrum", {"--out", "e.txt"}), {"--out e.txt"});
  expect_error(command("spectrum", {"--out", "p.npy"}), {"--out p.npy"});
  expect_error(command("spectrum", {"--tolerance", "2"}), {"tolerance"});
  expect_error({"spectrum", "--points", "none.npy", "--bandwidth", "1"}, {"none.npy"});
  expect_error({"spectrum", "--points", "b.npy", "--bandwidth", "1"}, {"--points b.npy"});
  expect_error(command("solve", {"--rhs", "b.npy", "--ridge", "0", "--out", "x.npy"}), {"--ridge"});
  write("short.npy", {59}, smooth_values({59}, 0.1));
  expect_error(command("solve", {"--rhs", "short.npy", "--ridge", "1", "--out", "x.npy"}),
               {"--rhs short.npy (59,)", "--points p.npy (60, 2)", "59 and 60"});
  std::vector<float> points = smooth_values({kRows, kColumns}, 0.3);
  points[4] = std::nanf("");
  write("p.npy", {kRows, kColumns}, points);
  expect_error(command("spectrum", {}), {"--points p.npy (60, 2)", "row 2"});
}

}  // namespace
}  // namespace subquad::test
