// subquad vit: what it reports, what it refuses, and DeiT-tiny on the project's pictures.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "subquad/io.h"
#include "support.h"
#include "support/jpeg_file.h"
#include "support/png_file.h"
#include "support/tiny_vit.h"

namespace subquad::test {
namespace {

using Words = std::vector<std::string>;
using testing::TinyVit;

// A folder with a tiny model and four pictures of three classes.
class VitTest : public CliTest {
 protected:
  VitTest() {
    tiny_.write(path("w.safetensors"));
    write_text(path("config.json"), R"({"num_heads": 2})");
    std::filesystem::create_directory(path("images"));
    for (int i = 0; i < 4; ++i) picture("images/" + std::to_string(i) + ".jpeg", 20 + 3 * i);
    write_text(path("images/labels.csv"),
               "file,class,name\n0.jpeg,0,a\n1.jpeg,1,b\n2.jpeg,2,c\n3.jpeg,0,a\n");
  }

  void picture(const std::string& name, int width) const {
    testing::write_jpeg(path(name), width, 18, 3, testing::smooth_pixels(width, 18, 3));
  }

  static Words command(const Words& more) {
    Words words{"vit", "--weights", "w.safetensors", "--images", "images"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  // Results would go to files.
  void expect_error(Words arguments, const Words& words) const {
    arguments.insert(arguments.end(), {"--json", "o.json", "--metrics", "o.csv"});
    CliTest::expect_error(arguments, words);
  }

  TinyVit tiny_{3};
};

TEST_F(VitTest, Report) {
  const auto json = run_json(command({"--method", "uniform(m=3)", "--method", "exact", "--layers",
                                      "last:1", "--resolution", "20", "--threads", "2"}));
  EXPECT_EQ(json["machine"]["threads"], 2);
  ASSERT_EQ(json["runs"].size(), 2u);  // exact is run once
  const auto &exact = json["runs"][0], &method = json["runs"][1];
  EXPECT_EQ(exact["method"], "exact");
  EXPECT_EQ(exact["layers"], "none");
  EXPECT_EQ(exact["agree_top1"], 1.0);
  EXPECT_EQ(exact["logit_kl"], 0.0);
  EXPECT_EQ(method["method"], "uniform(m=3)");
  EXPECT_EQ(method["layers"], "last:1");
  EXPECT_EQ(method["replaced"], std::vector<int>{1});
  EXPECT_EQ(method["resolution"], 20);
  EXPECT_EQ(method["seq"], 26);
  EXPECT_EQ(method["images"], 4);
  EXPECT_EQ(method["path"], "uniform");
  EXPECT_GT(method["logit_kl"].get<double>(), 0);
  EXPECT_GT(method["attention_s"].get<double>(), 0);
  EXPECT_GT(method["total_s"].get<double>(), method["attention_s"].get<double>());
  for (const auto& run : json["runs"]) {
    EXPECT_EQ(run["top1"].get<double>(), run["top1_images"].get<double>() / 4);
    EXPECT_GE(run["top5_images"], run["top1_images"]);
  }
}

TEST_F(VitTest, WithoutLabelsTheAnswersAreNull) {
  std::filesystem::remove(path("images/labels.csv"));
  const auto exact = run_json(command({}))["runs"][0];
  for (const char* key : {"top1", "top5", "top1_images", "top5_images"})
    EXPECT_TRUE(exact[key].is_null()) << key;
  EXPECT_EQ(exact["agree_top1"], 1.0);
}

TEST_F(VitTest, ResultsDoNotDependOnThreadsOrBatch) {
  const Words words{"--method", "uniform(m=3)", "--resolution", "24", "--seed", "5"};
  const auto results = [&](const Words& more) {
    Words all = command(words);
    all.insert(all.end(), more.begin(), more.end());
    const auto run = run_json(all)["runs"][1];
    return std::pair{run["logit_kl"].get<double>(), run["top1_images"].get<int>()};
  };
  const auto expected = results({"--threads", "1", "--batch", "1"});
  EXPECT_EQ(results({"--threads", "3", "--batch", "2"}), expected);
  EXPECT_EQ(results({"--threads", "2", "--batch", "4"}), expected);
}

TEST_F(VitTest, TableAndMetrics) {
  write_text(path("images/notes.txt"), "words");
  const Outcome outcome = run(command(
      {"--method", "topk(k=4)", "--temperature", "0.5", "--limit", "2", "--metrics", "m.csv"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("2 pictures at 12 x 12 (n = 10)"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("all T=0.5"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("left out: 1 files"), std::string::npos) << outcome.out;
  const std::string csv = read_text(path("m.csv"));
  // A header; for each of two runs and two blocks a line for all heads and one for each of two.
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 2 * 2 * 3);
  EXPECT_NE(csv.find("\n\"topk(k=4)\",all,0.5,1,all,"), std::string::npos) << csv;
}

// Metrics of weights are not defined where keys are sampled: empty cells.
TEST_F(VitTest, MetricsOfASampledMethod) {
  const Outcome outcome = run(command({"--method", "uniform(m=3)", "--metrics", "m.csv"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string csv = read_text(path("m.csv"));
  const std::size_t line = csv.find("\"uniform(m=3)\",all,1,0,all,");
  ASSERT_NE(line, std::string::npos) << csv;
  EXPECT_EQ(csv.substr(csv.find('\n', line) - 3, 3), ",,,");
}

TEST_F(VitTest, BadLayers) {
  for (const char* layers : {"0-2", "5", "last:3", "last:0", "1-0", "first", ""})
    expect_error(command({"--layers", layers}), {"--layers", std::string("'") + layers + "'"});
}

TEST_F(VitTest, BadOptions) {
  expect_error(command({"--resolution", "13"}), {"resolution: 13", "patch size 4"});
  expect_error(command({"--resolution", "-4"}), {"--resolution"});
  expect_error(command({"--resolution", "100000"}), {"--resolution"});
  expect_error(command({"--temperature", "0"}), {"--temperature"});
  expect_error(command({"--temperature", "nan"}), {"--temperature"});
  expect_error(command({"--method", "nothing"}), {"nothing"});
  expect_error(command({"--method", "uniform(m=x)"}), {"uniform"});
  expect_error(command({"--batch", "-1"}), {"--batch"});
  expect_error(command({"--predictions", "none/p.csv"}), {"--predictions"});
  expect_error({"vit", "--images", "images"}, {"--weights"});
  expect_error({"vit", "--weights", "w.safetensors"}, {"--images"});
}

TEST_F(VitTest, OutputsThatAreInputs) {
  const auto refused = [&](const std::string& option, const std::string& name,
                           const std::string& input) {
    CliTest::expect_error(command({option, name}), {option + " " + name, input});
  };
  std::filesystem::create_hard_link(path("w.safetensors"), path("hard.csv"));
  std::filesystem::create_symlink("images/0.jpeg", path("link.json"));
  refused("--metrics", "hard.csv", "--weights w.safetensors");
  refused("--json", "config.json", "config.json");
  refused("--json", "images/labels.csv", "labels.csv");
  refused("--json", "images/2.jpeg", "images/2.jpeg");
  refused("--json", "link.json", "images/0.jpeg");
  CliTest::expect_error(command({"--metrics", "m", "--json", "./m"}),
                        {"--json ./m", "--metrics m"});
}

TEST_F(VitTest, DoublesAreConvertedAndThatIsSaid) {
  const Words words{"--method", "topk(k=4)", "--metrics", "m.csv"};
  ASSERT_EQ(run(command(words)).code, 0);
  const std::string expected = read_text(path("m.csv"));
  const io::TensorFile file = io::TensorFile::open(path("w.safetensors"));
  std::vector<std::vector<double>> values;
  std::vector<io::Tensor> tensors = file.tensors();
  for (io::Tensor& tensor : tensors) {
    const auto* first = static_cast<const float*>(tensor.data);
    ASSERT_EQ(tensor.type, io::ElementType::f32);
    values.emplace_back(first, first + tensor.count());
    tensor.type = io::ElementType::f64;
    tensor.data = values.back().data();
  }
  io::write_file(path("w.safetensors"), tensors);
  const Outcome outcome = run(command(words));
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "subquad: note: w.safetensors: f64 is used as f32\n");
  EXPECT_EQ(read_text(path("m.csv")), expected);
}

TEST_F(VitTest, BadWeights) {
  const auto with = [](const std::string& weights) {
    return Words{"vit", "--weights", weights, "--images", "images"};
  };
  expect_error(with("none.safetensors"), {"--weights none.safetensors: "});
  expect_error(with("images"), {"--weights images: "});
  write_text(path("bad.safetensors"), "no weights");
  expect_error(with("bad.safetensors"), {"bad.safetensors"});
  TinyVit missing = tiny_, wrong = tiny_;
  missing.tensors.erase("blocks.1.attn.proj.bias");
  missing.write(path("missing.safetensors"));
  expect_error(with("missing.safetensors"), {"missing.safetensors", "'blocks.1.attn.proj.bias'"});
  wrong.tensors["head.weight"].shape = {24, 7};
  wrong.write(path("wrong.safetensors"));
  expect_error(with("wrong.safetensors"), {"wrong.safetensors", "'head.weight'", "(24, 7)"});
  write_text(path("config.json"), "{");
  expect_error(with("w.safetensors"), {"config.json"});
  write_text(path("config.json"), R"({"num_heads": 2, "mean": null, "num_heads": 2})");
  expect_error(with("w.safetensors"), {"config.json", "\"num_heads\" appears twice"});
  for (const char* json : {R"({"num_heads": 2, "crop_pct": 1e999})",
                           R"({"num_heads": 2, "std": [1, -1e999, 1], "mean": null})"}) {
    write_text(path("config.json"), json);
    expect_error(
        with("w.safetensors"),
        {"config.json", std::string(json).find("crop") != std::string::npos ? "crop_pct" : "std"});
  }
  write_text(path("config.json"), R"({"num_heads": 2.5})");
  expect_error(with("w.safetensors"), {"config.json", "num_heads", "2.5"});
}

TEST_F(VitTest, BadImages) {
  std::filesystem::create_directory(path("empty"));
  expect_error({"vit", "--weights", "w.safetensors", "--images", "empty"},
               {"--images empty: no .jpg"});
  expect_error({"vit", "--weights", "w.safetensors", "--images", "none"}, {"--images none: "});
  expect_error({"vit", "--weights", "w.safetensors", "--images", "w.safetensors"},
               {"w.safetensors"});
  picture("images/4.jpeg", 30);
  expect_error(command({}), {"labels.csv", "4.jpeg"});
  write_text(path("labels.csv"), "file,class\n0.jpeg,7\n");
  expect_error(command({"--labels", "labels.csv"}), {"--labels labels.csv line 2: ", "7"});
  expect_error(command({"--labels", "images"}), {"--labels images: is a folder"});
  expect_error(command({"--labels", "none.csv"}), {"--labels none.csv: cannot be read"});
  write_text(path("labels.csv"), "");
  expect_error(command({"--labels", "labels.csv"}), {"--labels labels.csv: is empty"});
}

// ImageNet's kinds: CMYK files, a PNG named .JPEG, and what a Mac leaves behind.
TEST_F(VitTest, PicturesOfEveryKind) {
  std::filesystem::remove(path("images/labels.csv"));
  write_text(path("images/._0.jpeg"), "what a Mac leaves behind");
  testing::write_jpeg(path("images/cmyk.jpg"), 20, 18, 4, testing::smooth_pixels(20, 18, 4));
  testing::write_png(path("images/a.JPEG"), 20, 18, {}, testing::smooth_pixels(20, 18, 3));
  testing::write_png(path("images/b.png"), 20, 18, {PNG_COLOR_TYPE_GRAY},
                     testing::smooth_pixels(20, 18, 1));
  const Outcome outcome = run(command({"--json", "o.json"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto exact = nlohmann::json::parse(read_text(path("o.json")))["runs"][0];
  EXPECT_EQ(exact["images"], 7);
  EXPECT_EQ(exact["unreadable"], 0);
  EXPECT_EQ(exact["left_out"], 1);
}

TEST_F(VitTest, UnreadablePicturesAreCountedAndSkipped) {
  const auto logit_kl = [&] {
    return run_json(command({"--method", "uniform(m=3)"}))["runs"][1]["logit_kl"].get<double>();
  };
  std::filesystem::remove(path("images/labels.csv"));
  const double expected = logit_kl();
  write_text(path("images/00.jpeg"), "these are words");
  write_text(path("images/1b.png"), "");
  std::filesystem::create_symlink("nowhere", path("images/2b.jpg"));
  const Outcome outcome = run(command({"--json", "o.json", "--batch", "2"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 3) << outcome.err;
  for (const char* words : {"left out: images/00.jpeg: neither a JPEG", "images/1b.png: an empty",
                            "images/2b.jpg: No such file"})
    EXPECT_NE(outcome.err.find(words), std::string::npos) << words << " in " << outcome.err;
  EXPECT_NE(outcome.out.find("4 pictures at"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("unreadable: 3 of 7 pictures"), std::string::npos) << outcome.out;
  const auto exact = nlohmann::json::parse(read_text(path("o.json")))["runs"][0];
  EXPECT_EQ(exact["images"], 4);
  EXPECT_EQ(exact["unreadable"], 3);
  EXPECT_EQ(logit_kl(), expected);  // the others' draws are their own
}

TEST_F(VitTest, WarningsAreBounded) {
  std::filesystem::remove(path("images/labels.csv"));
  for (int i = 0; i < 25; ++i) write_text(path("images/bad" + std::to_string(i) + ".jpg"), "x");
  const Outcome outcome = run(command({}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 11) << outcome.err;
  EXPECT_NE(outcome.err.find("left out: 15 more pictures"), std::string::npos) << outcome.err;
}

TEST_F(VitTest, NoPictureThatCanBeRead) {
  std::filesystem::create_directory(path("bad"));
  write_text(path("bad/a.jpg"), "words");
  write_text(path("bad/b.png"), "");
  expect_error({"vit", "--weights", "w.safetensors", "--images", "bad", "--predictions", "p.csv"},
               {"none of the 2 pictures", "bad/a.jpg: neither a JPEG"});
}

TEST_F(VitTest, ClassFolders) {
  std::filesystem::remove_all(path("images"));
  for (const char* folder : {"images", "images/5", "images/2"})
    std::filesystem::create_directory(path(folder));
  for (const char* name : {"images/5/a.jpg", "images/5/b.jpg", "images/2/a.jpg"}) picture(name, 20);
  const Outcome outcome = run(command({"--predictions", "p.csv"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("/3 "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("labels: class folders"), std::string::npos) << outcome.out;
  const std::string csv = read_text(path("p.csv"));
  for (const char* line :
       {"\n\"2/a.jpg\",2,\"exact\",none,1,", "\n\"5/b.jpg\",5,\"exact\",none,1,"})
    EXPECT_NE(csv.find(line), std::string::npos) << line << " in " << csv;
}

// A name is shown, not obeyed.
TEST_F(VitTest, NamesWithControlCharacters) {
  write_text(path("images/\x1b[31m.jpg"), "words");
  std::filesystem::remove(path("images/labels.csv"));
  const Outcome outcome = run(command({}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ((outcome.out + outcome.err).find('\x1b'), std::string::npos);
  EXPECT_NE(outcome.err.find("images/\\x1b[31m.jpg"), std::string::npos) << outcome.err;
}

std::vector<Words> cells_of(const std::string& csv) {
  std::vector<Words> lines;
  std::istringstream stream(csv);
  for (std::string line; std::getline(stream, line);) {
    lines.emplace_back();
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, ',');) lines.back().push_back(cell);
  }
  return lines;
}

// One line a picture and run; the first classes give the counts of the report.
TEST_F(VitTest, Predictions) {
  write_text(path("images/1b.jpeg"), "words");
  write_text(path("images/labels.csv"),
             "file,class\n0.jpeg,0\n1.jpeg,1\n1b.jpeg,1\n2.jpeg,2\n3.jpeg,0\n");
  const auto json = run_json(command({"--method", "topk(k=2)", "--predictions", "p.csv"}));
  const std::vector<Words> lines = cells_of(read_text(path("p.csv")));
  ASSERT_EQ(lines.size(), 1u + 2 * 4);
  ASSERT_EQ(lines[0].size(), 5u + 2 * 5);
  EXPECT_EQ(lines[0][5], "class1");
  int right[2] = {0, 0}, agree = 0;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    ASSERT_EQ(lines[i].size(), lines[0].size());
    EXPECT_EQ(lines[i][2], i % 2 == 1 ? "\"exact\"" : "\"topk(k=2)\"");
    EXPECT_EQ(lines[i][3], i % 2 == 1 ? "none" : "all");
    right[(i - 1) % 2] += lines[i][1] == lines[i][5];
    agree += i % 2 == 0 && lines[i][5] == lines[i - 1][5];
    double sum = 0;
    for (std::size_t c = 6; c < 15; c += 2) sum += std::stod(lines[i][c]);
    for (std::size_t c = 8; c < 15; c += 2)
      EXPECT_LE(std::stod(lines[i][c]), std::stod(lines[i][c - 2]));
    EXPECT_GT(sum, 5.0 / 7);  // of seven classes
    EXPECT_LE(sum, 1.00001);
  }
  EXPECT_EQ(lines[3][0], "\"1.jpeg\"");
  EXPECT_EQ(lines[5][0], "\"2.jpeg\"");
  for (std::size_t r = 0; r < 2; ++r) EXPECT_EQ(json["runs"][r]["top1_images"], right[r]);
  EXPECT_EQ(json["runs"][1]["agree_top1"], agree / 4.0);
}

// 52 and 59 of 60 by an independent implementation (config.json beside the weights).
TEST_F(VitTest, DeitTinyOnSixtyPictures) {
  const std::filesystem::path data = std::filesystem::path(SUBQUAD_SOURCE) / "../shared/data";
  const std::string weights = (data / "deit_tiny/model.safetensors").string();
  const std::string images = (data / "images").string();
  if (!std::filesystem::exists(weights) || !std::filesystem::exists(images))
    GTEST_SKIP() << "no " << data.string();
  const auto json = run_json({"vit", "--weights", weights, "--images", images, "--method",
                              "topk(k=196)", "--method", "topk(k=8)"});
  const auto& runs = json["runs"];
  EXPECT_EQ(runs[0]["seq"], 197);
  EXPECT_EQ(runs[0]["images"], 60);
  EXPECT_EQ(runs[0]["top1_images"], 52);
  EXPECT_EQ(runs[0]["top5_images"], 59);
  EXPECT_LT(runs[1]["logit_kl"].get<double>(), 1e-3);  // one key of 197 dropped
  EXPECT_GT(runs[2]["logit_kl"].get<double>(), runs[1]["logit_kl"].get<double>());
}

}  // namespace
}  // namespace subquad::test
