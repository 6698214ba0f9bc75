// approxd(m, eps, kappa, cap, floor, tau_samples, values, replace, printed, strict): denominators
// with capped samples and a lower cap, values from keys drawn by the norms of their values.
//
// source: HyperAttention, Algorithm 2 (ApproxD) for the weights and Lemma 2 / Algorithm 3 for the
// values. M the heavy parts together, A = exp(score), n keys, n ln n as in line 6:
//   tau  = max over tau_samples random rows of sum of A over the keys that M leaves,
//   C_i  = cap eps^2 m / (n ln n) (sum of A_ij in M + tau / kappa),
//   d_i  = n / m sum over m uniform keys that M leaves of min(A_ij, C_i),
//   D~_i = sum of A_ij in M + max(d_i, tau / kappa).
// All in log2: nothing overflows. Each query head has its own tau; entries that the problem hides
// count as zero everywhere, and rows that see no key keep D~ = 0 (the paper knows no masks).
// use when: the guarantee of Lemma 1 is wanted, or rows that no sampled key meets must not lose
// their denominator.
// do not use for: causal problems (early rows have few keys, kappa is infinite: the lower cap then
// swamps them). Speed: tau costs as much as the sample. With the constant of line 6 at 1 the caps
// bind at any m that is worth drawing: see docs/guide/hyper.md.
// Under a causal mask the published form is not strict: tau is a maximum over rows of all
// positions, and the value norms are those of all tokens. strict=true (the default) then goes
// without tau, that is without both caps (which the paper states for problems without masks), and
// draws values as rownorm(strict=true) does.
// Assumes small alpha and kappa, as Lemma 1 does (probe_alpha, probe_kappa, lemma_samples; `subquad
// diagnose`).
// cost: 2 n tau_samples D flops a head for tau; then as rownorm. m above n costs as m = n.
// parameters: m keys drawn for d_i, 1 to 2^30, default 256; eps in (0, 1], default 0.5; kappa at
// least 1, default 100; cap the constant of line 6, which the paper leaves open, 0 to 1e30 (0: no
// upper cap), default 100; floor the lower cap, default true; tau_samples rows, 0 to 2^30 (0: m),
// default 0; values keys drawn by row norm, 0 to 2^30 (0: m), default 0; replace draw
// independently (the paper's), default true; printed as in Algorithm 3, the values of heavy
// entries too come from the sample alone, default false; strict no row depends on what a causal
// mask or window hides from it, default true (false: as published; Report::path says
// approxd:published).
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "parts/light.h"
#include "parts/spec.h"
#include "subquad/hyper.h"

namespace subquad {

struct ApproxDRuleOptions {
  ApproxDOptions row_sums;         // all but `heavy`
  std::int64_t value_samples = 0;  // 0: as many as for the weights
  bool replace_values = true;
  bool printed = false;
  bool with_values = true;  // false: denominators alone
  bool strict = false;      // no tau, values by piece, where a causal mask or a window holds
};

// Throws Error (invalid_argument) that names the option.
void check_approx_d(const ApproxDOptions& options);

// What the parts of a call did, head by head. Thread-safe; must outlive them.
class ApproxDRecord {
 public:
  void add(const HeadProblem& head, ApproxDHead record);
  // One entry a head, in their order.
  std::vector<ApproxDHead> in_order(std::span<const HeadProblem> heads) const;

 private:
  std::mutex mutex_;
  std::vector<std::pair<const HeadProblem*, ApproxDHead>> entries_;
};

std::unique_ptr<LightRule> make_approx_d_rule(const SpecPart& spec);
// The part in Report::path.
std::string approx_d_path(const SpecPart& spec);
std::unique_ptr<LightRule> make_approx_d_rule(const ApproxDRuleOptions& options,
                                              ApproxDRecord* record);

}  // namespace subquad
