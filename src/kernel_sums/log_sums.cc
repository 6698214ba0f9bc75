#include "kernel_sums/log_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "kernel_sums/kernel_run.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The positive values of a channel, as logarithms.
struct LogValues {
  std::vector<std::int32_t> keys;
  std::vector<float> log2;  // of every key
  float largest = 0;        // NaN, if there is one

  LogValues(const KernelHead& head, std::int64_t channel)
      : log2(static_cast<std::size_t>(head.num_keys)) {
    for (std::int64_t k = 0; k < head.num_keys; ++k) {
      const float x = head.values[k * head.channels + channel];
      if (!(x <= largest)) largest = std::isnan(largest) ? largest : x;
      if (!(x > 0)) continue;
      keys.push_back(static_cast<std::int32_t>(k));
      log2[static_cast<std::size_t>(k)] = std::log2(x);
    }
  }
};

class LogKeys final : public MetKeys {
 public:
  LogKeys(const KernelHead& head, const LogValues& values, const std::vector<float>& ones)
      : source_{head.keys.data(), ones.data(), nullptr, values.log2.data()}, values_(values) {}
  std::vector<SourceKeys> of(std::int64_t, RunList&) const override {
    return {{source_, {values_.keys.data(), 0, std::ssize(values_.keys), true}}};
  }

 private:
  KernelSource source_;
  const LogValues& values_;
};

void fill_channel(const KernelHead& head, std::int64_t channel, float number, float* out) {
  for (std::int64_t i = 0; i < head.num_queries; ++i) out[i * head.channels + channel] = number;
}

}  // namespace

std::int64_t log_sums(const KernelHead& head, float* out, const Rng& rng, int threads) {
  const std::vector<QueryBlock> blocks =
      make_query_blocks(head, row_block_size(head.dim, 1), rng, threads);
  const KernelRows rows(head, blocks, false, 1);
  const std::vector<float> ones(static_cast<std::size_t>(head.num_keys), 1.0f);
  std::int64_t entries = 0;
  for (std::int64_t c = 0; c < head.channels; ++c) {
    const LogValues values(head, c);
    if (!(values.largest > 0) || std::isinf(values.largest)) {
      fill_channel(head, c, values.largest == 0 ? -kInfinity : values.largest, out);
      continue;
    }
    const auto finish = [&](std::int64_t row, std::int64_t r, const Partial& sums) {
      const double log2 = double{sums.m[r]} - double{rows.half_square(row)} +
                          std::log2(double{sums.l[r]}) + head.value_shift;
      out[row * head.channels + c] = static_cast<float>(std::numbers::ln2 * log2);
    };
    entries += run_kernel_rows(rows, LogKeys(head, values, ones), finish, threads);
  }
  return entries;
}

}  // namespace subquad
