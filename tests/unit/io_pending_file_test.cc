// Files that are written before they have their place, and what is left when they never get it.
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "io/temporary_file.h"
#include "io_support.h"

namespace subquad::io {
namespace {

TEST(PendingFile, AppearsWithCommitAndNotBefore) {
  const TemporaryFolder folder;
  const std::vector<float> values{1, 2, 3};
  const Tensor q = tensor_of("q", ElementType::f32, {3}, values);
  PendingFile tensors = PendingFile::with_tensors(folder / "x.npz", {&q, 1});
  PendingFile text = PendingFile::with_text(folder / "x.txt", "words");
  EXPECT_EQ(folder.file_count(), 0u);
  tensors.commit();
  EXPECT_EQ(folder.file_count(), 1u);
  text.commit();
  EXPECT_EQ(values_of<float>(TensorFile::open(folder / "x.npz").at("q")), values);
  EXPECT_EQ(read_whole(folder / "x.txt"), to_bytes("words"));
  EXPECT_EQ(folder.file_count(), 2u);
}

TEST(PendingFile, WithoutCommitLeavesWhatWasThere) {
  const TemporaryFolder folder;
  write_text(folder / "x", "old");
  {
    const PendingFile replacement = PendingFile::with_text(folder / "x", "new");
    const PendingFile addition = PendingFile::with_text(folder / "y", "new");
  }
  EXPECT_EQ(read_whole(folder / "x"), to_bytes("old"));
  EXPECT_EQ(folder.file_count(), 1u);
}

TEST(PendingFile, ReplacesWhatCameMeanwhile) {
  const TemporaryFolder folder;
  PendingFile file = PendingFile::with_text(folder / "x", "ours");
  write_text(folder / "x", "theirs");
  file.commit();
  EXPECT_EQ(read_whole(folder / "x"), to_bytes("ours"));
  EXPECT_EQ(folder.file_count(), 1u);
}

TEST(PendingFile, ReplacesAFileOfTheLongestName) {
  const TemporaryFolder folder;
  const std::string path = folder / std::string(255, 'x');
  write_text(path, "old");
  write_text(path, "new");
  EXPECT_EQ(read_whole(path), to_bytes("new"));
  EXPECT_EQ(folder.file_count(), 1u);
}

TEST(PendingFile, CommitsOnceAndMoves) {
  const TemporaryFolder folder;
  PendingFile first = PendingFile::with_text(folder / "x", "words");
  PendingFile second = std::move(first);
  second.commit();
  expect_error([&] { second.commit(); }, "committed twice", ErrorKind::failed);
}

TEST(PendingFile, CommitIntoAFolderThatIsGoneFails) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "sub");
  PendingFile file = PendingFile::with_text(folder / "sub/x", "words");
  std::filesystem::remove_all(folder / "sub");
  expect_error([&] { file.commit(); }, folder / "sub/x: cannot rename: ", ErrorKind::failed);
}

// Ends the process without any cleaning up, in the middle of things.
void die_while_writing(const std::string& path) {
  const PendingFile file = PendingFile::with_text(path, std::string(100'000, 'x'));
  (void)::raise(SIGKILL);
}

TEST(PendingFileDeathTest, AKilledProcessLeavesNothingWhereFilesCanBeNameless) {
  const TemporaryFolder folder;
  std::string name;
  const bool nameless = create_unplaced(folder / "x", name).valid() && name.empty();
  if (!name.empty()) remove_temporary(name);
  if (!nameless) GTEST_SKIP() << "no nameless files in " << (folder / "");
  write_text(folder / "x", "old");
  EXPECT_EXIT(die_while_writing(folder / "x"), ::testing::KilledBySignal(SIGKILL), "");
  EXPECT_EQ(read_whole(folder / "x"), to_bytes("old"));
  EXPECT_EQ(folder.file_count(), 1u);
}

void expect_abandoned(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::failed) return;
  }
  std::_Exit(1);
}

[[noreturn]] void abandon_in_the_middle(const std::string& path) {
  PendingFile pending = PendingFile::with_text(path, "words");
  std::string name;
  const FileDescriptor file = create_named(path + ".other", name);
  abandon_files();
  expect_abandoned([&] { pending.commit(); });
  expect_abandoned([&] { write_text(path, "words"); });
  expect_abandoned([&] { (void)put_in_place(file, name, path); });
  std::_Exit(0);
}

TEST(PendingFileDeathTest, AbandonedFilesAreGoneAndNoneComes) {
  const TemporaryFolder folder;
  EXPECT_EXIT(abandon_in_the_middle(folder / "x"), ::testing::ExitedWithCode(0), "");
  EXPECT_EQ(folder.file_count(), 0u);
}

// Where the file system knows no files without a name.
TEST(TemporaryFile, NamedOnesAreMovedOrRemoved) {
  const TemporaryFolder folder;
  const std::string target = folder / "x";
  for (int round = 0; round < 2; ++round) {  // new, then replaced
    std::string name;
    const FileDescriptor file = create_named(target, name);
    ASSERT_TRUE(file.valid());
    EXPECT_TRUE(std::filesystem::exists(name));
    EXPECT_TRUE(put_in_place(file, name, target));
    EXPECT_EQ(folder.file_count(), 1u);
  }
  std::string name;
  const FileDescriptor file = create_named(folder / "y", name);
  EXPECT_EQ(folder.file_count(), 2u);
  remove_temporary(name);
  EXPECT_EQ(folder.file_count(), 1u);
}

TEST(TemporaryFile, NamesOfOthersAreNotTaken) {
  const TemporaryFolder folder;
  const std::string taken = folder / ("x." + std::to_string(::getpid()) + "-0.tmp");
  write_text(taken, "another's");
  std::string name;
  const FileDescriptor file = create_named(folder / "x", name);
  EXPECT_NE(name, taken);
  ASSERT_TRUE(put_in_place(file, name, folder / "x"));
  EXPECT_EQ(read_whole(taken), to_bytes("another's"));
  remove_temporary(taken);  // not one of ours
  EXPECT_EQ(read_whole(taken), to_bytes("another's"));
}

}  // namespace
}  // namespace subquad::io
