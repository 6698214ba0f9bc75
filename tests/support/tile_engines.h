// Exact attention of bf16 on each engine of tiles: the model everywhere, AMX where there is one.
#pragma once

#include <gtest/gtest.h>

#include "core/amx.h"
#include "core/avx512_bf16.h"
#include "kernels/tiles/tile_engine.h"

namespace subquad::testing {

class TileEngineScope {
 public:
  explicit TileEngineScope(const kernels::TileEngine& engine) { kernels::set_tile_engine(&engine); }
  ~TileEngineScope() { kernels::set_tile_engine(nullptr); }
  TileEngineScope(const TileEngineScope&) = delete;
  TileEngineScope& operator=(const TileEngineScope&) = delete;
};

// nullptr without.
inline const kernels::TileEngine* amx_hardware() {
  return machine_has_amx() ? kernels::amx_engine() : nullptr;
}

// Dot products: bits of their own. nullptr without.
inline const kernels::TileEngine* dot_hardware() {
  return machine_has_dots() ? kernels::dot_engine() : nullptr;
}

template <typename Body>
void on_every_tile_engine(Body body) {
  for (const kernels::TileEngine* engine : {&kernels::model_engine(), amx_hardware()}) {
    if (engine == nullptr) continue;
    SCOPED_TRACE(engine->name);
    const TileEngineScope scope(*engine);
    body();
  }
}

}  // namespace subquad::testing
