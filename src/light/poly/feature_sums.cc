#include "light/poly/feature_sums.h"

#include <algorithm>

#include "core/round_up.h"
#include "core/threads.h"
#include "kernels/gemm.h"
#include "rows/partial.h"

namespace subquad {
namespace {

constexpr std::int64_t kPieceRows = 512;  // summed in f32
constexpr std::int64_t kTileRows = 64;    // whose features exist at a time

}  // namespace

// One thread's memory: one panel of features over one piece at a time.
class FeatureSums::Worker {
 public:
  Worker(FeatureSums& sums, const SumTerms& terms)
      : sums_(sums),
        layout_(sums.layout_),
        terms_(terms),
        channels_(kTileRows * layout_.dim() + kernels::kMonomialSlack),
        chain_(kTileRows * layout_.chain_stride()),
        factors_(kTileRows * (layout_.degree() + 1)),
        features_(kTileRows * layout_.panel_stride()),
        values_(kTileRows * sums.stride_),
        products_(layout_.panel_stride() * sums.stride_),
        counts_(layout_.panel_stride()) {}

  void run(const IndexList& piece, const MonomialPanel& panel, float* counts, float* products) {
    totals_.assign(static_cast<std::size_t>(panel.count * (sums_.stride_ + 1)), 0.0);
    for (std::int64_t begin = 0; begin < piece.count; begin += kPieceRows) {
      add_part(piece.slice(begin, std::min(kPieceRows, piece.count - begin)), panel);
      join(panel.count);
    }
    const auto cut = totals_.begin() + panel.count;
    if (sums_.with_counts_) store(totals_.begin(), cut, counts + panel.begin);
    store(cut, totals_.end(), products + panel.begin * sums_.stride_);
  }

 private:
  using Totals = std::vector<double>::const_iterator;
  static void store(Totals begin, Totals end, float* out) {
    std::transform(begin, end, out, [](double x) { return static_cast<float>(x); });
  }

  void add_part(const IndexList& part, const MonomialPanel& panel) {
    std::fill_n(products_.data(), products_.size(), 0.0f);
    std::fill_n(counts_.data(), counts_.size(), 0.0f);
    for (std::int64_t begin = 0; begin < part.count; begin += kTileRows)
      add_tile(part.slice(begin, std::min(kTileRows, part.count - begin)), panel);
  }

  void add_tile(const IndexList& rows, const MonomialPanel& panel) {
    const std::int64_t stride = layout_.panel_stride();
    terms_.channels(rows, channels_.data());
    terms_.values(rows, values_.data());
    layout_.fill_chain(channels_.data(), layout_.dim(), rows.count, chain_.data());
    kernels::MonomialRows source{
        channels_.data(), layout_.dim(),        chain_.data(), layout_.chain_stride(),
        nullptr,          layout_.degree() + 1, rows.count};
    if (terms_.factors) {
      terms_.factors(rows, factors_.data());
      source.factors = factors_.data();
    }
    kernels::expand_monomials(panel.segments, source, features_.data(), stride, panel.count,
                              sums_.with_counts_ ? counts_.data() : nullptr);
    kernels::gemm({features_.data(), 1, stride},
                  {values_.data(), kernels::blocking().panel, sums_.stride_}, panel.count,
                  sums_.width_, rows.count, products_.data(), sums_.stride_, true);
  }

  void join(std::int64_t count) {
    double* total = totals_.data();
    for (std::int64_t f = 0; f < count; ++f) total[f] += double{counts_[f]};
    total += count;
    for (std::int64_t n = 0; n < count * sums_.stride_; ++n) total[n] += double{products_[n]};
  }

  FeatureSums& sums_;
  const MonomialLayout& layout_;
  const SumTerms& terms_;
  Scratch<float> channels_, chain_, factors_, features_, values_, products_, counts_;
  std::vector<double> totals_;
};

FeatureSums::FeatureSums(const MonomialLayout& layout, std::int64_t width, bool counts)
    : layout_(layout),
      width_(width),
      stride_(padded_values(width)),
      counts_size_(counts ? round_up(layout.count(), 32) : 0),
      slot_size_(counts_size_ + layout.count() * stride_),
      with_counts_(counts) {}

void FeatureSums::sum(const std::vector<IndexList>& pieces, const SumTerms& terms, int threads) {
  pieces_ = std::ssize(pieces);
  slots_ = Scratch<float>(pieces_ * slot_size_);
  const std::int64_t panels = std::ssize(layout_.panels());
  parallel_workers(threads, pieces_ * panels, [&] {
    return [&, worker = Worker(*this, terms)](std::int64_t item) mutable {
      float* const slot = slots_.data() + item / panels * slot_size_;
      worker.run(pieces[static_cast<std::size_t>(item / panels)],
                 layout_.panels()[static_cast<std::size_t>(item % panels)], slot,
                 slot + counts_size_);
    };
  });
}

void FeatureSums::add_up(bool from_last, int threads) {
  parallel_for(threads, layout_.count(), [&](std::int64_t feature) {
    const double weight = double{layout_.weight(feature)};
    std::vector<double> total(static_cast<std::size_t>(stride_), 0.0);
    double count = 0;
    for (std::int64_t n = 0; n < pieces_; ++n) {
      float* const slot = slots_.data() + (from_last ? pieces_ - 1 - n : n) * slot_size_;
      float* const row = slot + counts_size_ + feature * stride_;
      for (std::size_t c = 0; c < total.size(); ++c) {
        total[c] += double{row[c]};
        row[c] = static_cast<float>(total[c] * weight);
      }
      if (!with_counts_) continue;
      count += double{slot[feature]};
      slot[feature] = static_cast<float>(count * weight);
    }
  });
}

}  // namespace subquad
