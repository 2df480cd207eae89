#include "server/base/lru_map.h"

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace gild {
namespace {

TEST(LruMapTest, WhatIsThereIsFound) {
  LruMap<int> map(4);
  EXPECT_EQ(map.Find("a"), nullptr);
  EXPECT_EQ(map.Insert("a", 1), std::nullopt);
  EXPECT_EQ(map.Insert(std::string("a\0b", 3), 2), std::nullopt);
  ASSERT_NE(map.Find("a"), nullptr);
  EXPECT_EQ(*map.Find("a"), 1);
  EXPECT_EQ(*map.Find(absl::string_view("a\0b", 3)), 2);
}

TEST(LruMapTest, TheOneUsedTheLongestAgoMakesRoom) {
  LruMap<int> map(3);
  EXPECT_EQ(map.Insert("kept", -1), std::nullopt);
  for (int i = 0; i < 10; ++i) {
    EXPECT_NE(map.Find("kept"), nullptr) << i;
    EXPECT_EQ(map.Insert(absl::StrCat(i), i), i < 2 ? std::nullopt : std::optional(i - 2));
  }
  EXPECT_EQ(map.size(), 3u);
  EXPECT_EQ(map.Find("7"), nullptr);
  EXPECT_NE(map.Find("8"), nullptr);
  EXPECT_NE(map.Find("9"), nullptr);
}

TEST(LruMapTest, WhatIsThereStays) {
  LruMap<int> map(1);
  EXPECT_EQ(map.Insert("a", 1), std::nullopt);
  EXPECT_EQ(map.Insert("a", 2), 2);
  EXPECT_EQ(*map.Find("a"), 1);
  EXPECT_EQ(map.size(), 1u);
}

// Calls in when it goes, as Python's finalizers may.
struct Finalized {
  std::shared_ptr<std::function<void()>> finalizer;
  ~Finalized() {
    if (finalizer && finalizer.use_count() == 1) (*finalizer)();
  }
  Finalized(std::function<void()> call) : finalizer(std::make_shared<std::function<void()>>(std::move(call))) {}
  Finalized(Finalized&&) = default;
  Finalized& operator=(Finalized&&) = default;
};

TEST(LruMapTest, WhatMakesRoomMayCallInWhenItGoes) {
  LruMap<Finalized> map(1);
  bool called = false;
  (void)map.Insert("a", Finalized([&] {
                     called = true;
                     EXPECT_NE(map.Find("b"), nullptr);
                     EXPECT_TRUE(map.Insert("c", Finalized([] {})).has_value());
                   }));
  {
    const auto made_room = map.Insert("b", Finalized([] {}));
  }
  EXPECT_TRUE(called);
  EXPECT_NE(map.Find("c"), nullptr);
  EXPECT_EQ(map.size(), 1u);
}

}  // namespace
}  // namespace gild
