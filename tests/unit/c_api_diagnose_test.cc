// Measures, probes and layer metrics in C, against C++.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "c_api_support.h"
#include "subquad/attention.h"
#include "subquad/attention_metrics.h"
#include "subquad/info.h"
#include "subquad/measure.h"
#include "subquad/parts.h"
#include "subquad/probe.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

class CApiDiagnose : public ::testing::Test {
 protected:
  OwnedProblem owned_ = gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 48, .keys = 48, .head_dim = 8}, 3);
  subquad_problem problem_ = c_problem(owned_.problem);
  CResult result_;

  // The cells that say whose row it is, in order of sequence and head.
  template <typename Entry>
  void expect_places(const std::vector<Entry>& want) {
    ASSERT_EQ(std::ssize(want), result_.rows());
    for (std::int64_t n = 0; n < result_.rows(); ++n) {
      EXPECT_EQ(want[static_cast<std::size_t>(n)].sequence, result_.integer("sequence", n));
      EXPECT_EQ(want[static_cast<std::size_t>(n)].head, result_.integer("head", n));
    }
  }
};

TEST_F(CApiDiagnose, Errors) {
  TensorBuffer exact(DType::f32, owned_.out_shape()), approx(DType::f32, owned_.out_shape());
  attend(owned_.problem, "exact", {exact.mutable_view(), {}, {}}, {1});
  attend(owned_.problem, "window(4)", {approx.mutable_view(), {}, {}}, {1});
  const auto a = c_tensor(approx.view()), e = c_tensor(exact.view());
  const COptions options{{"measure.max_iterations", "5"}, {"measure.tolerance", "0.1"}};
  MeasureOptions measure;
  measure.max_iterations = 5;
  measure.tolerance = 0.1;
  const std::vector<double> want_norms = softmax_norms(owned_.problem, measure);
  std::vector<double> norms(8);
  ASSERT_EQ(SUBQUAD_OK, subquad_softmax_norms(&problem_, options.get(), norms.data(), 8));
  EXPECT_EQ(want_norms, norms);
  const auto want = measure_errors(owned_.problem, approx.view(), exact.view(), measure);
  for (const bool with_norms : {false, true}) {
    ASSERT_EQ(SUBQUAD_OK,
              subquad_measure_errors(&problem_, &a, &e, with_norms ? norms.data() : nullptr,
                                     with_norms ? 8 : 0, options.get(), result_.get()));
    ASSERT_EQ(std::ssize(want), result_.rows());
    for (std::int64_t n = 0; n < result_.rows(); ++n) {
      const ErrorMetrics& row = want[static_cast<std::size_t>(n)];
      EXPECT_EQ(row.head, result_.integer("head", n));
      EXPECT_EQ(row.rel_fro, result_.number("rel_fro", n));
      EXPECT_EQ(row.max_over_vmax, result_.number("max_over_vmax", n));
      EXPECT_EQ(row.op_rel, result_.number("op_rel", n));
      EXPECT_EQ(row.rows_over_1pct, result_.number("rows_over_1pct", n));
      EXPECT_EQ(row.rows_over_5pct, result_.number("rows_over_5pct", n));
      EXPECT_EQ(row.rows_over_20pct, result_.number("rows_over_20pct", n));
    }
  }
  expect_refused(subquad_softmax_norms(&problem_, nullptr, norms.data(), 7), "num_norms: is 7");
  expect_refused(subquad_softmax_norms(&problem_, nullptr, nullptr, 8), "norms: is NULL");
  expect_refused(subquad_measure_errors(&problem_, &a, &e, nullptr, 8, nullptr, nullptr),
                 "norms: is NULL");
  expect_refused(subquad_measure_errors(&problem_, &a, &e, norms.data(), 0, nullptr, nullptr),
                 "num_norms: is 0");
}

TEST_F(CApiDiagnose, ListsShareNothingWithWhatIsRead) {
  const std::int64_t count = 8;
  auto* const query = static_cast<double*>(problem_.query.data);
  const float before = *static_cast<const float*>(problem_.query.data);
  expect_refused(subquad_softmax_norms(&problem_, nullptr, query, count),
                 "norms: shares memory with query");
  expect_refused(subquad_softmax_norms(&problem_, nullptr, query + 8 * 48 * 4 - 1, count),
                 "norms: shares memory with query");
  expect_refused(subquad_token_similarity(&problem_.query, query, count),
                 "values: shares memory with tokens");
  std::vector<float> other(8 * 48 * 8, 1.0F);
  const subquad_tensor main = subquad_dense(other.data(), SUBQUAD_F32, 2, 4, 48, 8);
  expect_refused(subquad_residual_ratio(&problem_.query, &main, query, count),
                 "values: shares memory with branch");
  expect_refused(subquad_residual_ratio(&main, &problem_.query, query, count),
                 "values: shares memory with main");
  EXPECT_EQ(before, *static_cast<const float*>(problem_.query.data));
}

TEST_F(CApiDiagnose, CountsThatNoListHas) {
  std::vector<double> numbers(8);
  const std::vector<float> positions(96, 0.0F);
  for (const std::int64_t count :
       {std::numeric_limits<std::int64_t>::max(), std::int64_t{1} << 58, std::int64_t{1} << 30}) {
    expect_refused(
        subquad_attention_statistics(&problem_, positions.data(), count, nullptr, nullptr),
        "positions");
    expect_refused(subquad_softmax_norms(&problem_, nullptr, numbers.data(), count), "num_norms");
    expect_refused(subquad_token_similarity(&problem_.query, numbers.data(), count), "count");
    expect_refused(subquad_residual_ratio(&problem_.query, &problem_.query, numbers.data(), count),
                   "count");
    const subquad_tensor& rows = problem_.query;
    expect_refused(
        subquad_measure_errors(&problem_, &rows, &rows, numbers.data(), count, nullptr, nullptr),
        "norms");
  }
}

TEST_F(CApiDiagnose, NormsAreFiniteNumbersFromZero) {
  const subquad_tensor& rows = problem_.query;
  for (const double bad :
       {-1.0, -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN()}) {
    std::vector<double> norms(8, 1.0);
    norms[5] = bad;
    expect_refused(
        subquad_measure_errors(&problem_, &rows, &rows, norms.data(), 8, nullptr, nullptr),
        "norms: ");
  }
}

TEST_F(CApiDiagnose, Alpha) {
  AlphaOptions asked;
  asked.rows = 20;
  asked.skip_columns = 1;
  asked.seed = 3;
  const auto want = probe_alpha(owned_.problem, asked);
  const COptions options{{"alpha.rows", "20"}, {"alpha.skip_columns", "1"}, {"seed", "3"}};
  ASSERT_EQ(SUBQUAD_OK, subquad_probe_alpha(&problem_, options.get(), result_.get()));
  expect_places(want);
  for (std::int64_t n = 0; n < result_.rows(); ++n) {
    const Alpha& alpha = want[static_cast<std::size_t>(n)];
    EXPECT_EQ(alpha.alpha, result_.number("alpha", n));
    EXPECT_EQ(alpha.column, result_.integer("column", n));
    EXPECT_EQ(alpha.rows, result_.integer("rows", n));
    EXPECT_EQ(1, result_.integer("sampled", n));
  }
}

TEST_F(CApiDiagnose, Kappa) {
  const auto want = probe_kappa(owned_.problem, "sortlsh(block=8)", {.threads = 0, .seed = 2});
  const COptions options{{"seed", "2"}};
  ASSERT_EQ(SUBQUAD_OK,
            subquad_probe_kappa(&problem_, "sortlsh(block=8)", options.get(), result_.get()));
  expect_places(want);
  for (std::int64_t n = 0; n < result_.rows(); ++n) {
    const Kappa& kappa = want[static_cast<std::size_t>(n)];
    EXPECT_EQ(kappa.kappa, result_.number("kappa", n));
    EXPECT_EQ(kappa.log10_kappa, result_.number("log10_kappa", n));
    EXPECT_EQ(kappa.rows, result_.integer("rows", n));
    EXPECT_EQ(kappa.empty_rows, result_.integer("empty_rows", n));
    EXPECT_EQ(kappa.unresolved_rows, result_.integer("unresolved_rows", n));
  }
  EXPECT_EQ(kappa_floor(3.5), subquad_kappa_floor(3.5));
  expect_refused(subquad_probe_kappa(&problem_, nullptr, nullptr, nullptr), "heavy_spec: is NULL");
}

TEST_F(CApiDiagnose, StableRank) {
  const auto want = probe_stable_rank(owned_.problem, {.max_iterations = 4, .tolerance = 0});
  const COptions options{{"stable_rank.max_iterations", "4"}, {"stable_rank.tolerance", "0"}};
  ASSERT_EQ(SUBQUAD_OK, subquad_probe_stable_rank(&problem_, options.get(), result_.get()));
  expect_places(want);
  for (std::int64_t n = 0; n < result_.rows(); ++n) {
    const StableRank& rank = want[static_cast<std::size_t>(n)];
    EXPECT_EQ(rank.frobenius_squared, result_.number("frobenius_squared", n));
    EXPECT_EQ(rank.operator_norm, result_.number("operator_norm", n));
    EXPECT_EQ(rank.stable_rank, result_.number("stable_rank", n));
  }
}

TEST_F(CApiDiagnose, HeadTail) {
  const HeadTailOptions want_options{.prefix = 5, .rows = 3, .seed = 4};
  if (owned_.problem.query.length() != owned_.problem.key.length()) {
    expect_refused(subquad_probe_head_tail(&problem_, nullptr, nullptr), "query:");
    return;
  }
  const auto want = probe_head_tail(owned_.problem, want_options);
  const COptions options{{"head_tail.prefix", "5"}, {"head_tail.rows", "3"}, {"seed", "4"}};
  ASSERT_EQ(SUBQUAD_OK, subquad_probe_head_tail(&problem_, options.get(), result_.get()));
  expect_places(want);
  for (std::int64_t n = 0; n < result_.rows(); ++n) {
    const HeadTail& tail = want[static_cast<std::size_t>(n)];
    EXPECT_EQ(tail.ratio, result_.number("ratio", n));
    EXPECT_EQ(tail.ratio_error, result_.number("ratio_error", n));
    EXPECT_EQ(tail.nth_over_next, result_.number("nth_over_next", n));
    EXPECT_EQ(tail.nth_over_2nth, result_.number("nth_over_2nth", n));
    EXPECT_EQ(tail.rows, result_.integer("rows", n));
  }
}

TEST_F(CApiDiagnose, Lemmas) {
  const LemmaSamples want = lemma_samples({1000, 64, 0.25, 3, 0.5, 20}, {2, 0.5});
  const COptions options{{"lemma1.constant", "2"}, {"lemma2.constant", "0.5"}};
  ASSERT_EQ(SUBQUAD_OK,
            subquad_lemma_samples(1000, 64, 0.25, 3, 0.5, 20, options.get(), result_.get()));
  EXPECT_EQ(want.lemma1, result_.number("lemma1"));
  EXPECT_EQ(want.log10_lemma1, result_.number("log10_lemma1"));
  EXPECT_EQ(want.lemma2, result_.number("lemma2"));
  EXPECT_EQ(want.lemma1_vacuous, result_.integer("lemma1_vacuous") != 0);
  EXPECT_EQ(want.lemma2_vacuous, result_.integer("lemma2_vacuous") != 0);
  expect_refused(subquad_lemma_samples(0, 64, 0.25, 3, 0.5, 20, nullptr, nullptr), "n");
}

TEST_F(CApiDiagnose, LayerMetrics) {
  const std::vector<Position> positions = grid_positions(1, 47);
  AttentionStatisticsOptions asked;
  asked.keep = 9;
  asked.positions = positions;
  asked.leading = 1;
  const auto want = attention_statistics(owned_.problem, asked);
  const COptions options{{"statistics.keep", "9"}, {"statistics.leading", "1"}};
  ASSERT_EQ(SUBQUAD_OK, subquad_attention_statistics(&problem_, positions[0].data(), 47,
                                                     options.get(), result_.get()));
  expect_places(want);
  for (std::int64_t n = 0; n < result_.rows(); ++n) {
    const AttentionStatistics& row = want[static_cast<std::size_t>(n)];
    EXPECT_EQ(row.rows, result_.integer("rows", n));
    EXPECT_EQ(row.weight_std, result_.number("weight_std", n));
    EXPECT_EQ(row.nonlocality, result_.number("nonlocality", n));
    EXPECT_EQ(row.leading_weight, result_.number("leading_weight", n));
  }
  expect_refused(subquad_attention_statistics(&problem_, positions[0].data(), 0, nullptr, nullptr),
                 "num_positions: is 0");
  const auto tokens = c_tensor(owned_.query.view());
  std::vector<double> got(8);
  ASSERT_EQ(SUBQUAD_OK, subquad_token_similarity(&tokens, got.data(), 8));
  EXPECT_EQ(token_similarity(owned_.query.view()), got);
  ASSERT_EQ(SUBQUAD_OK, subquad_residual_ratio(&tokens, &tokens, got.data(), 8));
  EXPECT_EQ(std::vector<double>(8, 1.0), got);
  expect_refused(subquad_token_similarity(&tokens, got.data(), 9), "count: is 9, must be 8");
}

TEST(CApiInfo, Parts) {
  const CResult parts, parameters;
  ASSERT_EQ(SUBQUAD_OK, subquad_method_parts(parts.get(), parameters.get()));
  const std::vector<PartInfo> want = method_parts();
  ASSERT_EQ(std::ssize(want), parts.rows());
  std::int64_t next = 0;
  for (std::int64_t n = 0; n < parts.rows(); ++n) {
    const PartInfo& part = want[static_cast<std::size_t>(n)];
    EXPECT_EQ(part.name, parts.text("name", n));
    EXPECT_EQ(to_string(part.kind), parts.text("kind", n));
    EXPECT_EQ(part.summary, parts.text("summary", n));
    EXPECT_EQ(part.source, parts.text("source", n));
    for (const PartParameter& parameter : part.parameters) {
      EXPECT_EQ(part.name, parameters.text("part", next));
      EXPECT_EQ(parameter.name, parameters.text("name", next));
      EXPECT_EQ(parameter.fallback, parameters.text("fallback", next));
      EXPECT_EQ(parameter.range, parameters.text("range", next++));
    }
  }
  EXPECT_EQ(next, parameters.rows());
  EXPECT_GT(next, 20);
}

TEST(CApiInfo, Machine) {
  double rate = 0;
  ASSERT_EQ(SUBQUAD_OK, subquad_measure_fma_gflops(1, 1e-3, &rate));
  EXPECT_GT(rate, 0);
  // Far more threads than processors are not started.
  ASSERT_EQ(SUBQUAD_OK, subquad_measure_fma_gflops(1'000'000'000, 1e-3, &rate));
  expect_refused(subquad_measure_fma_gflops(-1, 1e-3, &rate), "threads: -1");
  expect_refused(subquad_measure_read_gbps(1, HUGE_VAL, &rate), "seconds");
  expect_refused(subquad_measure_fma_gflops(1, std::nan(""), &rate), "seconds");
  ASSERT_EQ(SUBQUAD_OK, subquad_measure_tile_gflops(1, 1e-3, &rate));
  const std::string isa = build_info().isa;
  EXPECT_EQ(rate > 0, isa == "amx" || isa == "avx3_bf16");
  expect_refused(subquad_measure_tile_gflops(1, 0, &rate), "seconds");
  expect_refused(subquad_select_isa("z80"), "z80");
  expect_refused(subquad_select_isa(nullptr), "name: is NULL");
  EXPECT_EQ(SUBQUAD_OK, subquad_select_isa(""));
  EXPECT_EQ(build_info().version, subquad_version());
}

}  // namespace
}  // namespace subquad::testing
