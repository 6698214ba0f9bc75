// Certificates against plain double-precision errors of all rows.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "subquad/certificate.h"
#include "subquad/error.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// The reference's rows, each moved by noise of its own size.
TensorBuffer disturbed(const OwnedProblem& owned, const ReferenceAttention& exact, DType type,
                       std::uint64_t seed) {
  TensorBuffer out(type, owned.out_shape(), {.row_padding = 3});
  Draw draw(seed);
  const Shape4 shape = owned.out_shape();
  for (std::int64_t b = 0; b < shape[0]; ++b)
    for (std::int64_t h = 0; h < shape[1]; ++h)
      for (std::int64_t i = 0; i < shape[2]; ++i) {
        const double size = 0.01 + draw.unit();
        for (std::int64_t c = 0; c < shape[3]; ++c)
          out.set(b, h, i, c, exact.out.row(b, h, i)[c] + size * draw.normal());
      }
  return out;
}

struct PlainRow {
  double error = 0, norm = 0;
  double relative() const { return error == 0 ? 0 : error / norm; }
};

PlainRow plain_row(const TensorBuffer& out, const ReferenceAttention& exact,
                   const Certificate::Place& at) {
  PlainRow row;
  for (std::int64_t c = 0; c < out.shape()[3]; ++c) {
    const double e = exact.out.row(at.batch, at.head, at.position)[c];
    row.error += std::pow(out.get(at.batch, at.head, at.position, c) - e, 2);
    row.norm += e * e;
  }
  return {std::sqrt(row.error), std::sqrt(row.norm)};
}

// What a certificate of all rows must state.
Certificate plain_certificate(const TensorBuffer& out, const ReferenceAttention& exact) {
  Certificate expected;
  double errors = 0, norms = 0, largest = 0;
  const Shape4& shape = out.shape();
  for (std::int64_t b = 0; b < shape[0]; ++b)
    for (std::int64_t h = 0; h < shape[1]; ++h)
      for (std::int64_t i = 0; i < shape[2]; ++i) {
        const PlainRow row = plain_row(out, exact, {b, h, i});
        ++expected.rows;
        expected.largest_row_error = std::max(expected.largest_row_error, row.relative());
        largest = std::max(largest, row.error);
        errors += row.error * row.error;
        norms += row.norm * row.norm;
      }
  expected.rms_row_norm = expected.rows > 0 ? std::sqrt(norms / double(expected.rows)) : 0;
  expected.largest_row_error_to_rms = largest == 0 ? 0 : largest / expected.rms_row_norm;
  expected.rel_fro = errors == 0 ? 0 : std::sqrt(errors / norms);
  return expected;
}

void expect_close(double got, double want, const char* what) {
  if (std::isinf(want)) {
    EXPECT_EQ(got, want) << what;
    return;
  }
  EXPECT_NEAR(got, want, 1e-3 * want + 1e-12) << what;
}

// Noise far above rounding, so that relative errors compare to 1e-3.
void check_all_rows(std::uint64_t seed, DType type) {
  const OwnedProblem owned = random_problem(seed, type, {.max_work = 2'000'000});
  SCOPED_TRACE(owned.description);
  const ReferenceAttention exact(owned.problem);
  const TensorBuffer out = disturbed(owned, exact, type, seed);
  CertificateOptions options;
  options.rows = std::numeric_limits<std::int64_t>::max();
  const Certificate got = certify(owned.problem, out.view(), options);
  const Certificate want = plain_certificate(out, exact);
  EXPECT_EQ(got.rows, want.rows);
  EXPECT_EQ(got.total_rows, want.rows);
  EXPECT_EQ(got.share, 1);
  EXPECT_EQ(got.confidence, 1);
  expect_close(got.largest_row_error, want.largest_row_error, "largest_row_error");
  expect_close(got.largest_row_error_to_rms, want.largest_row_error_to_rms, "to_rms");
  expect_close(got.rms_row_norm, want.rms_row_norm, "rms_row_norm");
  expect_close(got.rel_fro, want.rel_fro, "rel_fro");
  if (got.rows == 0) return;
  expect_close(plain_row(out, exact, got.worst).relative(), want.largest_row_error, "worst");
}

TEST(Certificate, OfAllRowsIsThePlainComputation) {
  for (std::uint64_t seed = 0; seed < 60; ++seed)
    for (const DType type : {DType::f32, DType::bf16, DType::f16}) check_all_rows(seed, type);
}

// batch 2, 4 query heads over 2 key heads, 50 queries: 400 rows.
OwnedProblem grouped_problem() {
  OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 50, .keys = 70, .value_dim = 5}, 3);
  owned.problem.causal = Causal::bottom_right;
  return owned;
}

TEST(Certificate, WorstRowOfASampleHasTheStatedError) {
  const OwnedProblem owned = grouped_problem();
  const ReferenceAttention exact(owned.problem);
  const TensorBuffer out = disturbed(owned, exact, DType::f32, 1);
  const double bound = plain_certificate(out, exact).largest_row_error;
  for (const std::int64_t rows : {1, 7, 59, 399}) {
    const Certificate got =
        certify(owned.problem, out.view(), {.rows = rows, .seed = std::uint64_t(rows)});
    EXPECT_EQ(got.rows, rows);
    EXPECT_EQ(got.total_rows, 400);
    EXPECT_EQ(got.share, 0.95);
    EXPECT_NEAR(got.confidence, 1 - std::pow(0.95, double(rows)), 1e-12);
    const PlainRow worst = plain_row(out, exact, got.worst);
    EXPECT_NEAR(got.largest_row_error, worst.relative(), 1e-4 * worst.relative());
    EXPECT_LE(got.largest_row_error, bound * (1 + 1e-4));
    if (rows > 1) continue;
    EXPECT_NEAR(got.rms_row_norm, worst.norm, 1e-4 * worst.norm);
    EXPECT_NEAR(got.rel_fro, worst.relative(), 1e-4 * worst.relative());
    EXPECT_NEAR(got.largest_row_error_to_rms, worst.relative(), 1e-4 * worst.relative());
  }
}

TEST(Certificate, SameBitsForAnyThreadsAndAnotherSampleForAnotherSeed) {
  const OwnedProblem owned = grouped_problem();
  const TensorBuffer out = disturbed(owned, ReferenceAttention(owned.problem), DType::f32, 1);
  const auto with = [&](std::uint64_t seed, int threads) {
    return certify(owned.problem, out.view(), {.rows = 200, .seed = seed, .threads = threads});
  };
  const Certificate one = with(5, 1);
  for (const int threads : {0, 2, 7}) {
    const Certificate many = with(5, threads);
    EXPECT_EQ(one.largest_row_error, many.largest_row_error);
    EXPECT_EQ(one.largest_row_error_to_rms, many.largest_row_error_to_rms);
    EXPECT_EQ(one.rel_fro, many.rel_fro);
    EXPECT_EQ(one.worst.position, many.worst.position);
  }
  EXPECT_NE(one.rel_fro, with(6, 1).rel_fro);
}

TEST(Certificate, TakesTheFewestRowsThatReachTheConfidence) {
  const OwnedProblem owned = gaussian_problem({.queries = 1000, .keys = 4}, 1);
  const TensorBuffer out(DType::f32, owned.out_shape());
  const auto rows = [&](double share, double confidence) {
    const Certificate got =
        certify(owned.problem, out.view(), {.share = share, .confidence = confidence});
    EXPECT_GE(got.confidence, confidence - 1e-12);
    return got.rows;
  };
  EXPECT_EQ(certify(owned.problem, out.view()).rows, 90);
  EXPECT_EQ(rows(0.95, 0.99), 90);
  EXPECT_EQ(rows(0.95, 0.95), 59);
  EXPECT_EQ(rows(0.99, 0.99), 459);
  EXPECT_EQ(rows(0.5, 0.5), 1);
  EXPECT_EQ(rows(0.5, 0.501), 2);
  EXPECT_EQ(rows(0.001, 0.5), 1);
  EXPECT_EQ(rows(0.9999999, 0.9999999), 1000);
  EXPECT_EQ(rows(std::nextafter(1.0, 0.0), std::nextafter(1.0, 0.0)), 1000);
}

TEST(Certificate, ExactOutputHasRoundingErrors) {
  const OwnedProblem owned = grouped_problem();
  TensorBuffer out(DType::f32, owned.out_shape());
  attend(owned.problem, "exact", {out.mutable_view(), {}, {}});
  const Certificate got = certify(owned.problem, out.view());
  EXPECT_LE(got.largest_row_error, 1e-6);
  EXPECT_LE(got.rel_fro, 1e-6);
}

// Queries before the first key see nothing: both rows are zero.
TEST(Certificate, RowsThatSeeNoKeyHaveNoError) {
  OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 10}, 2);
  owned.problem.causal = Causal::bottom_right;
  TensorBuffer out(DType::f32, owned.out_shape());
  attend(owned.problem, "exact", {out.mutable_view(), {}, {}});
  EXPECT_LE(certify(owned.problem, out.view(), {.rows = 40}).largest_row_error, 1e-6);
  out.set(0, 0, 3, 2, 1e-20);
  const Certificate wrong = certify(owned.problem, out.view(), {.rows = 40});
  EXPECT_EQ(wrong.largest_row_error, infinity);
  EXPECT_EQ(wrong.worst.position, 3);
  EXPECT_LE(wrong.largest_row_error_to_rms, 1e-6);
}

// Values of zero throughout: nothing to divide by.
TEST(Certificate, ZeroOutputsAreCertifiedToo) {
  OwnedProblem owned = gaussian_problem({.queries = 9, .keys = 9}, 2);
  owned.value.fill([] { return 0.0; });
  TensorBuffer out(DType::f32, owned.out_shape());
  out.fill([] { return 0.0; });
  EXPECT_EQ(certify(owned.problem, out.view()).rel_fro, 0);
  EXPECT_EQ(certify(owned.problem, out.view()).largest_row_error_to_rms, 0);
  out.set(0, 0, 1, 1, 1);
  EXPECT_EQ(certify(owned.problem, out.view()).rel_fro, infinity);
  EXPECT_EQ(certify(owned.problem, out.view()).largest_row_error_to_rms, infinity);
}

class NonFinite : public ::testing::Test {
 protected:
  NonFinite() : out(DType::f32, owned.out_shape()) {
    owned.value.set(0, 0, 0, 1, not_a_number);
    owned.value.set(0, 0, 0, 2, infinity);
    attend(owned.problem, "exact", {out.mutable_view(), {}, {}});
  }
  Certificate all_rows() const { return certify(owned.problem, out.view(), {.rows = 100}); }

  OwnedProblem owned = gaussian_problem({.queries = 12, .keys = 9}, 2);
  TensorBuffer out;
};

// Nothing differs, and nothing is certified.
TEST_F(NonFinite, EqualPatternsHaveNoBound) {
  ASSERT_TRUE(std::isnan(out.get(0, 0, 5, 1)));
  ASSERT_EQ(out.get(0, 0, 5, 2), infinity);
  const Certificate got = all_rows();
  EXPECT_TRUE(std::isnan(got.largest_row_error));
  EXPECT_TRUE(std::isnan(got.largest_row_error_to_rms));
  EXPECT_EQ(got.worst.position, 0);
  EXPECT_LE(got.rel_fro, 1e-6);
  EXPECT_TRUE(std::isfinite(got.rms_row_norm));
  EXPECT_GT(got.rms_row_norm, 0);
}

TEST_F(NonFinite, OutputsOfNanAloneHaveNoErrorAtAll) {
  owned.value.fill([] { return not_a_number; });
  attend(owned.problem, "exact", {out.mutable_view(), {}, {}});
  const Certificate got = all_rows();
  EXPECT_TRUE(std::isnan(got.largest_row_error));
  EXPECT_TRUE(std::isnan(got.rel_fro));
}

TEST_F(NonFinite, EveryOtherPatternIsAnInfiniteError) {
  const auto expect_infinite = [&](std::int64_t channel, double value) {
    const double before = out.get(0, 0, 5, channel);
    out.set(0, 0, 5, channel, value);
    const Certificate got = all_rows();
    EXPECT_EQ(got.largest_row_error, infinity) << value;
    EXPECT_EQ(got.largest_row_error_to_rms, infinity) << value;
    EXPECT_EQ(got.rel_fro, infinity) << value;
    EXPECT_EQ(got.worst.position, 5) << value;
    out.set(0, 0, 5, channel, before);
  };
  expect_infinite(0, not_a_number);
  expect_infinite(0, infinity);
  expect_infinite(1, 0);
  expect_infinite(1, infinity);
  expect_infinite(2, 0);
  expect_infinite(2, -infinity);
  expect_infinite(2, not_a_number);
}

TEST(Certificate, NothingToCertify) {
  const OwnedProblem owned = gaussian_problem({.queries = 0, .keys = 5}, 1);
  const TensorBuffer out(DType::f32, owned.out_shape());
  const Certificate got = certify(owned.problem, out.view());
  EXPECT_EQ(got.rows, 0);
  EXPECT_EQ(got.share, 1);
  EXPECT_EQ(got.confidence, 1);
  EXPECT_EQ(got.largest_row_error, 0);
  EXPECT_EQ(got.rel_fro, 0);
  EXPECT_EQ(got.worst.position, -1);
}

TEST(Certificate, BadArgumentsAreNamed) {
  const OwnedProblem owned = grouped_problem();
  const TensorBuffer out(DType::f32, owned.out_shape());
  const auto expect_named = [&](const CertificateOptions& options, const TensorView& view,
                                const std::string& name) {
    try {
      certify(owned.problem, view, options);
      ADD_FAILURE() << name << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
      EXPECT_EQ(std::string(error.what()).rfind(name + ":", 0), 0u) << error.what();
    }
  };
  expect_named({.rows = -1}, out.view(), "rows");
  expect_named({.threads = -1}, out.view(), "threads");
  for (const double bad : {0.0, 1.0, -0.1, 1.5, not_a_number, infinity}) {
    expect_named({.share = bad}, out.view(), "share");
    expect_named({.confidence = bad}, out.view(), "confidence");
  }
  TensorView narrow = out.view();
  narrow.shape[3] -= 1;
  expect_named({}, narrow, "out");
  TensorView nowhere = out.view();
  nowhere.data = nullptr;
  expect_named({}, nowhere, "out");
  EXPECT_THROW(certify({}, out.view()), Error);
}

}  // namespace
}  // namespace subquad::testing
