#include "server/base/ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace gild {
namespace {

TEST(IdsTest, TheFormatIsThatOfRfc9562) {
  // The RFC's example of a UUIDv7 (appendix A.6).
  EXPECT_EQ(FormatUuid7(0x017F22E279B0, {0x0C, 0xC3, 0x18, 0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39, 0x8F}),
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

TEST(IdsTest, EarlierIdsSortFirst) { EXPECT_LT(FormatUuid7(1000, {0xff}), FormatUuid7(1001, {0x00})); }

TEST(IdsTest, NewIdsDifferAndAreWellFormed) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = NewTaskId();
    EXPECT_THAT(id, testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    EXPECT_TRUE(ids.insert(id).second) << id;
  }
}

}  // namespace
}  // namespace gild
