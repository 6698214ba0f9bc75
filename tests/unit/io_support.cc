#include "unit/io_support.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace subquad::io {

std::size_t find_in(const Bytes& bytes, std::string_view text, int n) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::size_t position = all.find(text);
  while (n-- > 0 && position != std::string_view::npos) position = all.find(text, position + 1);
  if (position == std::string_view::npos) throw std::logic_error("not in the test's bytes");
  return position;
}

void replace_all(Bytes& bytes, std::string_view from, std::string_view to) {
  if (from.size() != to.size()) throw std::logic_error("lengths differ");
  for (std::size_t i = 0; i + from.size() <= bytes.size(); ++i) {
    if (std::memcmp(bytes.data() + i, from.data(), from.size()) == 0) {
      std::memcpy(bytes.data() + i, to.data(), to.size());
    }
  }
}

void expect_error(const std::function<void()>& action, const std::string& expected,
                  ErrorKind kind) {
  try {
    action();
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_EQ(error.kind(), kind) << line;
    EXPECT_NE(line.find(expected), std::string::npos) << line << "\nexpected: " << expected;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    return;
  }
  ADD_FAILURE() << "no error; expected: " << expected;
}

void expect_rejected(const Bytes& bytes, const std::string& label, const std::string& expected) {
  SCOPED_TRACE(expected);
  const auto read = [&] { (void)parse(bytes, label).tensors(); };
  expect_error(read, label + ": ");
  expect_error(read, expected);
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "subquad-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

std::size_t TemporaryFolder::file_count() const {
  const std::filesystem::directory_iterator begin(path_);
  return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

Bytes read_whole(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(stream), {});
}

void write_whole(const std::string& path, const Bytes& bytes) {
  std::ofstream stream(path, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

}  // namespace subquad::io
