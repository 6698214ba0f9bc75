// `subquad kernel`: its sums are those of a plain loop, and what cannot work leaves no file.
#include <array>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "subquad/io.h"
#include "support.h"

namespace subquad::test {
namespace {

using Shape = std::vector<std::int64_t>;

class KernelTest : public CliTest {
 protected:
  void write(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    const std::array tensors{io::Tensor{"a", io::ElementType::f32, shape, values.data()}};
    io::write_file(path(name), tensors);
  }
  void write_inputs(const Shape& queries = {30, 3}, const Shape& keys = {50, 3},
                    const Shape& x = {50, 2}) {
    write("q.npy", queries, smooth_values(queries, 0.1));
    write("k.npy", keys, smooth_values(keys, 0.4));
    write("x.npy", x, smooth_values(x, 0.9));
  }

  static std::vector<std::string> command(const std::string& bandwidth, const std::string& method,
                                          const std::string& out = "y.npy") {
    return {"kernel", "--queries",   "q.npy",   "--keys",   "k.npy", "--x",    "x.npy", "--out",
            out,      "--bandwidth", bandwidth, "--method", method,  "--json", "r.json"};
  }
};

// sum_k exp(-|q - k|^2 / (2 sigma^2)) x_k, in double precision; `columns` of x.
std::vector<double> plain_sums(const Shape& queries, const Shape& keys, std::int64_t columns,
                               double sigma) {
  const std::vector<float> q = smooth_values(queries, 0.1), k = smooth_values(keys, 0.4),
                           x = smooth_values({keys[0], columns}, 0.9);
  const auto at = [](const std::vector<float>& rows, std::int64_t i) {
    return double{rows[static_cast<std::size_t>(i)]};
  };
  std::vector<double> y(static_cast<std::size_t>(queries[0] * columns), 0.0);
  for (std::int64_t i = 0; i < queries[0]; ++i)
    for (std::int64_t j = 0; j < keys[0]; ++j) {
      double square = 0;
      for (std::int64_t c = 0; c < keys[1]; ++c)
        square += std::pow(at(q, i * keys[1] + c) - at(k, j * keys[1] + c), 2);
      const double weight = std::exp(-square / (2 * sigma * sigma));
      for (std::int64_t c = 0; c < columns; ++c)
        y[static_cast<std::size_t>(i * columns + c)] += weight * at(x, j * columns + c);
    }
  return y;
}

void expect_near(const std::vector<float>& found, const std::vector<double>& wanted,
                 double tolerance) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(double{found[i]}, wanted[i], tolerance) << i;
}

std::vector<float> only_tensor(const std::string& path) {
  const io::TensorFile file = io::TensorFile::open(path);
  const io::Tensor& tensor = file.tensors().front();
  const auto* data = static_cast<const float*>(tensor.data);
  return {data, data + tensor.count()};
}

// Columns 2, 4 and 1/2 times as wide, and bandwidths too: the same sums, by exact and by boxes.
TEST_F(KernelTest, ABandwidthForEachColumn) {
  write_inputs();
  for (const auto& [file, rows, phase] :
       {std::tuple{"q.npy", std::int64_t{30}, 0.1}, std::tuple{"k.npy", std::int64_t{50}, 0.4}}) {
    std::vector<float> points = smooth_values({rows, 3}, phase);
    for (std::size_t i = 0; i < points.size(); ++i)
      points[i] *= std::array{2.0F, 4.0F, 0.5F}[i % 3];
    write(file, {rows, 3}, points);
  }
  for (const std::string method : {"exact", "boxes"}) {
    const Outcome outcome = run(command("1.6,3.2,0.4", method));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    expect_near(only_tensor(path("y.npy")), plain_sums({30, 3}, {50, 3}, 2, 0.8), 1e-3);
  }
  expect_error(command("1,2", "exact"), {"--bandwidth: count is 2"});
}

TEST_F(KernelTest, Logarithms) {
  write_inputs();
  std::vector<float> ones(100, 1.0F);
  write("x.npy", {50, 2}, ones);
  ASSERT_EQ(run(command("0.8", "exact")).code, 0);
  std::vector<float> sums = only_tensor(path("y.npy"));
  std::vector<std::string> arguments = command("0.8", "exact");
  arguments.emplace_back("--log");
  ASSERT_EQ(run(arguments).code, 0);
  std::vector<double> logs;
  for (const float sum : sums) logs.push_back(std::log(double{sum}));
  expect_near(only_tensor(path("y.npy")), logs, 1e-4);
  ones[5] = -1;
  write("x.npy", {50, 2}, ones);
  expect_error(arguments, {"--x x.npy", "entry (0, 0, 2, 1) is -1"});
  arguments = command("0.8", "far");
  arguments.emplace_back("--log");
  expect_error(arguments, {"--log: needs --method exact"});
}

TEST_F(KernelTest, ExactIsAPlainLoop) {
  write_inputs();
  const Outcome outcome = run(command("0.8", "exact"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  // Values up to 1.5, 50 of them, rounded at 1e-6 each.
  expect_near(only_tensor(path("y.npy")), plain_sums({30, 3}, {50, 3}, 2, 0.8), 1e-4);
  EXPECT_EQ(io::TensorFile::open(path("y.npy")).tensors().front().shape, (Shape{30, 2}));
  const nlohmann::json run = nlohmann::json::parse(read_text(path("r.json"))).at("runs").at(0);
  EXPECT_EQ(run.at("path"), "exact");
  EXPECT_EQ(run.at("seq"), 50);
}

// One key a cluster: nothing is approximated.
TEST_F(KernelTest, FarWithAClusterForEachKeyIsAPlainLoop) {
  write_inputs({60, 3}, {200, 3}, {200, 2});
  const Outcome outcome = run(command("1.1", "far(clusters=200)"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  expect_near(only_tensor(path("y.npy")), plain_sums({60, 3}, {200, 3}, 2, 1.1), 1e-3);
}

TEST_F(KernelTest, AVectorOfValuesGivesAVector) {
  write_inputs({30, 3}, {50, 3}, {50});
  const Outcome outcome = run(command("0.8", "exact", "y.safetensors"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(io::TensorFile::open(path("y.safetensors")).at("y").shape, (Shape{30}));
  expect_near(only_tensor(path("y.safetensors")), plain_sums({30, 3}, {50, 3}, 1, 0.8), 1e-4);
}

TEST_F(KernelTest, NoQueriesGiveAnEmptyFile) {
  write_inputs({0, 3});
  const Outcome outcome = run(command("0.8", "far"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(io::TensorFile::open(path("y.npy")).tensors().front().shape, (Shape{0, 2}));
}

TEST_F(KernelTest, NoKeysGiveZeros) {
  write_inputs({30, 3}, {0, 3}, {0, 2});
  const Outcome outcome = run(command("0.8", "far"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(only_tensor(path("y.npy")), std::vector<float>(60, 0.0F));
}

TEST_F(KernelTest, FilesThatAreMissingOrNoTensors) {
  write_inputs();
  std::filesystem::remove(path("k.npy"));
  expect_error(command("1", "exact"), {"k.npy"});
  write_text(path("k.npy"), "these are words");
  expect_error(command("1", "exact"), {"k.npy"});
}

TEST_F(KernelTest, WrongShapes) {
  write_inputs({30, 4});
  expect_error(command("1", "exact"), {"--queries q.npy (30, 4)", "--keys k.npy (50, 3)"});
  write_inputs({30, 3}, {50, 3}, {49, 2});
  expect_error(command("1", "exact"), {"--x x.npy (49, 2)", "--keys k.npy (50, 3)", "49 and 50"});
  write_inputs({30, 3}, {50, 3}, {49});
  expect_error(command("1", "exact"), {"--x x.npy (49,)", "--keys k.npy (50, 3)"});
  write_inputs({30, 3}, {50, 3, 1});
  expect_error(command("1", "exact"), {"--keys", "k.npy", "3 dimensions"});
  write_inputs({30});
  expect_error(command("1", "exact"), {"--queries", "q.npy", "1 dimensions"});
  write_inputs({30, 0}, {50, 0});
  expect_error(command("1", "exact"), {"--queries q.npy (30, 0)", "last extent"});
  write_inputs({30, 600}, {50, 600});
  expect_error(command("1", "exact"), {"--queries q.npy (30, 600)", "last extent"});
  write_inputs({30, 3}, {50, 3}, {50, 600});
  expect_error(command("1", "exact"), {"--x x.npy (50, 600)", "last extent"});
}

TEST_F(KernelTest, NoErrorSpeaksOfTheLibrarysArguments) {
  const std::vector<std::array<Shape, 3>> wrong{{{{30, 4}, {50, 3}, {50, 2}}},
                                                {{{30, 3}, {50, 3}, {49, 2}}},
                                                {{{30, 600}, {50, 600}, {50, 2}}},
                                                {{{30, 3}, {50, 3}, {50, 0}}}};
  for (const auto& [queries, keys, x] : wrong) {
    write_inputs(queries, keys, x);
    const Outcome outcome = run(command("1", "exact"));
    EXPECT_EQ(outcome.code, 2);
    for (const std::string word : {"query:", "key:", "value", "key has"})
      EXPECT_EQ(outcome.err.find(word), std::string::npos) << outcome.err;
  }
  write_inputs();
  expect_error(command("1e-30", "exact"), {"--bandwidth: 1e-30 is too small"});
}

TEST_F(KernelTest, WrongElementType) {
  write_inputs();
  const std::vector<std::int32_t> numbers(150, 5);
  const std::array tensors{io::Tensor{"a", io::ElementType::i32, {50, 3}, numbers.data()}};
  io::write_file(path("k.npy"), tensors);
  expect_error(command("1", "exact"), {"--keys", "k.npy", "i32"});
}

TEST_F(KernelTest, DoublesAreConvertedAndThatIsSaid) {
  write_inputs();
  ASSERT_EQ(run(command("0.8", "exact", "f.npy")).code, 0);
  const std::vector<float> floats = smooth_values({50, 3}, 0.4);
  const std::vector<double> doubles(floats.begin(), floats.end());
  const std::array tensors{io::Tensor{"a", io::ElementType::f64, {50, 3}, doubles.data()}};
  io::write_file(path("k.npy"), tensors);
  const Outcome outcome = run(command("0.8", "exact"));
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "subquad: note: f64 is used as f32 (--keys)\n");
  EXPECT_EQ(only_tensor(path("y.npy")), only_tensor(path("f.npy")));
  const nlohmann::json run = nlohmann::json::parse(read_text(path("r.json"))).at("runs").at(0);
  EXPECT_EQ(run.at("converted"), nlohmann::json({"--keys"}));
}

TEST_F(KernelTest, DoublesThatNoFloatHoldsAreAnError) {
  write_inputs();
  std::vector<double> doubles(150, 0.5);
  doubles[7] = -1e300;
  const std::array tensors{io::Tensor{"a", io::ElementType::f64, {50, 3}, doubles.data()}};
  io::write_file(path("k.npy"), tensors);
  expect_error(command("1", "exact"), {"--keys k.npy", "-1e+300", "f32"});
}

TEST_F(KernelTest, FortransOrderAndBigEndianPointsAreRead) {
  write_inputs();
  ASSERT_EQ(run(command("0.8", "exact", "c.npy")).code, 0);
  const std::string head = "{'descr': '>f4', 'fortran_order': True, 'shape': (50, 3), }\n";
  std::string npy = std::string("\x93NUMPY\x01", 7) + '\0' + static_cast<char>(head.size()) + '\0';
  npy += head;
  const std::vector<float> rows = smooth_values({50, 3}, 0.4);
  for (std::size_t column = 0; column < 3; ++column)
    for (std::size_t row = 0; row < 50; ++row) {
      const auto* bytes = reinterpret_cast<const char*>(&rows[row * 3 + column]);
      for (std::size_t i = sizeof(float); i-- > 0;) npy += bytes[i];
    }
  write_text(path("k.npy"), npy);
  ASSERT_EQ(run(command("0.8", "exact")).code, 0);
  EXPECT_EQ(only_tensor(path("y.npy")), only_tensor(path("c.npy")));
}

TEST_F(KernelTest, TensorsAreChosenByName) {
  write_inputs();
  ASSERT_EQ(run(command("0.8", "exact", "c.npy")).code, 0);
  const std::vector<float> points = smooth_values({50, 3}, 0.4), x = smooth_values({50, 2}, 0.9);
  const std::array tensors{io::Tensor{"points", io::ElementType::f32, {50, 3}, points.data()},
                           io::Tensor{"x", io::ElementType::f32, {50, 2}, x.data()}};
  io::write_file(path("all.npz"), tensors);
  std::vector<std::string> arguments{"kernel", "--queries",   "q.npy", "--keys", "all.npz",
                                     "--x",    "all.npz",     "--out", "y.npy",  "--bandwidth",
                                     "0.8",    "--keys-name", "points"};
  expect_error(arguments, {"--x all.npz", "has 2 tensors", "--x-name"});
  arguments.insert(arguments.end(), {"--x-name", "y"});
  expect_error(arguments, {"all.npz", "no tensor \"y\""});
  arguments.back() = "x";
  ASSERT_EQ(run(arguments).code, 0);
  EXPECT_EQ(only_tensor(path("y.npy")), only_tensor(path("c.npy")));
}

TEST_F(KernelTest, BandwidthsThatAreNone) {
  write_inputs();
  for (const std::string bandwidth : {"0", "-1", "nan", "inf"})
    for (const std::string method : {"exact", "far"})
      expect_error(command(bandwidth, method), {"--bandwidth"});
  expect_error(command("wide", "exact"), {"--bandwidth"});
}

TEST_F(KernelTest, MethodsThatAreNone) {
  write_inputs();
  expect_error(command("1", "near"), {"near", "exact, far"});
  expect_error(command("1", "exact+far"), {"one part"});
  expect_error(command("1", "far(clusters=0)"), {"clusters"});
  expect_error(command("1", "far(clusters=nan)"), {"clusters"});
}

// A file that was there is not touched.
TEST_F(KernelTest, ResultsAreWholeOrAbsent) {
  write_inputs();
  write_text(path("y.npy"), "kept");
  expect_error(command("0", "exact"), {"bandwidth"});
  EXPECT_EQ(read_text(path("y.npy")), "kept");
  expect_error(command("1", "exact", "none/y.npy"), {"--out", "none"});
  expect_error(command("1", "exact", "y.txt"), {"y.txt"});
}

TEST_F(KernelTest, ANaNPointSpoilsWhatItMustAndNoMore) {
  write_inputs();
  std::vector<float> queries = smooth_values({30, 3}, 0.1);
  queries[3 * 7] = std::nanf("");
  write("q.npy", {30, 3}, queries);
  for (const std::string method : {"exact", "far"}) {
    const Outcome outcome = run(command("1", method));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const std::vector<float> y = only_tensor(path("y.npy"));
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i / 2 == 7) << i;
  }
}

}  // namespace
}  // namespace subquad::test
