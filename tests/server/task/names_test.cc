#include <gtest/gtest.h>

#include <set>
#include <string>

#include "server/task/outcome.h"
#include "server/task/snapshot.h"
#include "server/task/task.h"

namespace gild {
namespace {

TEST(NamesTest, EndingsAreDistinctAndComplete) {
  std::set<std::string> names;
  for (const Ending ending : kEndings) {
    EXPECT_STRNE(Name(ending), "?");
    EXPECT_TRUE(names.insert(Name(ending)).second) << Name(ending);
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(Ending::kScratchLimit) + 1) << "kEndings lists every ending";
}

TEST(NamesTest, TagsLanesAndStatesAreDistinct) {
  EXPECT_EQ((std::set<std::string>{Name(Tag::kAuto), Name(Tag::kIo), Name(Tag::kCpu)}),
            (std::set<std::string>{"AUTO", "CPU", "IO"}));
  EXPECT_EQ((std::set<std::string>{Name(LaneKind::kIo), Name(LaneKind::kCpu)}), (std::set<std::string>{"cpu", "io"}));
  EXPECT_EQ((std::set<std::string>{Name(InterpreterState::kStarting), Name(InterpreterState::kReady),
                                   Name(InterpreterState::kStopping), Name(InterpreterState::kBackingOff)})
                .size(),
            4);
}

TEST(TaskTest, BytesGrowWithWhatTheTaskCarries) {
  Task task;
  const int64_t empty = task.Bytes();
  task.code.assign(1000, 'x');
  task.arguments.push_back({.kind = Value::Kind::kRaw, .bytes = std::string(5000, 'y')});
  EXPECT_GE(task.Bytes(), empty + 6000);
  task.files.push_back({.path = std::string(100, 'p'), .content = std::string(7000, 'c')});
  task.collect.push_back(std::string(100, '*'));
  EXPECT_GE(task.Bytes(), empty + 13'200);
}

}  // namespace
}  // namespace gild
