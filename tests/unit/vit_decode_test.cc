// JPEG and PNG files: every kind of them, damaged ones, and what is neither.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <zlib.h>

#include "io_support.h"
#include "support/jpeg_file.h"
#include "support/png_file.h"
#include "vit/jpeg.h"
#include "vit/picture_file.h"
#include "vit/png.h"

namespace subquad::testing {
namespace {

using io::expect_error;
using io::TemporaryFolder;

void expect_close(const std::vector<std::uint8_t>& found, const std::vector<std::uint8_t>& expected,
                  int tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_LE(std::abs(int{found[i]} - int{expected[i]}), tolerance) << i;
}

TEST(VitJpeg, Colour) {
  const TemporaryFolder folder;
  const auto pixels = smooth_pixels(37, 21, 3);
  write_jpeg(folder / "a.jpg", 37, 21, 3, pixels);
  const vit::Image image = vit::load_jpeg(folder / "a.jpg");
  EXPECT_EQ(image.width, 37);
  EXPECT_EQ(image.height, 21);
  expect_close(image.pixels, pixels, 6);
}

TEST(VitJpeg, GreyIsRepeated) {
  const TemporaryFolder folder;
  const auto grey = smooth_pixels(16, 9, 1);
  write_jpeg(folder / "a.jpg", 16, 9, 1, grey);
  std::vector<std::uint8_t> expected;
  for (const std::uint8_t level : grey) expected.insert(expected.end(), 3, level);
  expect_close(vit::load_jpeg(folder / "a.jpg").pixels, expected, 4);
}

// Of C, M, Y, K with 255 for no ink: what is left of white.
std::vector<std::uint8_t> rgb_of(const std::vector<std::uint8_t>& inks) {
  std::vector<std::uint8_t> rgb;
  for (std::size_t i = 0; i < inks.size(); i += 4)
    for (std::size_t c = 0; c < 3; ++c)
      rgb.push_back(static_cast<std::uint8_t>(std::lround(inks[i + c] * inks[i + 3] / 255.0)));
  return rgb;
}

TEST(VitJpeg, CmykAndYcckBecomeRgb) {
  const TemporaryFolder folder;
  const auto inks = smooth_pixels(19, 11, 4);
  write_jpeg(folder / "cmyk.jpg", 19, 11, 4, inks);
  write_jpeg(folder / "ycck.jpg", 19, 11, 4, inks, 100, true);
  expect_close(vit::load_jpeg(folder / "cmyk.jpg").pixels, rgb_of(inks), 6);
  expect_close(vit::load_jpeg(folder / "ycck.jpg").pixels, rgb_of(inks), 8);
}

TEST(VitJpeg, WhatIsNoPictureIsRefused) {
  const TemporaryFolder folder;
  std::ofstream(folder / "words.jpg") << "these are words";
  std::ofstream(folder / "empty.jpg").flush();
  expect_error([&] { vit::load_jpeg(folder / "words.jpg"); }, "words.jpg: not a whole JPEG");
  expect_error([&] { vit::load_jpeg(folder / "empty.jpg"); }, "empty.jpg: not a whole JPEG");
  expect_error([&] { vit::load_jpeg(folder / "none.jpg"); }, "none.jpg: No such file");
  expect_error([&] { vit::load_jpeg(folder / "."); }, "not a whole JPEG");
}

// A file cut anywhere, up to the end-of-image marker, is refused.
TEST(VitJpeg, CutFilesAreRefused) {
  const TemporaryFolder folder;
  write_jpeg(folder / "a.jpg", 24, 24, 3, smooth_pixels(24, 24, 3));
  const auto whole = std::filesystem::file_size(folder / "a.jpg");
  for (std::uintmax_t size = 0; size + 2 < whole; size += 13) {
    std::filesystem::copy_file(folder / "a.jpg", folder / "cut.jpg",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(folder / "cut.jpg", size);
    expect_error([&] { vit::load_jpeg(folder / "cut.jpg"); }, "cut.jpg: not a whole JPEG");
  }
}

// --- PNG ---------------------------------------------------------------------------------------

constexpr int png_width = 13, png_height = 9;

// Samples of `depth` bits, `each` a pixel, rows in whole bytes; `values[i]` is sample i.
struct Samples {
  std::vector<std::uint8_t> rows;
  std::vector<int> values;
};

Samples make_samples(int depth, int each) {
  Samples samples;
  const int top = (1 << depth) - 1;
  for (int y = 0; y < png_height; ++y) {
    int bits = 0, byte = 0;
    for (int i = 0; i < png_width * each; ++i) {
      const int value = (197 * i + 31 * y + 4099 * y * i) & top;
      samples.values.push_back(value);
      for (int b = depth - 1; b >= 0; --b) {
        byte = 2 * byte + (value >> b & 1);
        if (++bits % 8 == 0)
          samples.rows.push_back(static_cast<std::uint8_t>(std::exchange(byte, 0)));
      }
    }
    if (bits % 8 != 0) samples.rows.push_back(static_cast<std::uint8_t>(byte << (8 - bits % 8)));
  }
  return samples;
}

int channels_of(int colour) {
  if (colour == PNG_COLOR_TYPE_RGB_ALPHA) return 4;
  if (colour == PNG_COLOR_TYPE_RGB) return 3;
  return colour == PNG_COLOR_TYPE_GRAY_ALPHA ? 2 : 1;
}

// By the definition of the format: the upper 8 bits, grey repeated, alpha dropped.
std::vector<std::uint8_t> expected_rgb(const Samples& samples, const PngKind& kind) {
  const int each = channels_of(kind.colour);
  const auto level = [&](int value) {
    return static_cast<std::uint8_t>(kind.depth == 16 ? value >> 8
                                                      : value * 255 / ((1 << kind.depth) - 1));
  };
  std::vector<std::uint8_t> rgb;
  for (std::size_t i = 0; i < samples.values.size(); i += static_cast<std::size_t>(each))
    for (std::size_t c = 0; c < 3; ++c)
      rgb.push_back(kind.colour == PNG_COLOR_TYPE_PALETTE
                        ? palette_level(static_cast<std::size_t>(samples.values[i]), c)
                        : level(samples.values[i + (each > 2 ? c : 0)]));
  return rgb;
}

void check_png(const PngKind& kind) {
  const TemporaryFolder folder;
  const Samples samples = make_samples(kind.depth, channels_of(kind.colour));
  write_png(folder / "a.png", png_width, png_height, kind, samples.rows);
  const vit::Image image = vit::load_png(folder / "a.png");
  EXPECT_EQ(image.width, png_width);
  EXPECT_EQ(image.height, png_height);
  EXPECT_EQ(image.pixels, expected_rgb(samples, kind))
      << "colour " << kind.colour << ", " << kind.depth << " bits";
}

TEST(VitPng, EveryColourTypeAndDepth) {
  for (const bool interlaced : {false, true}) {
    for (const int depth : {1, 2, 4, 8, 16}) check_png({PNG_COLOR_TYPE_GRAY, depth, interlaced});
    for (const int depth : {1, 2, 4}) check_png({PNG_COLOR_TYPE_PALETTE, depth, interlaced});
    for (const int colour :
         {PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA, PNG_COLOR_TYPE_GRAY_ALPHA})
      for (const int depth : {8, 16}) check_png({colour, depth, interlaced});
  }
}

// What is transparent keeps its colour.
TEST(VitPng, TransparencyIsDropped) {
  for (const int colour : {PNG_COLOR_TYPE_PALETTE, PNG_COLOR_TYPE_GRAY})
    check_png({colour, 4, false, true});
  check_png({PNG_COLOR_TYPE_RGB, 8, false, true});
}

std::string bytes_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string whole_png(const TemporaryFolder& folder) {
  write_png(folder / "whole.png", 24, 24, {}, smooth_pixels(24, 24, 3));
  return bytes_of(folder / "whole.png");
}

TEST(VitPng, CutFilesAreRefused) {
  const TemporaryFolder folder;
  const std::string whole = whole_png(folder);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write_bytes(folder / "cut.png", whole.substr(0, size));
    expect_error([&] { vit::load_png(folder / "cut.png"); }, "cut.png: not a whole PNG");
  }
}

// Sizes that the data does not have, with a right check sum; and with a wrong one.
TEST(VitPng, AbsurdSizesAreRefused) {
  const TemporaryFolder folder;
  const auto refuse = [&](const std::string& bytes, const std::string& word) {
    write_bytes(folder / "big.png", bytes);
    expect_error([&] { vit::load_png(folder / "big.png"); }, "big.png: " + word);
  };
  const auto with_size = [&](std::uint32_t width, std::uint32_t height) {
    std::string bytes = whole_png(folder);
    for (std::size_t i = 0; i < 4; ++i) {
      bytes[16 + i] = static_cast<char>(width >> (24 - 8 * i));
      bytes[20 + i] = static_cast<char>(height >> (24 - 8 * i));
    }
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(bytes.data() + 12), 17);
    for (std::size_t i = 0; i < 4; ++i) bytes[29 + i] = static_cast<char>(sum >> (24 - 8 * i));
    return bytes;
  };
  refuse(with_size(900'000, 900'000), "900000 x 900000 pixels, more than 2^27");
  refuse(with_size(0x7FFFFFFF, 0x7FFFFFFF), "not a whole PNG");
  refuse(with_size(0, 5), "not a whole PNG");
  refuse(with_size(24, 25), "not a whole PNG");
  std::string bytes = whole_png(folder);
  bytes[18] = 1;
  refuse(bytes, "not a whole PNG");
}

// --- either ------------------------------------------------------------------------------------

TEST(VitPicture, GoesByContentNotByName) {
  const TemporaryFolder folder;
  const auto pixels = smooth_pixels(12, 10, 3);
  write_png(folder / "a.JPEG", 12, 10, {}, pixels);
  write_jpeg(folder / "b.png", 12, 10, 3, pixels);
  EXPECT_EQ(vit::load_picture(folder / "a.JPEG").pixels, pixels);
  expect_close(vit::load_picture(folder / "b.png").pixels, pixels, 6);
}

TEST(VitPicture, WhatIsNeitherIsRefused) {
  const TemporaryFolder folder;
  for (const char* text : {"GIF89a", "these are words", "\xFF", "\x89PNG\r\n"}) {
    write_bytes(folder / "a.jpg", text);
    expect_error([&] { vit::load_picture(folder / "a.jpg"); }, "a.jpg: neither a JPEG nor a PNG");
  }
  write_bytes(folder / "a.jpg", "");
  expect_error([&] { vit::load_picture(folder / "a.jpg"); }, "a.jpg: an empty file");
  expect_error([&] { vit::load_picture(folder / "none.jpg"); }, "none.jpg: No such file");
  expect_error([&] { vit::load_picture(folder / "."); }, ": Is a directory");
}

// Any byte may be wrong: an error or a picture of the stated size, never worse (run this under the
// sanitizers).
TEST(VitPicture, DamagedBytesDoNoHarm) {
  const TemporaryFolder folder;
  write_jpeg(folder / "whole.jpg", 24, 24, 4, smooth_pixels(24, 24, 4));
  for (const std::string& whole : {whole_png(folder), bytes_of(folder / "whole.jpg")}) {
    int read = 0;
    for (std::size_t i = 2; i < whole.size(); i += 3) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << i % 8));
      write_bytes(folder / "damaged", damaged);
      try {
        const vit::Image image = vit::load_picture(folder / "damaged");
        EXPECT_EQ(std::ssize(image.pixels), image.width * image.height * 3);
        ++read;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
      }
    }
    EXPECT_LT(read, std::ssize(whole) / 3);
  }
}

}  // namespace
}  // namespace subquad::testing
