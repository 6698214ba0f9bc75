#include "core/amx.h"

#include "core/amx_build.h"
#include "core/avx512_bf16.h"

#if SUBQUAD_AMX
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace subquad {

#if SUBQUAD_AMX
namespace {

constexpr unsigned kSubleafBf16 = 1U << 22, kSubleafTile = 1U << 24;  // CPUID 7.0, edx
constexpr unsigned kOsXsave = 1U << 27;                               // CPUID 1, ecx
constexpr unsigned kTileState = 3U << 17;                             // XCR0: configuration, data
constexpr long kRequestPermission = 0x1023, kTileData = 18;           // arch_prctl

bool has_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return (d & kSubleafBf16) != 0 && (d & kSubleafTile) != 0;
}

bool system_saves_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kOsXsave) == 0) return false;
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kTileState) == kTileState;
}

bool is_granted() { return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0; }

}  // namespace

bool compiled_with_amx() { return true; }
bool machine_has_amx() {
  static const bool has = machine_has_dots() && has_tiles() && system_saves_tiles() && is_granted();
  return has;
}
#else
bool compiled_with_amx() { return false; }
bool machine_has_amx() { return false; }
#endif

}  // namespace subquad
