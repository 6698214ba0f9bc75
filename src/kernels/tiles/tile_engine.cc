#include "kernels/tiles/tile_engine.h"

#include <atomic>

#include "core/isa.h"

namespace subquad::kernels {
namespace {

std::atomic<const TileEngine*> chosen{nullptr};

}  // namespace

const TileEngine* tile_engine() {
  const TileEngine* engine = chosen.load(std::memory_order_relaxed);
  if (engine != nullptr) return engine;
  if (amx_selected()) return amx_engine();
  return dots_selected() ? dot_engine() : nullptr;
}

void set_tile_engine(const TileEngine* engine) { chosen = engine; }

}  // namespace subquad::kernels
