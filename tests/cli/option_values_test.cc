// Values of options that are none: empty words, numbers out of range, with fractions, or with more
// behind them.
#include <algorithm>
#include <sstream>

#include "subquad/io.h"
#include "support.h"

namespace subquad::test {
namespace {

using Words = std::vector<std::string>;

Words operator+(Words first, const Words& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

class OptionValuesTest : public CliTest {
 protected:
  OptionValuesTest() { write_layer(path("a.safetensors")); }

  // Each command with what it needs to run.
  static std::vector<Words> commands() {
    return {{"attend", "a.safetensors"},
            {"compare", "a.safetensors"},
            {"denoise", "a.png", "o.png"},
            {"diagnose", "a.safetensors"},
            {"bench", "attention"},
            {"info"},
            {"kernel"},
            {"solve"},
            {"spectrum"},
            {"synth", "o.safetensors"},
            {"vit"}};
  }

  // The options of a command that take a value, from its help.
  Words options_of(const Words& command) const {
    Words name(command.begin(), command.end());
    if (name.front() != "bench") name.resize(1);
    std::istringstream lines(run(name + Words{"--help"}).out);
    Words options;
    for (std::string line; std::getline(lines, line);) {
      const std::string option = line.substr(0, line.find(' ', 2));
      if (option.rfind("  --", 0) != 0) continue;
      // One space before the type; a flag has none, and more before what it does.
      const std::string rest = line.substr(std::min(option.size(), line.size()));
      if (rest.size() > 1 && rest[1] != ' ') options.push_back(option.substr(2));
    }
    return options;
  }

  void expect_refused(const Words& command, const std::string& option, const Words& values) {
    for (const std::string& value : values) {
      SCOPED_TRACE(option + " '" + value + "'");
      expect_error(command + Words{option, value}, {option + ":"});
    }
  }
};

TEST_F(OptionValuesTest, NoOptionTakesAnEmptyWord) {
  for (const Words& command : commands()) {
    const Words options = options_of(command);
    SCOPED_TRACE(command.front());
    EXPECT_GE(options.size(), command.front() == "info" ? 2u : 5u);
    EXPECT_TRUE(std::find(options.begin(), options.end(), "--json") != options.end() ||
                command.front() == "synth");
    for (const std::string& option : options) {
      SCOPED_TRACE(option);
      expect_error(command + Words{option, ""}, {option + ": '' is an empty value"});
    }
    expect_error(command + Words{options.front() + "="},
                 {options.front() + ": '' is an empty value"});
  }
}

TEST_F(OptionValuesTest, NoInputIsAnEmptyWord) {
  for (const std::string command : {"attend", "compare", "diagnose"})
    expect_error({command, ""}, {"INPUT: '' is an empty value"});
  expect_error({"synth", ""}, {"OUT: '' is an empty value"});
  expect_error({"compare", "a.safetensors", ""}, {"INPUT: '' is an empty value"});
}

TEST_F(OptionValuesTest, SeedsAreWholeNumbersOf64Bits) {
  const Words bad{"-1", "18446744073709551616", "1.5", "1e3", "0x10", "7x", "x", " 7", "+7"};
  for (const Words& command : std::vector<Words>{{"attend", "a.safetensors"},
                                                 {"compare", "a.safetensors"},
                                                 {"denoise", "a.png", "o.png"},
                                                 {"diagnose", "a.safetensors"},
                                                 {"bench", "attention", "--seq", "8"},
                                                 {"synth", "o.safetensors"}})
    expect_refused(command, "--seed", bad);
  EXPECT_EQ(run({"attend", "a.safetensors", "--seed", "18446744073709551615"}).code, 0);
}

// strtoull would take "010" for 8.
TEST_F(OptionValuesTest, SeedsAreDecimal) {
  const auto seed = [&](const std::string& word) {
    EXPECT_EQ(run({"attend", "a.safetensors", "--seed", word, "--out", "o.safetensors"}).code, 0);
    return io::TensorFile::open(path("o.safetensors")).metadata().at("seed");
  };
  EXPECT_EQ(seed("010"), "10");
  EXPECT_EQ(seed("18446744073709551615"), "18446744073709551615");
}

TEST_F(OptionValuesTest, CountsAreWholeNumbersInRange) {
  const Words none{"-1", "1.5", "99999999999999999999"};
  expect_refused({"attend", "a.safetensors"}, "--threads", none + Words{"1025"});
  expect_refused({"attend", "a.safetensors"}, "--certify", none + Words{"0"});
  expect_refused({"compare", "a.safetensors"}, "--repeats", none + Words{"10001"});
  expect_refused({"compare", "a.safetensors"}, "--seeds", none + Words{"0", "1001"});
  expect_refused({"diagnose", "a.safetensors"}, "--rows", none);
  expect_refused({"diagnose", "a.safetensors"}, "--skip-columns", none);
  expect_refused({"diagnose", "a.safetensors"}, "--probes", {"alpha,", ",", "alpha,,kappa", "x"});
  expect_refused({"diagnose", "a.safetensors"}, "--lengths", none + Words{"8,x", "8,1.5", "8,"});
  for (const std::string option :
       {"--heads", "--kv-heads", "--batch", "--head-dim", "--value-dim", "--queries"})
    expect_refused({"bench", "attention", "--seq", "8"}, option, none + Words{"0"});
  expect_refused({"bench", "attention"}, "--seq", none + Words{"0", "8,", "8,,8", "8;9"});
  for (const std::string option : {"--n", "--heads", "--head-dim", "--clusters", "--band"})
    expect_refused({"synth", "o.safetensors"}, option, none + Words{"0"});
}

TEST_F(OptionValuesTest, NumbersAreFinite) {
  const Words none{"x", "1x", "nan", "inf", "1e999", "0x1p3", " 1"};
  expect_refused({"attend", "a.safetensors"}, "--scale", none + Words{"1e39", "1e-60"});
  expect_refused({"diagnose", "a.safetensors"}, "--epsilon", none + Words{"0", "-1"});
}

TEST_F(OptionValuesTest, MetadataOfAFileIsCheckedLikewise) {
  for (const std::string value : {"", " ", "0.1x", "nan", "1e39"}) {
    SCOPED_TRACE(value);
    write_layer(path("s.safetensors"), {.metadata = {{"scale", value}}});
    expect_error({"attend", "s.safetensors"}, {"s.safetensors", "'scale'", "'" + value + "'"});
  }
  write_layer(path("c.safetensors"), {.metadata = {{"causal", ""}}});
  expect_error({"compare", "c.safetensors"}, {"c.safetensors", "'causal'", "''"});
}

class ProblemFileTest : public CliTest {
 protected:
  void expect_refused(const std::string& text, const Words& words) {
    write_text(path("p.json"), text);
    expect_error({"bench", "attention", "--repeats", "1", "--problem", "p.json"},
                 words + Words{"--problem p.json"});
  }
};

TEST_F(ProblemFileTest, SizesAreWholeNumbers) {
  for (const std::string value : {"4.5", "4.0", "1e1", "-4", "0", "true", "null", "\"4\"",
                                  "18446744073709551615", "99999999999999999999"}) {
    SCOPED_TRACE(value);
    expect_refused("[{\"seq\": " + value + "}]", {"entry 0: seq "});
    expect_refused("[{\"seq\": [8, " + value + "]}]", {"entry 0: seq "});
    expect_refused("[{\"seq\": 8, \"head_dim\": " + value + "}]", {"entry 0: head_dim "});
  }
}

TEST_F(ProblemFileTest, ErrorsUseTheFilesWords) {
  expect_refused("[{\"seq\": 8, \"heads\": 4, \"kv_heads\": 3}]",
                 {"entry 0: kv_heads 3", "heads 4"});
  expect_refused("[{\"seq\": 8, \"head_dim\": 600}]", {"head_dim 600"});
  expect_refused("[{\"seq\": 8, \"dtype\": \"f64\"}]", {"entry 0: dtype: 'f64'"});
  expect_refused("[{\"seq\": 8, \"pass\": 3}]", {"pass 3"});
}

TEST_F(ProblemFileTest, KeysAppearOnce) {
  expect_refused("[{\"seq\": 8, \"heads\": 1, \"seq\": 16}]", {"key \"seq\" appears twice"});
  expect_refused("[{\"seq\": 8}, {\"seq\": 8, \"heads\": 1, \"heads\": 1}]",
                 {"key \"heads\" appears twice"});
  write_text(path("p.json"), "[{\"seq\": 8, \"heads\": 1}, {\"seq\": 8, \"heads\": 2}]");
  EXPECT_EQ(run({"bench", "attention", "--repeats", "1", "--problem", "p.json"}).code, 0);
}

TEST_F(ProblemFileTest, IsJson) {
  expect_refused("[{\"seq\": 8}", {"not a JSON object or list"});
  expect_refused("", {"not a JSON object or list"});
  expect_refused("[]", {"not a JSON list of objects"});
}

}  // namespace
}  // namespace subquad::test
