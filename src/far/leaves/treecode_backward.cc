#include "far/leaves/treecode_backward.h"

#include <algorithm>
#include <limits>
#include <numbers>

#include "core/threads.h"
#include "far/leaves/leaf_opening.h"
#include "kernels/backward.h"
#include "rows/partial.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr std::int64_t kBatch = 48;  // rows that meet an opened leaf together

// Nothing is implied for single entries.
class NoEntryGradients final : public EntryGradients {
 public:
  NoEntryGradients(std::int64_t rows, std::int64_t width)
      : stride_(padded_values(width)), zeros_(static_cast<std::size_t>(rows * stride_), 0.0f) {}

  RowGrads row_grads() override { return {zeros_.data(), stride_}; }
  void load_keys(const IndexList&) override {}
  void weigh(const MarkedEntries& entries, float, float* weights) override {
    for (std::int64_t r = 0; r < entries.rows.end - entries.rows.begin; ++r)
      std::fill_n(weights + r * entries.stride, entries.keys.count, -0.0f);
  }
  void add_slopes(const MarkedEntries&, const float*, const float*) override {}

 private:
  std::int64_t stride_;
  std::vector<float> zeros_;
};

// Rows as LeafRows has them, in memory of their own.
class OwnedRows {
 public:
  OwnedRows(const HeadProblem& head, std::int64_t capacity)
      : dim_(head.head_dim()),
        value_dim_(head.value_dim()),
        query_stride_(padded_values(dim_)),
        grad_stride_(padded_values(value_dim_)),
        queries_(capacity * query_stride_),
        grad_outs_(capacity * grad_stride_),
        lse_(capacity),
        offsets_(capacity) {
    std::fill(queries_.span().begin(), queries_.span().end(), 0.0f);
    std::fill(grad_outs_.span().begin(), grad_outs_.span().end(), 0.0f);
  }

  std::int64_t query_stride() const { return query_stride_; }
  void set(std::int64_t i, const float* query, const float* grad_out, float lse, float offset) {
    std::copy_n(query, dim_, queries_.data() + i * query_stride_);
    std::copy_n(grad_out, value_dim_, grad_outs_.data() + i * grad_stride_);
    lse_[i] = lse;
    offsets_[i] = offset;
  }
  // A row without weights.
  void clear(std::int64_t i) {
    std::fill_n(queries_.data() + i * query_stride_, dim_, 0.0f);
    std::fill_n(grad_outs_.data() + i * grad_stride_, value_dim_, 0.0f);
    lse_[i] = std::numeric_limits<float>::max();
    offsets_[i] = 0.0f;
  }
  void copy(std::int64_t i, const OwnedRows& from, std::int64_t row) {
    set(i, from.queries_.data() + row * query_stride_, from.grad_outs_.data() + row * grad_stride_,
        from.lse_[row], from.offsets_[row]);
  }
  LeafRows view(std::int64_t begin, std::int64_t count) const {
    return {queries_.data() + begin * query_stride_, grad_outs_.data() + begin * grad_stride_,
            lse_.data() + begin, offsets_.data() + begin, count};
  }

 private:
  std::int64_t dim_, value_dim_, query_stride_, grad_stride_;
  Scratch<float> queries_, grad_outs_, lse_, offsets_;
};

}  // namespace

class TreecodeBackward::GroupWorker final : public ModelBackward::Worker {
 public:
  explicit GroupWorker(TreecodeBackward& owner)
      : owner_(owner),
        model_(owner.model_),
        head_(model_.head()),
        index_(model_.index()),
        wanted_(wanted_gradients(owner.arguments_)),
        capacity_(row_block_size(head_.head_dim(), head_.value_dim())),
        leaf_stride_(score_stride(index_.shape().leaf)),
        entries_(capacity_, head_.value_dim() + 1),
        opening_(head_, index_, model_.reach()),
        closed_(head_, wanted_, LeafOpening::kRows, index_.size()),
        opened_(head_, wanted_, kBatch, index_.shape().leaf),
        all_(head_, capacity_),
        some_(head_, kBatch),
        sums_(index_, head_.value_dim()),
        scores_(kBatch * leaf_stride_),
        grad_queries_(kBatch * all_.query_stride()),
        row_ids_(static_cast<std::size_t>(kBatch)) {}

  void begin_group(BackwardRows& rows, const std::vector<std::uint8_t>& skipped) override {
    rows_ = &rows;
    skipped_ = &skipped;
  }

  EntryGradients& entries() override { return entries_; }

  void add_estimate() override {
    const std::int64_t prefix = model_.chunks_before(rows_->rows()[0]);
    if (prefix == 0) return;
    load_rows();
    const std::int64_t count = rows_->rows().count;
    limits_ = model_.limits(prefix);
    opening_.start(index_.leaves_in(prefix), limits_, model_.heavy());
    sums_.note_means(opening_.leaves());
    for (std::int64_t begin = 0; begin < count; begin += LeafOpening::kRows)
      add_closed({begin, std::min(begin + LeafOpening::kRows, count)});
    opening_.sort_by_leaf();
    for (std::int64_t leaf = 0; leaf < opening_.leaves(); ++leaf) {
      add_opened(leaf, opening_.rows_of(leaf));
      add_opened(leaf, opening_.whole());
    }
  }

  void end_group() override {}

  void flush() override {
    sums_.flush(head_, owner_.arguments_, owner_.by_mean_keys_, owner_.by_mean_values_);
  }

 private:
  void load_rows() {
    log2_sums_.clear();
    for (std::int64_t i = 0; i < rows_->rows().count; ++i) {
      log2_sums_.push_back(model_.log2_sum_before(rows_->rows()[i]));
      if ((*skipped_)[static_cast<std::size_t>(i)] != 0) {
        all_.clear(i);
      } else {
        all_.set(i, rows_->query(i), rows_->grad_out(i), *rows_->lse_log2(i),
                 wanted_.scores() ? *rows_->offset(i) : 0.0f);
      }
    }
  }

  // Finds what these rows open; the leaves that they leave closed.
  void add_closed(const Range& part) {
    const std::int64_t count = part.end - part.begin;
    const LeafRows rows = all_.view(part.begin, count);
    opening_.open({rows_->rows().slice(part.begin, count), rows.queries, all_.query_stride(),
                   log2_sums_.data() + part.begin},
                  part.begin, filter_);
    closed_.add(rows, opening_.scores(), opening_.stride(),
                {owner_.transposes_.mean_values(), owner_.transposes_.mean_keys(),
                 opening_.leaves(), sums_.mean_keys(), sums_.mean_values()},
                rows_->grad_query(part.begin), rows_->grad_query_stride());
  }

  void add_opened(std::int64_t leaf, std::span<const std::int32_t> members) {
    for (std::size_t at = 0; at < members.size(); at += kBatch)
      add_batch(leaf, members.subspan(at, std::min<std::size_t>(kBatch, members.size() - at)));
  }

  // Some rows that have opened the leaf meet its keys, less those that heavy sets hold.
  void add_batch(std::int64_t leaf, std::span<const std::int32_t> members) {
    const std::int64_t count = std::ssize(members), size = index_.shape().leaf;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int32_t row = members[static_cast<std::size_t>(i)];
      some_.copy(i, all_, row);
      row_ids_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(rows_->rows()[row]);
    }
    const LeafRows rows = some_.view(0, count);
    kernels::gemm({rows.queries, some_.query_stride(), 1}, index_.keys(leaf), count, size,
                  head_.head_dim(), scores_.data(), leaf_stride_, false);
    remove_held({row_ids_.data(), 0, count, false}, index_.members(leaf));
    std::fill_n(grad_queries_.data(), count * some_.query_stride(), 0.0f);
    opened_.add(rows, scores_.data(), leaf_stride_,
                {owner_.transposes_.values(leaf), owner_.transposes_.keys(leaf), size,
                 sums_.keys(leaf), sums_.values(leaf)},
                grad_queries_.data(), some_.query_stride());
    if (wanted_.query)
      kernels::scatter_rows(grad_queries_.data(), some_.query_stride(), members.data(), count,
                            head_.head_dim(), 1.0f, rows_->grad_query(0),
                            rows_->grad_query_stride());
  }

  void remove_held(const IndexList& rows, const IndexList& keys) {
    for (const EntrySet* set : model_.heavy())
      if (set->may_meet(rows, keys)) set->remove(rows, keys, scores_.data(), leaf_stride_, filter_);
  }

  TreecodeBackward& owner_;
  const Treecode& model_;
  const HeadProblem& head_;
  const LeafIndex& index_;
  WantedGradients wanted_;
  std::int64_t capacity_, leaf_stride_;
  NoEntryGradients entries_;
  LeafOpening opening_;
  LeafProducts closed_, opened_;
  OwnedRows all_, some_;  // of the group, of a batch
  LeafSums sums_;
  Scratch<float> scores_, grad_queries_;  // of a batch
  std::vector<std::int32_t> row_ids_;
  std::vector<float> log2_sums_, limits_;
  FilterScratch filter_;
  BackwardRows* rows_ = nullptr;
  const std::vector<std::uint8_t>* skipped_ = nullptr;
};

TreecodeBackward::TreecodeBackward(const Treecode& model, const BackwardArguments& arguments,
                                   int threads)
    : model_(model), arguments_(arguments), transposes_(model.head(), model.index(), threads) {
  const WantedGradients wanted = wanted_gradients(arguments);
  const std::int64_t leaves = model.index().size();
  if (wanted.key) by_mean_keys_.resize(static_cast<std::size_t>(leaves * model.head().head_dim()));
  if (wanted.value)
    by_mean_values_.resize(static_cast<std::size_t>(leaves * model.head().value_dim()));
}

std::unique_ptr<ModelBackward::Worker> TreecodeBackward::make_worker() {
  return std::make_unique<GroupWorker>(*this);
}

// Spreads the gradients of the means over the leaves' keys.
void TreecodeBackward::finish(int threads) {
  const LeafIndex& index = model_.index();
  const HeadProblem& head = model_.head();
  const double share = 1.0 / static_cast<double>(index.shape().leaf);
  const auto spread = [&](const std::vector<double>& by_means, std::int64_t leaf, double factor,
                          const MutableTensorView& view) {
    const std::int64_t width = view.empty() ? 0 : view.channels();
    const IndexList members = index.members(leaf);
    for (std::int64_t i = 0; i < members.count && width > 0; ++i) {
      float* row = static_cast<float*>(view.data) +
                   view.offset(head.batch, head.kv_head, head.key_begin + members[i]);
      for (std::int64_t d = 0; d < width; ++d)
        row[d] += static_cast<float>(factor * by_means[static_cast<std::size_t>(leaf * width + d)]);
    }
  };
  parallel_for(threads, index.leaves_in(index.chunks()), [&](std::int64_t leaf) {
    spread(by_mean_keys_, leaf, share * std::numbers::ln2, arguments_.grad_key);
    spread(by_mean_values_, leaf, share, arguments_.grad_value);
  });
}

}  // namespace subquad
