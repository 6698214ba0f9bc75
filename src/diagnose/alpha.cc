// alpha of HyperAttention's Lemma 1 and Theorem 1, from the column norms of the softmax matrix.
#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include "core/threads.h"
#include "diagnose/column_squares.h"
#include "core/probe_problem.h"
#include "diagnose/row_sample.h"
#include "subquad/error.h"
#include "subquad/probe.h"

namespace subquad {
namespace {

void check_options(std::span<const HeadProblem> heads, const AlphaOptions& options) {
  if (options.rows < 0)
    throw_invalid(fmt::format("rows: {} must be 0 (all) or more", options.rows));
  if (options.skip_columns < 0)
    throw_invalid(fmt::format("skip_columns: {} must be 0 or more", options.skip_columns));
  for (const HeadProblem& head : heads)
    if (head.num_keys > 0 && options.skip_columns >= head.num_keys)
      throw_invalid(fmt::format("skip_columns: {} leaves none of a sequence's {} keys",
                                options.skip_columns, head.num_keys));
}

// The query positions of a head that count.
class RowChoice {
 public:
  RowChoice(const HeadProblem& head, const AlphaOptions& options)
      : head_(&head),
        sampled_(options.rows > 0 && options.rows < head.query_len),
        positions_(sampled_ ? options.rows : head.query_len) {
    if (sampled_) drawn_ = sample_rows(head, positions_, Rng(options.seed, head.kv_head));
  }

  HeadRows rows() const {
    if (!sampled_) return {head_, index_range(0, head_->num_rows())};
    return {head_, {drawn_.data(), 0, static_cast<std::int64_t>(drawn_.size())}};
  }
  bool sampled() const { return sampled_; }
  std::int64_t positions() const { return positions_; }
  // Rows of the head for each that counts.
  double scale() const {
    return sampled_ ? static_cast<double>(head_->query_len) / static_cast<double>(positions_) : 1;
  }

 private:
  const HeadProblem* head_;
  bool sampled_;
  std::int64_t positions_;
  std::vector<std::int32_t> drawn_;
};

// The largest of one query head's columns, `scale` times over. A NaN is the largest.
void take_largest(std::span<const double> squares, std::int64_t skip, double scale, Alpha& result) {
  double top = 0;
  for (auto j = static_cast<std::size_t>(skip); j < squares.size() && !std::isnan(top); ++j) {
    if (result.column >= 0 && squares[j] <= top) continue;
    top = squares[j];
    result.column = static_cast<std::int64_t>(j);
  }
  result.alpha = scale * top;
}

Alpha alpha_of(const HeadProblem& head, std::int64_t g, const RowChoice& rows,
               const std::vector<double>& squares, std::int64_t skip) {
  const std::span<const double> all = squares;
  const auto keys = static_cast<std::size_t>(head.num_keys);
  Alpha result;
  result.head = head.kv_head * head.group + g;
  result.sampled = rows.sampled();
  result.rows = rows.positions();
  take_largest(all.subspan(static_cast<std::size_t>(g) * keys, keys), skip,
               static_cast<double>(head.num_keys) * rows.scale(), result);
  return result;
}

}  // namespace

std::vector<Alpha> probe_alpha(const Problem& problem, const AlphaOptions& options) {
  check_probe(problem, options.threads);
  const Problem bare = without_values(problem);
  const std::vector<HeadProblem> heads = split_heads(bare);
  check_options(heads, options);
  std::vector<RowChoice> choices;
  for (const HeadProblem& head : heads) choices.emplace_back(head, options);
  std::vector<HeadRows> rows;
  for (const RowChoice& choice : choices) rows.push_back(choice.rows());
  const auto squares = column_squares(rows, resolved_threads(options.threads));
  std::vector<Alpha> results;
  for (std::size_t h = 0; h < heads.size(); ++h)
    for (std::int64_t g = 0; g < heads[h].group; ++g) {
      results.push_back(alpha_of(heads[h], g, choices[h], squares[h], options.skip_columns));
      results.back().sequence = static_cast<std::int64_t>(h) / problem.key.heads();
    }
  return results;
}

}  // namespace subquad
