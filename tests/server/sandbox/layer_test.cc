#include "server/sandbox/layer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace gild {
namespace {

std::vector<std::string> AllBut(std::initializer_list<Layer> without) {
  std::vector<std::string> names;
  for (const Layer layer : kLayers) {
    if (std::find(without.begin(), without.end(), layer) == without.end()) names.push_back(Name(layer));
  }
  return names;
}

TEST(LayerTest, EachHasANameOfItsOwnThatLeadsBack) {
  std::set<std::string> names;
  for (const Layer layer : kLayers) {
    EXPECT_TRUE(names.insert(Name(layer)).second) << Name(layer);
    EXPECT_EQ(LayerNamed(Name(layer)), layer);
  }
  EXPECT_EQ(LayerNamed("seccomp2"), std::nullopt);
}

TEST(IsolationLevelTest, FullNeedsEveryLayer) {
  EXPECT_EQ(LevelOf(AllBut({}), false), IsolationLevel::kFull);
  // The machine's network is away, or behind a fence.
  for (const Layer layer : kLayers) {
    const bool network = layer == Layer::kNetworkFence;
    EXPECT_LT(LevelOf(AllBut({layer}), network), IsolationLevel::kFull) << Name(layer);
  }
}

TEST(IsolationLevelTest, UserIsWithoutWhatOnlyRootCanGive) {
  EXPECT_EQ(
      LevelOf(AllBut({Layer::kOwnUid, Layer::kMemoryGroup, Layer::kPidsGroup, Layer::kCpuGroup, Layer::kKillGroup}),
              false),
      IsolationLevel::kUser);
  EXPECT_EQ(LevelOf(AllBut({Layer::kSeccomp}), false), IsolationLevel::kNone);
  EXPECT_EQ(LevelOf({}, false), IsolationLevel::kNone);
}

TEST(IsolationLevelTest, ALaneThatHasTheNetworkNeedsNoNamespaceForIt) {
  EXPECT_EQ(LevelOf(AllBut({Layer::kNetworkNamespace}), true), IsolationLevel::kFull);
  EXPECT_EQ(LevelOf(AllBut({Layer::kNetworkNamespace}), false), IsolationLevel::kNone);
  EXPECT_EQ(LevelOf(AllBut({Layer::kNetworkFence}), true), IsolationLevel::kUser);
  EXPECT_EQ(LevelOf(AllBut({Layer::kNetworkFence}), false), IsolationLevel::kFull);
}

TEST(IsolationLevelTest, EachHasANameThatLeadsBack) {
  for (const IsolationLevel level : {IsolationLevel::kNone, IsolationLevel::kUser, IsolationLevel::kFull}) {
    EXPECT_EQ(IsolationLevelNamed(Name(level)), level);
  }
  EXPECT_EQ(IsolationLevelNamed("some"), std::nullopt);
}

}  // namespace
}  // namespace gild
