// The scheduler between two lanes that are fakes and note what they are told. Time is a number the tests choose.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "server/scheduler/scheduler.h"

namespace gild {

struct FakeLane {
  struct Start {
    int slot;
    uint64_t serial;
  };
  std::vector<Start> starts;
  std::vector<uint64_t> cancels;
  std::vector<std::pair<int, std::vector<uint64_t>>> forgets;
  std::vector<int> replaced;
  std::vector<std::tuple<int, uint64_t, uint64_t, uint64_t>> peeks;  // slot, serial, after which bytes
  std::function<bool(int slot, const Task& task)> on_run;            // empty: takes everything
  std::function<void(int slot)> on_replace;                          // empty: nothing yet
  bool has_sessions = true;

  Scheduler::LanePort Port() {
    return {.run =
                [this](int slot, const std::shared_ptr<const Task>& task) {
                  starts.push_back({slot, task->serial});
                  return on_run ? on_run(slot, *task) : true;
                },
            .cancel = [this](uint64_t serial) { cancels.push_back(serial); },
            .peek =
                [this](int slot, uint64_t serial, OutputPoint after) {
                  peeks.push_back({slot, serial, after.out_bytes, after.err_bytes});
                  return Glimpse{.out = "printed"};
                },
            .forget =
                [this](int slot, const std::vector<uint64_t>& sessions) {
                  forgets.emplace_back(slot, sessions);
                  return has_sessions;
                },
            .replace =
                [this](int slot) {
                  replaced.push_back(slot);
                  if (on_replace) on_replace(slot);
                }};
  }

  std::vector<uint64_t> Started() const {
    std::vector<uint64_t> serials;
    for (const Start& start : starts) serials.push_back(start.serial);
    return serials;
  }
  std::vector<int> Slots() const {
    std::vector<int> slots;
    for (const Start& start : starts) slots.push_back(start.slot);
    return slots;
  }
};

class SchedulerTest : public ::testing::Test {
 protected:
  static Task CpuTask() {
    Task task;
    task.tag = Tag::kCpu;
    task.lane = LaneKind::kCpu;
    task.code = "pass";
    return task;
  }
  static Task IoTask() {
    Task task = CpuTask();
    task.tag = Tag::kIo;
    task.lane = LaneKind::kIo;
    return task;
  }

  static Task SessionTask(const std::string& session) {
    Task task = IoTask();
    task.session = session;
    return task;
  }

  void Bound(int64_t tasks, int64_t bytes) {
    scheduler_.emplace(io_.Port(), cpu_.Port(), Scheduler::Bounds{.queued_tasks = tasks, .held_bytes = bytes});
  }

  Scheduler& scheduler() {
    if (!scheduler_) scheduler_.emplace(io_.Port(), cpu_.Port(), Scheduler::Bounds{});
    return *scheduler_;
  }

  std::variant<uint64_t, Refusal> TrySubmit(Task task, int64_t now_ns = 0) {
    return scheduler().Submit(
        std::move(task),
        [this](const Task& ended, Outcome outcome) {
          EXPECT_TRUE(outcomes_.emplace(ended.serial, std::move(outcome)).second) << "done twice: " << ended.serial;
        },
        now_ns);
  }
  uint64_t Submit(Task task, int64_t now_ns = 0) { return std::get<uint64_t>(TrySubmit(std::move(task), now_ns)); }

  void End(uint64_t serial, int64_t now_ns = 0, Ending ending = Ending::kSucceeded) {
    Outcome outcome;
    outcome.ending = ending;
    outcome.started = true;
    scheduler().Ended({{serial, outcome}}, now_ns);
  }

  LaneSnapshot Lane(LaneKind lane) { return scheduler().Lanes()[lane == LaneKind::kIo ? 0 : 1]; }

  FakeLane io_;
  FakeLane cpu_;
  std::map<uint64_t, Outcome> outcomes_;
  std::optional<Scheduler> scheduler_;
};

}  // namespace gild
