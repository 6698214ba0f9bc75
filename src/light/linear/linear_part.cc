#include "light/linear/linear_part.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rows/backward_panels.h"
#include "light/linear/linear_backward.h"
#include "light/linear/linear_forward.h"
#include "light/linear/linear_keys.h"

namespace subquad {
namespace {

// Of the weights subtracted from a row's sum: what must be left for an error below about 1e-3.
constexpr float kLostShare = 1e-4f;

// Features and linear sums of rows `part` of a block, on one thread.
class LinearRows {
 public:
  LinearRows(const HeadProblem& head, const RowBlock& rows, const Range& part,
             const LinearModel& model)
      : head_(head),
        rows_(rows.rows().slice(part.begin, part.end - part.begin)),
        stride_(feature_stride(head.head_dim())),
        features_(rows_.count * stride_),
        buffer_(rows_.count, head.value_dim() + 1) {
    load_query_features(head, rows_, model, features_.data());
    const Partial all = sums();
    set_identity(all);
    std::fill_n(all.m, all.rows, 0.0f);
  }

  Partial sums() { return buffer_.view(rows_.count); }

  // The entries of rows `part` and the tile's keys that are visible and not left out.
  void add_entries(const Range& part, const LinearKeys& keys, const EntrySets& left_out,
                   ScorePanel& panel) {
    const std::int64_t step = kernels::blocking().rows;
    if (marks_.size() < panel.stride() * step) marks_ = Scratch<float>(panel.stride() * step);
    for (std::int64_t begin = part.begin; begin < part.end; begin += step)
      add_register_block({begin, std::min(begin + step, part.end)}, keys, left_out, panel);
  }

  void keep_sizes() { sizes_.resize(static_cast<std::size_t>(rows_.count)); }
  // Sum of |weight| over what add_entries has added to a row since keep_sizes().
  float size(std::int64_t i) const { return sizes_[static_cast<std::size_t>(i)]; }

  // The rows' sums join those of the block, or leave them.
  void merge(const Partial& main, float sign) { merge_signed(main, sums(), sign); }

 private:
  const float* features(std::int64_t i) const { return features_.data() + i * stride_; }
  Partial sums_of(const Range& part) { return sums().slice(part.begin, part.end - part.begin); }

  void add_register_block(const Range& part, const LinearKeys& keys, const EntrySets& left_out,
                          ScorePanel& panel) {
    const Range columns = tile_columns(head_, rows_, part, keys.keys(), left_out);
    if (columns.empty()) return;
    const std::int64_t width = columns.end - columns.begin, stride = panel.stride();
    const Partial sums = sums_of(part);
    kernels::gemm({features(part.begin), stride_, 1}, keys.features_from(columns.begin), sums.rows,
                  width, head_.head_dim(), panel.data(), stride, false);
    mark_entries(head_, rows_.slice(part.begin, sums.rows), keys.keys().slice(columns.begin, width),
                 left_out, marks_.data(), stride, panel.filter());
    mask_weights(marks_.data(), 1, panel.data(), stride, sums.rows, width);
    multiply_seen({{panel.data(), stride, 1}, panel.data()}, keys.values(), columns.begin,
                  sums.rows, width, sums.o, sums.o_stride, true);
    panel.count_entries(sums.rows * width);
    for (std::int64_t r = 0; !sizes_.empty() && r < sums.rows; ++r)
      for (std::int64_t c = 0; c < width; ++c)
        sizes_[static_cast<std::size_t>(part.begin + r)] += std::fabs(panel.data()[r * stride + c]);
  }

  const HeadProblem& head_;
  IndexList rows_;
  std::int64_t stride_;
  Scratch<float> features_, marks_;
  std::vector<float> sizes_;
  PartialBuffer buffer_;
};

}  // namespace

LinearPart::LinearPart(const HeadProblem& head, const LinearModel& model, bool alone, int threads)
    : head_(head), model_(model), alone_(alone) {
  if (!alone_) subtracted_.resize(static_cast<std::size_t>(head_.num_rows()));
  // Behind heavy sets blocks take their time, and would wait for each other.
  sums_ = std::make_unique<LinearSums>(head_, model_, threads, alone_);
}

void LinearPart::subtract_entries(const HeadProblem& head, RowBlock& rows, const KeyRun& run,
                                  const EntrySets& taken, TileScratch& scratch) {
  if (run.rows.empty() || run.keys.count == 0) return;
  collect_left_out(run, rows.rows(), taken, scratch.left_out);
  LinearRows part(head, rows, run.rows, model_);
  part.keep_sizes();
  const std::int64_t count = run.rows.end - run.rows.begin;
  const std::int64_t step = std::min(scratch.tile_keys, run.keys.count);
  LinearKeys tile(head, step);
  for (std::int64_t begin = 0; begin < run.keys.count; begin += step) {
    const IndexList keys = run.keys.slice(begin, std::min(step, run.keys.count - begin));
    if (tile_columns(head, rows.rows(), run.rows, keys, scratch.left_out).empty()) continue;
    tile.load(head, keys, model_.map);
    part.add_entries({0, count}, tile, scratch.left_out, scratch.panel);
  }
  part.merge(rows.partial().slice(run.rows.begin, count), -1);
  for (std::int64_t i = 0; i < count; ++i)
    subtracted(rows.rows()[run.rows.begin + i]) += part.size(i);
}

// Rows whose sum is lost in the rounding of what was subtracted from it are rejected: sum 0.
void LinearPart::reject_lost_rows(RowBlock& rows) {
  const Partial sums = rows.partial();
  for (std::int64_t i = 0; i < sums.rows; ++i) {
    const float lost = kLostShare * subtracted(rows.rows()[i]) * std::exp2(-sums.m[i]);
    if (sums.l[i] < lost) sums.l[i] = 0;
    subtracted(rows.rows()[i]) = 0;
  }
}

void LinearPart::add_estimate(const HeadProblem& head, RowBlock& rows, const EntrySets&,
                              TileScratch& scratch, const RunList&) {
  const IndexList& listed = rows.rows();
  LinearForward forward(head, model_, *sums_);
  if (alone_) return scratch.panel.count_entries(forward.sum(listed, rows.partial()));
  PartialBuffer buffer(listed.count, head.value_dim());
  const Partial sums = buffer.view(listed.count);
  scratch.panel.count_entries(forward.sum(listed, sums));
  merge_into(rows.partial(), sums);
  reject_lost_rows(rows);
}

void LinearPart::row_errors(RowBlock& rows, const EntrySets&, TileScratch&, float* error) const {
  std::fill_n(error, rows.rows().count, std::numeric_limits<float>::quiet_NaN());
}

std::unique_ptr<ModelBackward> LinearPart::backward(const BackwardArguments& arguments,
                                                    int threads) const {
  sums_->complete(threads);
  return std::make_unique<LinearBackward>(head_, model_, *sums_, alone_, arguments);
}

}  // namespace subquad
