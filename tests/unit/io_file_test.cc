// Opening and writing files: round trips, places that cannot be read or written, failed writes.
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <limits>
#include <thread>

#include "io_support.h"

namespace subquad::io {
namespace {

constexpr ElementType all_types[] = {
    ElementType::boolean, ElementType::u8,  ElementType::i8,  ElementType::u16, ElementType::i16,
    ElementType::u32,     ElementType::i32, ElementType::u64, ElementType::i64, ElementType::f16,
    ElementType::bf16,    ElementType::f32, ElementType::f64};

const std::vector<std::uint8_t>& some_bytes() {
  static const std::vector<std::uint8_t> bytes = [] {
    std::vector<std::uint8_t> values(512);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<std::uint8_t>(7 * i + 1);
    return values;
  }();
  return bytes;
}

void expect_equal(const Tensor& actual, const Tensor& expected) {
  SCOPED_TRACE(expected.name);
  EXPECT_EQ(actual.type, expected.type);
  EXPECT_EQ(actual.shape, expected.shape);
  ASSERT_EQ(actual.bytes(), expected.bytes());
  ASSERT_NE(actual.data, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(actual.data) %
                static_cast<std::uintptr_t>(size_of(actual.type)),
            0u);
  const auto size = static_cast<std::size_t>(expected.bytes());
  EXPECT_TRUE(size == 0 || std::memcmp(actual.data, expected.data, size) == 0);
}

void expect_round_trip(const std::string& path, std::span<const Tensor> tensors,
                       const std::map<std::string, std::string>& metadata = {}) {
  SCOPED_TRACE(path);
  write_file(path, tensors, metadata);
  const TensorFile file = TensorFile::open(path);
  ASSERT_EQ(file.tensors().size(), tensors.size());
  for (const Tensor& tensor : tensors) expect_equal(file.at(tensor.name), tensor);
  EXPECT_EQ(file.metadata(), metadata);
}

// A matrix, a scalar and an empty tensor of the type.
std::vector<Tensor> samples_of(ElementType type) {
  const std::string name = name_of(type);
  return {{name + "-matrix", type, {3, 5}, some_bytes().data()},
          {name + "-scalar", type, {}, some_bytes().data() + 8},
          {name + "-empty", type, {2, 0, 3}, nullptr},
          {name + "-vector", type, {1}, some_bytes().data() + 16}};
}

TEST(ElementTypes, HaveNamesAndSizes) {
  std::int64_t total = 0;
  std::string names;
  for (const ElementType type : all_types) {
    total += size_of(type);
    names += std::string(name_of(type)) + " ";
  }
  EXPECT_EQ(total, 1 * 3 + 2 * 4 + 4 * 3 + 8 * 3);
  EXPECT_EQ(names, "bool u8 i8 u16 i16 u32 i32 u64 i64 f16 bf16 f32 f64 ");
}

TEST(Tensor, CountAndBytesAreChecked) {
  const auto tensor = [](std::vector<std::int64_t> shape) {
    return Tensor{"t", ElementType::f32, std::move(shape), nullptr};
  };
  EXPECT_EQ(tensor({}).count(), 1);
  EXPECT_EQ(tensor({2, 3}).bytes(), 24);
  EXPECT_EQ(tensor({2, 0}).count(), 0);
  const auto largest = std::numeric_limits<std::int64_t>::max();
  expect_error([&] { (void)tensor({largest, 2}).count(); }, "tensor \"t\": shape");
  expect_error([&] { (void)tensor({largest / 2}).bytes(); }, "tensor \"t\": shape");
  expect_error([&] { (void)tensor({-1}).bytes(); }, "tensor \"t\": shape");
}

TEST(WriteFile, RoundTripsEveryTypeInEveryFormat) {
  const TemporaryFolder folder;
  std::vector<Tensor> all;
  for (const ElementType type : all_types) {
    const auto samples = samples_of(type);
    all.insert(all.end(), samples.begin(), samples.end());
    if (type == ElementType::bf16) continue;
    expect_round_trip(folder / (std::string(name_of(type)) + ".npz"), samples);
    for (const Tensor& tensor : samples) {
      expect_round_trip(folder / (tensor.name + ".npy"), {&tensor, 1});
    }
  }
  expect_round_trip(folder / "all.safetensors", all, {{"scale", "0.125"}, {"\"\n\xc3\xa9", ""}});
}

TEST(WriteFile, RoundTripsNoTensorsAndOddNames) {
  const TemporaryFolder folder;
  expect_round_trip(folder / "none.npz", {});
  expect_round_trip(folder / "none.safetensors", {});
  const std::vector<Tensor> odd{{"", ElementType::u8, {3}, some_bytes().data()},
                                {"a/b \"c\"\n", ElementType::u8, {3}, some_bytes().data()},
                                {"\xe2\x88\x91", ElementType::u8, {3}, some_bytes().data()}};
  expect_round_trip(folder / "odd.npz", odd);
  expect_round_trip(folder / "odd.safetensors", odd);
}

TEST(WriteFile, AlignsTensorsForUseInPlace) {
  const TemporaryFolder folder;
  const std::vector<Tensor> tensors{{"odd", ElementType::u8, {3}, some_bytes().data()},
                                    {"q", ElementType::f64, {3, 5}, some_bytes().data()},
                                    {"half", ElementType::f16, {5}, some_bytes().data()}};
  write_file(folder / "x.npz", tensors);
  const TensorFile file = TensorFile::open(folder / "x.npz");
  for (const Tensor& tensor : file.tensors()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data) % 64, 0u) << tensor.name;
  }
}

TEST(WriteFile, EqualTensorsGiveEqualBytes) {
  const TemporaryFolder folder;
  const auto tensors = samples_of(ElementType::f32);
  for (const std::string extension : {".npz", ".safetensors"}) {
    write_file(folder / ("a" + extension), tensors);
    write_file(folder / ("b" + extension), tensors);
    EXPECT_EQ(read_whole(folder / ("a" + extension)), read_whole(folder / ("b" + extension)));
  }
}

TEST(WriteFile, RejectsWhatTheFormatCannotHold) {
  const TemporaryFolder folder;
  const auto rejects = [&](const std::string& name, const std::vector<Tensor>& tensors,
                           const std::string& expected) {
    expect_error([&] { write_file(folder / name, tensors); }, expected);
    EXPECT_EQ(folder.file_count(), 0u);
  };
  const Tensor good{"q", ElementType::f32, {3}, some_bytes().data()};
  const Tensor bf16{"h", ElementType::bf16, {3}, some_bytes().data()};
  rejects("x.npy", {bf16}, "tensor \"h\": bf16 cannot be stored in .npy or .npz; use .safetensors");
  rejects("x.npz", {good, bf16}, "tensor \"h\": bf16 cannot be stored");
  rejects("x.npy", {good, bf16}, "cannot be stored");
  rejects("x.npy", {}, "a .npy file holds one tensor, not 0");
  rejects("x.npy", {good, good}, "tensor \"q\": name: appears twice");
  rejects("x.txt", {good}, "unknown extension \".txt\"; use .npy, .npz or .safetensors");
  rejects("x", {good}, "unknown extension \"\"");
}

TEST(WriteFile, RejectsBadTensors) {
  const TemporaryFolder folder;
  const auto rejects = [&](const Tensor& tensor, const std::string& expected) {
    for (const std::string extension : {".npy", ".npz", ".safetensors"}) {
      expect_error([&] { write_file(folder / ("x" + extension), {&tensor, 1}); }, expected);
    }
    EXPECT_EQ(folder.file_count(), 0u);
  };
  const void* data = some_bytes().data();
  rejects({"q", ElementType::f32, {3}, nullptr}, "tensor \"q\": data: is null");
  rejects({"q", ElementType::f32, {-3}, data}, "tensor \"q\": shape");
  rejects({"\xff", ElementType::f32, {3}, data}, "name: is not UTF-8");
  rejects({std::string("a\0b", 3), ElementType::f32, {3}, data}, "name: is not UTF-8");
  rejects({"q", ElementType::f32, std::vector<std::int64_t>(65, 1), data}, "more than 64");
  rejects({"q", static_cast<ElementType>(99), {3}, data}, "unknown element type 99");
}

TEST(WriteFile, RejectsReservedAndRepeatedNames) {
  const TemporaryFolder folder;
  const Tensor q{"q", ElementType::u8, {3}, some_bytes().data()};
  const Tensor reserved{"__metadata__", ElementType::u8, {3}, some_bytes().data()};
  const std::vector<Tensor> twice{q, q};
  expect_error([&] { write_file(folder / "x.safetensors", {&reserved, 1}); }, "__metadata__");
  expect_error([&] { write_file(folder / "x.safetensors", twice); }, "appears twice");
  expect_error([&] { write_file(folder / "x.npz", twice); }, "appears twice");
  expect_error(
      [&] {
        write_file(folder / "x.npz", {&q, 1}, {{"a", "b"}});
      },
      ".npz files hold no metadata");
  expect_error([&] { write_file(folder / "x.safetensors", {&q, 1}, {{"a", "\xff"}}); }, "UTF-8");
  EXPECT_EQ(folder.file_count(), 0u);
}

TEST(WriteFile, RejectsPlacesThatCannotBeWritten) {
  const TemporaryFolder folder;
  const Tensor q{"q", ElementType::u8, {3}, some_bytes().data()};
  const auto rejects = [&](const std::string& path, const std::string& expected) {
    expect_error([&] { write_file(path, {&q, 1}); }, expected);
    expect_error([&] { write_file(path, {&q, 1}); }, path);
  };
  write_text(folder / "file", "x");
  std::filesystem::create_directory(folder / "folder.npy");
  ASSERT_EQ(::mkfifo((folder / "pipe.npy").c_str(), 0600), 0);
  rejects(folder / "missing/x.npy", "cannot write: No such file or directory");
  rejects(folder / "file/x.npy", "cannot write: ");
  rejects(folder / "folder.npy", "cannot write: is a directory");
  rejects(folder / "pipe.npy", "cannot write: is not a regular file");
  rejects(folder / (std::string(300, 'x') + ".npy"), "cannot write: ");
  expect_error([&] { write_text("", "x"); }, "output path is empty");
  expect_error([&] { write_text(folder / "folder.npy/", "x"); }, "cannot write: ");
  expect_error([&] { write_text("/dev/null", "x"); }, "/dev/null: cannot write");
  EXPECT_EQ(folder.file_count(), 3u);
}

// Files cannot grow beyond `bytes` while this lives; writes fail instead of raising a signal.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(WriteFile, AFailedWriteLeavesTheExistingFileAndNothingElse) {
  const TemporaryFolder folder;
  const std::vector<double> large(1 << 16, 1.0);
  const Tensor q = tensor_of("q", ElementType::f64, {1 << 16}, large);
  for (const std::string extension : {".npy", ".npz", ".safetensors"}) {
    const std::string path = folder / ("x" + extension);
    write_text(path, "what was there");
    std::string message;
    {
      const FileSizeLimit limit(100'000);
      try {
        write_file(path, {&q, 1});
      } catch (const Error& error) {
        message = error.what();
        EXPECT_EQ(error.kind(), ErrorKind::failed);
      }
    }
    EXPECT_NE(message.find("cannot write: File too large"), std::string::npos) << message;
    EXPECT_EQ(read_whole(path), to_bytes("what was there"));
    std::filesystem::remove(path);
    EXPECT_EQ(folder.file_count(), 0u);
  }
}

// No more files may be opened while this lives.
class OpenFileLimit {
 public:
  OpenFileLimit() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(STDERR_FILENO);
    ::close(next);
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(next);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  OpenFileLimit(const OpenFileLimit&) = delete;
  OpenFileLimit& operator=(const OpenFileLimit&) = delete;
  ~OpenFileLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(WriteFile, WhatTheSystemLacksIsNotTheCallersMistake) {
#ifdef SUBQUAD_SANITIZED
  GTEST_SKIP()
      << "the undefined-behaviour sanitizer opens a pipe to look at the error that is thrown";
#endif
  const TemporaryFolder folder;
  const OpenFileLimit limit;
  expect_error([&] { write_text(folder / "x.txt", "x"); }, "x.txt: cannot create: Too many open",
               ErrorKind::failed);
}

TEST(WriteFile, RefusedInputLeavesTheExistingFile) {
  const TemporaryFolder folder;
  write_text(folder / "x.npy", "what was there");
  const Tensor bad{"q", ElementType::bf16, {3}, some_bytes().data()};
  expect_error([&] { write_file(folder / "x.npy", {&bad, 1}); }, "bf16");
  EXPECT_EQ(read_whole(folder / "x.npy"), to_bytes("what was there"));
}

TEST(WriteFile, ReplacesAFileThatIsOpen) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.npy";
  const Tensor before{"x", ElementType::u8, {3}, some_bytes().data()};
  write_file(path, {&before, 1});
  const TensorFile old = TensorFile::open(path);
  const Tensor after{"x", ElementType::u8, {5}, some_bytes().data() + 64};
  expect_round_trip(path, {&after, 1});
  expect_equal(old.at("x"), before);
  EXPECT_EQ(folder.file_count(), 1u);
}

TEST(WriteFile, FollowsLinksThatLeadNowhereYet) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "sub");
  std::filesystem::create_symlink("sub/second", folder / "first");
  std::filesystem::create_symlink("target", folder / "sub/second");
  write_text(folder / "first", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "first"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "sub/second"));
  EXPECT_EQ(read_whole(folder / "sub/target"), to_bytes("new"));
  std::filesystem::create_symlink("loop", folder / "loop");
  expect_error([&] { write_text(folder / "loop", "x"); }, "loop: cannot write: ");
}

TEST(WriteFile, FollowsSymbolicLinksAndKeepsPermissions) {
  const TemporaryFolder folder;
  write_text(folder / "target", "old");
  ASSERT_EQ(::chmod((folder / "target").c_str(), 0640), 0);
  std::filesystem::create_symlink(folder / "target", folder / "link");
  write_text(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_whole(folder / "target"), to_bytes("new"));
  EXPECT_EQ(std::filesystem::status(folder / "target").permissions(), std::filesystem::perms{0640});
}

TEST(OpenFile, RejectsWhatIsNoRegularFile) {
  const TemporaryFolder folder;
  const auto rejects = [](const std::string& path, const std::string& expected) {
    expect_error([&] { (void)TensorFile::open(path); }, path + ": file: " + expected);
  };
  write_text(folder / "empty.npy", "");
  ASSERT_EQ(::mkfifo((folder / "pipe.npy").c_str(), 0600), 0);
  rejects(folder / "missing.npy", "cannot open: No such file or directory");
  rejects(folder / "empty.npy", "is empty");
  rejects(folder / "pipe.npy", "is not a regular file");
  rejects(folder / "", "is a directory");
  rejects("/dev/null", "is not a regular file");
  expect_error([&] { (void)TensorFile::open(folder / "new\nline"); }, "new?line: file: ");
}

TEST(OpenFile, RejectsUnknownContent) {
  const TemporaryFolder folder;
  const auto rejects = [&](const std::string& name, const std::string& text,
                           const std::string& expected) {
    write_text(folder / name, text);
    expect_error([&] { (void)TensorFile::open(folder / name); }, (folder / name) + ": " + expected);
  };
  rejects("x.txt", "hello world", "magic bytes: not a .npy, .npz or .safetensors file");
  rejects("x", "h", "magic bytes: not a .npy, .npz or .safetensors file");
  rejects("x.npy", "hello world, hello", "magic: not a .npy array");
  rejects("x.npz", "hello world", "end of central directory: ");
  rejects("x.safetensors", "hello world", "header length: ");
}

TEST(OpenFile, GoesByContentNotByExtension) {
  const TemporaryFolder folder;
  const Tensor q{"q", ElementType::u8, {3}, some_bytes().data()};
  write_file(folder / "x.safetensors", {&q, 1});
  std::filesystem::rename(folder / "x.safetensors", folder / "x.npy");
  expect_equal(TensorFile::open(folder / "x.npy").at("q"), q);
}

// A file of two tensors; the test then changes it under the reader.
class ChangingFile : public ::testing::TestWithParam<std::string> {
 protected:
  ChangingFile() : path_(folder_ / ("x" + GetParam())) { write_file(path_, tensors_); }

  void expect_changed(const TensorFile& file, const std::string& name) const {
    expect_error([&] { (void)file.find(name); },
                 path_ + ": file: was changed or cut short while it was being read");
  }

  const TemporaryFolder folder_;
  const std::string path_;
  const std::vector<Tensor> tensors_{{"a", ElementType::u8, {300}, some_bytes().data()},
                                     {"b", ElementType::u8, {300}, some_bytes().data() + 9}};
};

TEST_P(ChangingFile, CutShortIsAnErrorAndWhatWasReadStays) {
  for (const std::uintmax_t left : std::vector<std::uintmax_t>{0, 100, 700}) {
    write_file(path_, tensors_);
    const TensorFile file = TensorFile::open(path_);
    expect_equal(file.at("a"), tensors_[0]);
    std::filesystem::resize_file(path_, left);
    expect_equal(file.at("a"), tensors_[0]);
    expect_changed(file, "b");
  }
}

TEST_P(ChangingFile, RewrittenInPlaceIsAnError) {
  const TensorFile file = TensorFile::open(path_);
  const Bytes whole = read_whole(path_);
  write_whole(path_, whole);
  std::filesystem::last_write_time(
      path_, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  expect_changed(file, "a");
}

TEST_P(ChangingFile, ReplacedByRenameIsReadAsItWas) {
  const TensorFile file = TensorFile::open(path_);
  write_file(path_, {&tensors_[1], 1});
  expect_equal(file.at("a"), tensors_[0]);
  expect_equal(file.at("b"), tensors_[1]);
  EXPECT_EQ(TensorFile::open(path_).names(), std::vector<std::string>{"b"});
}

INSTANTIATE_TEST_SUITE_P(OpenFile, ChangingFile, ::testing::Values(".npz", ".safetensors"),
                         [](const auto& info) { return info.param.substr(1); });

TEST(OpenFile, TensorsAreReadFromSeveralThreads) {
  const TemporaryFolder folder;
  const std::vector<Tensor> samples = samples_of(ElementType::f32);
  write_file(folder / "x.npz", samples);
  const TensorFile file = TensorFile::open(folder / "x.npz");
  std::vector<std::thread> threads;
  std::vector<const Tensor*> found(8);
  for (std::size_t t = 0; t < found.size(); ++t)
    threads.emplace_back([&, t] { found[t] = &file.at(samples[t % samples.size()].name); });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < found.size(); ++t) {
    expect_equal(*found[t], samples[t % samples.size()]);
    EXPECT_EQ(found[t], file.find(found[t]->name));
  }
}

TEST(OpenFile, CopiesOfTheHandleShareWhatWasRead) {
  const TemporaryFolder folder;
  const Tensor q{"q", ElementType::u8, {3}, some_bytes().data()};
  write_file(folder / "x.npz", {&q, 1});
  TensorFile copy;
  EXPECT_TRUE(copy.tensors().empty());
  {
    const TensorFile file = TensorFile::open(folder / "x.npz");
    copy = file;
  }
  expect_equal(copy.at("q"), q);
  std::filesystem::remove(folder / "x.npz");
  expect_equal(copy.at("q"), q);
}

}  // namespace
}  // namespace subquad::io
