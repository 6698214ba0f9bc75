#include "light/sampled/row_norm.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "light/sampled/uniform.h"
#include "rows/row_pieces.h"

namespace subquad {
namespace {

struct RowNormOptions {
  ValueDraws values;
  std::int64_t weight_samples;
};

RowNormOptions read_options(const SpecPart& spec) {
  SpecReader reader(spec);
  RowNormOptions options{};
  options.values.num_samples = reader.integer("m", 256, 1, std::int64_t{1} << 30);
  options.weight_samples = reader.integer("d", 256, 1, std::int64_t{1} << 30);
  options.values.replace = reader.boolean("replace", false);
  options.values.strict = reader.boolean("strict", true);
  reader.finish();
  return options;
}

class RowNormSampler final : public Sampler {
 public:
  RowNormSampler(const HeadProblem& head, const VisibleKeys& keys, const RowNormOptions& options,
                 const Rng& rng, int threads)
      : values_(head, options.values, rng, threads),
        keys_(sample_uniformly(head, keys.all(), options.weight_samples, options.values.replace,
                               rng)) {}

  RowOrder row_order() const { return values_.row_order(); }

  void add_runs(const IndexList& rows, RunList& runs) const override {
    values_.add_runs(rows, false, runs);
    KeyRun weights = keys_.run(rows.count);
    weights.sums = Sums::weights;
    runs.add(weights);
  }

 private:
  SampledValues values_;
  SampledKeys keys_;
};

class RowNormRule final : public LightRule {
 public:
  explicit RowNormRule(const RowNormOptions& options) : options_(options) {}

  LightPart prepare(const HeadProblem& head, const EntrySets&, const Rng& rng,
                    int threads) const override {
    const VisibleKeys keys(head);
    if (keys.count() == 0) return {};
    auto sampler = std::make_shared<RowNormSampler>(head, keys, options_, rng, threads);
    return {.row_order = sampler->row_order(), .sampler = sampler};
  }
  // A key that some row sees counts for all.
  Strict strictness() const override { return Strict::bands; }

 private:
  RowNormOptions options_;
};

kernels::RowSource values_of(const HeadProblem& head, const IndexList& keys) {
  kernels::RowSource source = head.values();
  source.ids = keys.ids;
  source.first = keys.first;
  source.count = keys.count;
  return source;
}

double finite_sum(const std::vector<double>& norms) {
  return std::accumulate(norms.begin(), norms.end(), 0.0, [](double sum, double norm) {
    return std::isfinite(norm) ? sum + norm : sum;
  });
}

// The log2 weights of sampled keys [begin, end): of all draws of a key together.
std::vector<float> biases(const RowNormSample& sample, std::size_t begin, std::size_t end) {
  std::vector<float> bias;
  for (std::size_t i = begin; i < end; ++i) {
    const double count = sample.counts.empty() ? 1.0 : static_cast<double>(sample.counts[i]);
    bias.push_back(static_cast<float>(std::log2(sample.weights[i] * count)));
  }
  return bias;
}

}  // namespace

SampledValues::SampledValues(const HeadProblem& head, const ValueDraws& draws, const Rng& rng,
                             int threads)
    : head_(head), draws_(draws), rng_(rng), keys_(std::make_unique<VisibleKeys>(head)) {
  const std::vector<RowPiece> pieces =
      draws.strict ? cut_rows(head, draws.num_samples) : std::vector{whole_piece(head)};
  for (const RowPiece& rows : pieces) {
    const auto stream = static_cast<std::uint32_t>(pieces_.size());
    Piece& piece = pieces_.emplace_back(Piece{rows.rows, rows.leaf, {}});
    if (rows.leaf) continue;
    const IndexList common = keys_->inside(rows.common);
    const std::vector<double> norms = squared_row_norms(values_of(head, common), threads);
    const RowNormSample sample =
        sample_by_row_norm(norms, draws.num_samples, draws.replace, rng, stream);
    const std::int64_t drawn =
        sample.counts.empty() ? std::ssize(sample.keys) - sample.certain : draws.num_samples;
    add_sample(piece, common, sample, {drawn, sample.correction});
    const double total = finite_sum(norms);
    add_singly(piece, keys_->inside({rows.seen.begin, rows.common.begin}), true, total, stream,
               threads);
    add_singly(piece, keys_->inside({rows.common.end, rows.seen.end}), false, total, stream,
               threads);
  }
}

void SampledValues::add_sample(Piece& piece, const IndexList& keys, const RowNormSample& sample,
                               const SampleDraw& draw) {
  const auto add_part = [&](std::size_t begin, std::size_t end, const SampleDraw& part) {
    if (begin == end) return;
    const auto first = static_cast<std::ptrdiff_t>(begin), last = static_cast<std::ptrdiff_t>(end);
    std::vector<float> counts;
    if (!sample.counts.empty() && part.draws > 0)
      counts.assign(sample.counts.begin() + first, sample.counts.begin() + last);
    piece.parts.emplace_back(
        head_, keys_at(keys, {sample.keys.begin() + first, sample.keys.begin() + last}),
        biases(sample, begin, end), part, std::move(counts));
  };
  const auto certain = static_cast<std::size_t>(sample.certain);
  add_part(0, certain, {});
  add_part(certain, sample.keys.size(), draw);
}

// Descending: what a row of the piece may not see comes last, after all that it sees.
void SampledValues::add_singly(Piece& piece, const IndexList& keys, bool descending, double total,
                               std::uint32_t stream, int threads) {
  if (keys.count == 0) return;
  const std::vector<double> norms = squared_row_norms(values_of(head_, keys), threads);
  RowNormSample sample = sample_singly(norms, draws_.num_samples, total, rng_, stream, keys[0]);
  const auto middle = static_cast<std::ptrdiff_t>(sample.certain);
  const auto turn = [&](auto& list) {
    std::reverse(list.begin(), list.begin() + middle);
    std::reverse(list.begin() + middle, list.end());
  };
  if (descending) {
    turn(sample.keys);
    turn(sample.weights);
  }
  add_sample(piece, keys, sample, {std::ssize(sample.keys) - sample.certain, 1.0, /*single=*/true});
}

void SampledValues::add_parts(const std::vector<SampledKeys>& parts, const Range& rows,
                              bool with_heavy, RunList& runs) {
  for (const SampledKeys& part : parts) {
    KeyRun run = part.run(0);
    run.rows = rows;
    run.sums = Sums::values;
    run.with_heavy = with_heavy;
    runs.add(run);
  }
}

void SampledValues::add_runs(const IndexList& rows, bool with_heavy, RunList& runs) const {
  if (row_order() == RowOrder::any)
    return add_parts(pieces_[0].parts, {0, rows.count}, with_heavy, runs);
  for (const Piece& piece : pieces_) {
    const Range part{std::max(piece.rows.begin, rows.first),
                     std::min(piece.rows.end, rows.first + rows.count)};
    if (part.empty()) continue;
    const Range places{part.begin - rows.first, part.end - rows.first};
    if (piece.leaf)
      runs.add({.rows = places,
                .keys = keys_->inside(head_.visible(part.begin, part.end)),
                .sums = Sums::values,
                .with_heavy = with_heavy});
    add_parts(piece.parts, places, with_heavy, runs);
  }
}

std::unique_ptr<LightRule> make_row_norm_rule(const SpecPart& spec) {
  return std::make_unique<RowNormRule>(read_options(spec));
}

std::string row_norm_path(const SpecPart& spec) {
  return read_options(spec).values.strict ? spec.name : spec.name + ":published";
}

}  // namespace subquad
