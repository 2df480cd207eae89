#include "server/lane/known_functions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gild {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Function Named(const std::string& name, size_t bytes = 1) {
  return {.sha256 = name, .pickled = std::string(bytes, 'x')};
}

TEST(KnownFunctionsTest, SendsEachOnce) {
  KnownFunctions known;
  EXPECT_TRUE(known.Use(Named("a")).send);
  EXPECT_FALSE(known.Use(Named("a")).send);
  EXPECT_TRUE(known.Use(Named("b")).send);
}

TEST(KnownFunctionsTest, ForgetsTheLeastRecentlyUsedAndSendsItAgain) {
  KnownFunctions known({.functions = 2, .bytes = 100});
  known.Use(Named("a"));
  known.Use(Named("b"));
  known.Use(Named("a"));
  const KnownFunctions::Orders orders = known.Use(Named("c"));
  EXPECT_TRUE(orders.send);
  EXPECT_THAT(orders.forget, ElementsAre("b"));
  EXPECT_FALSE(known.Use(Named("a")).send);
  EXPECT_TRUE(known.Use(Named("b")).send);
}

TEST(KnownFunctionsTest, MakesRoomForALargeOne) {
  KnownFunctions known({.functions = 100, .bytes = 10});
  known.Use(Named("a", 4));
  known.Use(Named("b", 4));
  EXPECT_THAT(known.Use(Named("c", 5)).forget, ElementsAre("a"));
  // One that is too large alone is kept, alone.
  EXPECT_THAT(known.Use(Named("d", 11)).forget, ElementsAre("b", "c"));
  EXPECT_FALSE(known.Use(Named("d", 11)).send);
  EXPECT_THAT(known.Use(Named("e", 1)).forget, ElementsAre("d"));
  EXPECT_THAT(known.Use(Named("e", 1)).forget, IsEmpty());
}

}  // namespace
}  // namespace gild
