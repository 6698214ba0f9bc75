// Running a test body on every instruction set that the machine has.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace subquad::testing {

// Lowers the instruction set for as long as it lives.
class IsaScope {
 public:
  explicit IsaScope(const std::string& isa);
  ~IsaScope();
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;
};

// Likewise, and what fails meanwhile names it.
class TracedIsa {
 public:
  explicit TracedIsa(const std::string& isa);

 private:
  ::testing::ScopedTrace trace_;
  IsaScope scope_;
};

std::vector<std::string> supported_isas();

template <typename Body>
void on_every_isa(const Body& body) {
  for (const std::string& isa : supported_isas()) {
    const TracedIsa traced(isa);
    body();
  }
}

}  // namespace subquad::testing
