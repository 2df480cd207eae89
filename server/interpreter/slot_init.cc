#include "server/interpreter/slot_init.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "server/base/cgroup.h"
#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/interpreter/child_events.h"
#include "server/interpreter/interpreter.h"
#include "server/ipc/blocking_channel.h"
#include "server/sandbox/enter.h"

namespace gild {
namespace {

class SlotInit {
 public:
  SlotInit(SlotSetup setup, UniqueFd conversation, PyRef bootstrap)
      : setup_(std::move(setup)),
        bootstrap_(std::move(bootstrap)),
        channel_(std::move(conversation)),
        events_(channel_.fd()) {}

  [[noreturn]] void Run() {
    internal::FromInit ready;
    ready.mutable_ready()->set_group_error(JoinGroup());
    Report(ready);
    while (true) {
      switch (events_.Wait()) {
        case ChildEvents::Event::kFrame: HandleFrames(); break;
        case ChildEvents::Event::kChildEnded: Reap(); break;
      }
    }
  }

 private:
  // A slot that is not counted for its lane serves all the same. Empty: it is, or need not be.
  std::string JoinGroup() {
    if (setup_.slot.group().empty()) return "";
    return std::string(JoinCgroup(setup_.slot.group()).message());
  }

  void Report(const internal::FromInit& frame) {
    if (!channel_.Send(frame).ok()) End();
  }

  [[noreturn]] void End() {
    KillAllAndReap(setup_.own_pid_namespace);
    ::_exit(0);
  }

  void HandleFrames() {
    internal::ToInit frame;
    if (!channel_.Receive(&frame).value_or(false)) End();
    do {
      if (frame.has_start()) Start(frame.start());
      if (frame.has_kill() && interpreter_ > 0 && frame.kill().generation() == generation_) {
        ::kill(interpreter_, frame.kill().signal());
      }
    } while (channel_.Buffered(&frame).value_or(false));
  }

  void Start(const internal::StartInterpreter& order) {
    InterpreterSetup interpreter;
    interpreter.channel = channel_.TakeDescriptor();
    interpreter.page = channel_.TakeDescriptor();
    GILD_CHECK(interpreter.channel.valid() && interpreter.page.valid() && interpreter_ <= 0);
    interpreter.alone = order.alone();
    interpreter.place = {.scratch = setup_.slot.scratch(), .core = setup_.slot.core(), .nice = setup_.slot.nice()};
    interpreter.meter_available = setup_.meter_available;
    interpreter.name = setup_.slot.name();

    PyOS_BeforeFork();
    const pid_t child = fork();
    if (child == 0) {
      PyOS_AfterFork_Child();
      ChildEvents::Unblock();
      RunInterpreter(std::move(interpreter), std::move(bootstrap_));
    }
    const int error = errno;
    PyOS_AfterFork_Parent();
    interpreter_ = child;
    generation_ = order.generation();
    internal::FromInit frame;
    frame.mutable_started()->set_generation(generation_);
    frame.mutable_started()->set_pid(child > 0 ? child : 0);
    frame.mutable_started()->set_error_number(child > 0 ? 0 : error);
    Report(frame);
  }

  void Reap() {
    while (true) {
      int status;
      rusage usage;
      const pid_t ended = wait4(-1, &status, WNOHANG, &usage);
      if (ended <= 0) return;
      if (ended != interpreter_) continue;  // an orphan of a task
      interpreter_ = 0;
      // What its tasks forked must not meet the next interpreter.
      KillAllAndReap(setup_.own_pid_namespace);
      internal::FromInit frame;
      internal::InterpreterEnded& report = *frame.mutable_ended();
      report.set_generation(generation_);
      report.set_wait_status(status);
      report.set_user_cpu_ns(Ns(usage.ru_utime));
      report.set_system_cpu_ns(Ns(usage.ru_stime));
      report.set_peak_memory_bytes(int64_t{usage.ru_maxrss} * 1024);
      Report(frame);
    }
  }

  const SlotSetup setup_;
  PyRef bootstrap_;
  BlockingChannel channel_;
  ChildEvents events_;
  pid_t interpreter_ = 0;  // 0: none
  uint64_t generation_ = 0;
};

}  // namespace

void RunSlotInit(SlotSetup setup, UniqueFd conversation, PyRef bootstrap) {
  prctl(PR_SET_NAME, ("init-" + setup.slot.name()).c_str());
  SlotInit(std::move(setup), std::move(conversation), std::move(bootstrap)).Run();
}

}  // namespace gild
