// experiments/language_model: its own tests, which need no model.
#include <gtest/gtest.h>

#include "support.h"

namespace subquad::test {
namespace {

class LanguageModelTest : public ExperimentTest {
 protected:
  LanguageModelTest() : ExperimentTest("language_model") {}
};

TEST_F(LanguageModelTest, PlansResumesAndDraws) {
  EXPECT_TRUE(python("-m unittest test_language_model")) << log();
}

}  // namespace
}  // namespace subquad::test
