#include "kernel_sums/kernel_probes.h"

#include <algorithm>

#include "core/threads.h"

namespace subquad {
namespace {

constexpr std::int64_t kBatch = 48;

std::vector<float> center_of(const KernelHead& head, const IndexList& rows) {
  return median_point(head.queries.data(), rows, head.dim);
}

// Runs function(block, part) for each batch, the block loaded with its rows.
template <typename Function>
void for_batches(const KernelHead& head, const SampleRows& sample, bool with_spread, int threads,
                 const Function& function) {
  const std::vector<Range> batches = batch_rows(sample);
  parallel_workers(threads, static_cast<std::int64_t>(batches.size()), [&] {
    return [&, block = KernelBlock(head.dim, head.channels, head.scales, with_spread)](
               std::int64_t b) mutable {
      const Range& part = batches[static_cast<std::size_t>(b)];
      const IndexList rows = sample.list(part);
      block.load(head.queries.data(), rows, center_of(head, rows));
      function(block, part);
    };
  });
}

// |sum - weight * pseudo|^2.
double squared_miss(const std::vector<double>& sum, float weight, const float* pseudo) {
  double square = 0;
  for (std::size_t c = 0; c < sum.size(); ++c) {
    const double missed = sum[c] - double{weight} * double{pseudo[c]};
    square += missed * missed;
  }
  return square;
}

}  // namespace

std::vector<Range> batch_rows(const SampleRows& sample) {
  std::vector<Range> batches;
  const auto same_block = [&](std::int64_t a, std::int64_t b) {
    return sample.group_of[static_cast<std::size_t>(a)] ==
           sample.group_of[static_cast<std::size_t>(b)];
  };
  Range batch{0, 0};
  for (std::int64_t i = 0; i < sample.size(); ++i) {
    const bool full = i - batch.begin >= kBatch;
    const bool between = i > 0 && !same_block(i - 1, i);
    if (full && between) {
      batches.push_back(batch);
      batch.begin = i;
    }
    batch.end = i + 1;
  }
  if (!batch.empty()) batches.push_back(batch);
  return batches;
}

std::vector<double> sum_at(const KernelHead& head, const SampleRows& sample,
                           const KernelSource& source, std::int64_t count, int threads) {
  std::vector<double> sums(static_cast<std::size_t>(sample.size() * head.channels));
  for_batches(head, sample, source.spread != nullptr, threads,
              [&](KernelBlock& block, const Range& part) {
                block.add(source, index_range(0, count));
                for (std::int64_t i = part.begin; i < part.end; ++i)
                  block.read_row(i - part.begin, sums.data() + i * head.channels);
              });
  return sums;
}

std::vector<float> weigh_at(const KernelHead& head, const SampleRows& sample,
                            const KernelClusters& clusters, int threads) {
  const std::int64_t size = clusters.size();
  std::vector<float> weights(static_cast<std::size_t>(sample.size() * size));
  for_batches(head, sample, !clusters.spread.empty(), threads,
              [&](KernelBlock& block, const Range& part) {
                block.weigh(clusters.with(clusters.sums), index_range(0, size),
                            weights.data() + part.begin * size, size);
              });
  return weights;
}

std::vector<double> missed_squares(const KernelHead& head, const SampleRows& scouts,
                                   std::int64_t blocks, const KernelClusters& clusters,
                                   int threads) {
  const std::int64_t size = clusters.size(), channels = head.channels;
  const std::vector<float> weights = weigh_at(head, scouts, clusters, threads);
  std::vector<double> squares(static_cast<std::size_t>(blocks * size));
  std::vector<double> share(static_cast<std::size_t>(blocks));
  for (const std::int32_t g : scouts.group_of) share[static_cast<std::size_t>(g)] += 1;
  for (double& s : share) s = s > 0 ? 1 / s : 0;
  const KernelSource keys{head.keys.data(), head.values.data()};
  for_batches(head, scouts, false, threads, [&](KernelBlock& block, const Range& part) {
    std::vector<double> sum(static_cast<std::size_t>(channels));
    for (std::int64_t c = 0; c < size; ++c) {
      block.clear_sums();
      block.add(keys, clusters.keys.members(c));
      for (std::int64_t i = part.begin; i < part.end; ++i) {
        const std::int32_t g = scouts.group_of[static_cast<std::size_t>(i)];
        block.read_row(i - part.begin, sum.data());
        squares[static_cast<std::size_t>(g * size + c)] +=
            share[static_cast<std::size_t>(g)] *
            squared_miss(sum, weights[static_cast<std::size_t>(i * size + c)],
                         clusters.sums.data() + c * channels);
      }
    }
  });
  return squares;
}

}  // namespace subquad
