// Files of tensors in C: what is written comes back, and what is wrong is named.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "c_api_support.h"
#include "io_support.h"
#include "subquad/io.h"

namespace subquad::testing {
namespace {

class CApiFiles : public ::testing::Test {
 protected:
  io::TemporaryFolder folder_;
  std::vector<float> numbers_{1, 2, 3, 4, 5, 6};
  std::vector<std::int64_t> shape_{2, 3};
  std::uint8_t flag_ = 1;
  std::vector<subquad_array> arrays_{
      {"numbers", SUBQUAD_ELEMENT_F32, 2, shape_.data(), numbers_.data()},
      {"flag", SUBQUAD_ELEMENT_BOOLEAN, 0, nullptr, &flag_}};

  std::string path(const char* name) const { return folder_ / name; }
  subquad_status write(const std::string& path) {
    return subquad_write_file(path.c_str(), arrays_.data(), std::ssize(arrays_), nullptr, 0);
  }
};

TEST_F(CApiFiles, WhatIsWrittenComesBack) {
  const char* metadata[] = {"scale", "0.5", "causal", "none"};
  const std::string name = path("a.safetensors");
  ASSERT_EQ(SUBQUAD_OK, subquad_write_file(name.c_str(), arrays_.data(), 2, metadata, 2))
      << subquad_last_error();
  subquad_file* file = nullptr;
  ASSERT_EQ(SUBQUAD_OK, subquad_file_open(name.c_str(), &file)) << subquad_last_error();
  ASSERT_EQ(2, subquad_file_num_arrays(file));
  subquad_array array;
  ASSERT_EQ(SUBQUAD_OK, subquad_file_find(file, "numbers", &array));
  EXPECT_STREQ("numbers", array.name);
  EXPECT_EQ(SUBQUAD_ELEMENT_F32, array.type);
  EXPECT_EQ(shape_, (std::vector<std::int64_t>{array.shape, array.shape + array.num_dimensions}));
  const auto* data = static_cast<const float*>(array.data);
  EXPECT_EQ(numbers_, (std::vector<float>{data, data + 6}));
  ASSERT_EQ(SUBQUAD_OK, subquad_file_find(file, "flag", &array));
  EXPECT_EQ(0, array.num_dimensions);
  EXPECT_EQ(nullptr, array.shape);
  EXPECT_EQ(1, *static_cast<const std::uint8_t*>(array.data));
  for (std::int64_t n = 0; n < 2; ++n) EXPECT_EQ(SUBQUAD_OK, subquad_file_array(file, n, &array));
  EXPECT_STREQ("0.5", subquad_file_metadata(file, "scale"));
  EXPECT_EQ(nullptr, subquad_file_metadata(file, "window"));
  expect_refused(subquad_file_array(file, 2, &array), "index: 2");
  expect_refused(subquad_file_array(file, -1, &array), "index: -1");
  expect_refused(subquad_file_find(file, "other", &array), "numbers");
  expect_refused(subquad_file_find(file, "flag", nullptr), "array: is NULL");
  subquad_file_free(file);
  // The same bytes by C++.
  EXPECT_EQ(2U, io::TensorFile::open(name).tensors().size());
}

TEST_F(CApiFiles, WhatIsWrongIsNamed) {
  subquad_file* file = reinterpret_cast<subquad_file*>(1);
  expect_refused(subquad_file_open(path("none.npy").c_str(), &file), "none.npy");
  EXPECT_EQ(nullptr, file);
  expect_refused(subquad_file_open(nullptr, &file), "path: is NULL");
  expect_refused(subquad_file_open("a.npy", nullptr), "file: is NULL");
  expect_refused(subquad_file_array(nullptr, 0, nullptr), "file: is NULL");
  EXPECT_EQ(0, subquad_file_num_arrays(nullptr));
  EXPECT_EQ(nullptr, subquad_file_metadata(nullptr, "scale"));
  subquad_file_free(nullptr);
  expect_refused(write(path("a.txt")), "a.txt");
  const auto broken = [&](const std::string& text, const subquad_array& array) {
    arrays_[0] = array;
    expect_refused(write(path("b.npz")), text);
    EXPECT_NE(SUBQUAD_OK, subquad_file_open(path("b.npz").c_str(), &file));
  };
  const std::int64_t negative[] = {-1}, huge[] = {std::int64_t{1} << 40, std::int64_t{1} << 40};
  broken("name: is NULL", {nullptr, SUBQUAD_ELEMENT_F32, 2, shape_.data(), numbers_.data()});
  broken("'x': unknown type 13", {"x", 13, 2, shape_.data(), numbers_.data()});
  broken("'x': shape: is NULL", {"x", SUBQUAD_ELEMENT_F32, 2, nullptr, numbers_.data()});
  broken("num_dimensions: is 0", {"x", SUBQUAD_ELEMENT_F32, 0, shape_.data(), numbers_.data()});
  broken("'x': no data", {"x", SUBQUAD_ELEMENT_F32, 2, shape_.data(), nullptr});
  broken("x", {"x", SUBQUAD_ELEMENT_F32, 1, negative, numbers_.data()});
  broken("x", {"x", SUBQUAD_ELEMENT_F32, 2, huge, numbers_.data()});
  expect_refused(subquad_write_file(path("c.npz").c_str(), nullptr, 1, nullptr, 0),
                 "arrays: is NULL");
  for (const std::int64_t count :
       {std::numeric_limits<std::int64_t>::max(), std::int64_t{1} << 40}) {
    broken("num_dimensions", {"x", SUBQUAD_ELEMENT_F32, count, shape_.data(), numbers_.data()});
    expect_refused(subquad_write_file(path("c.npz").c_str(), arrays_.data(), count, nullptr, 0),
                   "num_arrays: is " + std::to_string(count));
    const char* texts[] = {"scale", "1"};
    expect_refused(subquad_write_file(path("c.safetensors").c_str(), nullptr, 0, texts, count),
                   "num_metadata: is " + std::to_string(count));
  }
  const char* metadata[] = {"scale", nullptr};
  expect_refused(subquad_write_file(path("c.safetensors").c_str(), nullptr, 0, metadata, 1),
                 "metadata: text: is NULL");
  expect_refused(subquad_write_file(path("c.safetensors").c_str(), nullptr, 0, metadata, 0),
                 "num_metadata: is 0");
}

}  // namespace
}  // namespace subquad::testing
