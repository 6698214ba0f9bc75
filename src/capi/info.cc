// The library, its parts and the machine in C.
#include "capi/convert.h"
#include "capi/rows.h"
#include "subquad/info.h"
#include "subquad/parts.h"

using namespace subquad;
using namespace subquad::capi;

extern "C" {

const char* subquad_version(void) { return SUBQUAD_VERSION; }

subquad_status subquad_build_info(subquad_result* result) {
  return guarded([&] { store(build_info(), result); });
}

subquad_status subquad_method_parts(subquad_result* parts, subquad_result* parameters) {
  return guarded([&] {
    const std::vector<PartInfo> all = method_parts();
    std::vector<NamedParameter> named;
    for (const PartInfo& part : all)
      for (const PartParameter& parameter : part.parameters)
        named.push_back({part.name, parameter});
    store(all, parts);
    store(named, parameters);
  });
}

subquad_status subquad_measure_fma_gflops(int threads, double seconds, double* gflops) {
  return guarded([&] { required("gflops", gflops) = measure_fma_gflops(threads, seconds); });
}

subquad_status subquad_measure_tile_gflops(int threads, double seconds, double* gflops) {
  return guarded([&] { required("gflops", gflops) = measure_tile_gflops(threads, seconds); });
}

subquad_status subquad_measure_read_gbps(int threads, double seconds, double* gbps) {
  return guarded([&] { required("gbps", gbps) = measure_read_gbps(threads, seconds); });
}

subquad_status subquad_select_isa(const char* name) {
  return guarded([&] { select_isa(std::string(required_text("name", name))); });
}

void subquad_release_scratch(void) { release_scratch(); }

}  // extern "C"
