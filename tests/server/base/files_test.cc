#include "server/base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace gild {
namespace {

using ::testing::HasSubstr;

TEST(FilesTest, WhatWasWrittenIsRead) {
  const std::string path = absl::StrCat(::testing::TempDir(), "files_test_", getpid());
  std::ofstream(path) << "something longer";
  EXPECT_TRUE(WriteFile(path, "a\nb").ok());
  const absl::StatusOr<std::string> text = ReadFile(path);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, "a\nbething longer") << "as an order to the kernel, it truncates nothing";
  std::filesystem::remove(path);
}

TEST(FilesTest, AFileThatIsNotThereIsNamedAndNotMade) {
  EXPECT_THAT(std::string(ReadFile("/nowhere/at/all").status().message()), HasSubstr("/nowhere/at/all"));
  const absl::Status written = WriteFile("/nowhere/at/all", "0");
  EXPECT_THAT(std::string(written.message()), HasSubstr("write 0 to /nowhere/at/all"));
  EXPECT_FALSE(WriteFile(::testing::TempDir() + "files_test_none", "0").ok());
}

TEST(FilesTest, AnEmptyFileIsNoError) {
  const absl::StatusOr<std::string> text = ReadFile("/dev/null");
  EXPECT_TRUE(text.ok() && text->empty()) << text.status();
}

TEST(FilesTest, AValueIsFoundByItsWholeName) {
  constexpr char kStatus[] = "Tgid:\t12\nNSTgid:\t13\nName:\ta:\tb\nGroups:\t\nPid:\t14";
  EXPECT_EQ(ValueOf(kStatus, "Tgid"), "12");
  EXPECT_EQ(ValueOf(kStatus, "NSTgid"), "13");
  EXPECT_EQ(ValueOf(kStatus, "Name"), "a:\tb");
  EXPECT_EQ(ValueOf(kStatus, "Pid"), "14") << "the last line needs no end";
  for (const char* const name : {"Groups", "gid", "Tg", "None"}) EXPECT_EQ(ValueOf(kStatus, name), "") << name;
}

}  // namespace
}  // namespace gild
