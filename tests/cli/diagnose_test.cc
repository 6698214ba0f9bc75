// `subquad diagnose`: known matrices, the JSON contract, the table and mistakes.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "support.h"

namespace subquad::test {
namespace {

const char* const contract_keys[] = {"input",
                                     "sequence",
                                     "head",
                                     "seq",
                                     "queries",
                                     "head_dim",
                                     "value_dim",
                                     "batch",
                                     "heads",
                                     "kv_heads",
                                     "causal",
                                     "dtype",
                                     "skip_columns",
                                     "alpha",
                                     "alpha_over_n",
                                     "alpha_column",
                                     "alpha_rows",
                                     "alpha_sampled",
                                     "method",
                                     "kappa",
                                     "log10_kappa",
                                     "kappa_rows",
                                     "kappa_empty_rows",
                                     "kappa_unresolved_rows",
                                     "frobenius_squared",
                                     "operator_norm",
                                     "stable_rank",
                                     "epsilon",
                                     "lemma1_m",
                                     "log10_lemma1_m",
                                     "lemma1_vacuous",
                                     "lemma2_m",
                                     "lemma2_vacuous",
                                     "head_tail_ratio",
                                     "head_tail_ratio_error",
                                     "head_tail_nth_over_next",
                                     "head_tail_nth_over_2nth",
                                     "head_tail_rows"};

class DiagnoseTest : public CliTest {
 protected:
  DiagnoseTest() {
    write_layer(path("a.safetensors"), {.q = {4, 96, 8}, .k = {2, 96, 8}, .v = {2, 96, 5}});
  }

  void expect_error(const std::vector<std::string>& extra, const std::string& word) {
    std::vector<std::string> arguments{"diagnose", "a.safetensors", "--json", "o.json"};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    CliTest::expect_error(arguments, {word});
  }
};

TEST_F(DiagnoseTest, JsonKeepsTheContract) {
  const auto json = run_json({"diagnose", "a.safetensors", "--threads", "1"});
  EXPECT_EQ(json["machine"]["threads"], 1);
  EXPECT_TRUE(json["machine"]["isa"].is_string());
  ASSERT_EQ(json["probes"].size(), 5u);  // four heads and the worst
  for (std::size_t n = 0; n < 5; ++n) {
    const auto& probe = json["probes"][n];
    for (const char* key : contract_keys) EXPECT_TRUE(probe.contains(key)) << key;
    EXPECT_EQ(probe.size(), std::size(contract_keys));
    EXPECT_EQ(probe["head"], n < 4 ? nlohmann::json(n) : nlohmann::json("worst"));
    EXPECT_EQ(probe["sequence"], n < 4 ? nlohmann::json(0) : nlohmann::json(nullptr));
    EXPECT_EQ(probe["method"], "sortlsh(block=256)");
    EXPECT_EQ(probe["alpha_sampled"], false);
    EXPECT_EQ(probe["kappa_empty_rows"], 96);  // one block holds all 96 keys
  }
}

// Scores of 0 under a causal mask: row i (from 1) has i weights of 1 / i.
TEST_F(DiagnoseTest, CausalMatrixWithoutScores) {
  const auto json = run_json({"diagnose", "a.safetensors", "--scale", "0", "--causal", "top_left",
                              "--method", "sink(6)", "--epsilon", "0.25"});
  double squares = 0, harmonic = 0;
  for (int i = 1; i <= 96; ++i) {
    squares += 1.0 / (i * i);
    harmonic += 1.0 / i;
  }
  for (const auto& probe : json["probes"]) {
    EXPECT_NEAR(probe["alpha"].get<double>(), 96 * squares, 1e-3);
    EXPECT_NEAR(probe["alpha_over_n"].get<double>(), squares, 1e-5);
    EXPECT_EQ(probe["alpha_column"], 0);
    EXPECT_NEAR(probe["kappa"].get<double>(), 90, 1e-2);  // rows 7 to 96 see 1 to 90 other keys
    EXPECT_EQ(probe["kappa_empty_rows"], 6);
    EXPECT_EQ(probe["kappa_rows"], 90);
    EXPECT_NEAR(probe["frobenius_squared"].get<double>(), harmonic, 1e-5);
    const double norm = probe["operator_norm"], rank = probe["stable_rank"];
    EXPECT_NEAR(rank, harmonic / (norm * norm), 1e-3);
    EXPECT_NEAR(probe["lemma2_m"].get<double>(), 16 * 5 * rank, 1e-6);
    EXPECT_EQ(probe["lemma2_vacuous"], 16 * 5 * rank >= 96);
    const double lemma1 = 7 * std::log10(90) + 2 * std::log10(96 * squares) + 6 * std::log10(4.0) +
                          std::log10(std::log(96.0));
    EXPECT_NEAR(probe["log10_lemma1_m"].get<double>(), lemma1, 1e-3);
    EXPECT_EQ(probe["lemma1_vacuous"], true);
  }
}

TEST_F(DiagnoseTest, WorstIsTheLargestOfEachProbe) {
  const auto json = run_json({"diagnose", "a.safetensors", "--method", "window(9)"});
  for (const char* key : {"alpha", "log10_kappa", "stable_rank", "log10_lemma1_m", "lemma2_m"}) {
    double largest = -1;
    for (std::size_t n = 0; n < 4; ++n)
      largest = std::max(largest, json["probes"][n][key].get<double>());
    EXPECT_GT(largest, 0) << key;
    EXPECT_EQ(json["probes"][4][key], largest) << key;
  }
}

TEST_F(DiagnoseTest, LengthsAreThoseOfShorterLayers) {
  const auto json = run_json({"diagnose", "a.safetensors", "--causal", "top_left", "--lengths",
                              "40,96", "--skip-columns", "32"});
  ASSERT_EQ(json["probes"].size(), 10u);
  const auto whole = run_json({"diagnose", "a.safetensors", "--causal", "top_left", "--probes",
                               "alpha", "--skip-columns", "32"});
  for (std::size_t n = 0; n < 10; ++n) {
    const auto& probe = json["probes"][n];
    EXPECT_EQ(probe["seq"], n < 5 ? 40 : 96);
    EXPECT_EQ(probe["skip_columns"], 32);
    EXPECT_GE(probe["alpha_column"].get<int>(), 32);
    EXPECT_TRUE(probe["kappa"].is_null());
    EXPECT_TRUE(probe["stable_rank"].is_null());
    EXPECT_TRUE(probe["lemma1_m"].is_null());
  }
  for (std::size_t n = 0; n < 5; ++n)
    EXPECT_EQ(json["probes"][n + 5]["alpha"], whole["probes"][n]["alpha"]);
  // Rows 32..39 alone see a key beyond the first 32: at most 8 weights of 1.
  EXPECT_LE(json["probes"][4]["alpha_over_n"].get<double>(), 8);
}

TEST_F(DiagnoseTest, ProbesCanBeChosen) {
  const auto json =
      run_json({"diagnose", "a.safetensors", "--probes", "stable_rank,kappa", "--lengths", "50"});
  for (const auto& probe : json["probes"]) {
    EXPECT_TRUE(probe["alpha"].is_null());
    EXPECT_TRUE(probe["kappa"].is_number());
    EXPECT_TRUE(probe["lemma2_m"].is_number());
    EXPECT_TRUE(probe["lemma1_m"].is_null());
  }
}

// Keys and queries of zeros: all entries are equal, n^2 - n of them in the tail.
TEST_F(DiagnoseTest, HeadAndTailOfEqualEntries) {
  const auto json = run_json(
      {"diagnose", "a.safetensors", "--probes", "head_tail", "--scale", "0", "--lengths", "40"});
  for (const auto& probe : json["probes"]) {
    EXPECT_NEAR(probe["head_tail_ratio"].get<double>(), 39, 1e-9);
    EXPECT_EQ(probe["head_tail_nth_over_next"], 1.0);
    EXPECT_EQ(probe["head_tail_nth_over_2nth"], 1.0);
    EXPECT_EQ(probe["head_tail_rows"], 40);
    EXPECT_TRUE(probe["alpha"].is_null());
  }
}

TEST_F(DiagnoseTest, SampledRowsAreMarked) {
  const auto json =
      run_json({"diagnose", "a.safetensors", "--probes", "alpha", "--rows", "20", "--seed", "3"});
  for (const auto& probe : json["probes"]) {
    EXPECT_EQ(probe["alpha_sampled"], true);
    EXPECT_EQ(probe["alpha_rows"], 20);
  }
  const auto table = run({"diagnose", "a.safetensors", "--probes", "alpha", "--rows", "20"});
  EXPECT_NE(table.out.find("SAMPLED from 20 of 96 rows"), std::string::npos) << table.out;
}

TEST_F(DiagnoseTest, TableHasTheHeadsAndTheWorst) {
  write_layer(path("b.npz"), {.q = {2, 2, 40, 8}, .k = {2, 2, 40, 8}, .v = {2, 2, 40, 8}});
  const auto table =
      run({"diagnose", "a.safetensors", "b.npz", "--method", "window(9)", "--json", "r.json"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(table.err, "");
  for (const char* word : {"a.safetensors", "b.npz", "log10 kappa", "srnk", "head 3", "worst",
                           "sequence 1, head 1", "window(9)"}) {
    EXPECT_NE(table.out.find(word), std::string::npos) << word;
  }
  const auto json = nlohmann::json::parse(read_text(path("r.json")), nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  EXPECT_EQ(json["probes"].size(), 5u + 5u);
}

TEST_F(DiagnoseTest, HelpShowsOptionsAndExamples) {
  const Outcome outcome = run({"diagnose", "--help"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const char* word : {"--skip-columns", "--rows", "--lengths", "--epsilon", "Examples"}) {
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word;
  }
}

TEST_F(DiagnoseTest, MistakesAreNamed) {
  expect_error({"--method", "uniform(m=4)"}, "uniform(m=4)");
  expect_error({"--method", "exact"}, "exact");
  expect_error({"--method", "sortlsh(block=0)"}, "block");
  expect_error({"--skip-columns", "96"}, "--skip-columns: 96");
  expect_error({"--skip-columns", "-1"}, "--skip-columns");
  expect_error({"--rows", "many"}, "--rows");
  expect_error({"--epsilon", "0"}, "--epsilon");
  expect_error({"--epsilon", "inf"}, "epsilon");
  expect_error({"--lengths", "97"}, "--lengths 97");
  expect_error({"--lengths", "0"}, "--lengths 0");
  expect_error({"--lengths", "5,x"}, "--lengths");
  expect_error({"--probes", "beta"}, "beta");
  expect_error({"none.safetensors"}, "none.safetensors");
  write_layer(path("a.safetensors"), {.q = {2, 30, 8}, .k = {2, 40, 8}, .v = {2, 40, 8}});
  expect_error({"--lengths", "10"}, "30 queries and 40 keys");
}

TEST_F(DiagnoseTest, OtherPartsThanHeavyOnesAreCalledWhatTheUserCalledThem) {
  for (const std::string spec :
       {"exact", "uniform", "drop", "linear", "recursion", "far", "hyper", "sink(4)+uniform(m=9)",
        "nosuch", "sink(x=2)", "given(0)", "sink("}) {
    const Outcome outcome = run({"diagnose", "a.safetensors", "--method", spec});
    EXPECT_EQ(outcome.code, 2) << spec;
    EXPECT_EQ(outcome.out, "") << spec;
    EXPECT_EQ(outcome.err.find("subquad: --method '" + spec + "': "), 0U) << outcome.err;
    EXPECT_EQ(outcome.err.find("heavy_spec"), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find("more than one light part"), std::string::npos) << outcome.err;
  }
}

// Layers of real models, where the checkout has them.
TEST_F(DiagnoseTest, RealLayers) {
  const std::filesystem::path data =
      std::filesystem::path(__FILE__).parent_path() / "../../../shared/data/qkv";
  const std::string vision = (data / "deit_tiny_1024_block05.safetensors").string();
  const std::string text = (data / "stories260k_layer0.safetensors").string();
  if (!std::filesystem::exists(vision) || !std::filesystem::exists(text))
    GTEST_SKIP() << "no " << data.string();
  const auto vision_json = run_json({"diagnose", vision, "--probes", "alpha", "--rows", "256"});
  const auto text_json = run_json({"diagnose", text});
  // Some patches hand the class token (key 0) more than their share.
  EXPECT_EQ(vision_json["probes"].back()["alpha_column"], 0);
  EXPECT_GT(vision_json["probes"].back()["alpha_over_n"].get<double>(), 1);
  for (const auto& probe : text_json["probes"]) {
    EXPECT_EQ(probe["causal"], "top_left");
    // Row 0 sees key 0 alone: its weight there is 1, and |P|_op is at least 1.
    EXPECT_GE(probe["operator_norm"].get<double>(), 1);
    EXPECT_GE(probe["stable_rank"].get<double>(), 1);
    EXPECT_LE(probe["stable_rank"].get<double>(), 512);
    EXPECT_GT(probe["log10_kappa"].get<double>(), 0);
  }
}

}  // namespace
}  // namespace subquad::test
