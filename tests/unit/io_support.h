// What the io tests share: bytes to mutate, folders to write in, and the check of a refusal.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "subquad/error.h"
#include "subquad/io.h"

namespace subquad::io {

using Bytes = std::vector<std::uint8_t>;

template <std::size_t size>
Bytes copy_of(const std::uint8_t (&bytes)[size]) {
  return Bytes(std::begin(bytes), std::end(bytes));
}

inline Bytes to_bytes(std::string_view text) { return Bytes(text.begin(), text.end()); }

// Little-endian value at an offset.
template <typename T>
void put(Bytes& bytes, std::size_t offset, T value) {
  ASSERT_LE(offset + sizeof(T), bytes.size());
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

template <typename T>
void append(Bytes& bytes, T value) {
  bytes.resize(bytes.size() + sizeof(T));
  put(bytes, bytes.size() - sizeof(T), value);
}

inline void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

// Offset of the n-th occurrence of `text`, which must exist.
inline std::size_t find_in(const Bytes& bytes, std::string_view text, int n = 0) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::size_t position = all.find(text);
  while (n-- > 0 && position != std::string_view::npos) position = all.find(text, position + 1);
  if (position == std::string_view::npos) throw std::logic_error("not in the test's bytes");
  return position;
}

// Replaces every occurrence by as many bytes.
inline void replace_all(Bytes& bytes, std::string_view from, std::string_view to) {
  if (from.size() != to.size()) throw std::logic_error("lengths differ");
  for (std::size_t i = 0; i + from.size() <= bytes.size(); ++i) {
    if (std::memcmp(bytes.data() + i, from.data(), from.size()) == 0) {
      std::memcpy(bytes.data() + i, to.data(), to.size());
    }
  }
}

inline TensorFile parse(const Bytes& bytes, const std::string& label) {
  return TensorFile::parse(std::as_bytes(std::span(bytes)), label);
}

template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
  std::vector<T> values(static_cast<std::size_t>(tensor.count()));
  if (!values.empty()) std::memcpy(values.data(), tensor.data, values.size() * sizeof(T));
  return values;
}

template <typename T>
Tensor tensor_of(const std::string& name, ElementType type, std::vector<std::int64_t> shape,
                 const std::vector<T>& values) {
  return {name, type, std::move(shape), values.data()};
}

// Runs `action`, which must throw an Error of this kind whose single line holds `expected`.
inline void expect_error(const std::function<void()>& action, const std::string& expected,
                         ErrorKind kind = ErrorKind::invalid_argument) {
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

// Parsing, or reading all tensors, must fail with a line that begins with the label and holds
// `expected`.
inline void expect_rejected(const Bytes& bytes, const std::string& label,
                            const std::string& expected) {
  SCOPED_TRACE(expected);
  const auto read = [&] { (void)parse(bytes, label).tensors(); };
  expect_error(read, label + ": ");
  expect_error(read, expected);
}

// A folder of the test's own, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "subquad-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  std::size_t file_count() const {
    const std::filesystem::directory_iterator begin(path_);
    return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

inline Bytes read_whole(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(stream), {});
}

inline void write_whole(const std::string& path, const Bytes& bytes) {
  std::ofstream stream(path, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

}  // namespace subquad::io
