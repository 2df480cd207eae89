#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "server/scheduler/scheduler.h"
#include "tests/server/seed.h"

namespace gild {
namespace {

// A model that knows only what the lanes run, whose each interpreter is, and where each session is, against a scheduler
// under random events, refusals, and events that come while a hand-over or a replacement is under way.
class SchedulerModel {
 public:
  SchedulerModel(uint32_t seed, int principals)
      : random_(seed),
        principals_(principals),
        scheduler_(Port(LaneKind::kIo), Port(LaneKind::kCpu),
                   {.queued_tasks = 12, .held_bytes = 1 << 20, .sessions = {.sessions = 3, .idle_ns = 30}}) {}

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) {
      now_ns_ += Below(20);
      Step();
      CheckConservation();
    }
    Settle();
    scheduler_.Drain();
    scheduler_.EndWaiting(now_ns_);
    while (!running_.empty()) EndOne(running_.begin()->first);
    CheckConservation();
    EXPECT_TRUE(scheduler_.Idle());
    EXPECT_EQ(done_, accepted_);
    EXPECT_GT(accepted_, 0);
  }
  int replaced() const { return replaced_; }

 private:
  static constexpr int kSlots = 3;
  struct Running {
    LaneKind lane;
    int slot;
    uint64_t session;
  };

  int Below(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }
  LaneKind AnyLane() { return Below(2) == 0 ? LaneKind::kIo : LaneKind::kCpu; }
  int CapacityOf(LaneKind lane) { return lane == LaneKind::kIo ? 3 : 1; }
  int& Capacity(LaneKind lane, int slot) { return capacity_[lane == LaneKind::kIo ? 0 : 1][slot]; }
  // Whose tasks its interpreter has run; empty: nobody's.
  std::string& Owner(LaneKind lane, int slot) { return owner_[lane == LaneKind::kIo ? 0 : 1][slot]; }

  int InSlot(LaneKind lane, int slot) {
    return std::count_if(running_.begin(), running_.end(), [&](const auto& running) {
      return running.second.lane == lane && running.second.slot == slot;
    });
  }

  Scheduler::LanePort Port(LaneKind lane) {
    return {.run =
                [this, lane](int slot, const std::shared_ptr<const Task>& task) {
                  EXPECT_EQ(task->lane, lane);
                  if (depth_ < 2 && Below(4) == 0) {
                    ++depth_;
                    Below(2) == 0 ? StopOne(task->serial) : Step();
                    --depth_;
                  }
                  if (Capacity(lane, slot) == 0 || (!settling_ && Below(10) == 0)) {
                    Capacity(lane, slot) = 0;
                    return false;
                  }
                  EXPECT_LT(InSlot(lane, slot), CapacityOf(lane)) << "slot above its capacity";
                  if (Owner(lane, slot).empty()) Owner(lane, slot) = task->principal;
                  EXPECT_EQ(Owner(lane, slot), task->principal) << "an interpreter of two principals";
                  EXPECT_TRUE(running_.emplace(task->serial, Running{lane, slot, task->session_number}).second)
                      << "started twice";
                  CheckSession(*task, slot);
                  if (Below(8) == 0) EndOne(task->serial);
                  return true;
                },
            .cancel =
                [this](uint64_t serial) {
                  if (running_.count(serial) != 0 && Below(2) == 0) EndOne(serial);
                },
            .forget =
                [this](int slot, const std::vector<uint64_t>& sessions) {
                  for (const uint64_t session : sessions) {
                    EXPECT_TRUE(forgotten_.insert(session).second) << "forgotten twice";
                    EXPECT_TRUE(principals_ > 1 || place_of_.emplace(session, slot).first->second == slot)
                        << "forgotten elsewhere";
                    EXPECT_TRUE(std::none_of(running_.begin(), running_.end(), [&](const auto& running) {
                      return running.second.session == session;
                    })) << "forgotten while a task of it runs";
                  }
                  const bool there = Below(2) == 0;
                  if (there) leaving_ += sessions.size();
                  return there;
                },
            .replace =
                [this, lane](int slot) {
                  EXPECT_EQ(InSlot(lane, slot), 0) << "replaced under a task";
                  if (depth_ < 2 && Below(2) == 0) {
                    ++depth_;
                    // Whatever is heard of it while it is still there.
                    Below(2) == 0 ? scheduler_.SlotReady(lane, slot, {.threads = CapacityOf(lane)}, now_ns_) : Step();
                    --depth_;
                  }
                  EXPECT_EQ(InSlot(lane, slot), 0) << "a task for one that is being replaced";
                  Capacity(lane, slot) = 0;
                  Owner(lane, slot).clear();
                  ++replaced_;
                }};
  }

  void CheckSession(const Task& task, int slot) {
    EXPECT_EQ(task.session_number != 0, task.lane == LaneKind::kIo && !task.session.empty());
    if (task.session_number == 0) return;
    // Where slots change hands it may move, but is never in two at once.
    if (principals_ > 1) place_of_[task.session_number] = slot;
    EXPECT_EQ(place_of_.emplace(task.session_number, slot).first->second, slot) << "a session in two slots";
    EXPECT_TRUE(std::all_of(running_.begin(), running_.end(), [&](const auto& running) {
      return running.second.session != task.session_number || running.second.slot == slot;
    })) << "a session in two slots at once";
    EXPECT_EQ(name_of_.emplace(task.session_number, task.session).first->second, task.session);
    EXPECT_EQ(forgotten_.count(task.session_number), 0u) << "a task of a forgotten session";
  }

  void Step() {
    switch (Below(10)) {
      case 0:
      case 1:
      case 2: SubmitOne(); break;
      case 3: {
        const LaneKind lane = AnyLane();
        const int slot = Below(kSlots);
        Capacity(lane, slot) = CapacityOf(lane);
        scheduler_.SlotReady(lane, slot, {.threads = CapacityOf(lane)}, now_ns_);
        break;
      }
      case 4: {
        const LaneKind lane = AnyLane();
        const int slot = Below(kSlots);
        Capacity(lane, slot) = 0;
        std::vector<uint64_t> lost;
        for (const auto& [serial, running] : running_) {
          if (running.lane == lane && running.slot == slot) lost.push_back(serial);
        }
        scheduler_.SlotGone(lane, slot);
        for (const uint64_t serial : lost) EndOne(serial);
        break;
      }
      case 5:
        if (!running_.empty()) EndOne(std::next(running_.begin(), Below(running_.size()))->first);
        break;
      case 6: StopOne(1 + Below(submitted_ + 1)); break;
      case 7: scheduler_.Expire(now_ns_); break;
      case 8:
        if (!running_.empty()) ReturnOne(std::next(running_.begin(), Below(running_.size()))->first);
        break;
      case 9:
        if (leaving_ > 0) {
          const int gone = 1 + Below(leaving_);
          leaving_ -= gone;
          scheduler_.SessionsGone(gone);
        }
        break;
    }
  }

  void SubmitOne() {
    Task task;
    task.lane = AnyLane();
    task.limits.queue_ns = 1 + Below(400);
    if (Below(3) > 0) task.session = std::string(1, 'a' + Below(5));
    task.principal = std::string(1, 'p' + Below(principals_));
    ++submitted_;
    const auto submitted = scheduler_.Submit(
        std::move(task),
        [this](const Task& task, const Outcome&) {
          EXPECT_TRUE(ended_.insert(task.serial).second) << "done twice";
          ++done_;
        },
        now_ns_);
    // In a lane's run the count comes late: `done` may have been called before Submit returned.
    if (std::holds_alternative<uint64_t>(submitted)) ++accepted_;
  }

  // Nothing comes any more, and every slot works: whatever waits gets its turn.
  void Settle() {
    settling_ = true;
    for (int round = 0; round < 200; ++round) {
      for (const LaneKind lane : {LaneKind::kIo, LaneKind::kCpu}) {
        for (int slot = 0; slot < kSlots; ++slot) {
          // What is ready is not heard of again.
          if (Capacity(lane, slot) > 0) continue;
          Capacity(lane, slot) = CapacityOf(lane);
          scheduler_.SlotReady(lane, slot, {.threads = CapacityOf(lane)}, now_ns_);
        }
      }
      while (!running_.empty()) EndOne(running_.begin()->first);
      if (scheduler_.Idle()) return;
    }
    ADD_FAILURE() << "a task waits for ever";
  }

  void StopOne(uint64_t serial) {
    Below(2) == 0 ? scheduler_.Cancel(serial, now_ns_) : scheduler_.DeadlinePassed(serial, now_ns_);
  }

  void EndOne(uint64_t serial) {
    if (running_.erase(serial) == 0) return;
    Outcome outcome;
    outcome.started = true;
    scheduler_.Ended({{serial, outcome}}, now_ns_);
  }

  void ReturnOne(uint64_t serial) {
    if (running_.erase(serial) != 0) scheduler_.Returned({serial}, now_ns_);
  }

  // Tasks that wait for another slot than this one, as far as sessions say.
  int WaitingElsewhere(int slot) {
    int waiting = 0;
    for (const SessionSnapshot& session : scheduler_.SessionsNow(now_ns_).live) {
      if (session.slot == SlotName(LaneKind::kIo, slot)) continue;
      waiting += session.active;
      for (const auto& [serial, running] : running_) {
        waiting -= running.session != 0 && name_of_.at(running.session) == session.session;
      }
    }
    return waiting;
  }

  // Called between steps, when no hand-over is under way.
  void CheckConservation() {
    int waiting = 0, running = 0;
    for (const LaneSnapshot& lane : scheduler_.Lanes()) {
      waiting += lane.queued;
      running += lane.running;
      EXPECT_LE(lane.queued, 12 + kSlots * 3);  // refused hand-overs come back on top of the bound
      EXPECT_EQ(lane.queued == 0, lane.queued_bytes == 0);
      // Beside a free slot only tasks wait whose session is elsewhere, or whose principal is another.
      for (int slot = 0; slot < kSlots; ++slot) {
        if (principals_ > 1 || InSlot(lane.lane, slot) >= Capacity(lane.lane, slot)) continue;
        const int elsewhere = lane.lane == LaneKind::kCpu ? 0 : WaitingElsewhere(slot);
        EXPECT_EQ(lane.queued, elsewhere) << "a task waits beside a free slot";
      }
    }
    const SessionsSnapshot sessions = scheduler_.SessionsNow(now_ns_);
    EXPECT_LE(sessions.live.size(), 3u);
    int active = 0;
    for (const SessionSnapshot& session : sessions.live) active += session.active;
    EXPECT_LE(active, accepted_ - done_);
    EXPECT_LE(leaving_, 3);
    EXPECT_EQ(running, static_cast<int>(running_.size()));
    EXPECT_EQ(accepted_, done_ + waiting + running);
    EXPECT_EQ(scheduler_.Idle(), waiting + running == 0);
  }

  std::mt19937 random_;
  const int principals_;
  bool settling_ = false;
  int replaced_ = 0;
  int64_t now_ns_ = 1;
  int depth_ = 0;
  int submitted_ = 0;
  int accepted_ = 0;
  int done_ = 0;
  int capacity_[2][kSlots] = {};
  std::string owner_[2][kSlots];
  std::map<uint64_t, Running> running_;
  std::set<uint64_t> ended_;
  std::map<uint64_t, int> place_of_;  // by session
  std::map<uint64_t, std::string> name_of_;
  std::set<uint64_t> forgotten_;
  int leaving_ = 0;
  Scheduler scheduler_;
};

class SchedulerModelTest : public ::testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Principals, SchedulerModelTest, ::testing::Values(1, 2, 4));

TEST_P(SchedulerModelTest, AcceptedIsEndedPlusWaitingPlusRunning) {
  const uint32_t first_seed = testing::Seed();
  int replaced = 0;
  for (uint32_t seed = first_seed; seed < first_seed + 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SchedulerModel model(seed, GetParam());
    model.Run(400);
    replaced += model.replaced();
    if (HasFailure()) return;
  }
  EXPECT_EQ(replaced > 0, GetParam() > 1);
}

}  // namespace
}  // namespace gild
