// The options object of the C interface: the option structs of all calls, set by key.
#pragma once

#include <string>
#include <vector>

#include "subquad/attention_metrics.h"
#include "subquad/certificate.h"
#include "subquad/given.h"
#include "subquad/hyper.h"
#include "subquad/linear_attention.h"
#include "subquad/measure.h"
#include "subquad/probe.h"
#include "subquad/subquad.h"

// Threads and seed are those of `run`: the calls below put them into the others.
struct subquad_options {
  subquad::Options run;
  std::vector<subquad::GivenMask> given;
  subquad::CertificateOptions certificate;
  subquad::MeasureOptions measure;
  subquad::AlphaOptions alpha;
  subquad::StableRankOptions stable_rank;
  subquad::HeadTailOptions head_tail;
  subquad::AttentionStatisticsOptions statistics;
  subquad::LemmaConstants lemmas;
  subquad::ApproxDOptions approx_d;
  subquad::SampleOptions values;
  subquad::FeatureMap linear_map = subquad::FeatureMap::elu;
  std::optional<float> linear_scale;
};

namespace subquad::capi {

// A copy, the defaults for NULL.
subquad_options options_of(const subquad_options* options);

// With the given masks, which live in `options`.
Options run_options(const subquad_options& options);

// Those of a call that has threads, and perhaps a seed, among its own options.
template <typename CallOptions>
CallOptions with_run(CallOptions call, const subquad_options& options) {
  call.threads = options.run.threads;
  if constexpr (requires { call.seed; }) call.seed = options.run.seed;
  return call;
}

}  // namespace subquad::capi
