// Options by key and results by key: every key is taken, used and checked.
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "c_api_support.h"
#include "capi/options.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

TEST(CApiOptions, EveryKeyTakesItsDefaultAndOthersNot) {
  const COptions options;
  EXPECT_EQ(nullptr, subquad_options_key(-1));
  EXPECT_EQ(nullptr, subquad_options_key(subquad_options_num_keys()));
  ASSERT_GT(subquad_options_num_keys(), 20);
  for (std::int64_t n = 0; n < subquad_options_num_keys(); ++n) {
    const std::string key = subquad_options_key(n);
    SCOPED_TRACE(key);
    for (const char* bad : {"maybe", "-1x", " 1", "1 ", "nan", "inf", "1e400", "0x10"})
      expect_refused(subquad_options_set(options.get(), key.c_str(), bad), key);
    if (key != "linear.scale" && key != "approxd.heavy")
      expect_refused(subquad_options_set(options.get(), key.c_str(), ""), key);
    expect_refused(subquad_options_set(options.get(), key.c_str(), nullptr), key);
  }
}

struct Setting {
  const char *key, *value;
  bool (*holds)(const subquad_options&);
};

// What each key sets, and the ends of its range.
const Setting settings[] = {
    {"threads", "3", [](const auto& o) { return o.run.threads == 3; }},
    {"seed", "18446744073709551615", [](const auto& o) { return o.run.seed + 1 == 0; }},
    {"certificate.rows", "12", [](const auto& o) { return o.certificate.rows == 12; }},
    {"certificate.share", "0.5", [](const auto& o) { return o.certificate.share == 0.5; }},
    {"certificate.confidence", "0.25",
     [](const auto& o) { return o.certificate.confidence == 0.25; }},
    {"measure.operator_norm", "off", [](const auto& o) { return !o.measure.operator_norm; }},
    {"measure.max_iterations", "1", [](const auto& o) { return o.measure.max_iterations == 1; }},
    {"measure.tolerance", "0", [](const auto& o) { return o.measure.tolerance == 0; }},
    {"alpha.skip_columns", "32", [](const auto& o) { return o.alpha.skip_columns == 32; }},
    {"alpha.rows", "64", [](const auto& o) { return o.alpha.rows == 64; }},
    {"stable_rank.max_iterations", "7",
     [](const auto& o) { return o.stable_rank.max_iterations == 7; }},
    {"stable_rank.tolerance", "1e-5",
     [](const auto& o) { return o.stable_rank.tolerance == 1e-5; }},
    {"statistics.keep", "9", [](const auto& o) { return o.statistics.keep == 9; }},
    {"statistics.leading", "1", [](const auto& o) { return o.statistics.leading == 1; }},
    {"lemma1.constant", "2.5", [](const auto& o) { return o.lemmas.lemma1 == 2.5; }},
    {"lemma2.constant", "0.1", [](const auto& o) { return o.lemmas.lemma2 == 0.1; }},
    {"approxd.heavy", "", [](const auto& o) { return o.approx_d.heavy.empty(); }},
    {"approxd.num_samples", "1073741824",
     [](const auto& o) { return o.approx_d.num_samples == 1 << 30; }},
    {"approxd.epsilon", "1", [](const auto& o) { return o.approx_d.epsilon == 1; }},
    {"approxd.kappa", "1", [](const auto& o) { return o.approx_d.kappa == 1; }},
    {"approxd.cap_constant", "0", [](const auto& o) { return o.approx_d.cap_constant == 0; }},
    {"approxd.cap", "no", [](const auto& o) { return !o.approx_d.cap; }},
    {"approxd.floor", "0", [](const auto& o) { return !o.approx_d.floor; }},
    {"approxd.tau_samples", "5", [](const auto& o) { return o.approx_d.tau_samples == 5; }},
    {"approxd.replace", "false", [](const auto& o) { return !o.approx_d.replace; }},
    {"values.num_samples", "17", [](const auto& o) { return o.values.num_samples == 17; }},
    {"values.replace", "false", [](const auto& o) { return !o.values.replace; }},
    {"head_tail.prefix", "77", [](const auto& o) { return o.head_tail.prefix == 77; }},
    {"head_tail.rows", "88", [](const auto& o) { return o.head_tail.rows == 88; }},
    {"linear.map", "relu", [](const auto& o) { return o.linear_map == FeatureMap::relu; }},
    {"linear.scale", "-0.5", [](const auto& o) { return o.linear_scale == -0.5F; }},
};

TEST(CApiOptions, EveryKeySetsItsOwn) {
  EXPECT_EQ(subquad_options_num_keys(), std::ssize(settings));
  for (const Setting& setting : settings) {
    SCOPED_TRACE(setting.key);
    const COptions options;
    EXPECT_FALSE(setting.holds(*options.get()));
    ASSERT_EQ(SUBQUAD_OK, subquad_options_set(options.get(), setting.key, setting.value));
    EXPECT_TRUE(setting.holds(*options.get()));
    for (const Setting& other : settings)
      EXPECT_EQ(&other == &setting, other.holds(*options.get())) << other.key;
  }
}

TEST(CApiOptions, NumbersOutOfRange) {
  const COptions options;
  const std::pair<const char*, const char*> bad[] = {
      {"threads", "-1"},           {"threads", "2.5"},
      {"threads", "99999999999"},  {"seed", "18446744073709551616"},
      {"certificate.share", "0"},  {"certificate.share", "1"},
      {"approxd.epsilon", "0"},    {"approxd.num_samples", "0"},
      {"approxd.kappa", "0.5"},    {"measure.max_iterations", "0"},
      {"measure.tolerance", "-1"}, {"approxd.num_samples", "1073741825"},
      {"linear.scale", "1e39"},    {"linear.map", "exp"}};
  for (const auto& [key, value] : bad) {
    expect_refused(subquad_options_set(options.get(), key, value), key);
    expect_refused(subquad_options_set(options.get(), key, value), value);
  }
  EXPECT_EQ(0, options.get()->run.threads);
}

TEST(CApiOptions, TheHeavyPartsOfApproxD) {
  const COptions options;
  const auto set = [&](const char* spec) {
    return subquad_options_set(options.get(), "approxd.heavy", spec);
  };
  EXPECT_EQ(SUBQUAD_OK, set("sink(2)+given(3)+window(9)"));
  for (const char* spec : {"uniform", "exact", "far", "recursion", "sink(4)+drop", "nan",
                           "sink(x=2)", "given(-1)", "given(x=1)", " ", "sink(4)+"})
    expect_refused(set(spec), "option approxd.heavy '" + std::string(spec) + "': ");
  expect_refused(set("\xff"), "option approxd.heavy '?': ");
  EXPECT_EQ("sink(2)+given(3)+window(9)", options.get()->approx_d.heavy);
}

TEST(CApiOptions, UnknownKeysNameTheKnownOnes) {
  const COptions options;
  expect_refused(subquad_options_set(options.get(), "sed", "1"), "'sed'");
  expect_refused(subquad_options_set(options.get(), "sed", "1"), "certificate.rows");
  expect_refused(subquad_options_set(options.get(), nullptr, "1"), "key: is NULL");
  expect_refused(subquad_options_set(nullptr, "seed", "1"), "options: is NULL");
}

TEST(CApiOptions, GivenListsAndTheirCounts) {
  const COptions options;
  const std::int64_t offsets[2] = {0, 0};
  const std::int32_t keys[1] = {0};
  const subquad_block_pair blocks[1] = {{0, 0}};
  auto* o = options.get();
  expect_refused(subquad_options_add_given_rows(o, nullptr, 2, keys, 1), "offsets: is NULL");
  expect_refused(subquad_options_add_given_rows(o, offsets, 0, keys, 1), "num_offsets: is 0");
  expect_refused(subquad_options_add_given_rows(o, offsets, 2, nullptr, 1), "keys: is NULL");
  expect_refused(subquad_options_add_given_rows(o, offsets, 2, keys, -1), "num_keys: -1");
  expect_refused(subquad_options_add_given_rows(nullptr, offsets, 2, keys, 1), "options: is NULL");
  expect_refused(subquad_options_add_given_blocks(o, 1, 1, nullptr, 1, nullptr, 0),
                 "blocks: is NULL");
  expect_refused(subquad_options_add_given_blocks(o, 1, 1, blocks, 1, offsets, 0),
                 "num_offsets: is 0");
  expect_refused(subquad_options_add_given_blocks(o, 1, 1, blocks, 1, nullptr, 2),
                 "offsets: is NULL");
  EXPECT_TRUE(o->given.empty());
  // Empty lists are lists.
  EXPECT_EQ(SUBQUAD_OK, subquad_options_add_given_rows(o, offsets, 2, keys, 0));
  EXPECT_EQ(SUBQUAD_OK, subquad_options_add_given_rows(o, offsets, 2, nullptr, 0));
  EXPECT_EQ(2U, o->given.size());
}

// More than the lists hold: refused before anything behind them is read.
TEST(CApiOptions, GivenCountsThatNoListHas) {
  const OwnedProblem owned = gaussian_problem({.queries = 6, .keys = 6, .head_dim = 4}, 1);
  const subquad_problem problem = c_problem(owned.problem);
  TensorBuffer buffer(DType::f32, owned.out_shape());
  const subquad_tensor out = c_tensor(buffer.view());
  const std::vector<std::int64_t> offsets(7, 0);
  const std::int32_t keys[1] = {0};
  const subquad_block_pair blocks[1] = {{0, 0}};
  const auto attend = [&](subquad_status added, const COptions& options) {
    return added != SUBQUAD_OK ? added
                               : subquad_attend_with(&problem, "given", &out, nullptr, nullptr,
                                                     options.get(), nullptr);
  };
  for (const std::int64_t count :
       {std::numeric_limits<std::int64_t>::max(), std::int64_t{1} << 55, std::int64_t{1} << 40}) {
    COptions a, b, c, d;
    const std::int64_t* o = offsets.data();
    expect_refused(attend(subquad_options_add_given_rows(a.get(), o, count, keys, 1), a),
                   "offsets");
    expect_refused(attend(subquad_options_add_given_rows(b.get(), o, 7, keys, count), b), "keys");
    const auto add = [&](const COptions& to, std::int64_t num_blocks, std::int64_t num_offsets) {
      return subquad_options_add_given_blocks(to.get(), 2, 2, blocks, num_blocks,
                                              num_offsets > 0 ? o : nullptr, num_offsets);
    };
    expect_refused(attend(add(c, count, 0), c), "blocks");
    expect_refused(attend(add(d, 1, count), d), "offsets");
  }
}

class CApiResult : public ::testing::Test {
 protected:
  CResult result_;
  void SetUp() override { ASSERT_EQ(SUBQUAD_OK, subquad_build_info(result_.get())); }
};

TEST_F(CApiResult, KeysAreListed) {
  std::vector<std::string> keys;
  for (std::int64_t n = 0; n < subquad_result_num_keys(result_.get()); ++n)
    keys.emplace_back(subquad_result_key(result_.get(), n));
  EXPECT_EQ(keys, (std::vector<std::string>{"version", "compiler", "isa_compiled", "isa_supported",
                                            "isa", "threads"}));
  EXPECT_EQ(nullptr, subquad_result_key(result_.get(), 6));
  EXPECT_EQ(nullptr, subquad_result_key(result_.get(), -1));
  EXPECT_EQ(result_.text("version"), subquad_version());
  EXPECT_GT(result_.integer("threads"), 0);
  EXPECT_EQ(static_cast<double>(result_.integer("threads")), result_.number("threads"));
}

TEST_F(CApiResult, WrongKeysRowsAndKinds) {
  std::int64_t whole = 77, count = 77;
  double number = 77;
  const char* text = "untouched";
  const double* numbers = nullptr;
  auto* r = result_.get();
  expect_refused(subquad_result_integer(r, "thread", 0, &whole), "compiler");
  expect_refused(subquad_result_integer(r, "version", 0, &whole), "a text, not an integer");
  expect_refused(subquad_result_number(r, "version", 0, &number), "a text, not a number");
  expect_refused(subquad_result_text(r, "threads", 0, &text), "an integer, not a text");
  expect_refused(subquad_result_numbers(r, "threads", 0, &numbers, &count), "a list of numbers");
  expect_refused(subquad_result_integer(r, "threads", 1, &whole), "row: 1");
  expect_refused(subquad_result_integer(r, "threads", -1, &whole), "row: -1");
  expect_refused(subquad_result_integer(r, nullptr, 0, &whole), "key: is NULL");
  expect_refused(subquad_result_integer(r, "threads", 0, nullptr), "value: is NULL");
  expect_refused(subquad_result_integer(nullptr, "threads", 0, &whole), "result: is NULL");
  EXPECT_EQ(77, whole);
  EXPECT_EQ(77, number);
  EXPECT_STREQ("untouched", text);
  EXPECT_EQ(0, subquad_result_num_rows(nullptr));
  EXPECT_EQ(0, subquad_result_num_keys(nullptr));
}

TEST_F(CApiResult, AFailingCallLeavesIt) {
  const subquad_problem problem = subquad_problem_default();
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, subquad_attend_with(&problem, "exact", nullptr, nullptr,
                                                          nullptr, nullptr, result_.get()));
  EXPECT_EQ(result_.text("version"), subquad_version());
}

TEST(CApiErrors, EachThreadHasItsOwnText) {
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, subquad_options_set(nullptr, "a", "b"));
  const std::string mine = subquad_last_error();
  std::string before, after;
  std::thread([&] {
    before = subquad_last_error();
    EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, subquad_build_info(nullptr) == SUBQUAD_OK
                                            ? subquad_select_isa("z80")
                                            : SUBQUAD_FAILED);
    after = subquad_last_error();
  }).join();
  EXPECT_EQ("", before);
  EXPECT_NE(after.find("z80"), std::string::npos);
  EXPECT_EQ(mine, subquad_last_error());
  // A call that succeeds leaves the text.
  EXPECT_EQ(SUBQUAD_OK, subquad_build_info(nullptr));
  EXPECT_EQ(mine, subquad_last_error());
}

TEST(CApiErrors, NothingIsAskedOfNull) {
  subquad_options_free(nullptr);
  subquad_result_free(nullptr);
  subquad_linear_free(nullptr);
  subquad_options_clear_given(nullptr);
  subquad_release_scratch();
}

}  // namespace
}  // namespace subquad::testing
