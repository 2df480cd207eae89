#include "server/interpreter/interpreter.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/interpreter/death_note.h"
#include "server/interpreter/event_loop.h"
#include "server/interpreter/process_limits.h"
#include "server/interpreter/sessions.h"
#include "server/interpreter/stop_signal.h"
#include "server/interpreter/stopper.h"
#include "server/interpreter/task_runner.h"
#include "server/interpreter/workers.h"
#include "server/ipc/blocking_channel.h"
#include "server/meter/lock_hooks.h"
#include "server/sandbox/descriptor.h"

namespace gild {
namespace {

// In the CPU lane the core is the interpreter's own: between two tasks it stays awake for about as long as the next one
// takes to come when one waits. To halt the core and wake it again takes longer (1 to 2 % of a task of 5 ms).
constexpr int64_t kAwakeNs = 100 * kNsPerUs;

// Not exit(): nothing of ours needs an orderly end, and user code must not get one more chance to run.
[[noreturn]] void End(int code) {
  while (true) syscall(SYS_exit_group, code);
}

[[noreturn]] void Fail(UniqueFd conversation, const absl::Status& why) {
  internal::FromInterpreter frame;
  frame.mutable_failed()->set_why(std::string(why.message()));
  (void)BlockingChannel(std::move(conversation)).Send(frame);
  End(EXIT_FAILURE);
}

// Whoever has the listener may answer for refused calls, so it is gone from here before any user code runs.
absl::Status Seal(const InterpreterWalls& walls, UniqueFd handover) {
  const absl::StatusOr<UniqueFd> listener = SealInterpreter(walls);
  if (!listener.ok()) return listener.status();
  return listener->valid() ? SendDescriptor(handover.get(), listener->get()) : absl::OkStatus();
}

// The interpreter's end of the page: the whole of it, mapped for good.
struct MappedPage {
  char* base = nullptr;
  PageLayout layout{0};

  static MappedPage Map(int fd) {
    struct stat status;
    GILD_CHECK(fstat(fd, &status) == 0);
    void* const base = mmap(nullptr, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    GILD_CHECK(base != MAP_FAILED);
    MappedPage page;
    page.base = static_cast<char*>(base);
    page.layout.rows = page.header()->rows.load();
    GILD_CHECK(page.layout.FileBytes() == static_cast<size_t>(status.st_size));
    return page;
  }

  PageHeader* header() const { return reinterpret_cast<PageHeader*>(base); }
  Row* row(uint32_t index) const { return reinterpret_cast<Row*>(base + layout.RowOffset(index)); }
  char* out(uint32_t index) const { return base + layout.OutOffset(index); }
  char* err(uint32_t index) const { return base + layout.ErrOffset(index); }
};

std::shared_ptr<TaskState> MakeState(const internal::StartTask& start, const MappedPage& page) {
  GILD_CHECK(start.row() < page.layout.rows);
  auto task = std::make_shared<TaskState>();
  task->serial = start.serial();
  task->row = page.row(start.row());
  task->out = page.out(start.row());
  task->err = page.err(start.row());
  task->output_bytes = std::min<uint64_t>(start.output_bytes(), kOutputBytesMax);
  task->end_on_output_overflow = start.end_on_output_overflow();
  return task;
}

void SendEnded(BlockingChannel* channel, internal::TaskEnded ended) {
  internal::FromInterpreter frame;
  *frame.mutable_ended() = std::move(ended);
  if (!channel->Send(frame).ok()) End(kExitOfLostChannel);
}

// ---- one thread ----

[[noreturn]] void RunOnMainThread(BlockingChannel* channel, const MappedPage& page, const InterpreterSetup& setup,
                                  std::unique_ptr<Inheritance> inheritance) {
  KeepFreedMemory();
  TaskRunner runner(std::move(inheritance), {.alone = true,
                                             .own_scratch = setup.own_scratch,
                                             .subprocess = setup.walls.profile.subprocess,
                                             .tasks_max = setup.tasks_max,
                                             .growth_bytes_max = static_cast<int64_t>(setup.growth_bytes_max)});
  PyThreadState* const main_state = PyEval_SaveThread();
  internal::ToInterpreter frame;
  bool spent = false;
  while (channel->Receive(&frame, kAwakeNs).value_or(false)) {
    if (!frame.has_start()) continue;
    const std::shared_ptr<TaskState> task = MakeState(frame.start(), page);
    task->function = runner.Learn(frame.mutable_start(), /*session=*/nullptr);
    // What lies ready behind a task that has left something running is not begun: the server takes it back, and ends
    // us.
    if (spent) continue;
    if (!Take(task->row, task->serial)) continue;  // it waited here for too long
    // Alone, every task comes to its end here.
    internal::TaskEnded ended = std::get<internal::TaskEnded>(runner.Run(frame.start(), task, main_state));
    spent = ended.threads_left() > 0 || ended.processes_left() || ended.residue_size() > 0 || ended.spent();
    SendEnded(channel, std::move(ended));
  }
  End(kExitOfLostChannel);
}

// ---- many threads ----

[[noreturn]] void RunOnWorkers(BlockingChannel* channel, const MappedPage& page, const InterpreterSetup& setup,
                               std::unique_ptr<Inheritance> inheritance) {
  InstallStopSignal();
  const bool subprocess = setup.walls.profile.subprocess;
  TaskRunner runner(std::move(inheritance),
                    {.alone = false, .own_scratch = setup.own_scratch, .subprocess = subprocess});
  absl::StatusOr<PyRef> loop_module = ImportEventLoop();
  if (!loop_module.ok()) End(EXIT_FAILURE);  // the server sees an interpreter that failed to start
  Workers workers(channel, &runner, *std::move(loop_module), PyInterpreterState_Get(), subprocess);
  Stopper stopper(&runner, workers.loop());
  Sessions sessions(channel, &runner, &stopper, PyInterpreterState_Get());
  PyEval_SaveThread();
  internal::ToInterpreter frame;
  int64_t tended_ns = 0;
  while (true) {
    if (const int64_t patience_ns = workers.TendInNs(); patience_ns > 0) {
      const bool came = channel->Await(patience_ns);
      if (const int64_t now_ns = NowNs(); !came || now_ns - tended_ns >= patience_ns) {
        workers.Tend();
        tended_ns = now_ns;
      }
      if (!came) continue;
    }
    if (!channel->Receive(&frame).value_or(false)) break;
    if (frame.has_start()) {
      std::shared_ptr<TaskState> task = MakeState(frame.start(), page);
      task->session = sessions.Of(frame.start().session());
      task->function = runner.Learn(frame.mutable_start(), task->session.get());
      if (!Take(task->row, task->serial)) continue;  // it waited here for too long
      workers.Start(std::unique_ptr<internal::StartTask>(frame.release_start()), std::move(task));
    } else if (frame.has_stop()) {
      // It may have ended meanwhile.
      if (auto task = workers.Find(frame.stop().serial())) stopper.Stop(std::move(task));
    } else if (frame.has_forget_sessions()) {
      sessions.Forget(frame.forget_sessions());
    }
  }
  End(kExitOfLostChannel);
}

}  // namespace

void RunInterpreter(InterpreterSetup setup, std::unique_ptr<Inheritance> inheritance) {
  prctl(PR_SET_NAME, ("gild-" + setup.name).c_str());
  const int handover = setup.handover.get();
  const absl::Status entered = EnterInterpreter(
      setup.place, {setup.channel.get(), setup.page.get(), handover, setup.rules ? setup.rules->fd() : handover},
      setup.walls.without);
  if (!entered.ok()) Fail(std::move(setup.channel), entered);
  Scratch::Here(/*shared=*/false).RemoveLeftFolders();

  const MappedPage page = MappedPage::Map(setup.page.get());
  setup.page.reset();
  ProcessLedger().Attach(page.header(), setup.meter_available);
  InstallForkGuard();
  InstallDeathNote(page.header());
  UseAlternateStack();
  const PyRef reseeded(PyObject_CallMethod(inheritance->bootstrap.get(), "reseed", nullptr));
  if (!reseeded) PyErr_Clear();

  PrepareLimits();
  if (setup.rules) setup.walls.rules = &*setup.rules;
  const absl::Status sealed = Seal(setup.walls, std::move(setup.handover));
  setup.walls.rules = nullptr;
  setup.rules.reset();
  if (!sealed.ok()) Fail(std::move(setup.channel), sealed);

  BlockingChannel channel(std::move(setup.channel));
  internal::FromInterpreter ready;
  ready.mutable_ready();
  if (!channel.Send(ready).ok()) End(kExitOfLostChannel);
  if (setup.alone) RunOnMainThread(&channel, page, setup, std::move(inheritance));
  RunOnWorkers(&channel, page, setup, std::move(inheritance));
}

}  // namespace gild
