// Running a test body on every instruction set that the machine has.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "subquad/info.h"

namespace subquad::testing {

// Lowers the instruction set for as long as it lives.
class IsaScope {
 public:
  explicit IsaScope(const std::string& isa) { select_isa(isa); }
  ~IsaScope() { select_isa(""); }
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;
};

template <typename Body>
void on_every_isa(Body body) {
  for (const std::string& isa : build_info().isa_supported) {
    SCOPED_TRACE("isa " + isa);
    const IsaScope scope(isa);
    body();
  }
}

}  // namespace subquad::testing
