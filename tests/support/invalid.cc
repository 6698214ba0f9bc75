#include "support/invalid.h"

#include <functional>
#include <string>

#include <gtest/gtest.h>

namespace subquad::testing {

void expect_invalid(const std::string& name, const std::function<void()>& body) {
  try {
    body();
    ADD_FAILURE() << "no error naming " << name;
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument) << message;
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

}  // namespace subquad::testing
