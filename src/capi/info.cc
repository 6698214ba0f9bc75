// The library and the machine in C.
#include "capi/convert.h"
#include "capi/rows.h"
#include "subquad/info.h"

using namespace subquad;
using namespace subquad::capi;

extern "C" {

const char* subquad_version(void) { return SUBQUAD_VERSION; }

subquad_status subquad_build_info(subquad_result* result) {
  return guarded([&] { store(build_info(), result); });
}

subquad_status subquad_measure_fma_gflops(int threads, double seconds, double* gflops) {
  return guarded([&] { required("gflops", gflops) = measure_fma_gflops(threads, seconds); });
}

subquad_status subquad_measure_read_gbps(int threads, double seconds, double* gbps) {
  return guarded([&] { required("gbps", gbps) = measure_read_gbps(threads, seconds); });
}

subquad_status subquad_select_isa(const char* name) {
  return guarded([&] { select_isa(std::string(required_text("name", name))); });
}

void subquad_release_scratch(void) { release_scratch(); }

}  // extern "C"
