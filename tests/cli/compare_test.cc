// `subquad compare`: the JSON contract, the table and the page.
#include <cmath>

#include "subquad/io.h"
#include "support.h"

namespace subquad::test {
namespace {

const char* const contract_keys[] = {"method",
                                     "input",
                                     "head",
                                     "seq",
                                     "head_dim",
                                     "heads",
                                     "causal",
                                     "pass",
                                     "dtype",
                                     "median_s",
                                     "gflops",
                                     "fraction_of_fma",
                                     "exact_median_s",
                                     "exact_rows",
                                     "speedup_over_exact",
                                     "rel_fro",
                                     "max_over_vmax",
                                     "op_rel",
                                     "rows_over_1pct",
                                     "rows_over_5pct",
                                     "rows_over_20pct",
                                     "peak_extra_bytes",
                                     "path"};

class CompareTest : public CliTest {
 protected:
  CompareTest() {
    write_layer(path("a.safetensors"), {.q = {4, 96, 8}, .k = {2, 96, 8}, .v = {2, 96, 8}});
  }

  static std::vector<nlohmann::json> runs_of(const nlohmann::json& json,
                                             const std::string& method) {
    std::vector<nlohmann::json> runs;
    for (const auto& run : json["runs"]) {
      if (run["method"] == method) runs.push_back(run);
    }
    return runs;
  }
};

double relative_frobenius(const std::vector<float>& approx, const std::vector<float>& exact) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    error += std::pow(static_cast<double>(approx[i]) - static_cast<double>(exact[i]), 2);
    norm += std::pow(static_cast<double>(exact[i]), 2);
  }
  return std::sqrt(error / norm);
}

TEST_F(CompareTest, JsonKeepsTheContract) {
  const auto json = run_json(
      {"compare", "a.safetensors", "--method", "window(8)", "--repeats", "2", "--threads", "1"});
  EXPECT_GT(json["machine"]["fma_gflops"].get<double>(), 0);
  EXPECT_EQ(json["machine"]["threads"], 1);
  EXPECT_TRUE(json["machine"]["isa"].is_string());
  ASSERT_EQ(json["runs"].size(), 6u);  // exact; window: all and four heads
  for (const auto& run : json["runs"]) {
    for (const char* key : contract_keys) EXPECT_TRUE(run.contains(key)) << key;
    EXPECT_EQ(run["seq"], 96);
    EXPECT_EQ(run["heads"], 4);
    EXPECT_EQ(run["causal"], "none");
    EXPECT_EQ(run["dtype"], "f32");
  }
}

TEST_F(CompareTest, HeadsHaveErrorsAndNoTimes) {
  const auto json =
      run_json({"compare", "a.safetensors", "--method", "window(8)", "--repeats", "1"});
  const auto runs = runs_of(json, "window(8)");
  ASSERT_EQ(runs.size(), 5u);
  EXPECT_EQ(runs[0]["head"], "all");
  EXPECT_GT(runs[0]["median_s"].get<double>(), 0);
  for (std::size_t i = 1; i < runs.size(); ++i) {
    EXPECT_EQ(runs[i]["head"], i - 1);
    EXPECT_TRUE(runs[i]["median_s"].is_null());
    EXPECT_TRUE(runs[i]["peak_extra_bytes"].is_null());
    EXPECT_GT(runs[i]["rel_fro"].get<double>(), 0);
  }
}

TEST_F(CompareTest, ErrorIsThatOfTheTensorsAttendWrites) {
  const auto json = run_json({"compare", "a.safetensors", "--method", "window(8)+uniform(m=16)",
                              "--seed", "5", "--repeats", "1"});
  EXPECT_EQ(run({"attend", "a.safetensors", "--out", "e.safetensors"}).code, 0);
  EXPECT_EQ(run({"attend", "a.safetensors", "--method", "window(8)+uniform(m=16)", "--seed", "5",
                 "--out", "w.safetensors"})
                .code,
            0);
  const double expected = relative_frobenius(read_floats(path("w.safetensors"), "out"),
                                             read_floats(path("e.safetensors"), "out"));
  const double stated = runs_of(json, "window(8)+uniform(m=16)").at(0)["rel_fro"];
  EXPECT_GT(expected, 0.001);
  EXPECT_NEAR(stated, expected, 1e-5 * expected);
}

TEST_F(CompareTest, ExactRunsOnceAndComesFirst) {
  const auto json = run_json(
      {"compare", "a.safetensors", "--method", "window(8)", "--method", "exact", "--repeats", "1"});
  const auto exact = runs_of(json, "exact");
  ASSERT_EQ(exact.size(), 1u);
  EXPECT_EQ(json["runs"][0]["method"], "exact");
  EXPECT_EQ(exact[0]["speedup_over_exact"], 1.0);
  EXPECT_GT(exact[0]["fraction_of_fma"].get<double>(), 0);
  EXPECT_EQ(exact[0]["exact_rows"], 96);
}

TEST_F(CompareTest, SeveralInputsAndDefaultMethods) {
  write_layer(path("b.safetensors"), {.metadata = {{"causal", "top_left"}}});
  const auto json = run_json(
      {"compare", "a.safetensors", "b.safetensors", "--repeats", "1", "--no-operator-norm"});
  std::size_t overall = 0;
  for (const auto& run : json["runs"]) {
    overall += run["head"] == "all";
    EXPECT_EQ(run["causal"], run["input"] == "b.safetensors" ? "top_left" : "none");
    EXPECT_TRUE(run["op_rel"].is_null());
  }
  EXPECT_EQ(overall, 16u);  // exact and seven methods each
}

TEST_F(CompareTest, TableHasHeadsOnRequest) {
  const auto table = run({"compare", "a.safetensors", "--method", "window(8)", "--repeats", "1"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(table.err, "");
  EXPECT_NE(table.out.find("window(8)"), std::string::npos);
  EXPECT_EQ(table.out.find("head 3"), std::string::npos);
  const auto heads =
      run({"compare", "a.safetensors", "--method", "window(8)", "--repeats", "1", "--per-head"});
  EXPECT_NE(heads.out.find("head 3"), std::string::npos);
}

TEST_F(CompareTest, PageIsSelfContained) {
  ASSERT_EQ(run({"compare", "a.safetensors", "--method", "window(8)", "--repeats", "1", "--json",
                 "r.json", "--html", "r.html"})
                .code,
            0);
  const std::string page = read_text(path("r.html"));
  EXPECT_EQ(page.rfind("<!doctype html>", 0), 0u);
  for (const char* word : {"<svg", "exact: ", "window(8)", "subquad compare a.safetensors",
                           "milliseconds", "</html>"}) {
    EXPECT_NE(page.find(word), std::string::npos) << word;
  }
  for (const char* word : {"http://", "https://", "<script", "nan", "Synthetic"}) {
    EXPECT_EQ(page.find(word), std::string::npos) << word;
  }
  EXPECT_FALSE(nlohmann::json::parse(read_text(path("r.json")), nullptr, false).is_discarded());
}

// `hyper` runs exact's own code on so short a layer, whatever the clock says.
TEST_F(CompareTest, ExactsOwnCodeIsNotCalledFaster) {
  const auto result = run({"compare", "a.safetensors", "--method", "hyper", "--repeats", "5",
                           "--no-operator-norm", "--html", "r.html", "--json", "r.json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const std::string page = read_text(path("r.html"));
  for (const std::string& text : {page, result.out}) {
    EXPECT_EQ(text.find("Fastest within"), std::string::npos) << text;
    EXPECT_NE(text.find("Exact is the fastest here"), std::string::npos) << text;
    EXPECT_NE(text.find("= exact"), std::string::npos) << text;
    EXPECT_NE(text.find("exact's own code"), std::string::npos) << text;
  }
  const auto json = nlohmann::json::parse(read_text(path("r.json")));
  EXPECT_EQ(runs_of(json, "hyper").at(0)["speed"], "exact_code");
}

TEST_F(CompareTest, SpreadOfTimesAndErrors) {
  const auto json = run_json({"compare", "a.safetensors", "--method", "uniform(m=16)", "--repeats",
                              "4", "--seeds", "3", "--no-operator-norm"});
  for (const char* method : {"exact", "uniform(m=16)"}) {
    const auto run = runs_of(json, method).at(0);
    EXPECT_LE(run["time_low_s"], run["median_s"]);
    EXPECT_GE(run["time_high_s"], run["median_s"]);
    EXPECT_EQ(run["repeats"], 4);
  }
  const auto run = runs_of(json, "uniform(m=16)").at(0);
  EXPECT_LT(run["rel_fro_low"], run["rel_fro"]);
  EXPECT_GT(run["rel_fro_high"], run["rel_fro"]);
  const auto once = run_json({"compare", "a.safetensors", "--method", "uniform(m=16)", "--repeats",
                              "1", "--no-operator-norm"});
  for (const char* key : {"time_low_s", "time_high_s", "rel_fro_low", "rel_fro_high"})
    EXPECT_TRUE(runs_of(once, "uniform(m=16)").at(0)[key].is_null()) << key;
}

TEST_F(CompareTest, PageSaysWhereItsNumbersComeFrom) {
  const auto result =
      run({"compare", "a.safetensors", "--method", "window(8)", "--repeats", "2", "--seeds", "3",
           "--seed", "7", "--certify", "20", "--no-operator-norm", "--html", "r.html"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("Times: medians of 2 rounds; errors: medians over 3 seeds, 7 to 9"),
            std::string::npos)
      << result.out;
  const std::string page = read_text(path("r.html"));
  for (const char* words :
       {"<dt>Date</dt><dd>20", " UTC</dd>", "<dt>subquad</dt><dd>0.", "<dt>Processor</dt><dd>",
        "<dt>Instruction set</dt><dd>", "3 (7 to 9)", "medians of 2 rounds",
        "medians over 3 seeds, 7 to 9", "Certificates, of seed 7", "confidence 64.1 %, 20 rows",
        "@media print", "max-width: 760px"})
    EXPECT_NE(page.find(words), std::string::npos) << words;
  EXPECT_EQ(page.find("operator</th>"), std::string::npos);  // not measured: no column
}

// What a file says of itself is shown, not obeyed.
TEST_F(CompareTest, MetadataWithControlCharacters) {
  write_layer(path("c.safetensors"), {.metadata = {{"model", "\x1b[31mred\x1b]0;title\x07"},
                                                   {"note",
                                                    "two\nlines \xc2\x9b"
                                                    "31m"}}});
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"compare", "c.safetensors", "--method", "window(8)", "--repeats",
                                 "1", "--html", "c.html"},
        {"diagnose", "c.safetensors", "--probes", "alpha"}}) {
    const Outcome result = run(command);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_NE(result.out.find("model \\x1b[31mred"), std::string::npos) << result.out;
    for (const char* bad : {"\x1b", "\x07", "\xc2\x9b", "two\nlines"})
      EXPECT_EQ(result.out.find(bad), std::string::npos) << bad;
  }
  const std::string page = read_text(path("c.html"));
  EXPECT_NE(page.find("model \\x1b[31mred"), std::string::npos);
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
  write_layer(path("d.safetensors"), {.metadata = {{"causal", "\x1b[31m"}}});
  const Outcome error = run({"compare", "d.safetensors"});
  EXPECT_EQ(error.code, 2);
  EXPECT_EQ(error.err.find('\x1b'), std::string::npos) << error.err;
}

TEST_F(CompareTest, ErrorsOfAMethodNameTheFile) {
  write_layer(path("b.safetensors"), {.metadata = {{"causal", "top_left"}}});
  const auto refused = [&](const std::vector<std::string>& more,
                           const std::vector<std::string>& words) {
    std::vector<std::string> command{"compare", "b.safetensors", "a.safetensors",
                                     "--json",  "o.json",        "--repeats",
                                     "1",       "--threads",     "1"};
    command.insert(command.end(), more.begin(), more.end());
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.code, 2);
    for (const std::string& word : words)
      EXPECT_NE(outcome.err.find(word), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(path("o.json")));
  };
  // The second alone is not causal.
  refused({"--method", "recursion"}, {"subquad: a.safetensors: ", "recursion", "causal is none"});
  refused({"--method", "given"}, {"b.safetensors: --given: ", "there is no given[0]"});
}

// A row that has a NaN has no norm; what is finite is reported.
TEST_F(CompareTest, NormsThatAreNoNumbers) {
  std::vector<float> values(2 * 32 * 8, 0.5F);
  const std::vector<float> finite = values;
  values[3] = NAN;
  const std::vector<io::Tensor> tensors{{"q", io::ElementType::f32, {2, 32, 8}, values.data()},
                                        {"k", io::ElementType::f32, {2, 32, 8}, finite.data()},
                                        {"v", io::ElementType::f32, {2, 32, 8}, finite.data()}};
  io::write_file(path("n.safetensors"), tensors);
  const auto json =
      run_json({"compare", "n.safetensors", "--method", "window(8)", "--repeats", "1"});
  EXPECT_TRUE(runs_of(json, "window(8)").at(0)["op_rel"].is_null());
  EXPECT_FALSE(runs_of(json, "window(8)").at(2)["op_rel"].is_null());
}

TEST_F(CompareTest, SyntheticLayersAreLabelled) {
  ASSERT_EQ(run({"synth", "s.safetensors", "--n", "128", "--head-dim", "16", "--heads", "2",
                 "--clusters", "4"})
                .code,
            0);
  const auto result = run(
      {"compare", "s.safetensors", "--method", "window(16)", "--repeats", "1", "--html", "s.html"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out.rfind("SYNTHETIC DATA", 0), 0u) << result.out;
  EXPECT_NE(read_text(path("s.html")).find("Synthetic data"), std::string::npos);
}

}  // namespace
}  // namespace subquad::test
