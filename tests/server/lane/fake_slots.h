// FakeSlots: the processes of a lane, played by a test: real sockets and real pages, no process.
//
// The test's thread speaks for inits and interpreters; the lane lives on the poller's thread. FakeSlots outlives the
// lane.
//
//   FakeInterpreter child = slots.AwaitInterpreter(0);   // the lane has asked for one
//   child.Ready();
//   StartTask start = child.AwaitTask();
//   child.Begin(start);
//   child.End(start, internal::CODE_SUCCEEDED);
//   slots.Died(0, child, SIGSEGV);
#pragma once

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gild/internal/frames.pb.h"
#include "gtest/gtest.h"
#include "server/base/clock.h"
#include "server/base/poller.h"
#include "server/ipc/blocking_channel.h"
#include "server/ipc/page.h"
#include "server/process/slot_process.h"

namespace gild {

inline int Signaled(int signal) { return signal; }
inline int Exited(int code) { return code << 8; }

inline uint32_t RowsOf(int page) {
  uint32_t rows = 0;
  EXPECT_EQ(pread(page, &rows, sizeof rows, offsetof(PageHeader, rows)), ssize_t{sizeof rows});
  return rows;
}

// The interpreter's side of a channel and a page.
class FakeInterpreter {
 public:
  FakeInterpreter(int slot, uint64_t generation, bool alone, UniqueFd channel, UniqueFd page)
      : slot_(slot),
        alone_(alone),
        generation_(generation),
        layout_{RowsOf(page.get())},
        channel_(std::make_unique<BlockingChannel>(std::move(channel))),
        base_(mmap(nullptr, layout_.FileBytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, page.get(), 0),
              Unmap{layout_.FileBytes()}) {
    EXPECT_NE(base_.get(), MAP_FAILED);
    header()->meter_available = 1;
  }

  int slot() const { return slot_; }
  uint64_t generation() const { return generation_; }
  PageHeader* header() { return static_cast<PageHeader*>(base_.get()); }
  Row* row(uint32_t index) { return reinterpret_cast<Row*>(bytes() + layout_.RowOffset(index)); }

  void Ready() {
    internal::FromInterpreter frame;
    frame.mutable_ready();
    Send(frame);
  }

  internal::ToInterpreter AwaitFrame() {
    internal::ToInterpreter frame;
    EXPECT_TRUE(channel_->Receive(&frame).value_or(false)) << "the channel is at its end";
    return frame;
  }
  internal::StartTask AwaitTask() {
    const internal::ToInterpreter frame = AwaitFrame();
    EXPECT_TRUE(frame.has_start());
    // Alone it does that when it begins it.
    if (!alone_) (void)Take(row(frame.start().row()), frame.start().serial());
    return frame.start();
  }
  internal::StopTask AwaitStop() {
    const internal::ToInterpreter frame = AwaitFrame();
    EXPECT_TRUE(frame.has_stop());
    return frame.stop();
  }

  std::vector<uint64_t> AwaitForget() {
    const internal::ToInterpreter frame = AwaitFrame();
    EXPECT_TRUE(frame.has_forget_sessions());
    return {frame.forget_sessions().sessions().begin(), frame.forget_sessions().sessions().end()};
  }

  void Begin(const internal::StartTask& start, int64_t process_cpu_ns = 0) {
    Row* const r = row(start.row());
    (void)Take(r, start.serial());
    r->serial = start.serial();
    r->process_cpu_at_begin_ns = process_cpu_ns;
    r->begin_ns = NowNs();
  }
  void Print(const internal::StartTask& start, const std::string& text) {
    text.copy(bytes() + layout_.OutOffset(start.row()), text.size());
    row(start.row())->out_bytes = text.size();
  }

  void TellProgress(const internal::StartTask& start, uint64_t done, uint64_t total) {
    Row* const r = row(start.row());
    r->progress_done = done;
    r->progress_total = total;
    r->progress_changes += 2;
  }

  static internal::TaskEnded Ended(const internal::StartTask& start, internal::CodeEnding ending) {
    internal::TaskEnded ended;
    ended.set_serial(start.serial());
    ended.set_ending(ending);
    ended.set_begin_ns(NowNs());
    ended.set_end_ns(NowNs());
    ended.set_cpu_wait_ns(-1);
    return ended;
  }
  void End(const internal::StartTask& start, internal::CodeEnding ending) { End(Ended(start, ending)); }
  void End(const internal::TaskEnded& ended) {
    internal::FromInterpreter frame;
    *frame.mutable_ended() = ended;
    Send(frame);
  }
  void OnLoop(const std::vector<uint64_t>& serials) {
    internal::FromInterpreter frame;
    frame.mutable_on_loop()->mutable_serials()->Assign(serials.begin(), serials.end());
    Send(frame);
  }
  void Forgotten(const std::vector<uint64_t>& sessions) {
    internal::FromInterpreter frame;
    frame.mutable_sessions_forgotten()->mutable_sessions()->Assign(sessions.begin(), sessions.end());
    Send(frame);
  }
  void Send(const internal::FromInterpreter& frame) { (void)channel_->Send(frame); }
  void SendBytes(const std::string& bytes) { (void)!write(channel_->fd(), bytes.data(), bytes.size()); }

  void Note(Death death, int detail, uint64_t serial) {
    header()->death_detail = detail;
    header()->death_serial = serial;
    header()->death = static_cast<uint32_t>(death);
  }

  void CloseChannel() { channel_.reset(); }
  bool channel_open() const { return channel_ != nullptr; }

 private:
  struct Unmap {
    size_t bytes = 0;
    void operator()(void* base) const { munmap(base, bytes); }
  };

  char* bytes() { return static_cast<char*>(base_.get()); }

  int slot_ = 0;
  bool alone_ = true;
  uint64_t generation_ = 0;
  PageLayout layout_{0};
  std::unique_ptr<BlockingChannel> channel_;
  std::unique_ptr<void, Unmap> base_;
};

class FakeSlots : public SlotFactory {
 public:
  struct Kill {
    uint64_t generation;
    int signal;
  };

  explicit FakeSlots(Poller* poller) : poller_(poller) {}

  // False: the test calls InitReady itself.
  bool inits_are_ready = true;
  // True: a killed interpreter is reported dead at once. False: the test awaits the kill and reports the death.
  bool kills_work = true;

  std::unique_ptr<SlotProcess> MakeSlot(const SlotOrder& order, SlotProcess::Events events) override {
    // A lane makes its slots in their order.
    const int slot = numbers_.try_emplace(order.name, static_cast<int>(numbers_.size())).first->second;
    auto process = std::make_unique<Process>(this, slot, std::move(events));
    {
      absl::MutexLock lock(&mutex_);
      live_[slot] = process.get();
      orders_[slot].push_back(order);
    }
    if (inits_are_ready) InitReady(slot);
    return process;
  }

  // ---- what the test sees ----

  SlotOrder AwaitOrder(int slot, size_t nth = 1) {
    absl::MutexLock lock(&mutex_);
    const auto made = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return orders_[slot].size() >= nth; };
    mutex_.Await(absl::Condition(&made));
    return orders_[slot][nth - 1];
  }
  FakeInterpreter AwaitInterpreter(int slot) {
    absl::MutexLock lock(&mutex_);
    const auto started = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !started_[slot].empty(); };
    mutex_.Await(absl::Condition(&started));
    FakeInterpreter first = std::move(started_[slot].front());
    started_[slot].erase(started_[slot].begin());
    return first;
  }
  // The lane has asked for that generation, which is left for AwaitInterpreter.
  void AwaitStart(int slot, uint64_t generation) {
    absl::MutexLock lock(&mutex_);
    const auto started = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !started_[slot].empty() && started_[slot].back().generation() >= generation;
    };
    mutex_.Await(absl::Condition(&started));
  }
  Kill AwaitKill(int slot) {
    absl::MutexLock lock(&mutex_);
    const auto killed = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !kills_[slot].empty(); };
    mutex_.Await(absl::Condition(&killed));
    Kill first = kills_[slot].front();
    kills_[slot].erase(kills_[slot].begin());
    return first;
  }
  size_t kills(int slot) {
    absl::MutexLock lock(&mutex_);
    return kills_[slot].size();
  }
  // The lane has let go of the slot's process.
  void AwaitAbandoned(int slot) {
    absl::MutexLock lock(&mutex_);
    const auto gone = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return live_[slot] == nullptr; };
    mutex_.Await(absl::Condition(&gone));
  }

  // ---- what the test plays ----

  void InitReady(int slot) {
    Tell(slot, [](SlotProcess::Events& events) { events.on_ready(); });
  }
  void StartFailed(int slot, uint64_t generation, int error_number) {
    Tell(slot, [=](SlotProcess::Events& events) { events.on_started(generation, error_number); });
  }
  void Ended(int slot, InterpreterEnd end) {
    Tell(slot, [=](SlotProcess::Events& events) { events.on_ended(end); });
  }
  void Ended(const FakeInterpreter& child, int wait_status) {
    Ended(child.slot(), {.generation = child.generation(), .wait_status = wait_status});
  }
  void Gone(int slot, const std::string& why) {
    Tell(slot, [=](SlotProcess::Events& events) { events.on_gone(absl::UnavailableError(why)); });
  }

 private:
  class Process : public SlotProcess {
   public:
    Process(FakeSlots* slots, int slot, Events events) : slots_(slots), slot_(slot), events_(std::move(events)) {}
    ~Process() override {
      absl::MutexLock lock(&slots_->mutex_);
      if (slots_->live_[slot_] == this) slots_->live_[slot_] = nullptr;
      // An init takes its interpreters along.
      slots_->started_[slot_].clear();
    }

    void StartInterpreter(uint64_t generation, bool alone, UniqueFd channel, UniqueFd page) override {
      absl::MutexLock lock(&slots_->mutex_);
      slots_->started_[slot_].emplace_back(slot_, generation, alone, std::move(channel), std::move(page));
    }
    void KillInterpreter(uint64_t generation, int signal) override {
      if (slots_->kills_work) slots_->Ended(slot_, {.generation = generation, .wait_status = Signaled(signal)});
      absl::MutexLock lock(&slots_->mutex_);
      slots_->kills_[slot_].push_back({generation, signal});
    }

    Events events() const { return events_; }

   private:
    FakeSlots* const slots_;
    const int slot_;
    const Events events_;
  };

  // To the slot's present process, on the poller's thread; to nobody when there is none.
  void Tell(int slot, std::function<void(SlotProcess::Events&)> what) {
    poller_->Post([this, slot, what] {
      Process* process;
      {
        absl::MutexLock lock(&mutex_);
        process = live_[slot];
      }
      if (process == nullptr) return;
      SlotProcess::Events events = process->events();
      what(events);
    });
  }

  Poller* const poller_;
  absl::Mutex mutex_;
  std::map<std::string, int> numbers_;  // of slots, by name; poller's thread only
  std::map<int, Process*> live_ ABSL_GUARDED_BY(mutex_);
  std::map<int, std::vector<SlotOrder>> orders_ ABSL_GUARDED_BY(mutex_);
  std::map<int, std::vector<FakeInterpreter>> started_ ABSL_GUARDED_BY(mutex_);
  std::map<int, std::vector<Kill>> kills_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gild
