#include "light/poly/bucket_backward.h"

#include <algorithm>
#include <utility>

#include "light/poly/bucket_entries.h"

namespace subquad {
namespace {

using Workers = std::vector<std::unique_ptr<ModelBackward::Worker>>;

// Entries that are subtracted: each is in one of the buckets.
class BucketGradients final : public EntryGradients {
 public:
  explicit BucketGradients(Workers& workers) : workers_(workers), weights_(workers.size()) {}

  RowGrads row_grads() override { return part(0).row_grads(); }
  bool holds_none(const Range& rows, const IndexList& keys) const override {
    return std::all_of(workers_.begin(), workers_.end(), [&](const auto& worker) {
      return worker->entries().holds_none(rows, keys);
    });
  }
  void load_keys(const IndexList& keys) override {
    for (std::size_t b = 0; b < workers_.size(); ++b) part(b).load_keys(keys);
  }
  void weigh(const MarkedEntries& entries, float sign, float* weights) override {
    const std::int64_t count = entries.rows.end - entries.rows.begin;
    ones_.assign(static_cast<std::size_t>(count), 1.0f);
    std::fill_n(weights, (count - 1) * entries.stride + entries.keys.count, -0.0f);
    for (std::size_t b = 0; b < workers_.size(); ++b) {
      weights_[b].resize(static_cast<std::size_t>(count * entries.stride));
      part(b).weigh(entries, sign, weights_[b].data());
      add_held(entries, weights_[b].data(), ones_.data(), weights);
    }
  }
  void add_slopes(const MarkedEntries& entries, const float*, const float* slopes) override {
    for (std::size_t b = 0; b < workers_.size(); ++b)
      part(b).add_slopes(entries, weights_[b].data(), slopes);
  }
  void finish_keys(const KeySums& sums) override {
    for (std::size_t b = 0; b < workers_.size(); ++b) part(b).finish_keys(sums);
  }

 private:
  EntryGradients& part(std::size_t b) { return workers_[b]->entries(); }

  Workers& workers_;
  std::vector<std::vector<float>> weights_;
  std::vector<float> ones_;
};

class BucketWorker final : public ModelBackward::Worker {
 public:
  explicit BucketWorker(Workers workers) : workers_(std::move(workers)), entries_(workers_) {}

  void begin_group(BackwardRows& rows, const std::vector<std::uint8_t>& skipped) override {
    for (const auto& worker : workers_) worker->begin_group(rows, skipped);
  }
  EntryGradients& entries() override { return entries_; }
  void add_estimate() override {
    for (const auto& worker : workers_) worker->add_estimate();
  }
  void end_group() override {
    for (const auto& worker : workers_) worker->end_group();
  }
  void flush() override {
    for (const auto& worker : workers_) worker->flush();
  }

 private:
  Workers workers_;
  BucketGradients entries_;
};

}  // namespace

BucketBackward::BucketBackward(std::span<const KeyBucket> buckets,
                               const BackwardArguments& arguments) {
  for (const KeyBucket& bucket : buckets)
    parts_.push_back(std::make_unique<PolyBackward>(*bucket.model, arguments));
}

std::unique_ptr<ModelBackward::Worker> BucketBackward::make_worker() {
  Workers workers;
  for (const auto& part : parts_) workers.push_back(part->make_worker());
  return std::make_unique<BucketWorker>(std::move(workers));
}

void BucketBackward::finish(int threads) {
  for (const auto& part : parts_) part->finish(threads);
}

}  // namespace subquad
