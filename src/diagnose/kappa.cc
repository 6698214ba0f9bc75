// kappa of HyperAttention's Lemma 1 and Theorem 1: how much the unnormalised sums of the entries
// outside the heavy set differ from row to row.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/probe_problem.h"
#include "methods/heavy_method.h"
#include "rows/head_problem.h"
#include "subquad/attention.h"
#include "subquad/error.h"
#include "subquad/probe.h"

namespace subquad {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Log-sums of every row over all its keys and over the heavy ones, f32 (B, Hq, Lq, 1).
class RowLogSums {
 public:
  RowLogSums(const Problem& problem, const std::string& heavy, const Options& options)
      : shape_{problem.query.batch(), problem.query.heads(), problem.query.length(), 1},
        out_(count()),
        all_(count()),
        heavy_(count()),
        heavy_error_(count()) {
    attend(problem, "exact", {view(out_), view(all_), {}}, options);
    attend(problem, heavy, {view(out_), view(heavy_), view(heavy_error_)}, options);
  }

  double all(const HeadProblem& head, std::int64_t row) const { return at(all_, head, row); }

  // Share of the row's sum that lies outside the heavy set, as far as f32 shows it: noise of either
  // sign when there is next to nothing.
  double light_share(const HeadProblem& head, std::int64_t row) const {
    // attend() computes a row without any heavy key exactly and says that its error is 0; the heavy
    // parts alone give no error estimate (NaN).
    if (at(heavy_error_, head, row) == 0) return 1;
    return -std::expm1(at(heavy_, head, row) - all(head, row));
  }

 private:
  std::size_t count() const { return static_cast<std::size_t>(shape_[0] * shape_[1] * shape_[2]); }
  MutableTensorView view(std::vector<float>& values) const {
    return dense_view(values.data(), DType::f32, shape_);
  }
  double at(const std::vector<float>& values, const HeadProblem& head, std::int64_t row) const {
    const TensorView view = dense_view(values.data(), DType::f32, shape_);
    return static_cast<double>(*static_cast<const float*>(head.row_in(view, row)));
  }

  Shape4 shape_;
  std::vector<float> out_, all_, heavy_, heavy_error_;
};

// The heavy parts, and the rest dropped.
std::string heavy_alone(std::string_view spec) {
  parse_heavy_method("heavy_spec", spec, {});
  return fmt::format("{}+drop", spec);
}

// The sums with all scores near 0, order kept: every visible key weighs alike.
Problem levelled(const Problem& problem) {
  Problem level = problem;
  level.scale = resolved_scale(problem) * 0x1p-40f;
  return level;
}

// Whether a row has no key outside the heavy set, for rows that the sums themselves do not resolve.
class EmptyRows {
 public:
  EmptyRows(const Problem& problem, const std::string& heavy, const Options& options)
      : problem_(levelled(problem)), heavy_(heavy), options_(options) {}

  bool contains(const HeadProblem& head, std::int64_t row) {
    if (!sums_) sums_.emplace(problem_, heavy_, options_);
    const double one_key = 0.5 / static_cast<double>(head.num_keys);
    const double rounding = 0x1p-21 * std::fabs(sums_->all(head, row));
    return sums_->light_share(head, row) <= std::max(one_key, rounding);
  }

 private:
  Problem problem_;
  std::string heavy_;
  Options options_;
  std::optional<RowLogSums> sums_;  // computed when first asked for
};

// The largest and the smallest log light sum (natural) of a query head.
struct Extremes {
  Kappa result;
  double low = kInfinity;
  double high = -kInfinity;

  void add(double log_sum) {
    ++result.rows;
    if (std::isnan(log_sum)) low = high = log_sum;
    if (log_sum < low) low = log_sum;
    if (log_sum > high) high = log_sum;
  }
  Kappa finish() {
    if (result.rows == 0) return result;
    const double log_kappa = high - low;
    result.kappa = std::exp(log_kappa);
    result.log10_kappa = log_kappa / std::numbers::ln10;
    return result;
  }
};

void add_row(const RowLogSums& sums, EmptyRows& empty, const HeadProblem& head, std::int64_t row,
             Extremes& extremes) {
  const double all = sums.all(head, row);
  const double share = all == -kInfinity ? 0 : sums.light_share(head, row);
  if (!(share <= kappa_floor(all))) return extremes.add(all + std::log(share));
  const bool none = all == -kInfinity || empty.contains(head, row);
  ++(none ? extremes.result.empty_rows : extremes.result.unresolved_rows);
}

}  // namespace

// Four roundings of each f32 log-sum, relative to its size, and the sums' own.
double kappa_floor(double lse) { return 1e-5 + 0x1p-21 * std::fabs(lse); }

std::vector<Kappa> probe_kappa(const Problem& problem, std::string_view heavy_spec,
                               const KappaOptions& options) {
  check_probe(problem, options.threads);
  Problem bare = without_values(problem);
  bare.sink_logits = {};  // a sink is no entry of A
  const std::string heavy = heavy_alone(heavy_spec);
  const Options run{options.threads, options.seed};
  const RowLogSums sums(bare, heavy, run);
  EmptyRows empty(bare, heavy, run);
  std::vector<Kappa> results;
  const std::vector<HeadProblem> heads = split_heads(bare);
  for (std::size_t h = 0; h < heads.size(); ++h) {
    std::vector<Extremes> by_head(static_cast<std::size_t>(heads[h].group));
    for (std::int64_t row = 0; row < heads[h].num_rows(); ++row)
      add_row(sums, empty, heads[h], row, by_head[static_cast<std::size_t>(row % heads[h].group)]);
    for (Extremes& extremes : by_head) {
      results.push_back(extremes.finish());
      results.back().sequence = static_cast<std::int64_t>(h) / problem.key.heads();
      results.back().head = heads[h].kv_head * heads[h].group + (&extremes - by_head.data());
    }
  }
  return results;
}

}  // namespace subquad
