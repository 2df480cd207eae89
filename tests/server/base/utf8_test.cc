#include "server/base/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace gild {
namespace {

const std::string kReplacement = "\xEF\xBF\xBD";

TEST(RepairUtf8Test, LeavesGoodTextAlone) {
  for (const std::string text : {"", "plain", "gr\xC3\xBC\xC3\x9F", "\xE2\x82\xAC", "\xF0\x9F\x90\x8D"}) {
    EXPECT_EQ(RepairUtf8(text), text);
  }
  EXPECT_EQ(RepairUtf8(std::string("a\0b", 3)), std::string("a\0b", 3));
}

TEST(RepairUtf8Test, ReplacesWhatIsNoCharacter) {
  EXPECT_EQ(RepairUtf8("\xFF"), kReplacement);
  EXPECT_EQ(RepairUtf8("a\x80z"), "a" + kReplacement + "z");
  EXPECT_EQ(RepairUtf8("\xC0\xAF"), kReplacement + kReplacement);                     // overlong
  EXPECT_EQ(RepairUtf8("\xED\xA0\x80"), kReplacement + kReplacement + kReplacement);  // surrogate
  EXPECT_EQ(RepairUtf8("\xF4\x90\x80\x80").size(), 4 * kReplacement.size());          // beyond U+10FFFF
  EXPECT_EQ(RepairUtf8("\xE2\x82"), kReplacement + kReplacement);                     // cut
  EXPECT_EQ(RepairUtf8("\xE2\x82z"), kReplacement + kReplacement + "z");
}

TEST(IsUtf8Test, KnowsWhatNeedsNoRepair) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("na\xC3\xAFve \xF0\x9F\x90\x8D"));
  EXPECT_FALSE(IsUtf8("a\xFF"));
  EXPECT_FALSE(IsUtf8("\xE2\x82"));
}

}  // namespace
}  // namespace gild
