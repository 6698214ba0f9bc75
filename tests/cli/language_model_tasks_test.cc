// experiments/language_model_tasks: its own tests, and a small run to the end with a real model.
#include <gtest/gtest.h>

#include <string>

#include "support.h"
#include "support/test_data.h"

namespace subquad::test {
namespace {

class LanguageModelTasksTest : public ExperimentTest {
 protected:
  LanguageModelTasksTest() : ExperimentTest("language_model_tasks") {}
};

TEST_F(LanguageModelTasksTest, TasksIntervalsAndTables) {
  EXPECT_TRUE(python("-m unittest test_language_model_tasks")) << log();
}

TEST_F(LanguageModelTasksTest, SlowSmallRunToTheEnd) {
  const std::string model = testing::smollm2_gguf();
  if (model.empty() || testing::shared_data("texts/war_and_peace.txt").empty())
    GTEST_SKIP() << testing::no_smollm2 << ", or no texts in ../shared/data";
  const std::string out = path("out");
  const std::string options = " --subquad '" + std::string(SUBQUAD_BINARY) + "' --model '" + model +
                              "' --out '" + out +
                              "' --lengths 512 --contexts 1 --families single passkey --methods "
                              "'window(64)' --layers 30";
  ASSERT_TRUE(python("language_model_tasks.py all" + options)) << log();
  EXPECT_NE(log().find("| single |"), std::string::npos) << log();
  EXPECT_NE(log().find("`window(64)` | 30 |"), std::string::npos) << log();
  const std::string csv = read_text(out + "/table_2.csv");
  ASSERT_TRUE(python("language_model_tasks.py all" + options)) << log();  // nothing left to do
  EXPECT_EQ(log().find("[1/"), std::string::npos) << log();
  EXPECT_EQ(read_text(out + "/table_2.csv"), csv);
}

}  // namespace
}  // namespace subquad::test
