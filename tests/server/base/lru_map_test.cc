#include "server/base/lru_map.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace gild {
namespace {

TEST(LruMapTest, WhatIsThereIsFound) {
  LruMap<int> map(4);
  EXPECT_EQ(map.Find("a"), nullptr);
  map.Insert("a", 1);
  map.Insert(std::string("a\0b", 3), 2);
  ASSERT_NE(map.Find("a"), nullptr);
  EXPECT_EQ(*map.Find("a"), 1);
  EXPECT_EQ(*map.Find(absl::string_view("a\0b", 3)), 2);
}

TEST(LruMapTest, TheOneUsedTheLongestAgoMakesRoom) {
  LruMap<int> map(3);
  map.Insert("kept", -1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_NE(map.Find("kept"), nullptr) << i;
    map.Insert(absl::StrCat(i), i);
  }
  EXPECT_EQ(map.size(), 3u);
  EXPECT_EQ(map.Find("7"), nullptr);
  EXPECT_NE(map.Find("8"), nullptr);
  EXPECT_NE(map.Find("9"), nullptr);
}

TEST(LruMapTest, WhatMakesRoomIsLetGoOf) {
  LruMap<std::shared_ptr<int>> map(1);
  const auto value = std::make_shared<int>(1);
  map.Insert("a", value);
  EXPECT_EQ(value.use_count(), 2);
  map.Insert("b", nullptr);
  EXPECT_EQ(value.use_count(), 1);
}

}  // namespace
}  // namespace gild
