// The derivative of several buckets of keys: that of each, side by side.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "light/poly/key_buckets.h"
#include "light/poly/poly_backward.h"

namespace subquad {

class BucketBackward final : public ModelBackward {
 public:
  // What is given must outlive this.
  BucketBackward(std::span<const KeyBucket> buckets, const BackwardArguments& arguments);

  std::unique_ptr<ModelBackward::Worker> make_worker() override;
  void finish(int threads) override;

 private:
  std::vector<std::unique_ptr<PolyBackward>> parts_;
};

}  // namespace subquad
