// LaneTest: a lane over slots and interpreters that are fakes in this process; what happens is waited for, never slept
// for.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "server/base/clock.h"
#include "server/lane/lane.h"
#include "tests/server/lane/fake_slots.h"
#include "tests/testing/poller_thread.h"

namespace gild {

// Never within a test.
inline constexpr int64_t kNever = 3600 * kNsPerSecond;
inline constexpr int64_t kSoon = 5 * kNsPerMs;

class LaneTest : public ::testing::Test {
 protected:
  LaneTest() : slots_(poller_.get()) {}
  ~LaneTest() override {
    poller_.End();
    lane_.reset();
  }

  static Lane::Config CpuConfig() {
    return {.kind = LaneKind::kCpu,
            .slots = 1,
            .threads = 1,
            .start_limit_ns = kNever,
            .stop_grace_ns = kNever,
            .back_off_ns_first = kSoon,
            .back_off_ns_max = kSoon,
            .inspect_ns = kNever,
            .silence_ns = kNever,
            .kill_limit_ns = kNever};
  }
  static Lane::Config IoConfig(int threads = 4) {
    Lane::Config config = CpuConfig();
    config.kind = LaneKind::kIo;
    config.threads = threads;
    return config;
  }

  void Open(Lane::Config config) {
    lane_ = std::make_unique<Lane>(config, poller_.get(), &slots_,
                                   Lane::Events{.ready =
                                                    [this](int slot) {
                                                      absl::MutexLock lock(&mutex_);
                                                      ++readies_[slot];
                                                      EXPECT_TRUE(ready_now_.insert(slot).second) << "ready twice";
                                                    },
                                                .gone =
                                                    [this](int slot) {
                                                      absl::MutexLock lock(&mutex_);
                                                      ++gones_[slot];
                                                      ready_now_.erase(slot);
                                                    },
                                                .on_loop =
                                                    [this](uint64_t serial) {
                                                      absl::MutexLock lock(&mutex_);
                                                      on_loop_.push_back(serial);
                                                    },
                                                .ended =
                                                    [this](std::vector<EndedTask> tasks) {
                                                      absl::MutexLock lock(&mutex_);
                                                      for (EndedTask& task : tasks) {
                                                        outcomes_[task.serial].push_back(std::move(task.outcome));
                                                      }
                                                    },
                                                .returned =
                                                    [this](std::vector<uint64_t> serials) {
                                                      absl::MutexLock lock(&mutex_);
                                                      returned_.insert(serials.begin(), serials.end());
                                                    },
                                                .sessions_gone =
                                                    [this](size_t count) {
                                                      absl::MutexLock lock(&mutex_);
                                                      sessions_gone_ += count;
                                                    }});
    lane_->Start();
  }

  // A lane of one slot with its interpreter ready.
  FakeInterpreter OpenReady(Lane::Config config) {
    Open(config);
    return ReadyAgain();
  }
  FakeInterpreter ReadyAgain(int slot = 0) {
    int before;
    {
      absl::MutexLock lock(&mutex_);
      before = readies_[slot];
    }
    FakeInterpreter child = slots_.AwaitInterpreter(slot);
    child.Ready();
    AwaitReadies(before + 1, slot);
    return child;
  }

  void AwaitReadies(int count, int slot = 0) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return readies_[slot] >= count; };
    mutex_.Await(absl::Condition(&enough));
  }
  void AwaitGones(int count, int slot = 0) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return gones_[slot] >= count; };
    mutex_.Await(absl::Condition(&enough));
  }
  int readies(int slot = 0) {
    absl::MutexLock lock(&mutex_);
    return readies_[slot];
  }

  std::shared_ptr<Task> NewTask(const std::string& name = "a task") {
    auto task = std::make_shared<Task>();
    task->serial = ++last_serial_;
    task->id = absl::StrCat("id-", task->serial);
    task->name = name;
    task->code = "pass";
    task->limits.wall_ns = kNever;
    return task;
  }

  // Hands a task over and hears it arrive.
  internal::StartTask Start(FakeInterpreter& child, const std::shared_ptr<const Task>& task) {
    EXPECT_TRUE(lane_->Run(child.slot(), task));
    internal::StartTask start = child.AwaitTask();
    EXPECT_EQ(start.serial(), task->serial);
    return start;
  }
  internal::StartTask StartAndBegin(FakeInterpreter& child, const std::shared_ptr<const Task>& task) {
    internal::StartTask start = Start(child, task);
    child.Begin(start);
    return start;
  }

  Outcome AwaitOutcome(const std::shared_ptr<const Task>& task) {
    absl::MutexLock lock(&mutex_);
    const auto ended = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !outcomes_[task->serial].empty(); };
    mutex_.Await(absl::Condition(&ended));
    return outcomes_[task->serial].front();
  }

  void AwaitOnLoop(const std::vector<uint64_t>& serials) {
    absl::MutexLock lock(&mutex_);
    const auto told = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return on_loop_ == serials; };
    mutex_.Await(absl::Condition(&told));
  }

  void AwaitReturned(const std::set<uint64_t>& serials) {
    absl::MutexLock lock(&mutex_);
    const auto told = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return returned_ == serials; };
    mutex_.Await(absl::Condition(&told));
  }

  void AwaitSessionsGone(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto gone = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return sessions_gone_ == count; };
    mutex_.Await(absl::Condition(&gone));
  }

  // The interpreter dies: its channel is at its end, its init reports.
  void Die(FakeInterpreter& child, int wait_status) {
    child.CloseChannel();
    slots_.Ended(child, wait_status);
  }

  // Those that have been seen.
  std::map<std::string, uint64_t> Restarts(int slot = 0) {
    std::map<std::string, uint64_t> restarts = lane_->Snapshot(NowNs())[slot].restarts;
    std::erase_if(restarts, [](const auto& cause) { return cause.second == 0; });
    return restarts;
  }
  // What was posted before has run.
  void Settle() {
    poller_.Do([] {});
  }

  testing::PollerThread poller_;
  FakeSlots slots_;
  std::unique_ptr<Lane> lane_;
  uint64_t last_serial_ = 0;

  absl::Mutex mutex_;
  std::map<int, int> readies_ ABSL_GUARDED_BY(mutex_);
  std::map<int, int> gones_ ABSL_GUARDED_BY(mutex_);
  std::set<int> ready_now_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::vector<Outcome>> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::set<uint64_t> returned_ ABSL_GUARDED_BY(mutex_);
  size_t sessions_gone_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<uint64_t> on_loop_ ABSL_GUARDED_BY(mutex_);  // in the order in which they were told
};

}  // namespace gild
