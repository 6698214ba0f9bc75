// `subquad bench` and `subquad info`.
#include "support.h"

namespace subquad::test {
namespace {

class BenchTest : public CliTest {
 protected:
  nlohmann::json bench(std::vector<std::string> options) {
    options.insert(options.begin(), {"bench", "attention", "--repeats", "1", "--threads", "1"});
    return run_json(options);
  }
};

TEST_F(BenchTest, ForwardReportsEveryLengthAndMethod) {
  const auto json = bench({"--seq", "128,200", "--heads", "2", "--head-dim", "16", "--method",
                           "window(8)", "uniform(m=32)"});
  ASSERT_EQ(json["runs"].size(), 6u);
  const auto& exact = json["runs"][3];
  EXPECT_EQ(exact["method"], "exact");
  EXPECT_EQ(exact["seq"], 200);
  const double flops = 4.0 * 200 * 200 * 16 * 2;
  EXPECT_NEAR(exact["gflops"].get<double>() * exact["median_s"].get<double>() * 1e9, flops,
              1e-6 * flops);
  EXPECT_NEAR(exact["fraction_of_fma"].get<double>(),
              exact["gflops"].get<double>() / json["machine"]["fma_gflops"].get<double>(), 10);
  const auto& window = json["runs"][4];
  EXPECT_GT(window["rel_fro"].get<double>(), 0);
  EXPECT_GT(window["speedup_over_exact"].get<double>(), 0);
  EXPECT_TRUE(window["gflops"].is_null());
}

TEST_F(BenchTest, CausalCountsHalf) {
  const auto json =
      bench({"--seq", "100", "--heads", "1", "--head-dim", "16", "--causal", "top_left"});
  const auto& exact = json["runs"][0];
  const double flops = 4.0 * (100 * 101 / 2) * 16;
  EXPECT_NEAR(exact["gflops"].get<double>() * exact["median_s"].get<double>() * 1e9, flops,
              1e-6 * flops);
}

TEST_F(BenchTest, Backward) {
  const auto json =
      bench({"--seq", "128", "--heads", "2", "--head-dim", "16", "--pass", "backward"});
  ASSERT_EQ(json["runs"].size(), 1u);
  const auto& exact = json["runs"][0];
  EXPECT_EQ(exact["pass"], "backward");
  const double flops = 10.0 * 128 * 128 * 16 * 2;
  EXPECT_NEAR(exact["gflops"].get<double>() * exact["median_s"].get<double>() * 1e9, flops,
              1e-6 * flops);
}

TEST_F(BenchTest, MethodsRunBackward) {
  const auto json = bench({"--seq", "160", "--heads", "2", "--head-dim", "16", "--pass", "backward",
                           "--method", "sortlsh(block=16)+uniform(m=16)", "uniform(m=160)"});
  ASSERT_EQ(json["runs"].size(), 3u);
  EXPECT_EQ(json["runs"][1]["path"], "sortlsh+uniform:backward");
  EXPECT_EQ(json["runs"][1]["pass"], "backward");
  EXPECT_GT(json["runs"][1]["speedup_over_exact"].get<double>(), 0);
  EXPECT_GT(json["runs"][1]["rel_fro"].get<double>(), 1e-3);  // of the forward
  EXPECT_LT(json["runs"][2]["rel_fro"].get<double>(), 1e-5);
}

TEST_F(BenchTest, BothPassesTogether) {
  const auto json = bench({"--seq", "128", "--heads", "2", "--head-dim", "16", "--pass", "both",
                           "--method", "sink(3)+uniform(m=16)"});
  ASSERT_EQ(json["runs"].size(), 2u);
  const auto& exact = json["runs"][0];
  EXPECT_EQ(exact["pass"], "both");
  const double flops = 14.0 * 128 * 128 * 16 * 2;
  EXPECT_NEAR(exact["gflops"].get<double>() * exact["median_s"].get<double>() * 1e9, flops,
              1e-6 * flops);
  EXPECT_GT(json["runs"][1]["speedup_over_exact"].get<double>(), 0);
}

TEST_F(BenchTest, DecodeReportsBandwidth) {
  const auto json = bench({"--seq", "512", "--heads", "4", "--kv-heads", "2", "--head-dim", "16",
                           "--pass", "decode", "--dtype", "bf16", "--queries", "3"});
  const auto& exact = json["runs"][0];
  EXPECT_EQ(exact["queries"], 3);
  const double bytes = 2.0 * 2 * 512 * 16 * 2;
  EXPECT_NEAR(exact["read_gbps"].get<double>() * exact["median_s"].get<double>() * 1e9, bytes,
              1e-6 * bytes);
  EXPECT_GT(exact["fraction_of_read"].get<double>(), 0);
  EXPECT_GT(json["machine"]["read_gbps"].get<double>(), 0);
}

TEST_F(BenchTest, ExactOnSomeRowsIsScaledAndSaysSo) {
  for (const char* causal : {"none", "top_left", "bottom_right"}) {
    const auto json =
        bench({"--seq", "256", "--heads", "1", "--head-dim", "8", "--exact-rows", "64", "--causal",
               causal, "--method", "window(8)", "--method", "uniform(m=256)"});
    for (const auto& run : json["runs"]) {
      EXPECT_EQ(run["exact_rows"], 64);
      EXPECT_GT(run["exact_median_s"].get<double>(), 0);
    }
    // Errors are those of the same rows: none where the method is exact.
    EXPECT_GT(json["runs"][1]["rel_fro"].get<double>(), 0.05);
    EXPECT_LT(json["runs"][2]["rel_fro"].get<double>(), 1e-5);
  }
}

TEST_F(BenchTest, ProblemFile) {
  write_text(
      path("p.json"),
      R"([{"seq": [64, 96], "heads": 2, "head_dim": 8}, {"seq": 128, "pass": "decode", "dtype": "f16"}])");
  const auto json = bench({"--problem", "p.json"});
  ASSERT_EQ(json["runs"].size(), 3u);
  EXPECT_EQ(json["runs"][1]["seq"], 96);
  EXPECT_EQ(json["runs"][2]["pass"], "decode");
  EXPECT_EQ(json["runs"][2]["dtype"], "f16");
  EXPECT_EQ(json["runs"][2]["queries"], 1);
}

TEST_F(BenchTest, FileAsInput) {
  write_layer(path("a.safetensors"), {.metadata = {{"causal", "top_left"}}});
  const auto forward = bench({"--input", "a.safetensors"});
  EXPECT_EQ(forward["runs"][0]["seq"], 40);
  EXPECT_EQ(forward["runs"][0]["causal"], "top_left");
  const auto decode = bench({"--input", "a.safetensors", "--pass", "decode", "--queries", "2"});
  EXPECT_EQ(decode["runs"][0]["queries"], 2);
  EXPECT_EQ(decode["runs"][0]["causal"], "bottom_right");
}

// As many positions as the library takes.
TEST_F(BenchTest, TheLongestSequence) {
  for (const std::string seq : {"1073741824", "4294967296"}) {
    expect_error({"bench", "attention", "--seq", seq}, {"--seq", seq, "1073741823"});
    write_text(path("p.json"), "[{\"seq\": " + seq + "}]");
    expect_error({"bench", "attention", "--problem", "p.json"}, {"seq", seq, "1073741823"});
  }
  write_text(path("p.json"), R"([{"heads": 1, "seq": 1e999}])");
  expect_error({"bench", "attention", "--problem", "p.json"}, {"--problem p.json", "\"seq\""});
}

TEST_F(BenchTest, TableGoesToStdout) {
  const Outcome outcome =
      run({"bench", "attention", "--seq", "64", "--heads", "1", "--repeats", "1"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("exact"), std::string::npos);
  EXPECT_NE(outcome.out.find("FMA limit"), std::string::npos);
}

using InfoTest = CliTest;

TEST_F(InfoTest, StatesBuildAndMachine) {
  const auto json = run_json({"info"});
  EXPECT_TRUE(json["version"].is_string());
  EXPECT_FALSE(json["isa_compiled"].empty());
  EXPECT_FALSE(json["isa_supported"].empty());
  EXPECT_GT(json["machine"]["threads"].get<int>(), 0);
  EXPECT_TRUE(json["machine"]["fma_gflops"].is_null());
  EXPECT_TRUE(json["runs"].is_array());
}

TEST_F(InfoTest, PeakIsMeasured) {
  const auto json = run_json({"info", "--peak", "--threads", "1"});
  EXPECT_EQ(json["machine"]["threads"], 1);
  EXPECT_GT(json["machine"]["fma_gflops"].get<double>(), 0);
  EXPECT_GT(json["machine"]["read_gbps"].get<double>(), 0);
}

TEST_F(InfoTest, PeakOfTilesIsMeasuredWhereTheyAreInUse) {
  const auto json = run_json({"info", "--peak", "--threads", "1"});
  EXPECT_EQ(json["tile_gflops"].is_number(),
            json["machine"]["isa"] == "amx" || json["machine"]["isa"] == "avx3_bf16");
}

TEST_F(InfoTest, TextNamesTheInstructionSet) {
  const Outcome outcome = run({"info"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.out.find("instructions"), std::string::npos);
}

}  // namespace
}  // namespace subquad::test
