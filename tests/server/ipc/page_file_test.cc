#include "server/ipc/page_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <limits>
#include <memory>

#include "gtest/gtest.h"
#include "server/base/clock.h"

namespace gild {
namespace {

constexpr int64_t kLongAgo = std::numeric_limits<int64_t>::min();
constexpr int64_t kFarAway = std::numeric_limits<int64_t>::max();

// The child's side: all of it mapped, anything may be written.
class PageFileTest : public ::testing::Test {
 protected:
  PageFileTest() : page_(PageFile::Create(kRows).value()), fd_(page_->Duplicate().value()) {
    base_ = static_cast<char*>(
        mmap(nullptr, layout_.FileBytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_.get(), 0));
    EXPECT_NE(base_, MAP_FAILED);
    // The page is one second old and a little.
    now_ns_ = NowNs() + kNsPerSecond;
  }
  ~PageFileTest() override { munmap(base_, layout_.FileBytes()); }

  PageHeader* header() { return reinterpret_cast<PageHeader*>(base_); }
  Row* row(uint32_t index) { return reinterpret_cast<Row*>(base_ + layout_.RowOffset(index)); }
  int64_t Blocks() {
    struct stat status;
    EXPECT_EQ(fstat(fd_.get(), &status), 0);
    return status.st_blocks;
  }

  static constexpr uint32_t kRows = 3;
  const PageLayout layout_{kRows};
  std::unique_ptr<PageFile> page_;
  UniqueFd fd_;
  char* base_;
  int64_t now_ns_;
};

TEST_F(PageFileTest, AChildCanNeitherShrinkNorGrowIt) {
  EXPECT_NE(ftruncate(fd_.get(), 0), 0);
  EXPECT_NE(ftruncate(fd_.get(), layout_.FileBytes() + 1), 0);
  EXPECT_EQ(fcntl(fd_.get(), F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  EXPECT_NE(fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
}

TEST_F(PageFileTest, SaysHowManyRowsItHas) { EXPECT_EQ(header()->rows.load(), kRows); }

TEST_F(PageFileTest, ATaskHasBegunWhenItsRowSaysSo) {
  EXPECT_EQ(page_->BeginNs(1, 9), std::nullopt);
  row(1)->serial = 9;
  EXPECT_EQ(page_->BeginNs(1, 9), std::nullopt);
  row(1)->begin_ns = 123;
  EXPECT_EQ(page_->BeginNs(1, 9), 123);
  EXPECT_EQ(page_->BeginNs(1, 8), std::nullopt);
}

TEST_F(PageFileTest, TheHoldThatGoesOnIsCounted) {
  row(0)->serial = 9;
  row(0)->lock.hold_ns = 10;
  row(0)->lock.longest_hold_ns = 10;
  header()->lock.hold_ns = 10;
  header()->holder_serial = 9;
  header()->holder_since_ns = now_ns_ - 500;
  EXPECT_EQ(page_->RowLock(0, 9, now_ns_).hold_ns, 510);
  EXPECT_EQ(page_->RowLock(0, 9, now_ns_).longest_hold_ns, 500);
  EXPECT_EQ(page_->RowLock(0, 8, now_ns_).hold_ns, 10);  // another task's hold
  EXPECT_EQ(page_->InterpreterLock(now_ns_).hold_ns, 510);
  ASSERT_TRUE(page_->holder(now_ns_).has_value());
  EXPECT_EQ(page_->holder(now_ns_)->serial, 9u);
  EXPECT_EQ(page_->holder(now_ns_)->held_ns, 500);
}

TEST_F(PageFileTest, TheWaitsThatGoOnAreCounted) {
  row(0)->lock.wait_ns = 10;
  row(0)->waiting_since_ns = now_ns_ - 500;
  row(2)->waiting_since_ns = now_ns_ - 70;
  EXPECT_EQ(page_->RowLock(0, 9, now_ns_).wait_ns, 510);
  EXPECT_EQ(page_->InterpreterLock(now_ns_).wait_ns, 570);
  EXPECT_EQ(page_->LongestWaitNs(now_ns_), 500);
}

TEST_F(PageFileTest, AFreeLockHasNoHolder) { EXPECT_EQ(page_->holder(now_ns_), std::nullopt); }

TEST_F(PageFileTest, NegativeDurationsAreZero) {
  header()->lock.wait_ns = -1;
  header()->lock.hold_ns = kLongAgo;
  header()->lock.longest_hold_ns = -5;
  const LockUsage usage = page_->InterpreterLock(now_ns_);
  EXPECT_EQ(usage.wait_ns, 0);
  EXPECT_EQ(usage.hold_ns, 0);
  EXPECT_EQ(usage.longest_hold_ns, 0);
}

TEST_F(PageFileTest, AMomentStillToComeIsNow) {
  header()->holder_since_ns = kFarAway;
  row(0)->waiting_since_ns = now_ns_ + 1;
  ASSERT_TRUE(page_->holder(now_ns_).has_value());
  EXPECT_EQ(page_->holder(now_ns_)->held_ns, 0);
  EXPECT_EQ(page_->RowLock(0, 0, now_ns_).wait_ns, 0);
  header()->holder_since_ns = kLongAgo;
  EXPECT_EQ(page_->holder(now_ns_)->held_ns, 0);
}

TEST_F(PageFileTest, NoHoldIsLongerThanThePageIsOld) {
  header()->lock.hold_ns = kFarAway;
  header()->lock.longest_hold_ns = kFarAway;
  header()->holder_since_ns = 1;
  for (uint32_t i = 0; i < kRows; ++i) row(i)->waiting_since_ns = 1;
  header()->lock.wait_ns = kFarAway;
  header()->lock.takes = std::numeric_limits<uint64_t>::max();
  LockUsage usage = page_->InterpreterLock(now_ns_);
  EXPECT_LE(usage.hold_ns, 60 * kNsPerSecond);
  EXPECT_LE(usage.longest_hold_ns, 60 * kNsPerSecond);
  // Nor do sums overflow.
  for (int i = 0; i < 10; ++i) AddTo(&usage, usage);
  EXPECT_GE(usage.wait_ns, 0);
  EXPECT_GE(usage.hold_ns, 0);
}

TEST_F(PageFileTest, WaitersAreNeverNegative) {
  header()->waiters = -3;
  EXPECT_EQ(page_->waiters(), 0);
}

TEST_F(PageFileTest, OutputIsReadFromItsOwnRow) {
  memcpy(base_ + layout_.OutOffset(1), "out", 3);
  memcpy(base_ + layout_.ErrOffset(1), "error", 5);
  row(1)->out_bytes = 3;
  row(1)->err_bytes = 5;
  row(1)->err_truncated = 1;
  const PageFile::Output output = page_->ReadOutput(1, 100);
  EXPECT_EQ(output.out, "out");
  EXPECT_EQ(output.err, "error");
  EXPECT_FALSE(output.out_truncated);
  EXPECT_TRUE(output.err_truncated);
}

TEST_F(PageFileTest, OutputIsNoLongerThanItsLimitWhateverTheRowSays) {
  row(2)->out_bytes = std::numeric_limits<uint64_t>::max();
  row(2)->err_bytes = 11;
  const PageFile::Output output = page_->ReadOutput(2, 10);
  EXPECT_EQ(output.out.size(), 10u);
  EXPECT_EQ(output.err.size(), 10u);
  EXPECT_TRUE(output.out_truncated);
  EXPECT_TRUE(output.err_truncated);
  EXPECT_EQ(page_->ReadOutput(2, kFarAway).out.size(), static_cast<size_t>(kOutputBytesMax));
  EXPECT_EQ(page_->ReadOutput(2, -1).out.size(), 0u);
}

TEST_F(PageFileTest, AWatcherIsGivenWhatFollows) {
  memcpy(base_ + layout_.OutOffset(1), "output", 6);
  memcpy(base_ + layout_.ErrOffset(1), "error", 5);
  row(1)->out_bytes = 6;
  row(1)->err_bytes = 5;
  const Glimpse all = page_->Peek(1, 100, {});
  EXPECT_EQ(all.out, "output");
  EXPECT_EQ(all.err, "error");
  const Glimpse rest = page_->Peek(1, 100, {.out_bytes = 3, .err_bytes = 5});
  EXPECT_EQ(rest.out, "put");
  EXPECT_EQ(rest.err, "");
}

TEST_F(PageFileTest, AWatcherIsGivenSoMuchAtOnce) {
  memset(base_ + layout_.OutOffset(1), 'o', kWatchReplyBytesMax);
  memset(base_ + layout_.ErrOffset(1), 'e', kWatchReplyBytesMax);
  row(1)->out_bytes = row(1)->err_bytes = kWatchReplyBytesMax;
  const OutputPoint begin{.out_bytes = 10};
  const Glimpse first = page_->Peek(1, kOutputBytesMax, begin);
  EXPECT_EQ(first.out, std::string(kWatchReplyBytesMax - 10, 'o'));
  EXPECT_EQ(first.err, std::string(10, 'e'));
  const Glimpse second = page_->Peek(1, kOutputBytesMax, {.out_bytes = kWatchReplyBytesMax, .err_bytes = 10});
  EXPECT_EQ(second.out, "");
  EXPECT_EQ(second.err, std::string(kWatchReplyBytesMax - 10, 'e'));
}

TEST_F(PageFileTest, AWatcherIsGivenNoMoreThanTheLimitWhateverTheRowSays) {
  row(2)->out_bytes = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(page_->Peek(2, 10, {.out_bytes = 4}).out.size(), 6u);
  EXPECT_EQ(page_->Peek(2, 10, {.out_bytes = 10}).out, "");
  EXPECT_EQ(page_->Peek(2, -1, {}).out, "");
  constexpr uint64_t kNearTheEnd = kOutputBytesMax - 7;
  EXPECT_EQ(page_->Peek(2, kFarAway, {.out_bytes = kNearTheEnd}).out.size(), 7u);
  // A length that goes back.
  row(2)->out_bytes = 3;
  EXPECT_EQ(page_->Peek(2, 10, {.out_bytes = 4}).out, "");
}

TEST_F(PageFileTest, ProgressIsWhatWasToldLast) {
  EXPECT_EQ(page_->ReadProgress(1), std::nullopt);
  row(1)->progress_done = 3;
  row(1)->progress_total = 10;
  EXPECT_EQ(page_->ReadProgress(1), std::nullopt) << "nothing was told";
  row(1)->progress_changes = 2;
  EXPECT_EQ(page_->ReadProgress(1), (Progress{.done = 3, .total = 10}));
  EXPECT_EQ(page_->Peek(1, 100, {}).progress, (Progress{.done = 3, .total = 10}));
  EXPECT_EQ(page_->ReadProgress(0), std::nullopt) << "another row's";
  // A task that was killed in the middle of telling.
  row(1)->progress_changes = 3;
  EXPECT_EQ(page_->ReadProgress(1), std::nullopt);
}

TEST_F(PageFileTest, AnUnknownDeathIsNone) {
  header()->death = 77;
  header()->death_serial = 9;
  EXPECT_EQ(page_->death_note().death, Death::kNone);
  EXPECT_EQ(page_->death_note().serial, 0u);
  header()->death = static_cast<uint32_t>(Death::kExit);
  EXPECT_EQ(page_->death_note().serial, 9u);
}

TEST_F(PageFileTest, AClearedRowKnowsNothingOfItsLastTask) {
  row(1)->serial = 9;
  row(1)->begin_ns = 5;
  row(1)->lock.hold_ns = 5;
  row(1)->lock.takes = 5;
  row(1)->waiting_since_ns = 5;
  row(1)->out_bytes = 5;
  row(1)->err_truncated = 1;
  row(1)->progress_changes = 2;
  page_->Clear(1);
  EXPECT_EQ(page_->BeginNs(1, 9), std::nullopt);
  EXPECT_EQ(page_->RowLock(1, 9, now_ns_).hold_ns, 0);
  EXPECT_EQ(page_->RowLock(1, 9, now_ns_).takes, 0u);
  EXPECT_EQ(page_->RowLock(1, 9, now_ns_).wait_ns, 0);
  EXPECT_EQ(page_->ReadOutput(1, 100).out, "");
  EXPECT_FALSE(page_->ReadOutput(1, 100).err_truncated);
  EXPECT_EQ(page_->ReadProgress(1), std::nullopt);
}

TEST_F(PageFileTest, LargeOutputGivesItsMemoryBackAndSmallKeepsIt) {
  constexpr size_t kLarge = 1 << 20;
  memset(base_ + layout_.OutOffset(0), 'x', kLarge);
  memset(base_ + layout_.OutOffset(1), 'y', 100);
  row(0)->out_bytes = kLarge;
  row(1)->out_bytes = 100;
  const int64_t before = Blocks();
  page_->Clear(0);
  EXPECT_LE(Blocks(), before - static_cast<int64_t>(kLarge / 512));
  page_->Clear(1);
  EXPECT_EQ(base_[layout_.OutOffset(0)], 0);
  EXPECT_EQ(base_[layout_.OutOffset(1)], 'y');
}

}  // namespace
}  // namespace gild
