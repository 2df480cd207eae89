#include "server/service/function_store.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace gild {
namespace {

TEST(Sha256Test, IsTheStandards) {
  // FIPS 180-4's example.
  EXPECT_EQ(absl::BytesToHexString(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(FunctionStoreTest, FindsWhatWasPutByItsContent) {
  FunctionStore store;
  const auto put = store.Put("abc");
  EXPECT_EQ(put->sha256, Sha256("abc"));
  EXPECT_EQ(store.Find(put->sha256), put);
  EXPECT_EQ(store.Put("abc"), put);  // once
  EXPECT_EQ(store.Find(Sha256("def")), nullptr);
}

TEST(FunctionStoreTest, ForgetsTheLeastRecentlyUsedOfTooMany) {
  FunctionStore store({.functions = 2, .bytes = 100});
  store.Put("a");
  store.Put("b");
  store.Find(Sha256("a"));
  store.Put("c");
  EXPECT_EQ(store.Find(Sha256("b")), nullptr);
  EXPECT_NE(store.Find(Sha256("a")), nullptr);
  EXPECT_NE(store.Find(Sha256("c")), nullptr);
}

TEST(FunctionStoreTest, ForgetsWhatIsBeyondItsBytesAndLeavesItToWhoHasIt) {
  FunctionStore store({.functions = 100, .bytes = 10});
  const auto kept = store.Put("123456");
  store.Put("7890ab");
  EXPECT_EQ(store.Find(kept->sha256), nullptr);
  EXPECT_EQ(kept->pickled, "123456");
}

}  // namespace
}  // namespace gild
