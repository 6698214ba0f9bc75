// rownorm(m, d, replace, strict): values from keys drawn by the norms of their values, weights from
// a uniform sample.
//
// source: HyperAttention, Lemma 2 (for D^-1 A V) beside the uniform sample of Algorithm 2 (for D),
// without its caps. Both sums are unbiased for the complement of the heavy parts.
// Under a causal mask or a window the published form is not strict: it draws by the norms of all
// values, those of later tokens too. strict=true (the default) draws for each piece of the rows
// (row_pieces.h), by the norms of values that all of them see; the first rows take all values.
// use when: the norms of the values differ by much: keys with the large ones are not missed.
// do not use for: values of equal norm (layer-normed ones nearly are): `uniform` samples the same
// keys for both sums, whose errors then cancel in their ratio; here they do not. Causal problems:
// as uniform.
// Assumes a small stable rank of the softmax matrix (probe_stable_rank; `subquad diagnose`).
// cost: 2 m (D + Dv) + 2 d D flops a row, and the norms (n Dv flops a head); strict up to twice as
// many sampled values, all of them visible (as published about half of them are hidden).
// parameters: m keys drawn for the values, d keys drawn for the weights, both 1 to 2^30, default
// 256; replace draw independently (with replacement, the paper's), default false: distinct keys
// with the same chances (row_norm_sample.h); strict no row depends on what a causal mask or window
// hides from it, default true (false: as published; Report::path says rownorm:published).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "parts/light.h"
#include "light/sampled/row_norm_sample.h"
#include "light/sampled/sampled_keys.h"
#include "rows/visible_keys.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<LightRule> make_row_norm_rule(const SpecPart& spec);
// The part in Report::path.
std::string row_norm_path(const SpecPart& spec);

struct ValueDraws {
  std::int64_t num_samples = 256;
  bool replace = false;
  bool strict = true;
};

// Samples by row norm for the weighted values of a head, packed: one for all rows, or with
// `strict`, under a causal mask or a window, one for each piece of the rows (row_pieces.h). There
// the norms of the keys that all rows of the piece see rule: these keys are drawn by them, the
// others that some of its rows see each on its own, against the same sum.
class SampledValues {
 public:
  SampledValues(const HeadProblem& head, const ValueDraws& draws, const Rng& rng, int threads);

  // positions: the samples differ from piece to piece.
  RowOrder row_order() const {
    return pieces_.size() > 1 || pieces_[0].leaf ? RowOrder::positions : RowOrder::any;
  }
  // Appends the runs of a group; this object must outlive them.
  void add_runs(const IndexList& rows, bool with_heavy, RunList& runs) const;

 private:
  struct Piece {
    Range rows;
    bool leaf;                       // its rows take all values that they see
    std::vector<SampledKeys> parts;  // certain keys and drawn ones
  };

  void add_sample(Piece& piece, const IndexList& keys, const RowNormSample& sample,
                  const SampleDraw& draw);
  void add_singly(Piece& piece, const IndexList& keys, bool descending, double total,
                  std::uint32_t stream, int threads);
  static void add_parts(const std::vector<SampledKeys>& parts, const Range& rows, bool with_heavy,
                        RunList& runs);

  const HeadProblem& head_;
  ValueDraws draws_;
  Rng rng_;
  std::unique_ptr<VisibleKeys> keys_;
  std::vector<Piece> pieces_;
};

}  // namespace subquad
