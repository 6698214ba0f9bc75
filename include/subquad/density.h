// Kernel densities: D(q) = (1/n) sum_i exp(-|q - p_i|^2 / (2 sigma^2)), exactly or to a stated
// error.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "subquad/export.h"
#include "subquad/tensor.h"

namespace subquad {

struct DensityOptions {
  int threads = 0;         // as Options::threads; the result does not depend on it
  std::uint64_t seed = 0;  // of every random draw; same seed, same points: same bits
  // deann's cells at once, not when they are first asked for; auto then counts them as there. For
  // indices that are queried many times.
  bool cells = false;
};

// What a query asks for.
struct DensityQuery {
  // The half width of a value's interval is to be at most rel_error * max(value, mu). Both within
  // [0, 1]; rel_error 0 asks for exact values.
  double rel_error = 0.1;
  double mu = 0;
  double confidence = 0.95;  // of each interval, in (0, 1)
  // "auto", or one of "exact", "sampled(m=)", "deann(k=,m=)", "hbe(..)", "ckns(..)", "far(..)": see
  // docs/guide/density.md.
  std::string method = "auto";
  // Times (2 pi)^(-D/2) / prod_c sigma_c: the density integrates to 1.
  bool normalised = false;
  int threads = 0;
};

struct DensityReport {
  std::string method;            // what ran
  std::string reason;            // why, where auto chose; else empty
  std::int64_t evaluations = 0;  // kernel values, those of auto's probes too
  std::int64_t unmet = 0;        // queries whose interval is wider than asked for
};

struct DensityResult {
  std::vector<double> value;
  // Half width of the interval of the confidence asked for: sampling error alone. 0 where all
  // points were summed (rounding: about 1e-5 of the value); NaN where the method states none.
  std::vector<double> error;
  std::vector<std::int64_t> samples;  // kernel values for this query
  DensityReport report;
};

// Points to ask for densities. Points are (1, 1, n, D) of any DType, finite, D from 1 to 4,096.
// Queries may run at once from several threads, alone or with save(); insert(), erase() and moves
// may not. The instruction set (info.h, select_isa) must not change in an index's life.
// Memory: 8 n D bytes, and 4 n D more for deann, which are made when first asked for; hbe and ckns
// add tables.
class SUBQUAD_API DensityIndex {
 public:
  // bandwidth: sigma, one number for all columns or one for each, positive, in the units of the
  // points. Cost: O(n D). Points get the ids 0, .., n - 1.
  // Throws Error that names points, bandwidth or options.
  static DensityIndex fit(const TensorView& points, std::span<const double> bandwidth,
                          const DensityOptions& options = {});
  DensityIndex(DensityIndex&& other) noexcept;
  DensityIndex& operator=(DensityIndex&& other) noexcept;
  ~DensityIndex();

  // At m points (1, 1, m, D). An index without points has density 0 everywhere. Queries that are
  // not finite are refused.
  DensityResult query(const TensorView& points, const DensityQuery& how = {}) const;

  // The new points get the next ids; returns the first. Ids are never used again. O(n D), as fit.
  std::int64_t insert(const TensorView& points);
  // Error for an id that no point has, or that is named twice; then nothing changes. O(n D).
  void erase(std::span<const std::int64_t> ids);

  std::int64_t size() const;  // points
  std::int64_t dim() const;
  std::vector<double> bandwidth() const;  // of each column

  // A file that load() gives back as it was: same ids, same bits. It is whole or absent. Error
  // (invalid_argument) where it cannot be made or is no such file: another version, truncated,
  // corrupted (CRC-32).
  void save(const std::string& path) const;
  static DensityIndex load(const std::string& path, int threads = 0);

 private:
  struct State;
  explicit DensityIndex(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Rules of thumb for one sigma a column, from its standard deviation s (n - 1 in the divisor):
// Scott n^(-1 / (D + 4)) s, Silverman (4 / ((D + 2) n))^(1 / (D + 4)) s. (Scott 1992, Silverman
// 1986.) Error for fewer than 2 points and for constant columns.
enum class BandwidthRule : std::uint8_t { scott, silverman };
SUBQUAD_API std::vector<double> density_bandwidth(const TensorView& points, BandwidthRule rule);

// The multiple of `shape` (one sigma a column, or one number for all) at which the mean density of
// 256 of the points, each without itself, over 32,768 of the points is `target`, in (0, 1):
// bisection to 0.1 % of sigma. Error where duplicates or sizes put the target out of reach.
SUBQUAD_API std::vector<double> bandwidth_for_density(const TensorView& points,
                                                      std::span<const double> shape, double target,
                                                      const DensityOptions& options = {});

}  // namespace subquad
