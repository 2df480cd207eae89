#include "server/sandbox/identity.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>

#include "tests/server/sandbox/in_child.h"

namespace gild {
namespace {

TEST(DropBoundingSetTest, WhatIsLeftIsToldWithTheStepAndTheError) {
  if (!IsRoot()) GTEST_SKIP() << "only root may empty it";
  EXPECT_EQ(InChild([]() -> std::string {
              if (!DropCapabilities().ok()) return "capabilities";
              return std::string(DropBoundingSet().message());
            }),
            "empty the bounding set of capabilities: Operation not permitted");
  EXPECT_EQ(InChild([]() -> std::string {
              if (absl::Status status = DropBoundingSet(); !status.ok()) return std::string(status.message());
              if (prctl(PR_CAPBSET_READ, 0, 0, 0, 0) != 0) return "some are left";
              // Nothing is left to do, so no right is needed.
              if (!DropCapabilities().ok()) return "capabilities";
              return std::string(DropBoundingSet().message());
            }),
            "");
}

}  // namespace
}  // namespace gild
