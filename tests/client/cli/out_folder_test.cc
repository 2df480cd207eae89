// Names come from a server: nothing is written outside of the folder, or through a link in it.
#include "client/cli/out_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace gild::cli {
namespace {

namespace fs = std::filesystem;

class OutFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string root = testing::TempDir() + "/gild-out-XXXXXX";
    ASSERT_NE(mkdtemp(root.data()), nullptr);
    root_ = root;
    ASSERT_EQ(folder_.Open(root_ / "into"), "");
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string Read(const std::string& name) const {
    std::stringstream content;
    content << std::ifstream(root_ / name).rdbuf();
    return content.str();
  }
  // Files and links beneath the root.
  int Count() const {
    int count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) count += entry.is_directory() ? 0 : 1;
    return count;
  }

  fs::path root_;
  OutFolder folder_;
};

TEST_F(OutFolderTest, FilesAndTheirFoldersAreMade) {
  EXPECT_EQ(folder_.Write("a", std::string("\0\xff", 2)), "");
  EXPECT_EQ(folder_.Write("out/deep/b", ""), "");
  EXPECT_EQ(folder_.Write("out/c", "c"), "");
  EXPECT_EQ(Read("into/a"), std::string("\0\xff", 2));
  EXPECT_TRUE(fs::is_regular_file(root_ / "into/out/deep/b"));
  EXPECT_EQ(Read("into/out/c"), "c");
  EXPECT_EQ(Count(), 3) << "and no other name is left";
}

TEST_F(OutFolderTest, AFileIsReplaced) {
  EXPECT_EQ(folder_.Write("a", "old and long"), "");
  EXPECT_EQ(folder_.Write("a", "new"), "");
  EXPECT_EQ(Read("into/a"), "new");
  EXPECT_EQ(Count(), 1);
}

TEST_F(OutFolderTest, NamesThatLeadOutAreRefused) {
  for (const std::string& name :
       {std::string(""), std::string("/etc/x"), std::string("../x"), std::string("a/../../x"), std::string("."),
        std::string("a/."), std::string("a//x"), std::string("a/"), std::string("a\0b", 3)}) {
    EXPECT_EQ(folder_.Write(name, "x"), "not a name within the folder") << name;
  }
  EXPECT_EQ(Count(), 0);
}

TEST_F(OutFolderTest, NoLinkIsFollowed) {
  fs::create_directory(root_ / "outside");
  std::ofstream(root_ / "outside/file") << "kept";
  fs::create_symlink(root_ / "outside", root_ / "into/folder");
  fs::create_symlink(root_ / "outside/file", root_ / "into/file");
  EXPECT_EQ(folder_.Write("folder/new", "x"), "Not a directory");
  EXPECT_FALSE(fs::exists(root_ / "outside/new"));
  EXPECT_EQ(folder_.Write("file", "x"), "") << "the link is replaced";
  EXPECT_EQ(Read("outside/file"), "kept");
  EXPECT_FALSE(fs::is_symlink(root_ / "into/file"));
}

TEST_F(OutFolderTest, WhatIsInTheWayIsSaid) {
  EXPECT_EQ(folder_.Write("file", "x"), "");
  EXPECT_EQ(folder_.Write("file/x", "x"), "Not a directory");
  EXPECT_EQ(folder_.Write("folder/x", "x"), "");
  EXPECT_EQ(folder_.Write("folder", "x"), "Is a directory");
  EXPECT_EQ(folder_.Write(std::string(256, 'x'), "x"), "File name too long");
  EXPECT_EQ(Count(), 2) << "and nothing is left of it";
}

TEST_F(OutFolderTest, FolderItselfIsTheUsersWord) {
  OutFolder other;
  EXPECT_EQ(other.Open(root_ / "no/such"), "No such file or directory");
  std::ofstream(root_ / "file") << "x";
  EXPECT_EQ(other.Open(root_ / "file"), "Not a directory");
  fs::create_symlink(root_ / "into", root_ / "link");
  EXPECT_EQ(other.Open(root_ / "link"), "");
  EXPECT_EQ(other.Write("a", "a"), "");
  EXPECT_EQ(Read("into/a"), "a");
}

}  // namespace
}  // namespace gild::cli
