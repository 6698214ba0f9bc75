// `subquad specs`, and the texts that follow from the same registry.
#include "support.h"

namespace subquad::test {
namespace {

using SpecsTest = CliTest;

TEST_F(SpecsTest, TheGuidesTableIsTheRegistrys) {
  const Outcome table = run({"specs", "--markdown"});
  ASSERT_EQ(table.code, 0) << table.err;
  const std::string guide = read_text(SUBQUAD_SOURCE "/docs/guide/specs.md");
  EXPECT_NE(guide.find(table.out), std::string::npos)
      << "docs/guide/specs.md: put the output of `subquad specs --markdown` in its table's place";
}

TEST_F(SpecsTest, HelpNamesEveryPart) {
  const std::string list = run({"specs"}).out;
  ASSERT_NE(list.find("multipole"), std::string::npos);
  const std::vector<std::vector<std::string>> commands{{"attend", "--help"},
                                                       {"compare", "--help"},
                                                       {"bench", "attention", "--help"},
                                                       {"vit", "--help"}};
  for (const auto& command : commands)
    EXPECT_NE(run(command).out.find(list), std::string::npos) << command.front();
}

TEST_F(SpecsTest, APartShowsItsParameters) {
  const Outcome page = run({"specs", "topk"});
  EXPECT_EQ(page.code, 0);
  for (const char* word : {"k ", "candidates", "tables", "clusters", "recall_rows"})
    EXPECT_NE(page.out.find(word), std::string::npos) << word;
}

TEST_F(SpecsTest, UnknownPart) { expect_error({"specs", "topq"}, {"PART topq"}); }

// What a user gets wrong is shown in the words that they wrote.
TEST_F(SpecsTest, ErrorsShowTheUsersSpec) {
  write_layer(path("a.safetensors"));
  const auto attend = [&](const std::string& spec) {
    return std::vector<std::string>{"attend", "a.safetensors", "--method", spec};
  };
  expect_error(attend("sink(2)+far(group=5)"), {"far(group=5)", "8 to 264"});
  expect_error(attend("far(fit=99999999)"), {"far(fit=99999999)", "fit"});
  expect_error(attend("hyper(m=0)"), {"hyper(m=0)", "m = 0"});
  expect_error(attend("hyper+far"), {"hyper+far", "more than one light part"});
  expect_error(attend("window+nosuch"), {"window+nosuch", "nosuch", "known: exact, sink"});
}

}  // namespace
}  // namespace subquad::test
