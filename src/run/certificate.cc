#include "subquad/certificate.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "core/checks.h"
#include "core/rng.h"
#include "core/threads.h"
#include "core/probe_problem.h"
#include "rows/attend_run.h"
#include "rows/write_rows.h"
#include "kernels/pack.h"
#include "core/sampling.h"

namespace subquad {
namespace {

constexpr std::int64_t kItems = 16;        // work items that a small sample is cut into
constexpr std::int64_t kMinItemRows = 12;  // a register block: fewer waste the keys' loads

void check_open_share(const char* name, double value) {
  if (!(value > 0 && value < 1))
    throw_invalid(fmt::format("{}: {} must lie between 0 and 1, both excluded", name, value));
}

void check_arguments(const Problem& problem, const TensorView& out,
                     const CertificateOptions& options) {
  check_probe(problem, options.threads);
  const Shape4& q = problem.query.shape;
  check_shape("out", out, {q[0], q[1], q[2], problem.value.channels()});
  if (options.rows < 0)
    throw_invalid(
        fmt::format("rows: {} must be 0 (enough for the confidence) or more", options.rows));
  check_open_share("share", options.share);
  check_open_share("confidence", options.confidence);
}

// The fewest rows R with share^R <= 1 - confidence. At most 4e17 for any doubles in (0, 1).
std::int64_t enough_rows(double share, double confidence) {
  const double rows = std::ceil(std::log1p(-confidence) / std::log(share));
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(rows));
}

// The drawn rows of one head; `first` of all drawn rows lie in the heads before it.
struct HeadSample {
  const HeadProblem* head;
  std::int64_t first;
  std::vector<std::int32_t> rows;
};

std::vector<HeadSample> split_sample(const std::vector<HeadProblem>& heads,
                                     const std::vector<std::int64_t>& drawn) {
  std::vector<HeadSample> samples;
  std::int64_t begin = 0, taken = 0;
  for (const HeadProblem& head : heads) {
    HeadSample sample{&head, taken, {}};
    const std::int64_t end = begin + head.num_rows();
    for (; taken < std::ssize(drawn) && drawn[static_cast<std::size_t>(taken)] < end; ++taken)
      sample.rows.push_back(
          static_cast<std::int32_t>(drawn[static_cast<std::size_t>(taken)] - begin));
    begin = end;
    if (!sample.rows.empty()) samples.push_back(std::move(sample));
  }
  return samples;
}

// Rows of one head that a thread recomputes together.
struct Item {
  const HeadProblem* head;
  std::int64_t first;  // place of its rows among all drawn ones
  IndexList rows;
};

std::vector<Item> make_items(const std::vector<HeadSample>& samples, std::int64_t step) {
  std::vector<Item> items;
  for (const HeadSample& sample : samples) {
    const IndexList rows{sample.rows.data(), 0, std::ssize(sample.rows), true};
    for (std::int64_t begin = 0; begin < rows.count; begin += step)
      items.push_back({sample.head, sample.first + begin,
                       rows.slice(begin, std::min(step, rows.count - begin))});
  }
  return items;
}

struct RowError {
  double error_squares = 0, exact_squares = 0;
  bool finite = true;  // the exact row
};

RowError row_error(const std::vector<float>& approx, const std::vector<float>& exact) {
  RowError sums;
  for (std::size_t c = 0; c < exact.size(); ++c) {
    const auto a = static_cast<double>(approx[c]), e = static_cast<double>(exact[c]);
    const bool same = a == e || (std::isnan(a) && std::isnan(e));
    const double error = same ? 0 : a - e;
    sums.error_squares +=
        std::isfinite(error) ? error * error : std::numeric_limits<double>::infinity();
    if (std::isfinite(e))
      sums.exact_squares += e * e;
    else
      sums.finite = false;
  }
  return sums;
}

// One thread's memory for recomputing rows.
class RowCheck {
 public:
  RowCheck(const HeadProblem& any, std::int64_t max_rows)
      : rows_(any.head_dim(), any.value_dim(), max_rows),
        scratch_(any.head_dim(), any.value_dim()),
        exact_(static_cast<std::size_t>(any.value_dim())),
        approx_(exact_.size()) {}

  void check(const Item& item, const TensorView& out, std::vector<RowError>& errors) {
    const HeadProblem& head = *item.head;
    const IndexList& rows = item.rows;
    const Range keys = head.visible(rows[0], rows[rows.count - 1] + 1);
    rows_.load(head, rows);
    attend_run(head, rows_, {.rows = {0, rows.count}, .keys = index_range(keys.begin, keys.end)},
               {}, scratch_);
    for (std::int64_t i = 0; i < rows.count; ++i) {
      write_rows(head, rows.slice(i, 1), rows_.partial().slice(i, 1), {here(), {}, {}});
      read(head.row_in(out, rows[i]), out.dtype);
      errors[static_cast<std::size_t>(item.first + i)] = row_error(approx_, exact_);
    }
  }

 private:
  std::int64_t width() const { return static_cast<std::int64_t>(exact_.size()); }
  // Stands for a whole output, but every row of it is exact_.
  MutableTensorView here() { return {exact_.data(), DType::f32, {1, 1, 1, width()}, {0, 0, 0, 1}}; }
  void read(const void* row, DType dtype) {
    kernels::load_rows({row, dtype, width(), width(), nullptr, 0, 1}, 1.0F, approx_.data(), width(),
                       width());
  }

  RowBlock rows_;
  TileScratch scratch_;
  std::vector<float> exact_, approx_;
};

// Of the drawn rows, in their order.
std::vector<RowError> recompute(const std::vector<HeadSample>& samples, std::int64_t count,
                                const TensorView& out, int threads) {
  std::vector<RowError> errors(static_cast<std::size_t>(count));
  if (samples.empty()) return errors;
  const HeadProblem& any = *samples.front().head;
  const std::int64_t step = std::clamp((count + kItems - 1) / kItems, kMinItemRows,
                                       row_block_size(any.head_dim(), any.value_dim()));
  const std::vector<Item> items = make_items(samples, step);
  parallel_workers(threads, std::ssize(items), [&] {
    return [&, check = RowCheck(any, step)](std::int64_t n) mutable {
      check.check(items[static_cast<std::size_t>(n)], out, errors);
    };
  });
  return errors;
}

// An exact row that is not finite has no error, unless the output differs from it.
bool is_unbounded(const RowError& row) { return !row.finite && std::isfinite(row.error_squares); }

double ratio(double part, double whole) { return part == 0 ? 0 : part / whole; }

Certificate::Place place_of(const std::vector<HeadSample>& samples, std::int64_t n) {
  const auto after = std::upper_bound(
      samples.begin(), samples.end(), n,
      [](std::int64_t value, const HeadSample& sample) { return value < sample.first; });
  const HeadSample& sample = *(after - 1);
  const HeadProblem& head = *sample.head;
  const std::int64_t row = sample.rows[static_cast<std::size_t>(n - sample.first)];
  return {head.batch, head.query_head(row), head.query_begin + head.position(row)};
}

void add_errors(const std::vector<HeadSample>& samples, std::span<const RowError> errors,
                Certificate& result) {
  double error_squares = 0, exact_squares = 0, largest_squares = 0;
  std::int64_t worst = 0;
  for (std::int64_t n = 0; n < std::ssize(errors); ++n) {
    const RowError& row = errors[static_cast<std::size_t>(n)];
    const double relative = std::sqrt(ratio(row.error_squares, row.exact_squares));
    if (relative > result.largest_row_error) worst = n;
    result.largest_row_error = std::max(result.largest_row_error, relative);
    largest_squares = std::max(largest_squares, row.error_squares);
    error_squares += row.error_squares;
    exact_squares += row.exact_squares;
  }
  if (errors.empty()) return;
  result.worst = place_of(samples, worst);
  result.rel_fro = std::sqrt(ratio(error_squares, exact_squares));
  result.rms_row_norm = std::sqrt(exact_squares / static_cast<double>(errors.size()));
  result.largest_row_error_to_rms = ratio(std::sqrt(largest_squares), result.rms_row_norm);
  const auto unbounded = std::find_if(errors.begin(), errors.end(), is_unbounded);
  if (unbounded == errors.end() || std::isinf(result.largest_row_error)) return;
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  result.worst = place_of(samples, unbounded - errors.begin());
  result.largest_row_error = result.largest_row_error_to_rms = kNone;
  if (exact_squares == 0) result.rel_fro = kNone;
}

}  // namespace

Certificate certify(const Problem& problem, const TensorView& out,
                    const CertificateOptions& options) {
  check_arguments(problem, out, options);
  const std::vector<HeadProblem> heads = split_heads(problem);
  Certificate result;
  for (const HeadProblem& head : heads) result.total_rows += head.num_rows();
  const std::int64_t wanted =
      options.rows > 0 ? options.rows : enough_rows(options.share, options.confidence);
  result.rows = std::min(wanted, result.total_rows);
  if (result.rows < result.total_rows) {
    result.share = options.share;
    result.confidence = -std::expm1(static_cast<double>(result.rows) * std::log(options.share));
  }
  const std::vector<HeadSample> samples = split_sample(
      heads, sample_without_replacement<std::int64_t>(
                 result.total_rows, result.rows, Rng(options.seed, 0), 0, Purpose::certificate));
  add_errors(samples, recompute(samples, result.rows, out, resolved_threads(options.threads)),
             result);
  return result;
}

}  // namespace subquad
