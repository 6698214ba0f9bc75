#include "methods/registry.h"

#include "far/blocks/block_mean.h"
#include "far/leaves/treecode.h"
#include "far/multipole.h"
#include "heavy/block_top/block_top.h"
#include "heavy/expander/expander.h"
#include "heavy/lsh_tables/lsh_tables.h"
#include "heavy/pattern/given.h"
#include "heavy/pattern/sink.h"
#include "heavy/pattern/window.h"
#include "heavy/rivals/antidiagonal.h"
#include "heavy/rivals/trishape.h"
#include "heavy/sort_lsh/sort_lsh.h"
#include "heavy/threshold/threshold.h"
#include "heavy/topk/topk.h"
#include "light/linear/linear.h"
#include "light/poly/chebyshev.h"
#include "light/sampled/approx_d.h"
#include "light/sampled/prefix.h"
#include "light/sampled/row_norm.h"
#include "light/sampled/uniform.h"
#include "methods/as23.h"
#include "methods/delta.h"
#include "methods/far.h"
#include "methods/hyper.h"
#include "methods/kmv.h"
#include "methods/recursion.h"
#include "methods/support_basis.h"
#include "subquad/error.h"

namespace subquad {
namespace {

using Given = std::span<const GivenMask>;
using MakeHeavy = std::unique_ptr<HeavyRule> (*)(const SpecPart&);
using MakeLight = std::unique_ptr<LightRule> (*)(const SpecPart&);
using MakeRecipe = std::unique_ptr<Recipe> (*)(const SpecPart&, const Method&);

template <MakeHeavy make>
void heavy(const SpecPart& spec, Given, Method& method) {
  method.heavy.push_back(make(spec));
}

template <MakeLight make>
void light(const SpecPart& spec, Given, Method& method) {
  method.light = make(spec);
}

template <MakeRecipe make>
void recipe(const SpecPart& spec, Given, Method& method) {
  method.recipe = make(spec, method);
}

void exact(const SpecPart& spec, Given, Method& method) {
  SpecReader reader(spec);
  method.exact = true;
  method.precision.order =
      static_cast<int>(reader.choice("precision", 0, {"f32", "split3", "split6"}));
  method.precision.error = static_cast<float>(reader.number("error", 0, 0, 1));
  method.precision.certify = reader.integer("certify", 59, 0, 1 << 16);
  method.precision.skip = reader.number("skip", 0, 0, 1);
  method.precision.strict_skip = reader.boolean("strict", true);
  reader.finish();
  if (method.precision.order > 0 && method.precision.error > 0)
    throw_invalid("exact: give `precision` or `error`, not both");
  if (method.precision.splits() && method.precision.skip > 0)
    throw_invalid("exact: give `skip`, or one of `precision` and `error`, not both");
}

void drop(const SpecPart& spec, Given, Method&) { SpecReader(spec).finish(); }

void given(const SpecPart& spec, Given masks, Method& method) {
  method.heavy.push_back(make_given_rule(spec, masks));
}

void recursion(const SpecPart& spec, Given, Method& method) {
  const RecursionOptions options = read_recursion_options(spec);
  method.heavy.push_back(make_recursion_blocks(options));
  method.light = make_recursion_samples(options);
}

void delta(const SpecPart& spec, Given, Method& method) {
  method.delta_step = read_delta_step(spec);
}

constexpr const char* kHyper = "HyperAttention";
constexpr const char* kSolAttn = "Sol-Attn (arXiv 2607.24027)";
constexpr const char* kSupportBasis = "Support Basis, Algorithm 1";
constexpr const char* kKvt = "KVT, Algorithm 1";

// A new part is its files and one row here.
const PartRow kRows[] = {
    {"exact", PartKind::exact,
     "every entry, tiled, to rounding; `precision=split3` or `split6`, on a matrix unit: f32 as "
     "sums "
     "of bf16, by three products or six, its error bounded and held to the bound on `certify` "
     "rows; "
     "`error`: the cheapest whose bound is at most that share of the largest value, row by row "
     "([precision.md](precision.md)); `skip`: in f32, a row drops tiles of 128 keys whose weights "
     "are "
     "at most that times its largest so far, bounded and held to the bound alike; `strict=false`: "
     "only where all rows of a block do ([rivals.md](rivals.md))",
     "the yardstick; BLASST", "precision=split3", "", exact},
    {"sink", PartKind::heavy, "the first n keys, for every query", "attention sinks", "n=3", "n=N",
     heavy<make_sink_rule>},
    {"window", PartKind::heavy, "w keys around the query's position; causal: the last w up to it",
     "sliding windows", "w=9", "w=100000", heavy<make_window_rule>},
    {"band", PartKind::heavy, "keys from `left` before the query's position to `right` after it",
     "sliding windows", "left=3,right=5", "left=100000,right=100000", heavy<make_band_rule>},
    {"given", PartKind::heavy,
     "the entries that the caller names: `Options::given[i]`, on the command line the i-th "
     "`--given FILE` (below)",
     "HyperAttention, section 2", nullptr, nullptr, given},
    {"sortlsh", PartKind::heavy,
     "blocks of queries and keys that a Hamming-sorted LSH brings together; `norm` hashes by inner "
     "product instead of angle, `neighbors` takes the blocks on either side too; `strict`: below",
     "HyperAttention, Algorithm 1", "block=16,bits=4,rounds=2", "block=N",
     heavy<make_sort_lsh_rule>, sort_lsh_path},
    {"expander", PartKind::heavy,
     "every (i, j) whose squared score is at least 1 / tau of its column's sum of squares; "
     "`width` and `repetitions` 0: by mode ([expander.md](expander.md))",
     "HyperAttention, Corollary 2", "tau=8", nullptr, heavy<make_expander_rule>},
    {"topk", PartKind::heavy,
     "the k largest scores of each query, exactly; with `candidates` those that an index finds, in "
     "less time, recall reported: of `lsh` are `tables` to `norm`, of `clusters` the next three, "
     "0: by "
     "length ([topk.md](topk.md))",
     kKvt, "k=5", "k=N", heavy<make_topk_rule>, topk_path},
    {"knn", PartKind::heavy, "another name of `topk`", kKvt, "k=5", "k=N", heavy<make_topk_rule>,
     topk_path},
    {"lsh_tables", PartKind::heavy,
     "the keys whose weight is at least n^-alpha of the query's largest, n the keys, found by hash "
     "tables whose sizes follow from the `recall` asked for on sampled queries; recall reported "
     "([kmv.md](kmv.md))",
     "KMV, Algorithm 1", "recall=0.8,alpha=0.2", "recall=1,alpha=1000", heavy<make_lsh_tables_rule>,
     lsh_tables_path},
    {"antidiagonal", PartKind::heavy,
     "for each block of queries the fewest blocks of keys whose share of the weights, estimated by "
     "sums of scores along antidiagonals, reaches `threshold` ([rivals.md](rivals.md)); `strict`: "
     "below",
     "XAttention", "block=16,stride=4,threshold=0.6", "threshold=1", heavy<make_antidiagonal_rule>,
     antidiagonal_path},
    {"trishape", PartKind::heavy,
     "the first `sink` keys and the `recent` ones up to the query's, all keys for the `last` "
     "queries ([rivals.md](rivals.md))",
     "Tri-shape, OpenVINO GenAI", "sink=2,recent=5,last=7", "recent=100000",
     heavy<make_trishape_rule>},
    {"blocktop", PartKind::heavy,
     "for each block of queries the `keep` blocks of keys whose mean key scores highest with the "
     "mean "
     "query; `strict`: below a causal mask or window each row chooses by its own query "
     "([rivals.md](rivals.md))",
     kSolAttn, "block=16,keep=2", "block=16,keep=N", heavy<make_block_top_rule>, block_top_path},
    {"threshold", PartKind::heavy,
     "all entries of queries and keys with a channel above `t`, 0: sqrt(c ln n) "
     "([support_basis.md](support_basis.md))",
     kSupportBasis, "t=1.5", "t=1e-30", heavy<make_threshold_rule>},
    {"drop", PartKind::light, "nothing: what no heavy part named is left out", kKvt, "", nullptr,
     drop},
    {"uniform", PartKind::light, "m uniform keys, weighted n / m, shared by all queries of a head",
     "HyperAttention, section 4", "m=13", "m=N", light<make_uniform_rule>},
    {"prefix", PartKind::light,
     "for each block of up to 264 rows its own m keys of those it sees, one from each of m equal "
     "strata: for causal problems and windows, and for a small operator-norm error",
     "ours, for HyperAttention, section 3.1", "m=13", "m=N", light<make_prefix_rule>},
    {"rownorm", PartKind::light,
     "values from m keys drawn by the squared norms of their values, denominators from d uniform "
     "keys",
     "HyperAttention, Lemma 2", "m=13,d=11", "m=N,d=N", light<make_row_norm_rule>, row_norm_path},
    {"approxd", PartKind::light,
     "denominators by Algorithm 2 with its caps, values as `rownorm`; `printed` as in Algorithm 3; "
     "`tau_samples`, `values` 0: as many as m ([hyper.md](hyper.md))",
     "HyperAttention, Algorithms 2 and 3", "m=13", "m=N,cap=0,floor=false,replace=false",
     light<make_approx_d_rule>, approx_d_path},
    {"recursion", PartKind::both,
     "causal only: halves, a sortLSH and a sample for each, exact triangles of at most `base` keys",
     "HyperAttention, Algorithm 4", "block=8,m=8,base=16", nullptr, recursion, recursion_path},
    {"linear", PartKind::light,
     "all keys by dot products of features, over their sum: linear attention, O(n); alone it "
     "divides by sums of either sign ([linear.md](linear.md))",
     "Superiority of Softmax, Definitions 3.2 and C.1", "map=elu", nullptr,
     light<make_linear_rule>},
    {"chebyshev", PartKind::light,
     "all keys by a polynomial of degree `g` for exp, as sums of its monomials, O(n); on |score| "
     "<= "
     "`bound`, 0: of each row's own; rows above the relative `error` exactly, 0: none "
     "([support_basis.md](support_basis.md))",
     "Support Basis, Algorithm 2", "g=2", "g=1,error=1e-7", light<make_chebyshev_rule>},
    {"multipole", PartKind::light,
     "all keys by clusters of them, corrected at `fit` probe rows; clusters that miss more than "
     "`open` are evaluated exactly ([far.md](far.md))",
     "ours (docs/theory/far_field.md)", "clusters=7,fit=0", "clusters=N,fit=0",
     light<make_multipole_rule>},
    {"treecode", PartKind::light,
     "near keys and opened leaves of keys exactly, the other leaves as one pseudo key each; each "
     "row opens what the `error` asks for, never by later tokens ([treecode.md](treecode.md))",
     "ours (docs/theory/causal_far_field.md)",
     "error=0.1,leaf=8,chunk=64,window=16,probe_every=4,always=true", "window=N",
     light<make_treecode_rule>},
    {"blockmean", PartKind::light,
     "every block of keys as one key, at the mean of its keys with the summed values of those that "
     "no "
     "heavy part holds; blocks that a causal mask or window cuts are exact "
     "([rivals.md](rivals.md))",
     kSolAttn, "block=16", "block=1", light<make_block_mean_rule>},
    {"hyper", PartKind::recipe,
     "`sortlsh + prefix(m)`, with `sample=shared` the published `sortlsh + uniform(m)`; causal or "
     "windowed: `window + sortlsh + prefix(2 m)`, or with `causal=recursion` the recursion; exact "
     "where that is faster, unless `always` ([hyper.md](hyper.md))",
     kHyper, "block=16,m=16,always=true", "block=N,m=N", recipe<make_hyper>},
    {"far", PartKind::recipe,
     "`multipole` with a target error for each sequence, exact where that fails or is faster; "
     "causal: "
     "`treecode` with it (`error`, `chunk`, `margin`, `always` count); a certificate from "
     "`certify` "
     "rows recomputed exactly; `clusters`, `fit`, `group`, `ridge` 0: by length ([far.md](far.md))",
     "ours (docs/theory/far_field.md)", "error=0.1", "error=0.0001", recipe<make_far>},
    {"kmv", PartKind::recipe,
     "`lsh_tables(recall, alpha) + prefix(m)`, m = 1 / `eps`^2; exact where rows see at most 4 m "
     "keys, unless `always` ([kmv.md](kmv.md))",
     "KMV, Theorem 1.1", "eps=0.3,always=true", "eps=0.002,always=true", recipe<make_kmv>},
    {"support_basis", PartKind::recipe,
     "`threshold + chebyshev`: large rows and keys exactly, a polynomial for the others; "
     "`printed`: "
     "as printed, with large entries counted twice ([support_basis.md](support_basis.md))",
     kSupportBasis, "t=1.5", "error=1e-7", recipe<make_support_basis>},
    {"as23", PartKind::recipe,
     "`chebyshev` alone: a polynomial for all entries ([support_basis.md](support_basis.md))",
     "Aggarwal and Alman 2023; Support Basis, Algorithm 2", "", "degree=1,error=1e-7",
     recipe<make_as23>},
    {"delta", PartKind::correction,
     "the outputs of all other parts, each plus the difference that exact attention makes at the "
     "last multiple of `step` rows before it ([rivals.md](rivals.md))",
     "Delta Attention (arXiv 2505.11254)", "step=5", "step=1", delta},
};

}  // namespace

std::span<const PartRow> registry() { return kRows; }

const PartRow* find_part(std::string_view name) {
  for (const PartRow& row : registry())
    if (name == row.name) return &row;
  return nullptr;
}

std::vector<SpecParameter> parameters_of(const PartRow& row) {
  static const GivenMask no_mask{};
  std::vector<SpecParameter> parameters;
  Method unused;
  row.add({row.name, {}, &parameters}, {&no_mask, 1}, unused);
  return parameters;
}

const char* to_string(PartKind kind) {
  switch (kind) {
    case PartKind::exact:
      return "exact";
    case PartKind::heavy:
      return "heavy";
    case PartKind::light:
      return "light";
    case PartKind::both:
      return "heavy and light";
    case PartKind::recipe:
      return "recipe";
    case PartKind::correction:
      return "correction";
  }
  return "";
}

std::vector<PartInfo> method_parts() {
  std::vector<PartInfo> parts;
  for (const PartRow& row : registry()) {
    PartInfo& part = parts.emplace_back(PartInfo{row.name, row.kind, row.summary, row.source, {}});
    for (SpecParameter& p : parameters_of(row))
      part.parameters.push_back({std::move(p.name), std::move(p.fallback), std::move(p.range)});
  }
  return parts;
}

}  // namespace subquad
