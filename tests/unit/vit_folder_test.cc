// Folders of pictures: what is found, what is left out, and where classes come from.
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "io_support.h"
#include "vit/image_folder.h"

namespace subquad::testing {
namespace {

using io::expect_error;
using io::TemporaryFolder;

void touch(const std::string& path, const std::string& text = "") {
  std::ofstream(path, std::ios::binary) << text;
}

TEST(VitFolder, SortedWithLabels) {
  const TemporaryFolder folder;
  for (const char* name : {"b.JPEG", "a.jpg", "c.Jpeg", "notes.txt"}) touch(folder / name);
  touch(folder / "labels.csv",
        "file,class,name\r\nc.Jpeg,4,x\na.jpg,2,y\n\nb.JPEG,0\nmore.jpg,1,z\n");
  const vit::ImageFolder found = vit::open_folder(folder / "", "", 5);
  ASSERT_EQ(found.files.size(), 3u);
  EXPECT_TRUE(found.files[0].ends_with("a.jpg"));
  EXPECT_EQ(found.labels, (std::vector<std::int64_t>{2, 0, 4}));
  EXPECT_EQ(found.left_out, 1);
  touch(folder / "other.csv", "file,class\na.jpg,1\nb.JPEG,1\nc.Jpeg,3\n");
  EXPECT_EQ(vit::open_folder(folder / "", folder / "other.csv", 5).labels,
            (std::vector<std::int64_t>{1, 1, 3}));
}

TEST(VitFolder, WithoutLabels) {
  const TemporaryFolder folder;
  touch(folder / "a.jpg");
  EXPECT_TRUE(vit::open_folder(folder / "", "", 5).labels.empty());
}

// A folder with the given empty files.
class Files : public TemporaryFolder {
 public:
  explicit Files(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
      touch(*this / name);
    }
  }
  vit::ImageFolder open(std::int64_t classes) const {
    return vit::open_folder(*this / "", "", classes);
  }
};

using Names = std::vector<std::string>;
using Labels = std::vector<std::int64_t>;

TEST(VitFolder, HiddenFilesAndOthersAreLeftOut) {
  const Files folder({"a.PNG", "._a.jpg", ".hidden/b.jpg", ".DS_Store", "c.gif", "d/._e.jpg"});
  const vit::ImageFolder found = folder.open(5);
  EXPECT_EQ(found.names, Names{"a.PNG"});
  EXPECT_EQ(found.left_out, 4);
}

// A pipe would never end; a link to nothing is a picture that cannot be read.
TEST(VitFolder, OnlyFilesAreOpened) {
  const Files folder({"a.jpg"});
  ASSERT_EQ(::mkfifo((folder / "pipe.jpg").c_str(), 0600), 0);
  std::filesystem::create_symlink("nowhere", folder / "link.jpg");
  const vit::ImageFolder found = folder.open(5);
  EXPECT_EQ(found.names, (Names{"a.jpg", "link.jpg"}));
  EXPECT_EQ(found.left_out, 1);
}

TEST(VitFolder, SubFoldersAreFound) {
  const Files folder({"cat/b.png", "ant/a.jpg", "cat/a.jpg", "cat/deep/x.jpg", "top.jpg"});
  const vit::ImageFolder found = folder.open(3);
  EXPECT_EQ(found.names, (Names{"ant/a.jpg", "cat/a.jpg", "cat/b.png", "top.jpg"}));
  EXPECT_TRUE(std::filesystem::exists(found.files[1]));
  EXPECT_TRUE(found.labels.empty());
  EXPECT_EQ(found.labels_from.rfind("none", 0), 0u);
}

TEST(VitFolder, SubFoldersAreClasses) {
  const Files names({"cat/b.png", "ant/a.jpg", "cow/c.jpg"});
  EXPECT_EQ(names.open(3).labels, (Labels{0, 1, 2}));
  EXPECT_TRUE(names.open(4).labels.empty());
  EXPECT_NE(names.open(4).labels_from.find("3 class folders for 4"), std::string::npos);
  const Files numbers({"10/a.jpg", "9/a.jpg"});
  EXPECT_EQ(numbers.open(11).labels, (Labels{10, 9}));
  EXPECT_TRUE(numbers.open(10).labels.empty());
  EXPECT_EQ(numbers.open(2).labels, (Labels{0, 1}));
}

// By the name below the folder, then the bare name, then the sub-folder.
TEST(VitFolder, LabelsOfSubFolders) {
  const Files folder({"n1/a.jpg", "n1/b.jpg", "n2/a.jpg", "n2/c.jpg"});
  touch(folder / "labels.csv", "file,class\nn1,1\nc.jpg,4\nn2/a.jpg,3\n");
  EXPECT_EQ(folder.open(5).labels, (Labels{1, 1, 3, 4}));
  touch(folder / "labels.csv", "file,class\nn1,1\na.jpg,3\nn2,2\n");
  expect_error([&] { folder.open(5); }, "'a.jpg' is the name of 2 pictures; write 'n1/a.jpg'");
}

// What spreadsheets, and our own CSV files, write.
TEST(VitFolder, LabelsInCsvOfOtherPrograms) {
  const Files folder({"a.jpg", "b, c.jpg", "say \"d\".jpg"});
  const auto labels = [&](const std::string& text) {
    touch(folder / "labels.csv", text);
    return folder.open(5).labels;
  };
  const std::string rows =
      "\"a.jpg\",1,\"tench, Tinca tinca\"\r\n\"b, c.jpg\",\"2\"\r\n\"say "
      "\"\"d\"\".jpg\",4,x,more\r\n";
  EXPECT_EQ(labels("file,class,name\r\n" + rows), (Labels{1, 2, 4}));
  EXPECT_EQ(labels("\"file\",\"class\"\n" + rows), (Labels{1, 2, 4}));
  EXPECT_EQ(labels("\xef\xbb\xbf"
                   "file,class\n" +
                   rows),
            (Labels{1, 2, 4}));
  EXPECT_EQ(labels("\xef\xbb\xbf"
                   "\"file\",class\n" +
                   rows),
            (Labels{1, 2, 4}));
}

TEST(VitFolder, Limit) {
  const Files folder({"0/a.jpg", "1/a.jpg", "1/b.jpg"});
  vit::ImageFolder found = folder.open(2);
  found.limit(2);
  EXPECT_EQ(found.names, (Names{"0/a.jpg", "1/a.jpg"}));
  EXPECT_EQ(found.files.size(), 2u);
  EXPECT_EQ(found.labels, (Labels{0, 1}));
}

TEST(VitFolder, Refusals) {
  const TemporaryFolder folder;
  const auto with_labels = [&](const std::string& text) {
    touch(folder / "labels.csv", text);
    vit::open_folder(folder / "", "", 5);
  };
  expect_error([&] { vit::open_folder(folder / "none", "", 5); }, "none: No such");
  expect_error([&] { vit::open_folder(folder / "", "", 5); }, "no .jpg, .jpeg or .png");
  touch(folder / "a.jpg");
  expect_error([&] { vit::open_folder(folder / "", folder / "x.csv", 5); },
               "x.csv: cannot be read");
  expect_error([&] { with_labels("a.jpg,1\n"); }, "line 1: must be a header");
  expect_error([&] { with_labels("file,class\na.jpg,5\n"); }, "line 2: class 5 is outside");
  expect_error([&] { with_labels("file,class\na.jpg,-1\n"); }, "class -1 is outside");
  expect_error([&] { with_labels("file,class\na.jpg,1x\n"); }, "'1x'");
  expect_error([&] { with_labels("file,class\na.jpg\n"); }, "line 2: has no class");
  expect_error([&] { with_labels("file,class\na.jpg,1\na.jpg,2\n"); },
               "line 3: 'a.jpg' comes twice");
  expect_error([&] { with_labels("file,class\nb.jpg,1\n"); }, "no class for");
  expect_error([&] { with_labels("file,class\n"); }, "no class for");
  expect_error([&] { with_labels(""); }, "labels.csv: is empty");
  expect_error([&] { with_labels("file,class\n\"a.jpg,1\n"); }, "line 2: a quote does not end");
  expect_error([&] { with_labels("\xef\xbb\xbf\n"); }, "line 1: must be a header");
  std::filesystem::remove(folder / "labels.csv");
  expect_error([&] { vit::open_folder(folder / "", folder / "", 5); }, "is a folder");
}

}  // namespace
}  // namespace subquad::testing
