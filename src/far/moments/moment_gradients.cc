#include "far/moments/moment_gradients.h"

#include <cmath>
#include <utility>

#include "index/key_clusters.h"

namespace subquad {
namespace {

DenseMatrix dense(const SmallMatrix& from, double factor = 1) {
  DenseMatrix to(from.rows(), from.columns());
  for (std::int64_t i = 0; i < to.rows; ++i)
    for (std::int64_t j = 0; j < to.columns; ++j) to.row(i)[j] = factor * double{from.row(i)[j]};
  return to;
}

void add_multiple(double factor, const double* from, std::int64_t n, double* to) {
#pragma omp simd
  for (std::int64_t j = 0; j < n; ++j) to[j] += factor * from[j];
}

// to += factor a b.
void add_product(double factor, const DenseMatrix& a, const DenseMatrix& b, DenseMatrix& to) {
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t k = 0; k < b.rows; ++k)
      add_multiple(factor * a.row(i)[k], b.row(k), b.columns, to.row(i));
}

DenseMatrix product(const DenseMatrix& a, const DenseMatrix& b) {
  DenseMatrix result(a.rows, b.columns);
  add_product(1, a, b, result);
  return result;
}

DenseMatrix transposed(const DenseMatrix& a) {
  DenseMatrix result(a.columns, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j < a.columns; ++j) result.row(j)[i] = a.row(i)[j];
  return result;
}

// Each row b becomes c with L c = b. Where L ends (a pivot of 0), b depends on the rows before: 0.
void solve_rows(const DenseMatrix& lower, DenseMatrix& rows) {
  for (std::int64_t i = 0; i < rows.rows; ++i)
    for (std::int64_t a = 0; a < rows.columns; ++a) {
      double rest = rows.row(i)[a];
      for (std::int64_t b = 0; b < a; ++b) rest -= lower.row(a)[b] * rows.row(i)[b];
      const double pivot = lower.row(a)[a];
      rows.row(i)[a] = pivot == 0 ? 0 : rest / pivot;
    }
}

class Members {
 public:
  Members(const MomentInput& input, const QueryMetric& metric, std::int64_t cluster,
          const ClusterMoments& moments, const MomentGradients& by_moments)
      : input_(input),
        metric_(metric),
        moments_(moments),
        by_(by_moments),
        members_(input.clusters->members(cluster)),
        count_(static_cast<double>(members_.count)),
        offsets_(members_.count, input.head_dim),
        centred_(members_.count, input.value_dim),
        result_{DenseMatrix(members_.count, input.head_dim),
                DenseMatrix(members_.count, input.value_dim)} {
    load(input.means + cluster * input.head_dim);
  }

  MemberGradients run() {
    if (input_.order > 1) {
      add_quadratic();
      add_radius();
    }
    if (input_.rank > 0) add_dipole();
    move_mean();
    return std::move(result_);
  }

 private:
  // The generators are the members (cluster_moments.h).
  bool over_members() const { return members_.count <= input_.head_dim; }

  void load(const float* mean) {
    const std::int64_t dv = input_.value_dim;
    std::vector<double> value_mean(static_cast<std::size_t>(dv), 0.0);
    for (std::int64_t k = 0; k < members_.count; ++k) {
      const float* key = input_.keys + members_[k] * input_.head_dim;
      const float* value = input_.values + members_[k] * dv;
      for (std::int64_t d = 0; d < input_.head_dim; ++d)
        offsets_.row(k)[d] = double{key[d]} - double{mean[d]};
      for (std::int64_t d = 0; d < dv; ++d) {
        centred_.row(k)[d] = double{value[d]};
        value_mean[static_cast<std::size_t>(d)] += double{value[d]} / count_;
      }
    }
    for (std::int64_t k = 0; k < members_.count; ++k)
      add_multiple(-1, value_mean.data(), dv, centred_.row(k));
  }

  // e is fixed, so with B = e M, T = L L^T = (1/n) sum (B x)(B x)^T: of G = dL/du = L^T e N, N =
  // sum g q q^T, it takes e N e^T, and x gets (1/n) B^T e N e^T B x = (1/n) (G e^T B)^T L^-1 B x.
  void add_quadratic() {
    const bool whole = input_.is_whole(input_.quadratic_rank, members_.count);
    if (whole && over_members()) {
      for (std::int64_t k = 0; k < members_.count; ++k)
        add_multiple(1 / std::sqrt(count_), by_.quadratic.row(k), input_.head_dim,
                     result_.keys.row(k));
      return;
    }
    DenseMatrix back = by_.quadratic, coordinates = offsets_;
    if (!whole) {
      const DenseMatrix kept = dense(moments_.kept), m = dense(metric_.matrix());
      const DenseMatrix map = product(kept, m);
      coordinates = product(offsets_, transposed(map));
      back = product(product(by_.quadratic, transposed(kept)), map);
      add_even(coordinates, map, m);
    }
    solve_rows(dense(moments_.factor), coordinates);
    add_product(1 / count_, coordinates, back, result_.keys);
  }

  // even = (1 / (n D)) sum_k (x^T M x - |B x|^2).
  void add_even(const DenseMatrix& coordinates, const DenseMatrix& map, const DenseMatrix& m) {
    if (!(moments_.even > 0)) return;
    const double factor = 2 * by_.even / (count_ * static_cast<double>(input_.head_dim));
    add_product(factor, offsets_, m, result_.keys);
    add_product(-factor, coordinates, map, result_.keys);
  }

  // The farthest member's length.
  void add_radius() {
    std::int64_t farthest = 0;
    double largest = 0;
    for (std::int64_t k = 0; k < members_.count; ++k) {
      double square = 0;
      for (std::int64_t d = 0; d < input_.head_dim; ++d)
        square += offsets_.row(k)[d] * offsets_.row(k)[d];
      if (!(square > largest)) continue;
      largest = square;
      farthest = k;
    }
    if (largest > 0 && by_.radius != 0)
      add_multiple(by_.radius / std::sqrt(largest), offsets_.row(farthest), input_.head_dim,
                   result_.keys.row(farthest));
  }

  // y is fixed but over the members; z = C sum_k x (v - b)^T.
  void add_dipole() {
    const bool whole = input_.is_whole(input_.rank, members_.count);
    if (whole && over_members()) {
      for (std::int64_t k = 0; k < members_.count; ++k) {
        add_multiple(1, by_.dipole.row(k), input_.head_dim, result_.keys.row(k));
        add_multiple(1, by_.values.row(k), input_.value_dim, result_.values.row(k));
      }
      return;
    }
    const double unit = moments_.unit;
    DenseMatrix map = dense(moments_.dipole, 1 / (unit * unit));
    if (!whole) map = product(map, dense(metric_.matrix()));
    add_product(1, product(offsets_, transposed(map)), by_.values, result_.values);
    add_product(1, product(centred_, transposed(by_.values)), map, result_.keys);
  }

  // x = k - mu. The means' own derivative is taken elsewhere.
  void move_mean() {
    std::vector<double> mean(static_cast<std::size_t>(input_.head_dim), 0.0);
    for (std::int64_t k = 0; k < members_.count; ++k)
      add_multiple(1 / count_, result_.keys.row(k), input_.head_dim, mean.data());
    for (std::int64_t k = 0; k < members_.count; ++k)
      add_multiple(-1, mean.data(), input_.head_dim, result_.keys.row(k));
  }

  const MomentInput& input_;
  const QueryMetric& metric_;
  const ClusterMoments& moments_;
  const MomentGradients& by_;
  IndexList members_;
  double count_;
  DenseMatrix offsets_, centred_;  // x, v - b
  MemberGradients result_;
};

}  // namespace

MemberGradients member_gradients(const MomentInput& input, const QueryMetric& metric,
                                 std::int64_t cluster, const ClusterMoments& moments,
                                 const MomentGradients& by_moments) {
  return Members(input, metric, cluster, moments, by_moments).run();
}

}  // namespace subquad
