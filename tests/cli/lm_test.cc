// subquad lm: what its commands report, what they refuse, and stories260K on its passage.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "subquad/io.h"
#include "support.h"
#include "support/plain_llama.h"
#include "support/test_data.h"
#include "support/tiny_llama.h"
#include "support/tokenizer_files.h"

namespace subquad::test {
namespace {

using Words = std::vector<std::string>;
using testing::shared_data;

// A folder with a random model of two layers, context 96, and a text of 200 characters.
class LmTest : public CliTest {
 protected:
  LmTest() {
    testing::RandomLlama(5).write(path("m.bin"));
    testing::RandomLlama::write_tokenizer(path("tokenizer.bin"));
    write_text(path("t.txt"), text(200));
  }

  // Characters of one and of two bytes.
  static std::string text(int characters) {
    std::string text;
    for (int i = 0; i < characters; ++i)
      text += i % 10 == 3 ? "\xC3\xA9" : std::string(1, static_cast<char>('a' + i * i % 26));
    return text;
  }

  static Words with(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static Words perplexity(const Words& more) {
    return with({"lm", "perplexity", "--model", "m.bin", "--text", "t.txt"}, more);
  }
  static Words generate(const Words& more) {
    return with({"lm", "generate", "--model", "m.bin"}, more);
  }
  static Words layers(const Words& more) {
    return with({"lm", "layers", "--model", "m.bin", "--text", "t.txt"}, more);
  }
};

TEST_F(LmTest, Perplexity) {
  const auto json = run_json(perplexity({"--tokens", "60", "--skip-chars", "4", "--method",
                                         "window(4)", "--method", "exact", "--layers", "last:1"}));
  ASSERT_EQ(json["runs"].size(), 2u);
  const auto &window = json["runs"][0], &exact = json["runs"][1];
  EXPECT_EQ(window["method"], "window(4)");
  EXPECT_EQ(window["layers"], "last:1");
  EXPECT_EQ(window["replaced"], std::vector<int>{1});
  EXPECT_EQ(exact["layers"], "all");
  EXPECT_EQ(exact["replaced"], std::vector<int>{});
  EXPECT_EQ(exact["path"].get<std::string>().substr(0, 5), "exact");
  EXPECT_NE(window["perplexity"], exact["perplexity"]);
  for (const auto& run : json["runs"]) {
    EXPECT_EQ(run["tokens"], 60);
    EXPECT_EQ(run["skip_chars"], 4);
    EXPECT_GT(run["perplexity"].get<double>(), 1);
    EXPECT_TRUE(run["perplexity_last_2048"].is_null());
    EXPECT_EQ(run["exact_attention_s"], exact["attention_s"]);
    EXPECT_GT(run["total_s"].get<double>(), run["attention_s"].get<double>());
  }
}

// Where exact is not run its time is null.
TEST_F(LmTest, NothingIsGuessed) {
  const auto json = run_json(perplexity({"--tokens", "20", "--method", "window(4)"}));
  ASSERT_EQ(json["runs"].size(), 1u);
  EXPECT_TRUE(json["runs"][0]["exact_attention_s"].is_null());
}

TEST_F(LmTest, Table) {
  const Outcome outcome = run(perplexity({"--tokens", "20"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("20 tokens of t.txt after 0 characters"), std::string::npos);
  EXPECT_NE(outcome.out.find("exact  [exact"), std::string::npos) << outcome.out;
}

TEST_F(LmTest, PageHasBothPicturesAndTheNumbers) {
  const auto json =
      run_json(perplexity({"--tokens", "90", "--method", "window(4)", "--method", "exact",
                           "--method", "uniform(m=4)", "--layers", "last:1", "--html", "p.html"}));
  const std::string page = read_text(path("p.html"));
  EXPECT_EQ(page.rfind("<!doctype html>", 0), 0u);
  for (const std::string part :
       {"perplexity over exact's", "Loss over exact by position", "<dd>last:1</dd>",
        "subquad lm perplexity --model m.bin", "t.txt, 90 tokens", "</html>"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  const auto count = [&](const std::string& word) {
    std::size_t found = 0;
    for (std::size_t at = page.find(word); at != std::string::npos; at = page.find(word, at + 1))
      ++found;
    return found;
  };
  EXPECT_EQ(count("<polyline class='curve"), 2u);
  EXPECT_EQ(count("<circle class='point"), 2u);
  for (const auto& run : json["runs"])
    EXPECT_EQ(count(fmt::format(">{:.4f}</td>", run["perplexity"].get<double>())), 1u);
}

TEST_F(LmTest, PageOfExactAlone) {
  EXPECT_EQ(run(perplexity({"--tokens", "9", "--html", "p.html"})).code, 0);
  const std::string page = read_text(path("p.html"));
  EXPECT_NE(page.find(">exact<"), std::string::npos);
  EXPECT_EQ(page.find("<svg"), std::string::npos);
}

TEST_F(LmTest, BadPages) {
  expect_error(perplexity({"--tokens", "9", "--method", "window(4)", "--html", "p.html"}),
               {"--html", "--method exact"});
  expect_error(perplexity({"--tokens", "9", "--html", "t.txt"}), {"--html", "--text"});
  expect_error(perplexity({"--tokens", "9", "--html", "none/p.html"}), {"--html", "none"});
}

TEST_F(LmTest, ThreadsChangeNothingAndChunksNearlyNothing) {
  const auto value = [&](const Words& more) {
    const Words words = with(perplexity({"--tokens", "90", "--method", "uniform(m=8)", "--method",
                                         "exact", "--seed", "3"}),
                             more);
    const auto runs = run_json(words)["runs"];
    return std::vector<double>{runs[0]["perplexity"], runs[1]["perplexity"]};
  };
  const std::vector<double> one = value({"--threads", "1"});
  EXPECT_EQ(value({"--threads", "3"}), one);
  EXPECT_NEAR(value({"--chunk", "25"})[1] / one[1], 1, 1e-5);
}

TEST_F(LmTest, SkippedCharactersAreCountedNotBytes) {
  write_text(path("t.txt"), "\xC3\xA9\xC3\xA9" + text(100));
  const auto skipped = run_json(perplexity({"--tokens", "40", "--skip-chars", "2"}));
  write_text(path("t.txt"), text(100));
  const auto whole = run_json(perplexity({"--tokens", "40"}));
  EXPECT_EQ(skipped["runs"][0]["perplexity"], whole["runs"][0]["perplexity"]);
}

TEST_F(LmTest, BadTexts) {
  expect_error(perplexity({"--tokens", "500", "--rope-base", "1e6", "--json", "o.json"}),
               {"--tokens: 500 are more than the", "t.txt"});
  expect_error(perplexity({"--tokens", "10", "--skip-chars", "300"}), {"--tokens: 10", "300"});
  write_text(path("t.txt"), "good \xFF bad");
  expect_error(perplexity({"--tokens", "5"}), {"--text t.txt: is no UTF-8: byte 5"});
  write_text(path("t.txt"), "");
  expect_error(perplexity({"--tokens", "5"}), {"--text t.txt: is empty"});
  std::filesystem::remove(path("t.txt"));
  expect_error(perplexity({"--tokens", "5"}), {"--text t.txt: cannot be read"});
  expect_error({"lm", "perplexity", "--model", "m.bin", "--text", ".", "--tokens", "5"},
               {"--text .: cannot be read"});
}

TEST_F(LmTest, BadOptions) {
  expect_error(perplexity({}), {"--tokens"});
  expect_error(perplexity({"--tokens", "1"}), {"--tokens"});
  expect_error(perplexity({"--tokens", "9", "--layers", "2"}), {"--layers", "'2'"});
  expect_error(perplexity({"--tokens", "9", "--method", "nothing"}), {"nothing"});
  expect_error(perplexity({"--tokens", "9", "--rope-base", "0"}), {"--rope-base"});
  expect_error(perplexity({"--tokens", "9", "--rope-scaling", "ntk:2"}), {"--rope-scaling"});
  expect_error(perplexity({"--tokens", "9", "--rope-scaling", "yarn:0.5"}), {"--rope-scaling"});
  expect_error(perplexity({"--tokens", "9", "--json", "t.txt"}), {"--json", "--text"});
  expect_error({"lm", "perplexity", "--model", "none.bin", "--text", "t.txt", "--tokens", "9"},
               {"--model none.bin"});
  expect_error({"lm"}, {"subcommand"});
  expect_error({"lm", "train"}, {"unknown command 'train'"});
}

TEST_F(LmTest, ContextTooLong) {
  expect_error(perplexity({"--tokens", "97"}), {"--tokens: 97", "the 96"});
  const auto base = run_json(perplexity({"--tokens", "97", "--rope-base", "40000"}));
  EXPECT_EQ(base["runs"][0]["rope_base"], 40'000);
  run_json(perplexity({"--tokens", "97", "--rope-scaling", "yarn:2"}));
}

TEST_F(LmTest, GenerateIsDecidedByTheSeed) {
  const auto ids = [&](const std::string& seed) {
    const auto json = run_json(generate({"--prompt", "abc", "--max-tokens", "20", "--temperature",
                                         "1.5", "--top-p", "0.95", "--seed", seed}));
    return json["runs"][0]["ids"].get<std::vector<int>>();
  };
  EXPECT_EQ(ids("1"), ids("1"));
  EXPECT_NE(ids("1"), ids("2"));
}

TEST_F(LmTest, GenerateStreamsTheText) {
  write_text(path("p.txt"), "abc the");
  const Words words{"--prompt-file", "p.txt", "--max-tokens", "12"};
  const auto run_of = run_json(generate(words))["runs"][0];
  EXPECT_GT(run_of["prompt_tokens"].get<int>(), 1);
  EXPECT_EQ(run_of["method"], "exact");
  EXPECT_EQ(run_of["decode"], "exact");
  EXPECT_TRUE(run_of["ended_by"] == "model" || run_of["tokens"] == 12);
  const Outcome outcome = run(generate(words));
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.err.find("tokens/s"), std::string::npos) << outcome.err;
  // JSON replaces what is no UTF-8; where all is, the texts are the same.
  if (run_of["text"].get<std::string>().find("\xEF\xBF\xBD") == std::string::npos) {
    EXPECT_EQ(outcome.out, run_of["text"].get<std::string>() + "\n");
  }
}

TEST_F(LmTest, TheNoteIsALineOfItsOwnAfterTheText) {
  const Outcome outcome =
      shell("$SUBQUAD lm generate --model m.bin --prompt 'abc the' --max-tokens 4 2>&1");
  const std::size_t note = outcome.out.find("tokens/s");
  ASSERT_NE(note, std::string::npos) << outcome.out;
  const std::size_t line = outcome.out.rfind('\n', note) + 1;
  EXPECT_EQ(outcome.out.substr(line, 9), "subquad: ") << outcome.out;
  EXPECT_GT(line, 0u);
}

// With a window of one key in all layers a token depends on the one before alone: once a token
// comes again, so does what followed it.
TEST_F(LmTest, DecodeTakesItsSpec) {
  const auto json = run_json(generate(
      {"--prompt", "abc", "--max-tokens", "60", "--method", "window(1)", "--decode", "window(1)"}));
  const auto ids = json["runs"][0]["ids"].get<std::vector<int>>();
  std::set<int> seen;
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
    const auto again =
        std::find(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1, ids.end() - 1, ids[i]);
    if (again == ids.end() - 1) continue;
    EXPECT_EQ(*(again + 1), ids[i + 1]) << i;
    seen.insert(ids[i]);
  }
  EXPECT_TRUE(!seen.empty() || ids.size() < 60);
}

TEST_F(LmTest, BadGenerate) {
  expect_error(generate({}), {"--prompt or --prompt-file"});
  expect_error(generate({"--prompt", ""}), {"--prompt", "empty"});
  expect_error(generate({"--prompt", "\xFF"}), {"--prompt: is no UTF-8"});
  expect_error(generate({"--prompt", "a", "--prompt-file", "t.txt"}), {"--prompt"});
  expect_error(generate({"--prompt", "a", "--max-tokens", "0"}), {"--max-tokens"});
  expect_error(generate({"--prompt", "a", "--max-tokens", "95"}), {"--max-tokens: 9", "the 96"});
  expect_error(generate({"--prompt", "a", "--temperature", "-1"}), {"--temperature"});
  expect_error(generate({"--prompt", "a", "--top-p", "1.5"}), {"--top-p"});
  expect_error(generate({"--prompt", "a", "--top-p", "0"}), {"--top-p"});
  expect_error(generate({"--prompt", "a", "--decode", "nothing"}), {"nothing"});
  expect_error(generate({"--prompt", "a", "--chat"}), {"--chat", "no chat template"});
  expect_error(generate({"--prompt-file", "none.txt"}), {"--prompt-file none.txt"});
  write_text(path("e.txt"), "");
  expect_error(generate({"--prompt-file", "e.txt"}), {"--prompt-file e.txt: is empty"});
  expect_error(generate({"--prompt-file", "t.txt"}), {"--prompt-file t.txt: its", "context of 96"});
}

TEST_F(LmTest, PromptsFromPipes) {
  const std::string generate = "$SUBQUAD lm generate --model m.bin --max-tokens 2 --prompt-file p";
  const Outcome ends = shell("mkfifo p; printf 'abc the' > p & " + generate);
  EXPECT_EQ(ends.code, 0) << ends.err;
  const Outcome endless = shell("yes > p 2>/dev/null & " + generate);
  EXPECT_EQ(endless.code, 2);
  EXPECT_NE(endless.err.find("--prompt-file p: is no regular file and has more than 268435456"),
            std::string::npos)
      << endless.err;
}

// A GGUF file with ChatML's template: the marks and words around the message are tokens.
TEST_F(LmTest, Chat) {
  testing::TinyLlama model;
  model.vocabulary = 258;
  testing::GgufBuilder file =
      testing::byte_level_gguf({.merges = {}, .special = {"<|im_start|>", "<|im_end|>"}}, "gpt-2");
  file.text("tokenizer.chat_template", "{{ '<|im_start|>' + role }}");
  testing::add_tiny_keys(file, model);
  const testing::ByteList bytes = testing::add_tiny_tensors(file, model).build();
  std::ofstream(path("m.gguf"), std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  const auto json = run_json(
      {"lm", "generate", "--model", "m.gguf", "--prompt", "Hi", "--chat", "--max-tokens", "3"});
  // <|im_start|> user \n Hi <|im_end|> \n <|im_start|> assistant \n
  EXPECT_EQ(json["runs"][0]["prompt_tokens"], 1 + 5 + 2 + 1 + 1 + 1 + 10);
}

TEST_F(LmTest, Layers) {
  const Outcome outcome =
      run(layers({"--tokens", "50", "--layers", "1,0", "--out", "out", "--dtype", "f16"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "out/layer00.safetensors\nout/layer01.safetensors\n");
  const auto file = io::TensorFile::open(path("out/layer01.safetensors"));
  EXPECT_EQ(file.at("q").type, io::ElementType::f16);
  EXPECT_EQ(file.at("q").shape, (std::vector<std::int64_t>{4, 50, 6}));
  EXPECT_EQ(file.at("k").shape, (std::vector<std::int64_t>{2, 50, 6}));
  EXPECT_EQ(file.metadata().at("causal"), "top_left");
  EXPECT_EQ(file.metadata().at("layer"), "1");
  EXPECT_NEAR(std::stod(file.metadata().at("scale")), 1 / std::sqrt(6.0), 1e-7);
  const auto json = run_json({"compare", "out/layer01.safetensors", "--method", "window(8)"});
  EXPECT_EQ(json["runs"][0]["causal"], "top_left");
  EXPECT_EQ(json["runs"][0]["seq"], 50);
}

TEST_F(LmTest, BadLayers) {
  const Words to{"--tokens", "50", "--out", "out"};
  expect_error(layers(with(to, {"--layers", "2"})), {"--layers: 2", "0 to 1"});
  expect_error(layers(with(to, {"--layers", "x"})), {"--layers"});
  expect_error(layers(with(to, {"--layers", "0", "--dtype", "f64"})), {"--dtype", "f64"});
  expect_error(layers({"--tokens", "50", "--layers", "0", "--out", "t.txt"}), {"--out t.txt"});
  expect_error(layers({"--tokens", "50", "--layers", "0", "--out", "none/out"}), {"none/out"});
  expect_error(layers({"--tokens", "97", "--layers", "0", "--out", "out"}), {"--tokens: 97"});
}

TEST_F(LmTest, Stories260K) {
  const std::string model = shared_data("stories260k/model.bin");
  if (model.empty()) GTEST_SKIP() << "no stories260k in ../shared/data";
  const auto json = run_json({"lm", "perplexity", "--model", model, "--text",
                              shared_data("qkv/stories260k_passage.txt"), "--tokens", "512"});
  EXPECT_NEAR(json["runs"][0]["perplexity"].get<double>(), 2.734, 5e-4);
  const Outcome outcome = run(
      {"lm", "generate", "--model", model, "--prompt", "Once upon a time", "--max-tokens", "20"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find(", there was a little girl named"), 0u) << outcome.out;
}

// The weights' file is named; what is read beside it is no place for results either.
TEST_F(LmTest, OutputsSpareAllFilesOfTheModel) {
  const auto before = std::filesystem::file_size(path("tokenizer.bin"));
  const Outcome outcome = run(perplexity({"--tokens", "9", "--json", "tokenizer.bin"}));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("--json tokenizer.bin: is the same file as --model"),
            std::string::npos)
      << outcome.err;
  EXPECT_EQ(std::filesystem::file_size(path("tokenizer.bin")), before);
}

// Weights whose products overflow: finite numbers, as the reader wants them.
TEST_F(LmTest, WhatIsNotFiniteIsAFailure) {
  std::fstream file(path("m.bin"), std::ios::binary | std::ios::in | std::ios::out);
  const float huge = 3e38F;
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path("m.bin")));
  for (std::int64_t at = 28; at + 4 <= size; at += 200) {
    file.seekp(at);
    file.write(reinterpret_cast<const char*>(&huge), 4);
  }
  file.close();
  const Outcome read = run(perplexity({"--tokens", "20"}));
  EXPECT_EQ(read.code, 1);
  EXPECT_NE(read.err.find("not finite"), std::string::npos) << read.err;
  const Outcome wrote = run(layers({"--tokens", "20", "--layers", "1", "--out", "dir"}));
  EXPECT_EQ(wrote.code, 1);
  EXPECT_NE(wrote.err.find("layer 1"), std::string::npos) << wrote.err;
  EXPECT_FALSE(std::filesystem::exists(path("dir")));
}

TEST_F(LmTest, RotaryOptionsThatChangeNothingLiftNoBound) {
  const auto refused = [&](const Words& more, const std::string& what) {
    const Outcome outcome = run(perplexity(more));
    EXPECT_EQ(outcome.code, 2) << what;
    EXPECT_NE(outcome.err.find(what), std::string::npos) << outcome.err;
  };
  refused({"--tokens", "97", "--rope-scaling", "linear:1"}, "--tokens: 97");
  refused({"--tokens", "97", "--rope-scaling", "yarn:1"}, "--tokens: 97");
  refused({"--tokens", "9", "--rope-scaling", "yarn:2", "--rope-base", "1"}, "--rope-base: 1");
  refused({"--tokens", "9", "--rope-scaling", "linear:1e300"}, "--rope-scaling: the factor 1e+300");
  refused({"--tokens", "9", "--method", "nothing"}, "--method: ");
}

TEST_F(LmTest, FoldersAsTheyAreWritten) {
  EXPECT_EQ(run(layers({"--tokens", "9", "--layers", "1,0,1", "--out", "dir/"})).code, 0);
  EXPECT_TRUE(std::filesystem::exists(path("dir/layer00.safetensors")));
  std::filesystem::create_symlink("nowhere", path("link"));
  const Outcome outcome = run(layers({"--tokens", "9", "--layers", "0", "--out", "link"}));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("--out link"), std::string::npos) << outcome.err;
}

TEST_F(LmTest, NamesThatAreNoTextDoNotStopTheResults) {
  std::filesystem::rename(path("t.txt"), path("t\xE9.txt"));
  const Words words{"lm", "layers", "--model", "m.bin", "--text", "t\xE9.txt"};
  EXPECT_EQ(run(with(words, {"--tokens", "9", "--layers", "0", "--out", "dir"})).code, 0);
}

TEST_F(LmTest, MessagesStayOnOneLineAndWhole) {
  const Outcome outcome =
      run({"lm", "perplexity", "--model", "m.bin", "--text", "no\nsuch", "--tokens", "9"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err, "subquad: --text no?such: cannot be read\n");
}

}  // namespace
}  // namespace subquad::test
