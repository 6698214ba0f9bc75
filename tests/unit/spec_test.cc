// The spec string: its grammar, its canonical text, and typed access to arguments.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "parts/spec.h"
#include "subquad/error.h"

namespace subquad {
namespace {

// `action` must throw an invalid_argument Error whose one line holds `expected`.
void expect_invalid(const std::function<void()>& action, const std::string& expected) {
  try {
    action();
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(line.find(expected), std::string::npos) << line << "\nexpected: " << expected;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    return;
  }
  ADD_FAILURE() << "no error; expected: " << expected;
}

void expect_rejected(const std::string& text, const std::string& expected) {
  SCOPED_TRACE(text.substr(0, 100));
  expect_invalid([&] { (void)parse_spec(text); }, expected);
}

// The canonical text of all parts, each followed by ';'.
std::string canonical(const std::string& text) {
  std::string joined;
  for (const SpecPart& part : parse_spec(text)) joined += to_text(part) + ";";
  return joined;
}

SpecPart part_of(const std::string& text) { return parse_spec(text).at(0); }

TEST(ParseSpec, SplitsPartsAndArguments) {
  const auto parts = parse_spec("sink(4)+window(512, right=0)+exact");
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].name, "sink");
  ASSERT_EQ(parts[0].arguments.size(), 1u);
  EXPECT_EQ(parts[0].arguments[0].key, "");
  EXPECT_EQ(parts[0].arguments[0].value, "4");
  ASSERT_EQ(parts[1].arguments.size(), 2u);
  EXPECT_EQ(parts[1].arguments[1].key, "right");
  EXPECT_EQ(parts[1].arguments[1].value, "0");
  EXPECT_EQ(parts[2].name, "exact");
  EXPECT_TRUE(parts[2].arguments.empty());
}

TEST(ParseSpec, CanonicalTextParsesBack) {
  EXPECT_EQ(canonical("exact"), "exact;");
  EXPECT_EQ(canonical("a1_b(x=1)"), "a1_b(x=1);");
  EXPECT_EQ(canonical("sink(4)+window(512)+uniform(m=256)"), "sink(4);window(512);uniform(m=256);");
  EXPECT_EQ(canonical("x(1E+3,2e-3,-4.5,Ab_c.d)"), "x(1E+3,2e-3,-4.5,Ab_c.d);");
  EXPECT_EQ(canonical("  sink ( 4 , n = 5 )  +  exact ( ) "), "sink(4,n=5);exact;");
}

TEST(ParseSpec, TakesPlusIntoAValueOnlyAfterAnExponent) {
  EXPECT_EQ(part_of("f(1e+3)").arguments[0].value, "1e+3");
  expect_rejected("f(1+3)", "expected ',' or ')' at character 4 ('+')");
  expect_rejected("f(+3)", "expected a value at character 3 ('+')");
}

TEST(ParseSpec, RejectsWithThePosition) {
  expect_rejected("", "spec '': expected a method name at the end");
  expect_rejected("   ", "expected a method name at the end");
  expect_rejected("+exact", "spec '+exact': expected a method name at character 1 ('+')");
  expect_rejected("exact+", "expected a method name at the end");
  expect_rejected("exact++exact", "expected a method name at character 7");
  expect_rejected("Exact", "expected a method name at character 1 ('E')");
  expect_rejected("1exact", "expected a method name at character 1 ('1')");
  expect_rejected("exact exact", "expected '+' or the end at character 7 ('e')");
  expect_rejected("sink(4))", "expected '+' or the end at character 8 (')')");
  expect_rejected("sink(4", "expected ',' or ')' at the end");
  expect_rejected("sink(", "expected a value at the end");
  expect_rejected("sink(,4)", "expected a value at character 6 (',')");
  expect_rejected("sink(4,)", "expected a value at character 8 (')')");
  expect_rejected("sink(n=)", "expected a value at character 8 (')')");
  expect_rejected("sink(=4)", "expected a value at character 6 ('=')");
  expect_rejected("sink(4 4)", "expected ',' or ')' at character 8 ('4')");
  expect_rejected("sink(n=4=5)", "expected ',' or ')' at character 9 ('=')");
  expect_rejected("sink(N=4)",
                  "an argument name is a lower-case letter, then [a-z0-9_] at character 6");
  expect_rejected("sink(4=4)", "an argument name");
  expect_rejected("sink(n=4,5)", "positional argument after a named one at character 10 ('5')");
  expect_rejected("sink(n=4,n=5)", "argument 'n' appears twice at character 10 ('n')");
  expect_rejected("sink(\n4)", "spec 'sink(?4)': expected a value at character 6 ('?')");
  expect_rejected(std::string("sink\0", 5), "spec 'sink?': expected '+' or the end");
  expect_rejected("sink(\xc3\xa9)", "spec 'sink(\?\?)': expected a value");
}

TEST(ParseSpec, HasLimits) {
  std::string many = "a";
  for (int i = 1; i < 64; ++i) many += "+a";
  EXPECT_EQ(parse_spec(many).size(), 64u);
  expect_rejected(many + "+a", "more than 64 parts");
  EXPECT_EQ(parse_spec(std::string(4096, 'a'))[0].name.size(), 4096u);
  expect_rejected(std::string(4097, 'a'), "longer than 4096 characters");
}

TEST(SpecReader, ReadsByPositionAndByName) {
  const SpecPart part = part_of("sortlsh(256,rounds=2,scale=0.5,mode=fast,flag=yes)");
  SpecReader reader(part);
  EXPECT_EQ(reader.integer("block", 128, 1, 4096), 256);
  EXPECT_EQ(reader.integer("bits", 16, 1, 64), 16);
  EXPECT_EQ(reader.required_integer("rounds", 1, 10), 2);
  EXPECT_EQ(reader.number("scale", 1, 0, 1), 0.5);
  EXPECT_EQ(reader.number("other", 0.25, 0, 1), 0.25);
  EXPECT_EQ(reader.choice("mode", 0, {"slow", "fast"}), 1u);
  EXPECT_EQ(reader.choice("kind", 2, {"a", "b", "c"}), 2u);
  EXPECT_TRUE(reader.boolean("flag", false));
  EXPECT_TRUE(reader.boolean("absent", true));
  reader.finish();
}

TEST(SpecReader, ReadsEveryWordForTruth) {
  for (const std::string word : {"true", "1", "yes", "on"}) {
    const SpecPart part = part_of(fmt::format("x({})", word));
    EXPECT_TRUE(SpecReader(part).boolean("flag", false)) << word;
  }
  for (const std::string word : {"false", "0", "no", "off"}) {
    const SpecPart part = part_of(fmt::format("x({})", word));
    EXPECT_FALSE(SpecReader(part).boolean("flag", true)) << word;
  }
}

void expect_bad_integer(const std::string& value) {
  SCOPED_TRACE(value);
  const SpecPart part = part_of(fmt::format("sink({})", value));
  SpecReader reader(part);
  const std::string expected =
      fmt::format("spec part 'sink({0})': n = {0} is not a whole number from 0 to 100", value);
  expect_invalid([&] { (void)reader.integer("n", 4, 0, 100); }, expected);
}

TEST(SpecReader, RejectsBadIntegers) {
  for (const char* value : {"-1", "101", "4.5", "1e1", "x", "0x10", "99999999999999999999", "-"}) {
    expect_bad_integer(value);
  }
}

TEST(SpecReader, AcceptsTheWholeRangeOfIntegers) {
  using Limits = std::numeric_limits<std::int64_t>;
  const SpecPart part = part_of("x(-9223372036854775808,9223372036854775807)");
  SpecReader reader(part);
  EXPECT_EQ(reader.integer("a", 0, Limits::min(), Limits::max()), Limits::min());
  EXPECT_EQ(reader.integer("b", 0, Limits::min(), Limits::max()), Limits::max());
}

TEST(SpecReader, RejectsBadNumbers) {
  for (const std::string value : {"nan", "inf", "-inf", "-0.5", "1.5", "1e999", "1.5x", "."}) {
    const SpecPart part = part_of(fmt::format("x({})", value));
    SpecReader reader(part);
    expect_invalid([&] { (void)reader.number("eps", 0, 0, 1); },
                   fmt::format("eps = {} is not a number from 0 to 1", value));
  }
}

TEST(SpecReader, RejectsBadWords) {
  const SpecPart part = part_of("x(maybe)");
  expect_invalid([&] { (void)SpecReader(part).boolean("flag", true); },
                 "flag = maybe is not one of false, no, off, 0, true, yes, on, 1");
  expect_invalid(
      [&] {
        (void)SpecReader(part).choice("mode", 0, {"a", "b"});
      },
      "mode = maybe is not one of a, b");
}

TEST(SpecReader, RejectsMissingRepeatedAndUnknownArguments) {
  const SpecPart bare = part_of("topk");
  expect_invalid([&] { (void)SpecReader(bare).required_integer("k", 1, 9); },
                 "spec part 'topk': k is required");
  const SpecPart twice = part_of("topk(3,k=4)");
  expect_invalid([&] { (void)SpecReader(twice).integer("k", 1, 1, 9); }, "k is given twice");

  const auto finish = [](const std::string& text, bool with_parameter) {
    const SpecPart part = part_of(text);
    SpecReader reader(part);
    if (with_parameter) (void)reader.integer("k", 1, 1, 9);
    reader.finish();
  };
  expect_invalid([&] { finish("topk(k=3,m=4)", true); },
                 "spec part 'topk(k=3,m=4)' has an unknown argument 'm' (known: k)");
  expect_invalid([&] { finish("topk(3,4)", true); }, "has too many arguments at '4' (known: k)");
  expect_invalid([&] { finish("exact(3)", false); },
                 "has too many arguments at '3' (it takes none)");
  EXPECT_NO_THROW(finish("topk(3)", true));
  EXPECT_NO_THROW(finish("exact", false));
}

}  // namespace
}  // namespace subquad
