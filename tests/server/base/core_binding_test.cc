#include "server/base/core_binding.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "server/base/cores.h"

namespace gild {
namespace {

class CoreBindingTest : public ::testing::Test {
 protected:
  // On a thread of its own: what is bound ends with it.
  template <typename Body>
  static void OnThread(Body body) {
    std::thread(body).join();
  }
};

TEST_F(CoreBindingTest, BindsToOneCoreAndBack) {
  OnThread([] {
    const std::vector<int> before = AllowedCores();
    CoreBinding binding;
    binding.Bind(before.back());
    EXPECT_EQ(AllowedCores(), std::vector<int>{before.back()});
    binding.Bind(before.front());  // it is bound already
    EXPECT_EQ(AllowedCores(), std::vector<int>{before.back()});
    binding.Undo();
    EXPECT_EQ(AllowedCores(), before);
  });
}

TEST_F(CoreBindingTest, LeavesAThreadAloneThatMayNotRunThere) {
  OnThread([] {
    const std::vector<int> before = AllowedCores();
    CoreBinding binding;
    binding.Bind(before.back() + 1);
    EXPECT_EQ(AllowedCores(), before);
    binding.Undo();
    EXPECT_EQ(AllowedCores(), before);
  });
}

TEST_F(CoreBindingTest, UndoesNothingWithoutABinding) {
  OnThread([] {
    const std::vector<int> before = AllowedCores();
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(before.front(), &own);
    ASSERT_EQ(sched_setaffinity(0, sizeof own, &own), 0);
    CoreBinding().Undo();
    EXPECT_EQ(AllowedCores(), std::vector<int>{before.front()});
  });
}

}  // namespace
}  // namespace gild
