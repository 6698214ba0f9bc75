// `subquad kde`: its densities are those of a plain loop, and what cannot work leaves no file.
#include <array>
#include <cmath>

#include "subquad/io.h"
#include "support.h"

namespace subquad::test {
namespace {

class KdeTest : public CliTest {
 protected:
  void write_inputs(std::int64_t dim = 2) {
    for (const auto& [name, rows, phase] :
         {std::tuple{"p.npy", 60, 0.2}, std::tuple{"q.npy", 9, 0.7}}) {
      const std::vector<float> values = smooth_values({rows, dim}, phase);
      const std::array tensors{io::Tensor{"a", io::ElementType::f32, {rows, dim}, values.data()}};
      io::write_file(path(name), tensors);
    }
  }
  static std::vector<std::string> kde(std::vector<std::string> more) {
    std::vector<std::string> words{"kde", "--points", "p.npy", "--queries", "q.npy"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::vector<double> written(const std::string& name) const {
    const io::TensorFile file = io::TensorFile::open(path(name));
    const io::Tensor& tensor = file.tensors().front();
    const auto* data = static_cast<const double*>(tensor.data);
    return {data, data + tensor.count()};
  }
};

double plain_density(const std::vector<float>& p, const float* q, double sigma) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); i += 2)
    sum += std::exp(
        -(std::pow(double{p[i]} - double{q[0]}, 2) + std::pow(double{p[i + 1]} - double{q[1]}, 2)) /
        (2 * sigma * sigma));
  return sum / (static_cast<double>(p.size()) / 2);
}

TEST_F(KdeTest, DensitiesAreAPlainLoop) {
  write_inputs();
  const nlohmann::json json =
      run_json(kde({"--bandwidth", "0.5", "--method", "exact", "--out", "d.npy"}));
  const std::vector<float> p = smooth_values({60, 2}, 0.2), q = smooth_values({9, 2}, 0.7);
  const std::vector<double> found = written("d.npy");
  ASSERT_EQ(found.size(), 9U);
  for (std::size_t i = 0; i < 9; ++i)
    EXPECT_NEAR(found[i], plain_density(p, q.data() + 2 * i, 0.5), 1e-6);
  const nlohmann::json& run = json.at("runs").at(0);
  EXPECT_EQ(run.at("path"), "exact");
  EXPECT_EQ(run.at("unmet"), 0);
  EXPECT_EQ(run.at("bandwidth"), (std::vector<double>{0.5, 0.5}));
}

TEST_F(KdeTest, CsvFilesAreTheSamePoints) {
  write_inputs();
  std::string text = "left, right\n";
  const std::vector<float> p = smooth_values({60, 2}, 0.2);
  for (std::size_t i = 0; i < p.size(); i += 2)
    text += std::to_string(p[i]) + " , " + std::to_string(p[i + 1]) + "\r\n";
  write_text(path("p.csv"), text);
  const std::vector<std::string> rest{"--bandwidth", "scott", "--rel-error", "0.05", "--out"};
  auto words = rest;
  words.emplace_back("a.npy");
  ASSERT_EQ(run(kde(words)).code, 0);
  words.back() = "b.npy";
  words = kde(words);
  words[2] = "p.csv";
  const Outcome outcome = run(words);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<double> a = written("a.npy"), b = written("b.npy");
  for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(a[i], b[i], 1e-5);
}

TEST_F(KdeTest, EveryBandwidthAndAPicture) {
  for (const std::int64_t dim : {1, 2}) {
    write_inputs(dim);
    for (const char* bandwidth : {"0.3", "silverman", "density=0.1"}) {
      const Outcome outcome = run(
          kde({"--bandwidth", bandwidth, "--out", "d.npz", "--picture", "d.png", "--normalised"}));
      ASSERT_EQ(outcome.code, 0) << outcome.err;
      EXPECT_TRUE(read_text(path("d.png")).starts_with("\x89PNG"));
      EXPECT_EQ(io::TensorFile::open(path("d.npz")).names(),
                (std::vector<std::string>{"density", "error", "samples"}));
    }
  }
}

TEST_F(KdeTest, WhatCsvCannotBe) {
  write_inputs();
  const auto refused = [&](const std::string& text, const std::vector<std::string>& said) {
    write_text(path("p.csv"), text);
    auto words = kde({"--bandwidth", "1", "--out", "d.npy"});
    words[2] = "p.csv";
    expect_error(words, said);
  };
  refused("1,2\n3,four\n", {"--points", "p.csv", "line 2, column 2", "four"});
  refused("a,b\n1,2\n\n3\n", {"line 4", "1 columns"});
  refused("1,2\n3,4,5\n", {"line 2", "3 columns"});
  refused("a,b\n", {"no line of numbers"});
  refused("a,b\nc,d\n", {"line 2, column 1"});
  refused("1,\n", {"line 1, column 2"});
  refused("1,nan\n", {"line 1, column 2"});
  refused("1,2,3\n", {"differ in columns"});
}

TEST_F(KdeTest, WhatOptionsCannotBe) {
  write_inputs();
  const auto refused = [&](std::vector<std::string> more, const std::vector<std::string>& said) {
    if (std::find(more.begin(), more.end(), "--out") == more.end())
      more.insert(more.end(), {"--out", "d.npy"});
    expect_error(kde(more), said);
  };
  refused({"--bandwidth", "-1"}, {"--bandwidth", "-1"});
  refused({"--bandwidth", "1,2,3"}, {"--bandwidth", "3 numbers"});
  refused({"--bandwidth", "density=2"}, {"--bandwidth density", "2"});
  refused({"--bandwidth", "1", "--rel-error", "2"}, {"--rel-error", "2"});
  refused({"--bandwidth", "1", "--confidence", "1"}, {"--confidence", "1"});
  refused({"--bandwidth", "1", "--mu", "x"}, {"--mu", "x"});
  refused({"--bandwidth", "1", "--method", "magic"}, {"--method", "magic", "deann"});
  refused({"--bandwidth", "1", "--picture", "d.jpg"}, {"--picture", ".png"});
  refused({"--bandwidth", "1", "--out", "d.csv"}, {"--out", ".npy"});
  refused({"--bandwidth", "1", "--out", "p.npy"}, {"--out", "p.npy"});
  write_inputs(3);
  refused({"--bandwidth", "1", "--picture", "d.png"}, {"--picture", "3 columns"});
}

}  // namespace
}  // namespace subquad::test
