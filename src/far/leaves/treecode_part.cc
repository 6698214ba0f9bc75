#include "far/leaves/treecode_part.h"

#include <algorithm>
#include <limits>

#include "exact/tile_forward.h"
#include "far/leaves/leaf_probes.h"
#include "far/leaves/treecode_backward.h"
#include "core/threads.h"
#include "rows/head_rows.h"
#include "rows/overflows.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

// What a model without entries of its own holds for single entries: nothing.
class NothingImplied final : public ImpliedEntries {
 public:
  std::int64_t most_rows() const override { return 256; }
  void load_rows(const RowBlock&, const Range& part, float* m) override {
    std::fill_n(m, part.end - part.begin, 0.0f);
    rows_ = part.end - part.begin;
  }
  void load_keys(const IndexList&) override {}
  void weigh(const MarkedEntries& entries, std::int64_t, float* weights) override {
    const std::int64_t rows = entries.rows.end - entries.rows.begin;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < entries.keys.count; ++c)
        weights[r * entries.stride + c] = entries.marks[r * entries.stride + c] == 0 ? 0.0f : -0.0f;
  }

 private:
  std::int64_t rows_ = 0;
};

}  // namespace

Treecode::Treecode(const HeadProblem& head, const TreecodeOptions& options, const EntrySets& heavy,
                   const Rng& rng, int threads)
    : head_(head),
      heavy_(heavy),
      options_(options),
      causal_(head.problem->causal != Causal::none),
      block_(row_block_size(head.head_dim(), head.value_dim())),
      chunks_(0) {
  if (!serves()) return;
  chunks_ = head.num_keys / options.shape.chunk;
  chunks_ = chunks_before(head.num_rows() - 1);
  exact_ = chunks_ == 0 || !pays();
  if (exact_) return;
  index_ = std::make_unique<LeafIndex>(head, options.shape, chunks_, rng, threads);
  chunks_ = index_->chunks();
  find_apart(threads);
  reach_ = std::make_unique<LeafReach>(*index_, threads);
  probe(rng, threads);
  log2_sums_.resize(static_cast<std::size_t>(head.num_rows()));
}

// Rows whose query is so large that sums of products may overflow: exact by the rules of exact
// rows.
void Treecode::find_apart(int threads) {
  const std::int64_t rows = head_.num_rows(), dim = head_.head_dim();
  apart_.resize(static_cast<std::size_t>(rows));
  parallel_for(threads, (rows + block_ - 1) / block_, [&](std::int64_t block) {
    std::vector<float> query(static_cast<std::size_t>(dim));
    for (std::int64_t row = block * block_; row < std::min(rows, (block + 1) * block_); ++row) {
      load_head_rows(head_, head_.problem->query, index_range(row, row + 1), head_.scale_log2,
                     query.data(), dim);
      apart_[static_cast<std::size_t>(row)] = is_calm(query.data(), dim) ? 0 : 1;
    }
  });
}

bool Treecode::serves() const {
  const Problem& problem = *head_.problem;
  return problem.mask.kind == MaskKind::none && problem.window.left < 0 && problem.window.right < 0;
}

// Too few queries to give the probes that say anything, or exact rows on tiles of bf16, which are
// several times as fast as leaves in f32.
bool Treecode::pays() const {
  return options_.target.always || (head_.query_len * 4 >= options_.probe_every * kFewProbes &&
                                    arithmetic_of(head_) == Arithmetic::f32);
}

std::int64_t Treecode::chunks_before(std::int64_t row) const {
  if (!causal_) return chunks_;
  const std::int64_t end = head_.visible(row / block_ * block_).end - options_.window;
  return std::min(chunks_, std::max<std::int64_t>(0, end) / options_.shape.chunk);
}

// One position of each so many, all query heads of the group; in order. Early ones stand closer:
// they see few keys and cost little, and the rows there have no others to go by.
std::vector<std::int32_t> Treecode::draw_probes(const Rng& rng) const {
  std::vector<std::int32_t> rows;
  const std::int64_t every = options_.probe_every;
  std::uint32_t draw = 0;
  for (std::int64_t begin = 0, step = 0; begin < head_.query_len; begin += step) {
    const std::int64_t share = begin < 32 * every ? 4 : begin < 64 * every ? 2 : 1;
    step = std::max<std::int64_t>(1, every / share);
    const std::int64_t position = begin + rng.below(step, Purpose::probe, draw++, 0);
    for (std::int64_t row = position * head_.group; row < (position + 1) * head_.group; ++row)
      if (row < head_.num_rows() && !is_apart(row)) rows.push_back(static_cast<std::int32_t>(row));
  }
  return rows;
}

void Treecode::probe(const Rng& rng, int threads) {
  std::vector<std::int32_t> rows;
  std::vector<std::int64_t> prefixes, diagonals;
  for (const std::int32_t row : draw_probes(rng)) {
    const std::int64_t prefix = chunks_before(row);
    if (prefix == 0) continue;
    rows.push_back(row);
    prefixes.push_back(prefix);
    diagonals.push_back(head_.diagonal(row));
  }
  const LeafProbes probes(head_, *index_, *reach_, rows, prefixes, threads);
  const ProbedHead probed{probes.probes(), diagonals, head_.group, causal_};
  for (std::int64_t member = 0; member < head_.group; ++member)
    choices_.emplace_back(probed, member, *index_, chunks_, options_.target);
}

std::vector<SharedError*> Treecode::shared_errors() {
  std::vector<SharedError*> errors;
  for (LeafChoice& choice : choices_) errors.push_back(&choice);
  return errors;
}

ErrorSquares Treecode::squares() const {
  ErrorSquares sum;
  for (const LeafChoice& choice : choices_) {
    const ErrorSquares squares = choice.left_at_probes();
    sum.error += squares.error;
    sum.out += squares.out;
  }
  return sum;
}

std::vector<float> Treecode::limits(std::int64_t prefix) const {
  std::vector<float> limits;
  for (const LeafChoice& choice : choices_) limits.push_back(choice.limit(prefix));
  return limits;
}

void Treecode::add_runs(const IndexList& rows, RunList& runs) const {
  KeyRun run;
  run.rows = {0, rows.count};
  run.keys = index_range(chunks_before(rows[0]) * options_.shape.chunk,
                         head_.visible(rows[rows.count - 1]).end);
  if (run.keys.count > 0) runs.add(run);
  const std::int64_t behind = run.keys.first;
  for (std::int64_t i = 0; behind > 0 && i < rows.count; ++i)
    if (is_apart(rows[i])) runs.add({{i, i + 1}, index_range(0, behind)});
}

std::unique_ptr<ImpliedEntries> Treecode::implied() { return std::make_unique<NothingImplied>(); }

void Treecode::add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets& heavy,
                            TileScratch& scratch, const RunList& runs) {
  for (const KeyRun& run : runs.runs()) attend_run(head, rows, run, heavy, scratch);
  const std::int64_t prefix = chunks_before(rows.rows()[0]);
  if (prefix == 0) return;
  LeafField field(head_, *index_, *reach_);
  const std::vector<float> limits = this->limits(prefix);
  field.add(rows, prefix, limits, heavy, scratch.panel, apart_);
  for (std::int64_t i = 0; i < rows.rows().count; ++i)
    log2_sums_[static_cast<std::size_t>(rows.rows()[i])] =
        field.log2_sums()[static_cast<std::size_t>(i)];
}

void Treecode::row_errors(RowBlock& block, const EntrySets&, TileScratch&, float* error) const {
  const IndexList& rows = block.rows();
  const std::int64_t prefix = chunks_before(rows[0]);
  for (std::int64_t i = 0; i < rows.count; ++i)
    error[i] = prefix == 0
                   ? 0.0f
                   : choices_[static_cast<std::size_t>(rows[i] % head_.group)].row_error(prefix);
}

std::unique_ptr<ModelBackward> Treecode::backward(const BackwardArguments& arguments,
                                                  int threads) const {
  return std::make_unique<TreecodeBackward>(*this, arguments, threads);
}

}  // namespace subquad
