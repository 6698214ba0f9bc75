#include "subquad/info.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "core/isa.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/peak.h"
#include "kernels/tiles/tile_engine.h"
#include "subquad/error.h"

namespace subquad {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Best rate of work(thread), one call on each thread, over rounds until `seconds` have passed; work
// returns what it did.
template <typename Work>
double best_rate(int threads, double seconds, const Work& work) {
  std::vector<double> done(static_cast<std::size_t>(threads));
  std::barrier sync(threads);
  double best = 0;
  bool more = true;
  const auto start = Clock::now();
  const auto run = [&](int t) {
    while (more) {
      sync.arrive_and_wait();
      const auto round = Clock::now();
      done[static_cast<std::size_t>(t)] = work(t);
      sync.arrive_and_wait();
      if (t == 0) {
        best =
            std::max(best, std::accumulate(done.begin(), done.end(), 0.0) / seconds_since(round));
        more = seconds_since(start) < seconds;
      }
      sync.arrive_and_wait();
    }
  };
  std::vector<std::jthread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(run, t);
  run(0);
  return best;
}

// More threads than processors have no work of their own.
int measuring_threads(int requested, double seconds) {
  check_threads(requested);
  if (!(seconds > 0 && seconds <= 3600))
    throw_invalid(fmt::format("seconds: {} must be above 0 and at most 3600", seconds));
  return std::min(resolved_threads(requested), available_processors());
}

}  // namespace

BuildInfo build_info() {
  ensure_isa();
  return {SUBQUAD_VERSION,  __VERSION__,    compiled_isas(),
          supported_isas(), selected_isa(), resolved_threads(0)};
}

double measure_fma_gflops(int threads, double seconds) {
  ensure_isa();
  const int team = measuring_threads(threads, seconds);
  std::vector<float> sinks(static_cast<std::size_t>(team));
  return 1e-9 * best_rate(team, seconds, [&](std::int64_t t) {
           return kernels::fma_rounds(2'000'000, &sinks[static_cast<std::size_t>(t)]);
         });
}

double measure_tile_gflops(int threads, double seconds) {
  ensure_isa();
  const int team = measuring_threads(threads, seconds);
  const kernels::TileEngine* engine = kernels::tile_engine();
  if (engine == nullptr) return 0;
  return 1e-9 * best_rate(team, seconds, [&](std::int64_t) { return engine->rounds(100'000); });
}

double measure_read_gbps(int threads, double seconds) {
  ensure_isa();
  constexpr std::int64_t kFloats = 64 << 20;  // 256 MiB in all
  const int team = measuring_threads(threads, seconds);
  Scratch<float> buffer(kFloats);
  std::fill_n(buffer.data(), kFloats, 1.0f);
  std::vector<float> sinks(static_cast<std::size_t>(team));
  const std::int64_t part = kFloats / team / 64 * 64;
  return 1e-9 * best_rate(team, seconds, [&](std::int64_t t) {
           sinks[static_cast<std::size_t>(t)] = kernels::read_sum(buffer.data() + t * part, part);
           return 4.0 * static_cast<double>(part);
         });
}

}  // namespace subquad
