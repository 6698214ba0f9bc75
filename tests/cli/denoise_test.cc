// `subquad denoise`: pictures in, pictures out; bad ones are named.
#include <cstring>

#include "support.h"
#include "support/png_file.h"

namespace subquad::test {
namespace {

class DenoiseCommandTest : public CliTest {
 protected:
  // Blocks of two greys.
  void write_picture(const std::string& name, int width, int height) const {
    std::vector<std::uint8_t> rows;
    for (int i = 0; i < width * height; ++i)
      rows.insert(rows.end(), 3, (i % width / 8 + i / width / 8) % 2 == 0 ? 60 : 180);
    testing::write_png(path(name), width, height, {}, rows);
  }
};

TEST_F(DenoiseCommandTest, NoiseIsTakenOut) {
  write_picture("a.png", 48, 40);
  for (const std::string method : {"exact", "far(clusters=64)"}) {
    const nlohmann::json run =
        run_json({"denoise", "a.png", "o.png", "--noise", "20", "--seed", "1", "--method", method,
                  "--compare", "c.png", "--noisy", "n.png"})
            .at("runs")
            .at(0);
    // 20 log10(255 / 20) = 22.1; the blocks are 960 pixels of one grey each.
    EXPECT_NEAR(run.at("psnr_before").get<double>(), 22.1, 0.3);
    EXPECT_GT(run.at("psnr_after").get<double>(), 27);
    EXPECT_EQ(run.at("seq"), 48 * 40);
    EXPECT_EQ(run.at("path"), method.substr(0, method.find('(')));
  }
  EXPECT_EQ(files(), (std::vector<std::string>{"a.png", "c.png", "n.png", "o.png"}));
  for (const std::string& name : files())
    EXPECT_EQ(read_text(path(name)).substr(1, 3), "PNG") << name;
}

TEST_F(DenoiseCommandTest, APictureWithNoiseOfItsOwn) {
  write_picture("a.png", 20, 20);
  const Outcome outcome =
      run({"denoise", "a.png", "o.png", "--sigma", "5", "--components", "4", "--patch", "3"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("400 points, D 4; exact"), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.out.find("PSNR"), std::string::npos);
  // One pixel has nothing to learn from.
  write_picture("one.png", 1, 1);
  EXPECT_EQ(run({"denoise", "one.png", "o.png", "--sigma", "5"}).code, 0);
}

TEST_F(DenoiseCommandTest, BadPicturesAndOptionsAreNamed) {
  write_picture("a.png", 20, 20);
  const auto expect = [&](const std::vector<std::string>& more,
                          const std::vector<std::string>& words) {
    std::vector<std::string> arguments{"denoise"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_error(arguments, words);
  };
  write_text(path("empty.png"), "");
  const std::string whole = read_text(path("a.png"));
  write_text(path("cut.png"), whole.substr(0, whole.size() / 2));
  write_text(path("words.png"), "these are words");
  expect({"empty.png", "o.png", "--sigma", "5"}, {"empty.png", "empty file"});
  expect({"cut.png", "o.png", "--sigma", "5"}, {"cut.png", "not a whole PNG"});
  expect({"words.png", "o.png", "--sigma", "5"}, {"words.png", "neither a JPEG nor a PNG"});
  expect({"none.png", "o.png", "--sigma", "5"}, {"none.png"});
  // Only claims its size.
  std::string huge = whole;
  std::memcpy(huge.data() + 16, "\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
  write_text(path("huge.png"), huge);
  expect({"huge.png", "o.png", "--sigma", "5"}, {"huge.png"});
  expect({"a.png", "o.png"}, {"--sigma or --noise"});
  expect({"a.png", "o.jpg", "--sigma", "5"}, {"OUT o.jpg", ".png"});
  expect({"a.png", "a.png", "--sigma", "5"}, {"OUT a.png"});
  expect({"a.png", "o.png", "--sigma", "5", "--compare", "o.png"}, {"o.png"});
  expect({"a.png", "o.png", "--sigma", "300"}, {"--sigma and --noise: 300"});
  expect({"a.png", "o.png", "--sigma", "5", "--patch", "4"}, {"--patch: 4"});
  expect({"a.png", "o.png", "--sigma", "5", "--components", "148"}, {"--components: 148"});
  expect({"a.png", "o.png", "--sigma", "5", "--own", "two"}, {"--own two"});
  expect({"a.png", "o.png", "--sigma", "5", "--method", "near"}, {"near"});
  expect({"a.png", "o.png", "--sigma", "5", "--bandwidth", "0"}, {"--bandwidth"});
}

TEST_F(DenoiseCommandTest, TooManyPixelsForExact) {
  write_picture("large.png", 1200, 900);
  expect_error({"denoise", "large.png", "o.png", "--sigma", "5"},
               {"large.png", "1200 x 900", "exact", "far"});
}

}  // namespace
}  // namespace subquad::test
