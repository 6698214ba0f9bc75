// Assumption A of KMV: the n largest entries of the Gaussian kernel matrix against all others.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "core/probe_problem.h"
#include "core/sampling.h"
#include "core/threads.h"
#include "kernels/gemm.h"
#include "rows/head_rows.h"
#include "subquad/error.h"
#include "subquad/probe.h"

namespace subquad {
namespace {

constexpr std::int64_t kChunk = 32;     // rows whose logits are held at once
constexpr std::size_t kGroups = 16;     // of the jackknife
constexpr double kBucket = 1.0 / 1024;  // nats; entries of a bucket differ by a thousandth
constexpr std::size_t kBuckets = std::size_t{1} << 17;
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// log K + M / (2 sigma^2) of one query head, chunk by chunk: scale <q, k> - |scale| |q|^2 / 2.
class KernelLogits {
 public:
  KernelLogits(const HeadProblem& head, std::int64_t g, std::int64_t size)
      : head_(head),
        g_(g),
        size_(size),
        scale_(double{head.scale_log2} * std::log(2.0)),
        panel_(kernels::blocking().panel),
        stride_((size + panel_ - 1) / panel_ * panel_),
        keys_(stride_ * head.head_dim()),
        query_(kChunk * head.head_dim()),
        logits_(kChunk * stride_) {
    key_step_ =
        kernels::pack_transposed(select_rows(head.keys(), index_range(0, size)), keys_.data());
  }

  // visit(r, logits) for each of the positions.
  template <typename Visit>
  void for_rows(const std::vector<std::int32_t>& positions, const Visit& visit) {
    const auto count = std::ssize(positions);
    const std::int64_t width = head_.head_dim();
    for (std::int64_t begin = 0; begin < count; begin += kChunk) {
      const std::int64_t rows = std::min(kChunk, count - begin);
      for (std::int64_t r = 0; r < rows; ++r)
        load(positions[static_cast<std::size_t>(begin + r)], r);
      kernels::gemm({query_.data(), width, 1}, {keys_.data(), key_step_, panel_}, rows, size_,
                    width, logits_.data(), stride_, false);
      for (std::int64_t r = 0; r < rows; ++r) {
        float* row = logits_.data() + r * stride_;
        for (std::int64_t j = 0; j < size_; ++j) row[j] -= offset_[r];
        visit(begin + r, std::span<const float>(row, static_cast<std::size_t>(size_)));
      }
    }
  }

 private:
  void load(std::int64_t position, std::int64_t r) {
    const std::int64_t width = head_.head_dim(), row = position * head_.group + g_;
    float* query = query_.data() + r * width;
    load_head_rows(head_, head_.problem->query, index_range(row, row + 1),
                   static_cast<float>(scale_), query, width);
    double square = 0;
    for (std::int64_t c = 0; c < width; ++c) square += double{query[c]} * query[c];
    offset_[r] = scale_ == 0 ? 0 : static_cast<float>(square / (2 * std::abs(scale_)));
  }

  const HeadProblem& head_;
  std::int64_t g_, size_;
  double scale_;
  std::int64_t panel_, stride_, key_step_ = 0;
  Scratch<float> keys_, query_, logits_;
  float offset_[kChunk] = {};
};

// Entries by how far they are below the largest.
class Histogram {
 public:
  static std::size_t bucket_of(double below) {
    return std::min(kBuckets - 1, static_cast<std::size_t>(below / kBucket));
  }
  void add(double below) {
    const std::size_t b = bucket_of(below);
    ++counts_[b];
    sums_[b] += std::exp(-below);
  }
  void add(const Histogram& other, double sign) {
    for (std::size_t b = 0; b < kBuckets; ++b) {
      counts_[b] += sign * other.counts_[b];
      sums_[b] += sign * other.sums_[b];
    }
  }
  // The bucket of the entry of this rank, 1 the largest, and how many entries are in larger ones.
  std::pair<std::size_t, double> find(double rank) const {
    double above = 0;
    for (std::size_t b = 0; b < kBuckets; ++b) {
      if (above + counts_[b] >= rank) return {b, above};
      above += counts_[b];
    }
    return {kBuckets, above};
  }
  // The sum of all entries less the `rank` largest, over the sum of these.
  double ratio(double rank) const {
    const auto [last, above] = find(rank);
    double head = 0, tail = 0;
    for (std::size_t b = 0; b < kBuckets; ++b) {
      const double share = b == last ? (rank - above) / counts_[b] : b < last ? 1.0 : 0.0;
      head += share * sums_[b];
      tail += (1 - share) * sums_[b];
    }
    return tail / head;
  }

 private:
  std::vector<double> counts_ = std::vector<double>(kBuckets);
  std::vector<double> sums_ = std::vector<double>(kBuckets);
};

class HeadTailMeter {
 public:
  HeadTailMeter(const HeadProblem& head, std::int64_t g, const HeadTailOptions& options)
      : size_(options.prefix > 0 ? options.prefix : head.num_keys), logits_(head, g, size_) {
    const Rng rng(options.seed, head.query_head(g));
    const std::int64_t rows = options.rows > 0 ? std::min(options.rows, size_) : size_;
    positions_ = sample_without_replacement(size_, rows, rng, 0, Purpose::probe);
  }

  void measure(HeadTail& result) {
    result.size = size_;
    result.rows = std::ssize(positions_);
    if (size_ == 0) return;
    find_largest();
    result.log_largest = largest_;
    if (!std::isfinite(largest_)) {
      result.ratio = result.ratio_error = result.nth_over_next = result.nth_over_2nth = kUnknown;
      return;
    }
    count(result);
    rank(result);
  }

 private:
  bool sampled() const { return std::ssize(positions_) < size_; }

  void find_largest() {
    largest_ = -std::numeric_limits<double>::infinity();
    logits_.for_rows(positions_, [&](std::int64_t, std::span<const float> row) {
      for (const float logit : row) {
        if (!std::isfinite(logit)) largest_ = kUnknown;
        if (logit > largest_) largest_ = logit;
      }
    });
  }

  // The ratio, and by a jackknife over groups of rows its error.
  void count(HeadTail& result) {
    const std::size_t groups = sampled() ? std::min(kGroups, positions_.size()) : std::size_t{1};
    std::vector<Histogram> parts(groups);
    logits_.for_rows(positions_, [&](std::int64_t r, std::span<const float> row) {
      Histogram& part = parts[static_cast<std::size_t>(r) % groups];
      for (const float logit : row) part.add(largest_ - logit);
    });
    all_ = std::move(parts.front());
    for (std::size_t g = 1; g < groups; ++g) all_.add(parts[g], 1);
    const auto rows = static_cast<double>(positions_.size());
    result.ratio = all_.ratio(rows);
    if (groups > 1) result.ratio_error = jackknife(parts, rows);
  }

  double jackknife(std::vector<Histogram>& parts, double rows) {
    const std::size_t groups = parts.size();
    parts.front() = all_;
    for (std::size_t g = 1; g < groups; ++g) parts.front().add(parts[g], -1);
    double mean = 0, squares = 0;
    for (std::size_t g = 0; g < groups; ++g) {
      const std::size_t size = (positions_.size() - g + groups - 1) / groups;
      all_.add(parts[g], -1);
      const double without = all_.ratio(rows - static_cast<double>(size));
      all_.add(parts[g], 1);
      mean += without / static_cast<double>(groups);
      squares += without * without / static_cast<double>(groups);
    }
    return std::sqrt(static_cast<double>(groups - 1) * std::max(0.0, squares - mean * mean));
  }

  // The entries of ranks n, n + 1 and 2 n, exactly.
  void rank(HeadTail& result) {
    const auto n = static_cast<double>(positions_.size());
    std::vector<double> at;
    for (const double wanted : {n, n + 1, 2 * n}) at.push_back(entry(wanted));
    result.nth_over_next = std::exp(at[1] - at[0]);
    result.nth_over_2nth = std::exp(at[2] - at[0]);
  }

  // How far below the largest.
  double entry(double rank) {
    const auto [bucket, above] = all_.find(rank);
    if (bucket == kBuckets) return std::numeric_limits<double>::infinity();  // fewer entries
    std::vector<double> inside;
    logits_.for_rows(positions_, [&, b = bucket](std::int64_t, std::span<const float> row) {
      for (const float logit : row)
        if (Histogram::bucket_of(largest_ - logit) == b) inside.push_back(largest_ - logit);
    });
    const auto place = inside.begin() + static_cast<std::ptrdiff_t>(rank - above) - 1;
    std::nth_element(inside.begin(), place, inside.end());
    return *place;
  }

  std::int64_t size_;
  KernelLogits logits_;
  std::vector<std::int32_t> positions_;
  double largest_ = 0;
  Histogram all_;
};

void check_options(const std::vector<HeadProblem>& heads, const HeadTailOptions& options) {
  if (options.rows < 0)
    throw_invalid(fmt::format("rows: {} must be 0 (all) or more", options.rows));
  if (options.prefix < 0)
    throw_invalid(fmt::format("prefix: {} must be 0 (all) or more", options.prefix));
  for (const HeadProblem& head : heads) {
    if (head.query_len != head.num_keys)
      throw_invalid(fmt::format("query: {} queries for {} keys; as many of both are needed",
                                head.query_len, head.num_keys));
    if (options.prefix > head.num_keys)
      throw_invalid(fmt::format("prefix: {} of {} positions", options.prefix, head.num_keys));
  }
}

}  // namespace

std::vector<HeadTail> probe_head_tail(const Problem& problem, const HeadTailOptions& options) {
  check_probe(problem, options.threads);
  const Problem bare = without_values(problem);
  const std::vector<HeadProblem> heads = split_heads(bare);
  check_options(heads, options);
  std::vector<HeadTail> results;
  for (std::size_t h = 0; h < heads.size(); ++h)
    for (std::int64_t g = 0; g < heads[h].group; ++g) {
      HeadTail& result = results.emplace_back();
      result.sequence = static_cast<std::int64_t>(h) / problem.key.heads();
      result.head = heads[h].kv_head * heads[h].group + g;
    }
  if (heads.empty()) return results;
  const std::int64_t group = heads.front().group;
  parallel_for(resolved_threads(options.threads), std::ssize(results), [&](std::int64_t i) {
    HeadTailMeter(heads[static_cast<std::size_t>(i / group)], i % group, options)
        .measure(results[static_cast<std::size_t>(i)]);
  });
  return results;
}

}  // namespace subquad
