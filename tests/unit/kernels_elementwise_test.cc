// Addition on every instruction set.
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/elementwise.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

TEST(KernelsElementwise, Add) {
  on_every_isa([] {
    for (const std::int64_t count : {1, 5, 16, 37}) {
      std::vector<float> x(static_cast<std::size_t>(count)), y(x.size() + 1, 10.0F);
      for (std::size_t c = 0; c < x.size(); ++c) x[c] = static_cast<float>(c);
      kernels::add(x.data(), count, y.data());
      for (std::size_t c = 0; c < x.size(); ++c) EXPECT_EQ(y[c], 10.0F + static_cast<float>(c));
      EXPECT_EQ(y.back(), 10.0F);
    }
  });
}

}  // namespace
}  // namespace subquad::testing
