// What entries that are hidden from a row may change of it.
#pragma once

#include <cstdint>

namespace subquad {

// The worst first.
enum class Strict : std::uint8_t {
  no,      // something under a causal mask or a window
  bands,   // nothing there, but something under an element mask that differs from row to row
  always,  // nothing
};

}  // namespace subquad
