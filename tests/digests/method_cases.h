// The pairs of a method and a scene: every part of a spec, its options, and how parts go together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace subquad::testing {

struct MethodCase {
  std::string scene, spec;
  std::uint64_t seed = 5;
};

// Every one of `specs` on every one of `scenes`.
inline void add_pairs(std::vector<MethodCase>& cases, const std::vector<std::string>& scenes,
                      const std::vector<std::string>& specs) {
  for (const std::string& spec : specs)
    for (const std::string& scene : scenes) cases.push_back({scene, spec});
}

// A typical use of every part, on every kind of problem.
inline void add_typical(std::vector<MethodCase>& cases) {
  add_pairs(
      cases,
      {"plain", "grouped", "odd", "f16", "sinks", "boolean", "additive", "packed-causal", "decode",
       "causal-window"},
      {"exact", "sink(3)+window(16)+uniform(m=24)", "band(left=9,right=5)+sink(2)+prefix(m=16)",
       "sortlsh(block=16,bits=4,rounds=2)+uniform(m=24)", "topk(k=7)+rownorm(m=24,d=30)",
       "topk(k=7,candidates=lsh,tables=2,bits=4,recall_rows=16)+uniform(m=24)",
       "window(9)+approxd(m=24,cap=2,kappa=4)", "hyper(block=16,m=12,window=16,always=true)"});
  add_pairs(cases, {"batch", "wide", "bf16", "sharp", "padding", "packed", "causal", "window"},
            {"exact", "sortlsh(block=16,neighbors=1,norm=true)+prefix(m=16)",
             "topk(k=9,candidates=clusters)+drop", "expander(tau=40)+uniform(m=24)"});
  add_pairs(cases, {"plain", "grouped", "odd", "f16", "sinks", "packed-causal", "decode", "causal"},
            {"linear(map=relu)", "sink(2)+window(11)+linear(map=elu)"});
  add_pairs(cases, {"plain", "batch", "odd", "bf16", "sinks", "packed"},
            {"sink(1)+window(5)+multipole(clusters=9,fit=24,group=16)"});
  add_pairs(cases, {"plain"}, {"expander(tau=40,mode=expander)+drop"});
  add_pairs(cases, {"causal", "causal-window", "decode", "packed-causal"},
            {"recursion(block=16,m=12,base=16)",
             "hyper(block=16,m=12,causal=recursion,base=16,always=true)"});
  add_pairs(cases, {"no-keys"}, {"exact", "sink(2)+multipole(clusters=9,fit=16)"});
  add_pairs(cases, {"strided"},
            {"exact", "window(9)+uniform(m=24)", "sortlsh(block=16)+prefix(m=16)",
             "topk(k=7)+linear(map=elu)", "sink(2)+multipole(clusters=9,fit=16)"});
}

// Every heavy part with every light part; both kinds of given masks.
inline void add_heavy_light_pairs(std::vector<MethodCase>& cases) {
  const std::vector<std::string> heavy{
      "sink(3)",          "window(16)", "band(left=9,right=5)",
      "given(0)",         "given(1)",   "sortlsh(block=16)",
      "expander(tau=40)", "topk(k=7)",  "knn(k=7,candidates=clusters,clusters=9,probes=3)"};
  const std::vector<std::string> light{"drop",
                                       "uniform(m=24)",
                                       "prefix(m=16)",
                                       "rownorm(m=24,d=30)",
                                       "approxd(m=24,cap=2,kappa=4)",
                                       "linear(map=elu)",
                                       "multipole(clusters=9,fit=16,group=16)"};
  for (const std::string& part : heavy) {
    for (const std::string& rest : light)
      cases.push_back({"given", fmt::format("{}+{}", part, rest)});
    for (const char* rest :
         {"linear(map=relu)", "multipole(clusters=5,chunk=64,fit=16,always=true)"})
      cases.push_back({"given-causal", fmt::format("{}+{}", part, rest)});
  }
  add_pairs(cases, {"given", "given-causal"},
            {"given(0)", "sink(2)+given(1)+given(0)+prefix(m=16)", "given(2)+uniform(m=24)",
             "given(3)+given(2)+linear(map=elu)"});
}

// Few rows and many keys; values and keys that are not finite; more asked for than there is.
inline void add_extremes(std::vector<MethodCase>& cases) {
  add_pairs(
      cases, {"step"},
      {"exact", "topk(k=30)", "window(64)+uniform(m=64)", "topk(k=9,candidates=lsh)+prefix(m=64)",
       "sink(1)+multipole(clusters=16,fit=0)", "far", "hyper(block=32,m=40)"});
  add_pairs(cases, {"wild", "wild-causal"},
            {"exact", "sink(2)+uniform(m=24)", "sortlsh(block=16)+prefix(m=16)",
             "topk(k=7)+linear(map=elu)", "window(9)+rownorm(m=24,d=24)", "window(9)+approxd(m=24)",
             "topk(k=7,candidates=lsh)+uniform(m=24)", "topk(k=7,candidates=clusters)",
             "window(9)+multipole(clusters=9,chunk=64,fit=16,always=true)"});
  add_pairs(cases, {"plain", "causal"},
            {"uniform(m=500)", "topk(k=500)", "prefix(m=500)", "rownorm(m=500,d=500)",
             "sink(500)+uniform(m=5)", "window(1000)+linear(map=elu)", "sortlsh(block=500)",
             "multipole(clusters=500,chunk=64,fit=500,always=true)"});
}

// Options that change what the heavy parts hold, two light parts beside them.
inline void add_heavy_options(std::vector<MethodCase>& cases) {
  add_pairs(
      cases, {"long", "long-causal"},
      {"sortlsh(block=64)", "sortlsh(block=32,bits=12,center=false)+prefix(m=48)",
       "sortlsh(block=24,bits=6,rounds=3,neighbors=1)+window(30)+uniform(m=48)", "topk(k=100)",
       "knn(k=20)+window(32)+uniform(m=48)", "topk(k=30,candidates=lsh,tables=3,bits=8,probes=2)",
       "topk(k=30,candidates=lsh,center=false,norm=true)+uniform(m=48)",
       "topk(k=30,candidates=clusters,clusters=20,probes=2)+prefix(m=48)",
       "topk(k=30,candidates=clusters,cluster=kmeans,recall_rows=0)+drop",
       "topk(k=30,candidates=clusters,cluster=lsh)",
       "sink(4)+window(64)+topk(k=16)+sortlsh(block=32)+uniform(m=48)"});
  add_pairs(cases, {"long"},
            {"expander(tau=200)+uniform(m=48)", "expander(tau=200,mode=countsketch)",
             "expander(tau=150,mode=exhaustive)+prefix(m=48)",
             "window(32)+expander(tau=200,width=24,repetitions=3)+sink(2)"});
}

inline void add_sampled_options(std::vector<MethodCase>& cases) {
  add_pairs(cases, {"long", "long-causal"},
            {"uniform(m=64)", "uniform(m=64,replace=true)", "window(40)+uniform(m=5)",
             "prefix(m=64)", "rownorm(m=64,d=40)",
             "sortlsh(block=32)+rownorm(m=40,d=64,replace=true)", "sortlsh(block=32)+approxd(m=64)",
             "approxd(m=64,cap=1,kappa=2,eps=0.9,tau_samples=30,values=20,replace=false)",
             "sortlsh(block=32)+approxd(m=64,floor=false,printed=true)", "linear",
             "window(32)+linear", "window(32)+linear(map=relu)", "topk(k=12)+linear(map=elu)"});
  for (const int seed : {0, 1, 12345})
    cases.push_back({"long", "sortlsh(block=32)+uniform(m=64)", static_cast<std::uint64_t>(seed)});
  add_pairs(
      cases, {"long-causal"},
      {"recursion(block=32,m=40,base=64)", "recursion(block=32,m=40,base=64,norm=true,bits=4)",
       "sink(4)+window(32)+recursion(block=32,m=40,base=128,center=false)"});
  add_pairs(cases, {"long", "long-causal"},
            {"hyper", "hyper(block=16,m=8,causal=recursion,base=32)",
             "hyper(block=32,m=40,window=32,always=true)",
             "sink(2)+hyper(block=24,m=20,window=16,sample=shared,always=true)"});
}

// fit=0: nothing is fitted; residual: a sample of what the clusters miss.
inline void add_multipole_options(std::vector<MethodCase>& cases) {
  add_pairs(
      cases, {"long"},
      {"multipole(clusters=24,fit=0)", "multipole(clusters=24,fit=64)",
       "multipole(clusters=24,fit=64,order=1)", "multipole(clusters=24,fit=0,order=1,rank=3)",
       "multipole(clusters=24,fit=64,order=2)", "multipole(clusters=24,fit=64,order=2,rank=64)",
       "sink(1)+window(9)+multipole(clusters=24,fit=64,order=2,rank=3)",
       "multipole(clusters=24,fit=64,cluster=kmeans,ridge=0.01)",
       "sortlsh(block=32)+multipole(clusters=24,fit=64,cluster=lsh)",
       "multipole(clusters=24,fit=64,open=0.02,group=32)",
       "window(9)+multipole(clusters=24,fit=64,open=0.02,order=1,always=true)",
       "topk(k=9)+multipole(clusters=24,fit=96,error=0.05,margin=0.9,always=true)",
       "multipole(clusters=24,residual=40)", "window(9)+multipole(clusters=24,residual=40,order=1)",
       "window(9)+multipole(clusters=24,fit=64,open=0.05,residual=40,always=true)"});
  add_pairs(cases, {"long-causal", "long-decode"},
            {"multipole(clusters=12,chunk=64,fit=0)", "multipole(clusters=12,chunk=128,fit=64)",
             "sink(1)+window(20)+multipole(clusters=12,chunk=64,fit=64)",
             "sortlsh(block=32)+multipole(clusters=12,chunk=128,fit=64,cluster=kmeans)",
             "multipole(clusters=12,chunk=128,fit=96,error=0.2,always=true)",
             "window(9)+multipole(clusters=12,chunk=64,residual=30)"});
}

// At least 2,200 keys: below that far runs exactly; causal below 3,328, unless always.
inline void add_far(std::vector<MethodCase>& cases) {
  add_pairs(cases, {"far"},
            {"far(error=0.03)", "sink(4)+window(16)+far(error=0.02,certify=0)",
             "far(error=0.1,clusters=48,fit=128,group=64,cluster=kmeans,always=true)"});
  add_pairs(cases, {"far-bf16"}, {"far(error=0.02,cluster=lsh)"});
  add_pairs(cases, {"long"},
            {"far(error=0.0002)", "far(error=0.05,clusters=24,fit=64,group=32,always=true)"});
  add_pairs(cases, {"far-causal"},
            {"far(error=0.05)", "far(error=0.25,chunk=256,clusters=24,fit=128,always=true)"});
  add_pairs(cases, {"plain", "boolean", "packed-causal"}, {"far"});
}

inline std::vector<MethodCase> method_cases() {
  std::vector<MethodCase> cases;
  add_typical(cases);
  add_heavy_light_pairs(cases);
  add_extremes(cases);
  add_heavy_options(cases);
  add_sampled_options(cases);
  add_multipole_options(cases);
  add_far(cases);
  return cases;
}

}  // namespace subquad::testing
