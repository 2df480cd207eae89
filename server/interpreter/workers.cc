#include "server/interpreter/workers.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>
#include <utility>
#include <variant>

#include "server/base/errors.h"
#include "server/interpreter/death_note.h"
#include "server/interpreter/process_limits.h"
#include "server/interpreter/settings.h"
#include "server/ipc/frame.h"
#include "server/meter/lock_hooks.h"

namespace gild {
namespace {

// Not worth a larger write.
constexpr size_t kEndedBytesMax = 16 << 10;

Workers* the_workers = nullptr;
thread_local bool worker_here = false;
thread_local bool engaged_here = false;

}  // namespace

Workers::Workers(BlockingChannel* channel, TaskRunner* runner, PyRef loop_module, PyInterpreterState* interpreter,
                 bool subprocess)
    : channel_(channel),
      runner_(runner),
      interpreter_(interpreter),
      subprocess_(subprocess),
      loop_(channel, runner, std::move(loop_module), [this](uint64_t serial) { Forget(serial); }) {
  GILD_CHECK(the_workers == nullptr);
  the_workers = this;
  TellOfLock(&Workers::OnReleased, &Workers::OnTaken);
}

void Workers::Start(std::unique_ptr<internal::StartTask> start, std::shared_ptr<TaskState> task) {
  const bool on_loop = loop_.Takes(*start);
  {
    absl::MutexLock lock(&mutex_);
    running_[task->serial] = task;
    if (!on_loop) {
      jobs_.push_back({std::move(start), std::move(task)});
      waiting_tasks_ = jobs_.size();
      if (engaged_ == 0 && !WakeOne()) AddWorker();
      return;
    }
  }
  loop_.Start(std::move(*start), std::move(task));
}

int64_t Workers::TendInNs() {
  absl::MutexLock lock(&mutex_);
  tended_ = jobs_.size() > static_cast<size_t>(coming_) || !ended_.empty();
  if (!tended_) return 0;
  return taken_ == taken_when_tended_ ? kPatienceNs : kBusyPatienceNs;
}

void Workers::Tend() {
  std::string ended;
  {
    absl::MutexLock lock(&mutex_);
    const bool nobody_came = std::exchange(taken_when_tended_, taken_) == taken_;
    if (!jobs_.empty() && coming_ == 0 && nobody_came && !WakeOne()) AddWorker();
    ended.swap(ended_);
  }
  Send(ended);
}

std::shared_ptr<TaskState> Workers::Find(uint64_t serial) {
  absl::MutexLock lock(&mutex_);
  auto found = running_.find(serial);
  return found == running_.end() ? nullptr : found->second;
}

void Workers::OnReleased() {
  if (!worker_here || !std::exchange(engaged_here, false)) return;
  if (the_workers->engaged_.fetch_sub(1) > 1 || the_workers->waiting_tasks_ == 0) return;
  absl::MutexLock lock(&the_workers->mutex_);
  if (!the_workers->jobs_.empty() && the_workers->engaged_ == 0) the_workers->WakeOne();
}

void Workers::OnTaken() {
  if (worker_here && !std::exchange(engaged_here, true)) the_workers->engaged_.fetch_add(1);
}

bool Workers::WakeOne() {
  if (idle_.empty()) return false;
  // The last to rest: its stack is warm.
  Worker* const worker = idle_.back();
  idle_.pop_back();
  worker->woken = true;
  worker->wake.Signal();
  ++engaged_;
  ++coming_;
  return true;
}

// No more than tasks were ever in flight at once, which the server bounds by the page's rows.
void Workers::AddWorker() {
  ++engaged_;
  ++coming_;
  std::thread([this] {
    pthread_setname_np(pthread_self(), "gild-task");
    UseAlternateStack();
    Loop();
  }).detach();
}

Workers::Job Workers::TakeJob(Worker* self) {
  absl::MutexLock lock(&mutex_);
  while (jobs_.empty() || (!self->woken && engaged_ > 1)) {
    if (std::exchange(self->woken, false)) --coming_;  // another was quicker
    idle_.push_back(self);
    --engaged_;
    while (!self->woken) self->wake.Wait(&mutex_);
  }
  if (std::exchange(self->woken, false)) --coming_;
  ++taken_;
  Job job = std::move(jobs_.front());
  jobs_.pop_front();
  waiting_tasks_ = jobs_.size();
  return job;
}

void Workers::Loop() {
  // Kept from task to task: a new one costs two system calls on the process's memory map.
  PyThreadState* const thread_state = PyThreadState_New(interpreter_);
  runner_->AdoptThread(thread_state);
  worker_here = true;
  engaged_here = true;
  Worker self;
  while (true) {
    Job job = TakeJob(&self);
    std::variant<internal::TaskEnded, Coroutine> end = runner_->Run(*job.start, job.task, thread_state);
    if (Coroutine* const coroutine = std::get_if<Coroutine>(&end)) {
      loop_.Adopt(std::move(*job.start), std::move(job.task), std::move(*coroutine));
    } else {
      Ended(std::move(std::get<internal::TaskEnded>(end)));
    }
  }
}

void Workers::Ended(internal::TaskEnded ended) {
  const uint64_t serial = ended.serial();
  internal::FromInterpreter frame;
  *frame.mutable_ended() = std::move(ended);
  std::string bytes = EncodeFrame(frame);
  std::string frames;
  const bool descriptors_set = WasSet(Setting::kStandardDescriptors);
  const bool displaced = descriptors_set && !standard_descriptors_.Reopen();
  {
    absl::MutexLock lock(&mutex_);
    running_.erase(serial);
    if (descriptors_set) displaced_ = displaced;
    // The server hears of it together with the end, so that no other task comes here.
    if (running_.empty() && NoteWhatIsLeft(frame.mutable_ended())) bytes = EncodeFrame(frame);
    ended_ += bytes;
    if (tended_ && !jobs_.empty() && ended_.size() < kEndedBytesMax) return;
    frames.swap(ended_);
  }
  Send(frames);
}

bool Workers::NoteWhatIsLeft(internal::TaskEnded* ended) {
  if (displaced_) ended->add_residue(internal::RESIDUE_DESCRIPTORS);
  if (settings_.HandlersChanged()) ended->add_residue(internal::RESIDUE_SIGNALS);
  if (settings_.LimitsChanged()) ended->add_residue(internal::RESIDUE_LIMITS);
  ended->set_spent(ended->residue_size() > 0 || (subprocess_ && HasLivingChildren()));
  return ended->spent();
}

void Workers::EndIfProcessesAreLeft() {
  // Nobody starts meanwhile.
  absl::MutexLock lock(&mutex_);
  if (!running_.empty() || !HasLivingChildren()) return;
  while (true) syscall(SYS_exit_group, kExitOfLeftProcesses);
}

void Workers::Send(const std::string& frames) {
  if (frames.empty() || channel_->SendFrames(frames).ok()) return;
  while (true) syscall(SYS_exit_group, kExitOfLostChannel);
}

void Workers::Forget(uint64_t serial) {
  {
    absl::MutexLock lock(&mutex_);
    running_.erase(serial);
  }
  if (subprocess_) EndIfProcessesAreLeft();
}

}  // namespace gild
