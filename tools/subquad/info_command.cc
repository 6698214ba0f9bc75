#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "commands.h"
#include "common_options.h"
#include "openblas_probe.h"
#include "messages.h"
#include "outputs.h"
#include "run_record.h"
#include "subquad/info.h"

namespace subquad::cli {
namespace {

struct InfoOptions {
  CommonOptions common;
  bool peak = false;
};

struct Facts {
  BuildInfo build;
  MachineRecord machine;
  std::optional<OpenBlasProbe> openblas;
  Number tile_gflops;
};

Facts gather(const InfoOptions& options) {
  Facts facts{build_info(), machine_record(options.common.threads), {}, {}};
  if (options.peak) {
    facts.machine.fma_gflops = measure_fma_gflops(facts.machine.threads, 1.0);
    const double tiles = measure_tile_gflops(facts.machine.threads, 1.0);
    if (tiles > 0) facts.tile_gflops = tiles;
    facts.machine.read_gbps = measure_read_gbps(facts.machine.threads, 1.0);
  }
  facts.openblas = probe_openblas(facts.build.isa_supported);
  return facts;
}

nlohmann::ordered_json openblas_json(const std::optional<OpenBlasProbe>& probe) {
  if (!probe) return nullptr;
  return {{"core", probe->core}, {"config", probe->version}, {"fallback", probe->fallback}};
}

nlohmann::ordered_json facts_json(const Facts& facts) {
  nlohmann::ordered_json json = to_json(facts.machine, {});
  json["version"] = facts.build.version;
  json["compiler"] = facts.build.compiler;
  json["isa_compiled"] = facts.build.isa_compiled;
  json["isa_supported"] = facts.build.isa_supported;
  json["tile_gflops"] = nullptr;
  if (facts.tile_gflops) json["tile_gflops"] = *facts.tile_gflops;
  json["openblas"] = openblas_json(facts.openblas);
  return json;
}

void print_facts(const Facts& facts) {
  const BuildInfo& build = facts.build;
  fmt::print("subquad      {}\ncompiler     {}\n", build.version, build.compiler);
  if (!facts.machine.processor.empty()) fmt::print("processor    {}\n", facts.machine.processor);
  fmt::print("instructions {} in use; compiled: {}; this machine runs: {}\n", build.isa,
             fmt::join(build.isa_compiled, " "), fmt::join(build.isa_supported, " "));
  fmt::print("threads      {}\n", facts.machine.threads);
  if (facts.machine.fma_gflops) {
    fmt::print("FMA rate     {:.1f} GFLOP/s (f32, registers only, {} threads together)\n",
               *facts.machine.fma_gflops, facts.machine.threads);
  }
  if (facts.tile_gflops) {
    fmt::print("tile rate    {:.0f} GFLOP/s (bf16 on tiles, no memory, {} threads together)\n",
               *facts.tile_gflops, facts.machine.threads);
  }
  if (facts.machine.read_gbps) {
    fmt::print("read rate    {:.1f} GB/s (memory, {} threads together)\n", *facts.machine.read_gbps,
               facts.machine.threads);
  }
  const auto& blas = facts.openblas;
  fmt::print("OpenBLAS     {}\n", blas ? blas->core + " kernels" : "not installed");
}

void warn(const Facts& facts) {
  if (!facts.openblas || !facts.openblas->fallback) return;
  const auto& sets = facts.build.isa_supported;
  const bool wide = std::any_of(sets.begin(), sets.end(),
                                [](const std::string& name) { return name.rfind("avx3", 0) == 0; });
  print_warning(fmt::format(
      "OpenBLAS does not know this processor and uses slow '{}' kernels; set OPENBLAS_CORETYPE={} "
      "for programs that use it",
      facts.openblas->core, wide ? "SkylakeX" : "Haswell"));
}

void run_info(const InfoOptions& options) {
  check_outputs({{"--json", options.common.json}}, {});
  const Facts facts = gather(options);
  Outputs outputs;
  outputs.add_json(options.common.json, facts_json(facts));
  if (!options.common.json_on_stdout()) print_facts(facts);
  outputs.commit();
  warn(facts);
}

}  // namespace

void add_info(const Command& app) {
  auto options = std::make_shared<InfoOptions>();
  const Command command =
      app.add_subcommand("info", "The build, the machine and, with --peak, its measured limits");
  command.add_flag("--peak", options->peak,
                   "Measure the multiply-add and memory read rates (two or three seconds)");
  add_threads(command, options->common);
  add_json(command, options->common);
  command.footer(
      "Examples:\n"
      "  subquad info --peak\n"
      "  subquad info --peak --threads 1 --json -\n"
      "The environment variable SUBQUAD_ISA (amx | avx3_bf16 | avx3 | avx2 | sse4 | scalar) "
      "lowers the instruction set; from avx3 down bf16 is computed in f32.");
  command.callback([options] { run_info(*options); });
}

}  // namespace subquad::cli
