#include "far/moments/cluster_moments.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "index/key_clusters.h"

namespace subquad {
namespace {

constexpr std::int64_t kChunk = 512;  // members at a time
constexpr std::int64_t kSample = 64;  // members, at least, for the estimate of the remainder

double square(double x) { return x * x; }

// sum_ij a_ij b_ij.
double inner_product(const SmallMatrix& a, const SmallMatrix& b) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.rows(); ++i)
    sum += double{dot_f32(a.row(i), b.row(i), a.columns())};
  return sum;
}

double trace(const SmallMatrix& a) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.rows(); ++i) sum += double{a.row(i)[i]};
  return sum;
}

// The rows' entries times `factor`, from `from` into `to`.
void copy_rows(const SmallMatrix& from, double factor, SmallMatrix& to) {
  for (std::int64_t i = 0; i < from.rows(); ++i)
    for (std::int64_t j = 0; j < from.columns(); ++j)
      to.row(i)[j] = static_cast<float>(factor * double{from.row(i)[j]});
}

}  // namespace

QueryMetric::QueryMetric(const double* metric, std::int64_t head_dim) {
  double trace = 0;
  bool usable = true;
  for (std::int64_t i = 0; i < head_dim * head_dim; ++i) usable &= std::isfinite(metric[i]);
  for (std::int64_t i = 0; i < head_dim; ++i) trace += metric[i * head_dim + i];
  usable &= trace > 0 && std::isfinite(trace);
  scale_ = usable ? trace / static_cast<double>(head_dim) : 1;
  matrix_.reset(head_dim, head_dim);
  for (std::int64_t i = 0; i < head_dim; ++i)
    for (std::int64_t j = 0; j < head_dim; ++j) {
      const double identity = i == j ? 1 : 0;
      matrix_.row(i)[j] = static_cast<float>(usable ? metric[i * head_dim + j] / scale_ : identity);
      squared_norm_ += square(double{matrix_.row(i)[j]});
    }
}

MomentBuilder::MomentBuilder(const MomentInput& input, const QueryMetric& metric)
    : input_(input), metric_(metric), value_mean_(static_cast<std::size_t>(input.value_dim)) {}

// Means and extents of the members; whether all is finite.
bool MomentBuilder::measure(std::int64_t cluster) {
  const IndexList members = input_.clusters->members(cluster);
  ids_ = members.ids;
  count_ = members.count;
  over_members_ = count_ <= input_.head_dim;
  mean_ = input_.means + cluster * input_.head_dim;
  std::fill(value_mean_.begin(), value_mean_.end(), 0.0);
  double radius2 = 0;
  for (std::int64_t i = 0; i < count_; ++i) {
    const float* key = input_.keys + ids_[i] * input_.head_dim;
    const float* value = input_.values + ids_[i] * input_.value_dim;
    double distance2 = 0;
#pragma omp simd reduction(+ : distance2)
    for (std::int64_t j = 0; j < input_.head_dim; ++j)
      distance2 += square(double{key[j]} - double{mean_[j]});
    for (std::size_t j = 0; j < value_mean_.size(); ++j) value_mean_[j] += double{value[j]};
    radius2 = distance2 <= radius2 ? radius2 : distance2;  // takes NaN, and keeps it
    if (std::isnan(distance2)) return false;
  }
  for (double& mean : value_mean_) mean /= static_cast<double>(count_);
  double extent2 = 0;
  for (std::int64_t i = 0; i < count_; ++i) {
    const float* value = input_.values + ids_[i] * input_.value_dim;
    double distance2 = 0;
#pragma omp simd reduction(+ : distance2)
    for (std::size_t j = 0; j < value_mean_.size(); ++j)
      distance2 += square(double{value[j]} - value_mean_[j]);
    if (!std::isfinite(distance2)) return false;
    extent2 = std::max(extent2, distance2);
  }
  radius_ = std::sqrt(radius2);
  value_scale_ = std::sqrt(extent2);
  return std::isfinite(static_cast<float>(radius_));
}

// offsets_ and centred_ := members first + i span / count for i < count.
void MomentBuilder::load(std::int64_t first, std::int64_t count, std::int64_t span) {
  offsets_.reset(count, input_.head_dim);
  centred_.reset(count, input_.value_dim);
  const double key_factor = 1 / unit_, value_factor = value_scale_ > 0 ? 1 / value_scale_ : 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t id = ids_[first + i * span / count];
    const float* key = input_.keys + id * input_.head_dim;
    const float* value = input_.values + id * input_.value_dim;
    for (std::int64_t j = 0; j < input_.head_dim; ++j)
      offsets_.row(i)[j] = static_cast<float>((double{key[j]} - double{mean_[j]}) * key_factor);
    for (std::size_t j = 0; j < value_mean_.size(); ++j)
      centred_.row(i)[j] = static_cast<float>((double{value[j]} - value_mean_[j]) * value_factor);
  }
}

void MomentBuilder::set_gram() {
  mapped_.set_product(offsets_, metric_.matrix());
  mapped_norm2_ = inner_product(mapped_, mapped_) / static_cast<double>(offsets_.rows());
  transposed_.set_transpose(offsets_);
  gram_.set_product(mapped_, transposed_);
}

void MomentBuilder::sum_over_members() {
  second_.reset(input_.head_dim, input_.head_dim);
  cross_.reset(input_.head_dim, input_.value_dim);
  for (std::int64_t first = 0; first < count_; first += kChunk) {
    const std::int64_t count = std::min(kChunk, count_ - first);
    load(first, count, count);
    if (input_.order >= 2) second_.add_product(offsets_.left_transposed(), offsets_);
    cross_.add_product(offsets_.left_transposed(), centred_);
  }
  second_.scale(1 / static_cast<float>(count_));
  cross_.scale(1 / static_cast<float>(count_));
}

// directions_ := rows of the key space (divided by radius_) from coordinates over the generators.
void MomentBuilder::to_key_space(const SmallMatrix& coordinates) {
  if (over_members_) {
    directions_.set_product(coordinates, offsets_);
  } else {
    directions_ = coordinates;
  }
}

// S itself, as the members or as the rows of its Cholesky factor.
void MomentBuilder::set_exact_quadratic() {
  left_out_ = 0;
  if (over_members_) {
    copy_rows(offsets_, radius_ / std::sqrt(static_cast<double>(count_)), moments_.quadratic);
    return;
  }
  const std::int64_t n = input_.head_dim;
  ritz_.resize(static_cast<std::size_t>(n * n));
  for (std::int64_t i = 0; i < n; ++i) std::copy_n(second_.row(i), n, ritz_.begin() + i * n);
  semidefinite_cholesky(ritz_, n);
  keep_factor(n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j <= i; ++j)
      moments_.quadratic.row(j)[i] =
          static_cast<float>(radius_ * ritz_[static_cast<std::size_t>(i * n + j)]);
}

// ritz_ := a K H K a^T from images a K H and products a K; its trace and squared norm.
MomentBuilder::RitzSums MomentBuilder::set_ritz(const SmallMatrix& images,
                                                const SmallMatrix& products, double factor) {
  const std::int64_t p = images.rows();
  ritz_.resize(static_cast<std::size_t>(p * p));
  RitzSums sums;
  for (std::int64_t i = 0; i < p; ++i)
    for (std::int64_t j = 0; j < p; ++j) {
      const double entry =
          factor * double{dot_f32(images.row(i), products.row(j), images.columns())};
      ritz_[static_cast<std::size_t>(i * p + j)] = entry;
      sums.trace += i == j ? entry : 0;
      sums.norm2 += square(entry);
    }
  return sums;
}

// directions_ := u, so that sum_a u_a u_a^T is S on the subspace. Destroys ritz_.
void MomentBuilder::set_directions() {
  const std::int64_t p = subspace_.basis().rows();
  semidefinite_cholesky(ritz_, p);
  transposed_.reset(p, p);
  for (std::int64_t i = 0; i < p; ++i)
    for (std::int64_t j = 0; j <= i; ++j)
      transposed_.row(j)[i] = static_cast<float>(ritz_[static_cast<std::size_t>(i * p + j)]);
  keep_factor(p);
  if (input_.bases) {
    to_key_space(subspace_.basis());
    moments_.kept = directions_;
  }
  mapped_.set_product(transposed_, subspace_.basis());
  to_key_space(mapped_);
}

// The lower triangle of ritz_ or of what stands there, n x n.
void MomentBuilder::keep_factor(std::int64_t n) {
  for (std::int64_t i = 0; input_.bases && i < n; ++i)
    for (std::int64_t j = 0; j <= i; ++j)
      moments_.factor.row(i)[j] =
          static_cast<float>(radius_ * ritz_[static_cast<std::size_t>(i * n + j)]);
}

// h: S's operator on the coordinates (nullptr: 1 / count_), k: their inner product.
void MomentBuilder::set_quadratic(const SmallMatrix* h, const SmallMatrix& k, double trace) {
  if (input_.quadratic_rank >= k.rows()) return set_exact_quadratic();
  subspace_.find(h, k, input_.quadratic_rank);
  const SmallMatrix& products = subspace_.products();
  if (h != nullptr) mapped_.set_product(products, *h);
  const RitzSums kept = h != nullptr
                            ? set_ritz(mapped_, products, 1)
                            : set_ritz(products, products, 1 / static_cast<double>(count_));
  set_directions();
  copy_rows(directions_, radius_, moments_.quadratic);
  const double even = std::max(0.0, trace - kept.trace) / static_cast<double>(input_.head_dim);
  moments_.even = static_cast<float>(even * square(radius_));
  mapped_.set_product(directions_, metric_.matrix());
  const double rest = std::max(0.0, mapped_norm2_ - inner_product(mapped_, mapped_));
  left_out_ = even * (even * metric_.squared_norm() - 2 * rest) - kept.norm2;
}

// targets: n X / n as generators^T targets.
void MomentBuilder::set_dipole(const SmallMatrix& k, const SmallMatrix& targets) {
  const double unit = over_members_ ? value_scale_ : value_scale_ * static_cast<double>(count_);
  const std::int64_t p = input_.rank, m = k.rows();
  if (p >= m) {
    copy_rows(targets, unit, moments_.values);
    if (over_members_) return copy_rows(offsets_, radius_, moments_.dipole);
    for (std::int64_t i = 0; i < m; ++i) moments_.dipole.row(i)[i] = static_cast<float>(unit_);
    return;
  }
  transposed_.set_transpose(targets);
  coupling_.set_product(targets, transposed_);
  subspace_.find(&coupling_, k, p);
  to_key_space(subspace_.basis());
  copy_rows(directions_, radius_, moments_.dipole);
  mapped_.set_product(subspace_.products(), targets);
  copy_rows(mapped_, unit, moments_.values);
}

void MomentBuilder::set_moments() {
  const bool whole = input_.bases && input_.is_whole(input_.rank, count_);
  const bool dipole = input_.rank > 0 && (value_scale_ > 0 || whole);
  if (over_members_) {
    if (input_.order >= 2)
      set_quadratic(nullptr, gram_, trace(gram_) / static_cast<double>(count_));
    if (dipole) set_dipole(gram_, centred_);
    return;
  }
  sum_over_members();
  const SmallMatrix& metric = metric_.matrix();
  if (input_.order >= 2) set_quadratic(&second_, metric, inner_product(second_, metric));
  if (dipole) set_dipole(metric, cross_);
}

// With s_k = q.(k - mu) in natural units over Gaussian queries, gram_ holds their covariances c,
// and Isserlis gives E[s_k^3 s_l^3] = 9 c_kk c_kl c_ll + 6 c_kl^3. gram_ is of all members or of a
// sample: pairs of a member with itself are weighted apart.
void MomentBuilder::set_remainder() {
  const std::int64_t m = gram_.rows();
  double own1 = 0, own2 = 0, own3 = 0, cross2 = 0, cross3 = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    const double a = double{gram_.row(i)[i]};
    own1 += a;
    own2 += a * a;
    own3 += 15 * a * a * a;
    for (std::int64_t j = 0; j < i; ++j) {
      const double b = double{gram_.row(j)[j]}, c = double{gram_.row(i)[j]};
      cross2 += c * c;
      cross3 += c * (9 * a * b + 6 * c * c);
    }
  }
  const auto size = static_cast<double>(m), all = static_cast<double>(count_);
  const double pair = m > 1 ? 2 / (size * (size - 1)) * (1 - 1 / all) : 0;
  const double norm2 = own2 / (size * all) + pair * cross2;  // |S|_F^2 in the metric
  const double skew2 = own3 / (size * all) + pair * cross3;
  const double unit = square(std::numbers::ln2 * radius_) * metric_.scale();
  double variance = 0;
  if (input_.order < 2) {
    variance = square(unit) * (square(own1 / size) + 2 * norm2) / 4;
  } else {
    const bool exact = input_.quadratic_rank >= std::min(count_, input_.head_dim);
    const double left_out = exact ? 0 : std::max(0.0, norm2 + left_out_);
    variance = std::pow(unit, 3) * std::max(0.0, skew2) / 36 + square(unit) * left_out / 2;
  }
  moments_.remainder = std::isfinite(variance) ? static_cast<float>(std::sqrt(variance))
                                               : std::numeric_limits<float>::infinity();
}

const ClusterMoments& MomentBuilder::build(std::int64_t cluster) {
  moments_.quadratic.reset(input_.quadratic_rank, input_.head_dim);
  moments_.dipole.reset(input_.rank, input_.head_dim);
  moments_.values.reset(input_.rank, input_.value_dim);
  if (input_.bases) {
    moments_.kept.reset(input_.quadratic_rank, input_.head_dim);
    moments_.factor.reset(input_.quadratic_rank, input_.quadratic_rank);
  }
  moments_.even = 0;
  moments_.unit = 1;
  if (!measure(cluster)) {
    moments_.radius = moments_.remainder = std::numeric_limits<float>::infinity();
    return moments_;
  }
  moments_.radius = static_cast<float>(radius_ * (1 + 1e-6));
  moments_.remainder = 0;
  unit_ = moments_.unit = radius_ > 0 ? radius_ : 1;
  // Slopes of equal keys are 0, but their derivative is not.
  if (radius_ == 0 && !(input_.bases && input_.is_whole(input_.rank, count_))) return moments_;
  load(0, std::min(count_, std::max(input_.head_dim, kSample)), count_);
  set_gram();
  if (input_.order >= 1) set_moments();
  set_remainder();
  return moments_;
}

}  // namespace subquad
