#include "server/task/file_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

using ::testing::HasSubstr;

TEST(FilePathTest, GoodNames) {
  for (const std::string& path : {std::string("a.csv"), std::string("out/plots/größe 1.png"), std::string("..."),
                                  std::string(".hidden/..x"), std::string("-rf"), std::string("a\nb"),
                                  std::string(kFilePartBytesMax, 'x'), "x/" + std::string(kFilePartBytesMax, 'x')}) {
    EXPECT_EQ(ProblemOfPath(path), "") << path;
  }
  std::string longest;
  while (longest.size() < kFilePathBytesMax) longest += longest.size() % 2 == 0 ? 'x' : '/';
  longest.back() = 'x';
  EXPECT_EQ(ProblemOfPath(longest), "");
}

TEST(FilePathTest, BadNamesSayWhy) {
  const struct {
    std::string path;
    const char* problem;
  } cases[] = {
      {"", "is empty"},
      {"/etc/passwd", "is not relative"},
      {"..", "a part `..`"},
      {"../x", "a part `..`"},
      {"a/../b", "a part `..`"},
      {"a/.", "a part `.`"},
      {"./a", "a part `.`"},
      {"a//b", "an empty part"},
      {"a/", "an empty part"},
      {std::string("a\0b", 3), "NUL"},
      {"\xff", "is not UTF-8"},
      {std::string(kFilePartBytesMax + 1, 'x'), "a part longer than 255 bytes"},
      {std::string(kFilePathBytesMax + 1, 'x'), "is longer than 1024 bytes"},
  };
  for (const auto& [path, problem] : cases) EXPECT_THAT(ProblemOfPath(path), HasSubstr(problem)) << path;
}

TEST(FilePathTest, NamesThatFitTogether) {
  EXPECT_FALSE(ClashOf({}).has_value());
  EXPECT_FALSE(ClashOf({"a.b", "a/b", "a/c", "ab", "a-", "b/a/c", "b/a/d"}).has_value());
}

TEST(FilePathTest, OneOfThoseThatClashIsNamed) {
  const auto twice = ClashOf({"a", "b/c", "a.b", "b/c"});
  ASSERT_TRUE(twice.has_value());
  EXPECT_EQ(twice->index, 3u);
  EXPECT_EQ(twice->problem, "is there twice");
  // What sorts between them, byte by byte, does not hide it.
  const auto inside = ClashOf({"a/b/c", "a.b", "a-b", "a"});
  ASSERT_TRUE(inside.has_value());
  EXPECT_EQ(inside->index, 0u);
  EXPECT_EQ(inside->problem, "is in `a`, which is a file, too");
}

}  // namespace
}  // namespace gild
