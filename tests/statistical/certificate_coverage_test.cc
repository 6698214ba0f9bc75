// Certificates hold as often as they say, no less and no more; every row is equally likely.
//
// False alarms: each check is a proved bound (bounds.h) at 1e-10, 90 of them: below 1e-8 in all.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "statistical/bounds.h"
#include "subquad/attention.h"
#include "subquad/certificate.h"
#include "support/owned_problem.h"
#include "support/reference_attention.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {
namespace {

// Errors of all rows in double precision, and each row's rank among them.
class TrueErrors {
 public:
  TrueErrors(const TensorBuffer& out, const ReferenceAttention& exact) : shape_(out.shape()) {
    for (std::int64_t b = 0; b < shape_[0]; ++b)
      for (std::int64_t h = 0; h < shape_[1]; ++h)
        for (std::int64_t i = 0; i < shape_[2]; ++i) {
          double error = 0, norm = 0;
          for (std::int64_t c = 0; c < shape_[3]; ++c) {
            const double e = exact.out.row(b, h, i)[c];
            error += std::pow(out.get(b, h, i, c) - e, 2);
            norm += e * e;
          }
          errors_.push_back(std::sqrt(error / norm));
        }
    sorted_ = errors_;
    std::sort(sorted_.begin(), sorted_.end());
  }

  double count() const { return static_cast<double>(errors_.size()); }
  double at(const Certificate::Place& row) const {
    return errors_[static_cast<std::size_t>((row.batch * shape_[1] + row.head) * shape_[2] +
                                            row.position)];
  }
  // The share of all rows with errors up to that of `row`, by its own true error: the bound is that
  // error but for rounding, which is not to decide a tie with itself.
  double covered(const Certificate::Place& row) const {
    const auto end = std::upper_bound(sorted_.begin(), sorted_.end(), at(row));
    return static_cast<double>(end - sorted_.begin()) / count();
  }
  bool has_ties() const {
    return std::adjacent_find(sorted_.begin(), sorted_.end()) != sorted_.end();
  }

 private:
  Shape4 shape_;
  std::vector<double> errors_, sorted_;
};

// Pr[R distinct draws out of N all fall among the first k].
double all_below(double k, double rows, double total) {
  double probability = 1;
  for (double n = 0; n < rows; ++n) probability *= std::max(0.0, k - n) / (total - n);
  return probability;
}

// Failures of the promise among `runs`: as many as sampling without replacement makes (two-sided),
// hence at most 1 - confidence of them.
void check_failures(std::int64_t failures, std::int64_t runs, double total, double share,
                    std::int64_t rows) {
  const double smaller = std::ceil(share * total) - 1;  // a bound among these rows falls short
  const double p = all_below(smaller, static_cast<double>(rows), total);
  const double promised = std::pow(share, static_cast<double>(rows));
  EXPECT_LT(p, promised);
  EXPECT_GT(p, 0.5 * promised);  // not much caution in the statement itself
  EXPECT_TRUE(binomial_plausible(failures, runs, p))
      << failures << " failures in " << runs << " runs, expected " << p * double(runs);
  EXPECT_TRUE(double(failures) <= promised * double(runs) ||
              binomial_plausible(failures, runs, promised));
}

// One output, many samples of its rows. 4 x 256 rows.
void check_coverage(const std::string& method, double share, std::int64_t rows) {
  SCOPED_TRACE(::testing::Message() << method << ", share " << share << ", " << rows << " rows");
  const OwnedProblem owned =
      gaussian_problem({.heads = 4, .kv_heads = 2, .queries = 256, .keys = 256}, 17);
  TensorBuffer out(DType::f32, owned.out_shape());
  attend(owned.problem, method, {out.mutable_view(), {}, {}});
  const TrueErrors errors(out, ReferenceAttention(owned.problem));
  ASSERT_FALSE(errors.has_ties());
  constexpr std::int64_t runs = 20'000;
  std::int64_t failures = 0;
  for (std::int64_t run = 0; run < runs; ++run) {
    const Certificate got = certify(
        owned.problem, out.view(),
        {.rows = rows, .share = share, .seed = static_cast<std::uint64_t>(run), .threads = 1});
    ASSERT_NEAR(got.largest_row_error, errors.at(got.worst), 1e-4 * errors.at(got.worst) + 1e-6);
    failures += errors.covered(got.worst) < share;
  }
  check_failures(failures, runs, errors.count(), share, rows);
}

TEST(CertificateCoverage, BoundsHoldAsOftenAsStated) {
  check_coverage("uniform(m=32)", 0.95, 59);
  check_coverage("uniform(m=32)", 0.95, 20);
  check_coverage("uniform(m=32)", 0.5, 3);
  check_coverage("window(16)", 0.9, 22);
}

// The method and the certificate draw with the same seed and the same sizes, keys equal queries and
// a query's weight sits on its own key: if they drew alike, the rows looked at would be those whose
// own key was sampled, the good ones.
TEST(CertificateCoverage, RowsAreIndependentOfTheMethodsDraws) {
  constexpr std::int64_t runs = 4000, rows = 32;
  constexpr double share = 0.95;
  OwnedProblem owned = gaussian_problem(
      {.queries = 256, .keys = 256, .head_dim = 64, .value_dim = 8}, 23, DType::f32, 1.5);
  owned.problem.key = owned.problem.query;
  const ReferenceAttention exact(owned.problem);
  TensorBuffer out(DType::f32, owned.out_shape());
  std::int64_t failures = 0;
  for (std::int64_t run = 0; run < runs; ++run) {
    const auto seed = static_cast<std::uint64_t>(run);
    attend(owned.problem, "uniform(m=32)", {out.mutable_view(), {}, {}}, {1, seed});
    const Certificate got = certify(owned.problem, out.view(),
                                    {.rows = rows, .share = share, .seed = seed, .threads = 1});
    failures += TrueErrors(out, exact).covered(got.worst) < share;
  }
  check_failures(failures, runs, 256, share, rows);
}

// The worst of `rows` drawn rows when errors rise with the row's number, over many seeds.
std::vector<std::int64_t> count_worst(std::int64_t rows, std::int64_t draws) {
  // Batch 2, 4 heads over 2, 3 positions: 24 rows. One key: every exact row is its value.
  const OwnedProblem owned =
      gaussian_problem({.batch = 2, .heads = 4, .kv_heads = 2, .queries = 3}, 5);
  const ReferenceAttention exact(owned.problem);
  TensorBuffer out(DType::f32, owned.out_shape());
  out.for_each([&](auto b, auto h, auto i, auto c) {
    const double number = static_cast<double>((b * 4 + h) * 3 + i);
    out.set(b, h, i, c, exact.out.row(b, h, i)[c] * (1.01 + 0.1 * number));
  });
  std::vector<std::int64_t> counts(24);
  for (std::int64_t seed = 0; seed < draws; ++seed) {
    const Certificate got =
        certify(owned.problem, out.view(),
                {.rows = rows, .seed = static_cast<std::uint64_t>(seed), .threads = 1});
    ++counts[static_cast<std::size_t>((got.worst.batch * 4 + got.worst.head) * 3 +
                                      got.worst.position)];
  }
  return counts;
}

// The largest of R of N numbers is at most k with probability C(k + 1, R) / C(N, R): so it is only
// if all subsets are equally likely, batch, heads and positions alike.
TEST(CertificateCoverage, RowsAreDrawnUniformlyWithoutReplacement) {
  constexpr std::int64_t draws = 20'000;
  for (const std::int64_t rows : {1, 2, 20}) {
    const std::vector<std::int64_t> counts = count_worst(rows, draws);
    for (std::size_t k = 0; k < counts.size(); ++k) {
      const double drawn = static_cast<double>(rows), at = static_cast<double>(k);
      const double p = all_below(at + 1, drawn, 24) - all_below(at, drawn, 24);
      EXPECT_TRUE(binomial_plausible(counts[k], draws, p)) << rows << " rows, number " << k;
    }
  }
}

}  // namespace
}  // namespace subquad::testing
