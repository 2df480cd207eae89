#include "client/bench/load.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "client/bench/client_cpu.h"

namespace gild::bench {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

}  // namespace

Load::Load(LoadOptions options)
    : options_(std::move(options)),
      unit_(options_.mode == Mode::kBatched ? options_.batch : 1),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      over_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (size_t i = 0; i < options_.connections; ++i) {
    outlets_.push_back(std::make_unique<Outlet>());
    outlets_[i]->load = this;
    outlets_[i]->sender = MakeSender(options_.address, options_.mode, options_.outstanding, unit_);
  }
  driver_ = std::thread([this] { Drive(); });
  pthread_setname_np(driver_.native_handle(), "gild-bench");
}

Load::~Load() {
  if (driver_.joinable()) {
    Stop();
    driver_.join();
  }
  outlets_.clear();  // a callback may be about to write to wake_fd_
  close(wake_fd_);
  close(over_fd_);
}

void Load::Stop() {
  stopping_ = true;
  Wake();
}

Load::Progress Load::progress() const { return {warming_up_, sent_, Elapsed()}; }

Figures Load::Take() {
  driver_.join();
  return std::move(figures_);
}

void Load::Drive() {
  // A timer of 50 µs' slack would make every send of an open loop that much late.
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  if (options_.warm_up_ns > 0) {
    warming_up_ = true;
    RunPhase(options_.warm_up_ns, kTasksMax, nullptr);
    warming_up_ = false;
  }
  if (!stopping_) {
    RunPhase(options_.task_count ? kForever : options_.length_ns, options_.task_count.value_or(kTasksMax), &figures_);
  }
  absl::MutexLock lock(&failure_mutex_);
  figures_.failure = failure_;
  figures_.interrupted = stopping_ && failure_.ok();
  eventfd_write(over_fd_, 1);
}

void Load::RunPhase(int64_t length_ns, uint64_t tasks_max, Figures* figures) {
  sent_ = 0;
  tasks_max_ = tasks_max;
  for (const auto& outlet : outlets_) outlet->tally = Tally();
  const ThreadTimes before = ReadThreadTimes();
  begin_ns_ = NowNs();
  SetSending(true);

  std::optional<Plan> plan;
  if (options_.rate) {
    plan.emplace(Schedule(*options_.rate, options_.spacing, options_.seed), length_ns, tasks_max);
    SendOpen(&*plan, length_ns);
  } else {
    SendClosed();
  }
  // A closed loop has 0 under way before its time only when it may send no more; an open one often.
  AwaitUnderWay(options_.rate && sent_ < tasks_max ? -1 : 0, length_ns);
  SetSending(false);
  const int64_t stopped_ns = std::min(Elapsed(), length_ns);
  const ThreadTimes after = ReadThreadTimes();
  AwaitUnderWay(0, kForever);
  // What a stopped load still has under way is cancelled here.
  if (stopping_) {
    for (const auto& outlet : outlets_) outlet->sender.reset();
  }
  if (figures == nullptr) return;

  Tally tally;
  for (const auto& outlet : outlets_) tally.Add(std::move(outlet->tally));
  tally.unanswered += unsendable_;
  figures->length_ns = std::max<int64_t>(1, stopped_ns);
  figures->sent = sent_;
  figures->full = !options_.task_count && sent_ == tasks_max;
  if (!before.empty()) figures->cpu = CpuBetween(before, after);
  if (plan) {
    plan->Close(stopped_ns);
    figures->planned = plan->planned();
    figures->unsent = plan->unsent();
    figures->late = plan->late();
    figures->late_max_ns = plan->late_max_ns();
  }
  Summarise(std::move(tally), plan ? plan->lag_sum_ns() : 0, figures);
}

void Load::SendClosed() {
  const size_t share = options_.outstanding / outlets_.size();
  const size_t more = options_.outstanding % outlets_.size();
  for (size_t i = 0; i < outlets_.size(); ++i) {
    const size_t room = share + (i < more ? 1 : 0);
    outlets_[i]->room = room % unit_;
    for (size_t unit = 0; unit < room / unit_; ++unit) SendNext(outlets_[i].get());
  }
}

void Load::SendOpen(Plan* plan, int64_t length_ns) {
  std::vector<int64_t> due;
  for (size_t turn = 0; plan->next(); ++turn) {
    while (due.size() < unit_ && plan->next()) {
      AwaitUnderWay(-1, *plan->next());
      if (stopping_) return;
      due.push_back(plan->Take());
    }
    const auto most_beside = static_cast<int64_t>(options_.outstanding - due.size());
    if (!AwaitUnderWay(most_beside, length_ns) || stopping_) return;
    Outlet* const outlet = outlets_[turn % outlets_.size()].get();
    absl::MutexLock lock(&outlet->mutex);
    plan->Sent(due, Elapsed());
    Send(outlet, sent_.fetch_add(due.size()), due);
    due.clear();
  }
}

void Load::SendNext(Outlet* outlet) {
  absl::MutexLock lock(&outlet->mutex);
  if (!outlet->sending) return;
  uint64_t first = sent_;
  uint64_t count = 0;
  do {
    count = std::min<uint64_t>(unit_, tasks_max_ - first);
  } while (!sent_.compare_exchange_weak(first, first + count));
  if (count > 0) Send(outlet, first, std::vector<int64_t>(count, Elapsed()));
}

void Load::Send(Outlet* outlet, uint64_t first_index, const std::vector<int64_t>& planned_ns) {
  std::vector<TaskStream::Item> items;
  items.reserve(planned_ns.size());
  for (const int64_t planned : planned_ns) {
    items.push_back({options_.tasks[first_index++ % options_.tasks.size()],
                     [outlet, planned](const absl::StatusOr<const v1::Outcome*>& outcome) {
                       outlet->load->Answered(outlet, planned, outcome);
                     }});
  }
  const auto count = static_cast<int64_t>(planned_ns.size());
  under_way_ += count;
  const absl::Status status = outlet->sender->Send(std::move(items));
  if (status.ok()) return;
  under_way_ -= count;
  unsendable_ += planned_ns.size();
  Fail(status);
}

void Load::Answered(Outlet* outlet, int64_t planned_ns, const absl::StatusOr<const v1::Outcome*>& outcome) {
  if (const absl::Status status = outlet->tally.Count(outcome, planned_ns, Elapsed()); !status.ok()) Fail(status);
  if (!options_.rate && ++outlet->room == unit_) {
    outlet->room = 0;
    SendNext(outlet);
  }
  if (--under_way_ <= wake_level_) Wake();
}

void Load::SetSending(bool sending) {
  for (const auto& outlet : outlets_) {
    absl::MutexLock lock(&outlet->mutex);
    outlet->sending = sending;
  }
}

void Load::Fail(const absl::Status& status) {
  {
    absl::MutexLock lock(&failure_mutex_);
    // The first is the one to keep; and what a stop has cancelled has not failed.
    if (stopping_) return;
    // Nobody here has cancelled it: the server ends, and the calls under way with it.
    failure_ = absl::IsCancelled(status) ? absl::UnavailableError("the server ended the call") : status;
    stopping_ = true;
  }
  Wake();
}

bool Load::AwaitUnderWay(int64_t level, int64_t until_ns) {
  wake_level_ = level;
  while (under_way_ > level && !stopping_) {
    const int64_t left_ns = until_ns == kForever ? kForever : until_ns - Elapsed();
    if (left_ns <= 0) break;
    const timespec timeout = {left_ns / kNsPerSecond, left_ns % kNsPerSecond};
    pollfd waiting = {wake_fd_, POLLIN, 0};
    ppoll(&waiting, 1, until_ns == kForever ? nullptr : &timeout, nullptr);
    eventfd_t wakes;
    eventfd_read(wake_fd_, &wakes);
  }
  wake_level_ = -1;
  return under_way_ <= level;
}

void Load::Wake() { eventfd_write(wake_fd_, 1); }

}  // namespace gild::bench
