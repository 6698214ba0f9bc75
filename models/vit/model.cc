#include "vit/model.h"

#include <cmath>

#include <fmt/format.h>

#include "core/rng.h"
#include "kernels/elementwise.h"
#include "ops/activations.h"
#include "ops/nonlinear.h"
#include "ops/norm.h"
#include "ops/row_blocks.h"
#include "ops/stopwatch.h"
#include "subquad/attention.h"
#include "subquad/error.h"
#include "vit/positions.h"

namespace subquad::vit {
namespace {

using ops::Activations;
using ops::for_row_blocks;
using ops::kRowBlock;
using ops::Rows;
using ops::Stopwatch;

constexpr std::int64_t kMaxSize = 8192;

void normalise_rows(const Rows& x, const LayerNorm& norm, float epsilon, const Rows& out) {
  const auto width = static_cast<std::int64_t>(norm.weight.size());
  for (std::int64_t r = 0; r < x.count; ++r)
    ops::layer_norm(x.row(r), norm.weight.data(), norm.bias.data(), epsilon, width, out.row(r));
}

// One forward of one batch.
class Pass {
 public:
  Pass(const Weights& weights, const Batch& batch, const ForwardOptions& options)
      : weights_(weights),
        batch_(batch),
        options_(options),
        threads_(resolved_threads(options.threads)),
        tokens_(token_count(weights, batch.size)),
        rows_(tokens_ * batch.images()),
        x_(rows_, weights.dim),
        branch_(rows_, branch_width(weights)),
        joined_(rows_, weights.dim),
        qkv_(rows_, weights.blocks.front().qkv.padded_outputs()) {}

  ForwardResult run() {
    Stopwatch watch;
    embed();
    result_.total_s += watch.lap();
    for (std::int64_t b = 0; b < weights_.depth(); ++b) {
      run_block(b, watch);
    }
    classify();
    result_.total_s += watch.lap();
    return std::move(result_);
  }

 private:
  static std::int64_t branch_width(const Weights& weights) {
    return std::max(weights.patch_embed.padded_outputs(),
                    weights.blocks.front().proj.padded_outputs());
  }

  void run_block(std::int64_t b, Stopwatch& watch) {
    const Block& block = weights_.blocks[static_cast<std::size_t>(b)];
    project(block);
    result_.total_s += watch.lap();
    attend_all(b);
    const double attention_s = watch.lap();
    result_.attention_s += attention_s;
    join(block);
    result_.total_s += attention_s + watch.lap();
    observe(b, Branch::attention);
    watch.lap();
    add_branch();
    mlp(block);
    result_.total_s += watch.lap();
    observe(b, Branch::mlp);
    watch.lap();
    add_branch();
    result_.total_s += watch.lap();
  }

  // Picture and patch of the rows that are no class token, patches first to last.
  void load_patch(std::int64_t image, std::int64_t patch, float* out) const {
    const std::int64_t side = weights_.patch, size = batch_.size, across = size / side;
    const float* pixels = batch_.pixels.data() + image * 3 * size * size;
    const float* corner = pixels + patch / across * side * size + patch % across * side;
    for (std::int64_t channel = 0; channel < 3; ++channel)
      for (std::int64_t y = 0; y < side; ++y, out += side)
        std::copy_n(corner + (channel * size + y) * size, side, out);
  }

  // x = patch embedding or class token, and the position's embedding.
  void embed() {
    const std::vector<float> positions = interpolate_positions(
        weights_.positions, weights_.dim, weights_.grid, batch_.size / weights_.patch);
    const std::int64_t inputs = weights_.patch_embed.inputs();
    for_row_blocks(threads_, rows_, inputs, [&](std::int64_t begin, std::int64_t count, float* s) {
      const Rows patches{s, inputs, count}, out = branch_.rows().slice(begin, count);
      for (std::int64_t r = 0; r < count; ++r) {
        const std::int64_t token = (begin + r) % tokens_;
        load_patch((begin + r) / tokens_, std::max<std::int64_t>(token - 1, 0), patches.row(r));
      }
      weights_.patch_embed.apply(patches, out);
      for (std::int64_t r = 0; r < count; ++r) {
        const std::int64_t token = (begin + r) % tokens_;
        const float* embedded = token == 0 ? weights_.class_token.data() : out.row(r);
        float* x = x_.rows().row(begin + r);
        std::copy_n(embedded, weights_.dim, x);
        kernels::add(positions.data() + token * weights_.dim, weights_.dim, x);
      }
    });
  }

  // qkv = norm1(x) W + b.
  void project(const Block& block) {
    const std::int64_t dim = weights_.dim;
    for_row_blocks(threads_, rows_, dim, [&](std::int64_t begin, std::int64_t count, float* s) {
      const Rows normed{s, dim, count};
      normalise_rows(x_.rows().slice(begin, count), block.norm1, weights_.config.layer_norm_epsilon,
                     normed);
      block.qkv.apply(normed, qkv_.rows().slice(begin, count));
    });
  }

  AttentionChoice choice_of(std::int64_t b) const {
    return options_.attention.empty() ? AttentionChoice{}
                                      : options_.attention[static_cast<std::size_t>(b)];
  }

  Problem problem_of(std::int64_t b, std::int64_t image) const {
    const std::int64_t dim = weights_.dim, heads = weights_.heads, width = weights_.head_dim();
    Problem problem;
    problem.query = as_const(qkv_.heads(image, tokens_, 0, heads, width));
    problem.key = as_const(qkv_.heads(image, tokens_, dim, heads, width));
    problem.value = as_const(qkv_.heads(image, tokens_, 2 * dim, heads, width));
    problem.scale = 1 / (std::sqrt(static_cast<float>(width)) * choice_of(b).temperature);
    return problem;
  }

  // joined = attention of every picture. A call each: its draws depend on the picture's number
  // alone. With a picture for every thread, the threads share pictures, not heads.
  void attend_all(std::int64_t b) {
    const AttentionChoice choice = choice_of(b);
    std::vector<Report> reports(static_cast<std::size_t>(batch_.images()));
    const bool share = batch_.images() >= threads_;
    const auto run = [&](std::int64_t image) {
      const Rng rng(options_.seed, batch_.first + image);
      const Options options{share ? 1 : threads_,
                            rng.bits(Purpose::layer_seed, static_cast<std::uint32_t>(b), 0)};
      const Outputs outputs{
          joined_.heads(image, tokens_, 0, weights_.heads, weights_.head_dim()), {}, {}};
      reports[static_cast<std::size_t>(image)] =
          attend(problem_of(b, image), choice.spec, outputs, options);
    };
    parallel_for(share ? threads_ : 1, batch_.images(), run);
    for (const Report& report : reports) count(report, choice.spec);
  }

  void count(const Report& report, const std::string& spec) {
    result_.fallback_rows += report.fallback_rows;
    result_.negative_rows += report.negative_rows;
    result_.exact_heads += report.exact_heads;
    result_.scored_entries += report.scored_entries;
    if (spec != "exact" || all_exact()) result_.paths.insert(report.path);
  }

  bool all_exact() const {
    return std::all_of(options_.attention.begin(), options_.attention.end(),
                       [](const AttentionChoice& choice) { return choice.spec == "exact"; });
  }

  // branch = joined W + b.
  void join(const Block& block) {
    for_row_blocks(threads_, rows_, 0, [&](std::int64_t begin, std::int64_t count, float*) {
      block.proj.apply(joined_.rows().slice(begin, count), branch_.rows().slice(begin, count));
    });
  }

  // branch = gelu(norm2(x) W1 + b1) W2 + b2.
  void mlp(const Block& block) {
    const std::int64_t dim = weights_.dim, hidden = block.fc1.padded_outputs();
    for_row_blocks(threads_, rows_, dim + hidden,
                   [&](std::int64_t begin, std::int64_t count, float* s) {
                     const Rows normed{s, dim, count}, wide{s + dim * kRowBlock, hidden, count};
                     normalise_rows(x_.rows().slice(begin, count), block.norm2,
                                    weights_.config.layer_norm_epsilon, normed);
                     block.fc1.apply(normed, wide);
                     ops::gelu(wide.data, count * hidden);
                     block.fc2.apply(wide, branch_.rows().slice(begin, count));
                   });
  }

  void add_branch() {
    for_row_blocks(threads_, rows_, 0, [&](std::int64_t begin, std::int64_t count, float*) {
      for (std::int64_t r = begin; r < begin + count; ++r)
        kernels::add(branch_.rows().row(r), weights_.dim, x_.rows().row(r));
    });
  }

  void observe(std::int64_t b, Branch branch) const {
    if (!options_.observe) return;
    for (std::int64_t i = 0; i < batch_.images(); ++i) {
      BranchView view{b,
                      batch_.first + i,
                      branch,
                      as_const(x_.heads(i, tokens_, 0, 1, weights_.dim)),
                      as_const(branch_.heads(i, tokens_, 0, 1, weights_.dim)),
                      {}};
      if (branch == Branch::attention) view.attention = problem_of(b, i);
      options_.observe(view);
    }
  }

  // logits = head(norm(class token)).
  void classify() {
    const std::int64_t images = batch_.images(), classes = weights_.classes();
    Activations tokens(images, weights_.dim), wide(images, weights_.head.padded_outputs());
    const Rows first{x_.rows().data, tokens_ * x_.rows().stride, images};
    normalise_rows(first, weights_.norm, weights_.config.layer_norm_epsilon, tokens.rows());
    weights_.head.apply(tokens.rows(), wide.rows());
    for (std::int64_t i = 0; i < images; ++i)
      result_.logits.insert(result_.logits.end(), wide.rows().row(i), wide.rows().row(i) + classes);
  }

  const Weights& weights_;
  const Batch& batch_;
  const ForwardOptions& options_;
  const int threads_;
  const std::int64_t tokens_, rows_;  // of a picture; of all
  Activations x_, branch_, joined_, qkv_;
  ForwardResult result_;
};

void check(const Weights& weights, const Batch& batch, const ForwardOptions& options) {
  const auto values = static_cast<std::int64_t>(batch.pixels.size());
  if (values % (3 * batch.size * batch.size) != 0)
    throw_invalid(fmt::format("pixels: {} values are no whole number of 3 x {} x {} pictures",
                              values, batch.size, batch.size));
  if (options.threads < 0) throw_invalid(fmt::format("threads: {} is below 0", options.threads));
  const std::size_t choices = options.attention.size();
  if (choices != 0 && choices != weights.blocks.size())
    throw_invalid(
        fmt::format("attention: {} choices for {} blocks", choices, weights.blocks.size()));
  for (const AttentionChoice& choice : options.attention)
    if (!(choice.temperature > 0 && std::isfinite(choice.temperature)))
      throw_invalid(fmt::format("temperature: {} is not above 0", choice.temperature));
}

}  // namespace

std::int64_t Batch::images() const {
  return static_cast<std::int64_t>(pixels.size()) / (3 * size * size);
}

std::int64_t token_count(const Weights& weights, std::int64_t size) {
  if (size < 1 || size > kMaxSize || size % weights.patch != 0)
    throw_invalid(fmt::format("resolution: {} is no multiple of the patch size {} from {} to {}",
                              size, weights.patch, weights.patch, kMaxSize));
  const std::int64_t across = size / weights.patch;
  return 1 + across * across;
}

ForwardResult forward(const Weights& weights, const Batch& batch, const ForwardOptions& options) {
  token_count(weights, batch.size);
  check(weights, batch, options);
  if (batch.images() == 0) return {};
  return Pass(weights, batch, options).run();
}

}  // namespace subquad::vit
