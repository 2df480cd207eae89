#include "server/interpreter/slot_init.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "server/base/clock.h"
#include "server/base/errors.h"
#include "server/interpreter/child_events.h"
#include "server/interpreter/interpreter.h"
#include "server/ipc/blocking_channel.h"
#include "server/sandbox/descriptor.h"
#include "server/sandbox/enter.h"
#include "server/sandbox/file_lock.h"
#include "server/sandbox/scratch_quota.h"
#include "server/sandbox/slot_files.h"

namespace gild {
namespace {

constexpr int kDeniedReportMs = 200;

class SlotInit {
 public:
  SlotInit(SlotSetup setup, UniqueFd conversation, std::unique_ptr<Inheritance> inheritance)
      : setup_(std::move(setup)),
        inheritance_(std::move(inheritance)),
        channel_(std::move(conversation)),
        events_(channel_.fd()) {}

  [[noreturn]] void Run() {
    Enter();
    // The modules' own callbacks, in Python, take a tenth of what an interpreter takes to begin: here rather than when
    // one is waited for. Nothing else runs in Python here, so the locks that they take wait for nobody.
    PyOS_BeforeFork();
    while (true) {
      const ChildEvents::Event event =
          events_.Wait(denied_ ? denied_->fd() : handover_.get(), denied_waits_ ? kDeniedReportMs : -1);
      if (std::exchange(just_forked_, false)) Settle();
      switch (event) {
        case ChildEvents::Event::kFrame: HandleFrames(); break;
        case ChildEvents::Event::kChildEnded: Reap(); break;
        case ChildEvents::Event::kWatched: TendDeniedCalls(); break;
        case ChildEvents::Event::kTimeout: ReportDeniedCalls(); break;
      }
    }
  }

 private:
  void Enter() {
    absl::StatusOr<EnteredSlot> entered = EnterSlot({.network = setup_.slot.network(),
                                                     .own_pid_namespace = setup_.own_pid_namespace,
                                                     .uid = setup_.slot.uid(),
                                                     .group = setup_.slot.group(),
                                                     .groups = OwnGroups(),
                                                     .seen = setup_.sandbox->seen,
                                                     .scratch = Bounds(),
                                                     .host_scratch = setup_.slot.scratch(),
                                                     .without = setup_.sandbox->switched_off});
    // Without it no interpreter would start here: a slot made anew has another try.
    const absl::Status filtered = CheckFilter(Walls());
    internal::FromInit frame;
    internal::InitReady& ready = *frame.mutable_ready();
    if (!entered.ok() || !filtered.ok()) {
      ready.set_error(std::string((entered.ok() ? filtered : entered.status()).message()));
      Report(frame);
      End();
    }
    ready.set_group_error(entered->group_error);
    *ready.mutable_isolation() = ToFrame(entered->isolation);
    scratch_ = std::move(entered->scratch);
    own_files_ = entered->isolation.Has(Layer::kMountNamespace);
    if (own_files_) MarkScratch();
    PrepareRules();
    Report(frame);
  }

  std::map<Layer, OwnGroup> OwnGroups() const {
    std::map<Layer, OwnGroup> groups;
    for (const internal::SlotGroup& group : setup_.slot.groups()) {
      if (const auto layer = LayerNamed(group.layer())) groups[*layer] = {group.folder(), group.why_none()};
    }
    return groups;
  }

  ScratchBounds Bounds() const {
    return {.bytes = setup_.slot.scratch_bytes(), .inodes = setup_.slot.scratch_inodes()};
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
    interpreter.own_scratch = own_files_;
    interpreter.tasks_max = setup_.slot.tasks_max();
    interpreter.growth_bytes_max = setup_.slot.growth_bytes_max();
    interpreter.place = {.scratch = scratch_,
                         .core = setup_.slot.core(),
                         .nice = setup_.slot.nice(),
                         .adopts = order.alone() || setup_.slot.subprocess()};
    interpreter.walls = Walls();
    interpreter.meter_available = setup_.meter_available;
    interpreter.name = setup_.slot.name();
    int handover[2];
    GILD_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, handover) == 0);
    handover_.reset(handover[0]);
    interpreter.handover.reset(handover[1]);

    const pid_t child = fork();
    if (child == 0) {
      PyOS_AfterFork_Child();
      ChildEvents::Unblock();
      interpreter.rules = std::move(rules_);
      RunInterpreter(std::move(interpreter), std::move(inheritance_));
    }
    fork_error_ = child > 0 ? 0 : errno;
    interpreter_ = child;
    generation_ = order.generation();
    // What follows for us waits until the child has handed over its listener, or is dead: it is waited for, and we
    // would take its core, and the pages that both of us touch.
    just_forked_ = child > 0;
    if (child < 0) Settle();
  }

  void Settle() {
    internal::FromInit frame;
    frame.mutable_started()->set_generation(generation_);
    frame.mutable_started()->set_pid(fork_error_ == 0 ? interpreter_ : 0);
    frame.mutable_started()->set_error_number(fork_error_);
    Report(frame);
    PyOS_AfterFork_Parent();
    PyOS_BeforeFork();  // for the next
  }

  // First comes the listener, then what it hears of.
  void TendDeniedCalls() {
    if (!denied_) {
      UniqueFd listener = ReceiveDescriptor(handover_.get());
      handover_.reset();
      if (listener.valid())
        denied_.emplace(std::move(listener), [this](const seccomp_notif& call) { return Grant(call); });
      return;
    }
    denied_waits_ = true;
    const bool listening = denied_->Answer();
    if (!listening || NowNs() - denied_reported_ns_ >= kDeniedReportMs * kNsPerMs) ReportDeniedCalls();
    if (!listening) denied_.reset();
  }

  std::optional<int> Grant(const seccomp_notif& call) const {
    if (!own_files_) return std::nullopt;
    if (const std::optional<int> locked = LockOwnFile(call)) return locked;
    // Where many tasks share a scratch, none of them may say how much all may have.
    if (setup_.slot.shared()) return std::nullopt;
    const std::optional<ScratchBounds> quota = ScratchQuotaAsked(call.data);
    if (!quota) return std::nullopt;
    return SetScratchQuota(*quota, Bounds());
  }

  void ReportDeniedCalls() {
    denied_waits_ = false;
    if (!denied_) return;
    const std::map<std::string, uint64_t> calls = denied_->Take();
    if (calls.empty()) return;
    denied_reported_ns_ = NowNs();
    internal::FromInit frame;
    frame.mutable_denied()->mutable_calls()->insert(calls.begin(), calls.end());
    Report(frame);
  }

  void Reap() {
    while (true) {
      int status;
      rusage usage;
      const pid_t ended = wait4(-1, &status, WNOHANG | WUNTRACED, &usage);
      if (ended <= 0) return;
      if (WIFSTOPPED(status)) {
        // Nobody here waits for a stopped process to be looked at; its neighbours wait for it to go on.
        ::kill(ended, SIGCONT);
        continue;
      }
      if (ended != interpreter_) continue;  // an orphan of a task
      interpreter_ = 0;
      ReportDeniedCalls();
      denied_.reset();
      handover_.reset();
      // At once: its tasks' clients should not wait for what follows. The next order does.
      ReportEnd(status, usage);
      // What its tasks forked, and left in their files, must not meet the next interpreter.
      KillAllAndReap(setup_.own_pid_namespace);
      if (own_files_) ClearScratch();
    }
  }

  void ClearScratch() {
    if (new_scratch_ && new_scratch_->Untouched()) return;
    if (!RenewScratch(Bounds(), geteuid()).ok()) End();
    MarkScratch();
    PrepareRules();
  }

  InterpreterWalls Walls() const { return setup_.sandbox->WallsFor(ProfileOf(setup_.slot), scratch_); }

  void PrepareRules() {
    rules_.reset();
    const InterpreterWalls walls = Walls();
    absl::StatusOr<LandlockRules> rules = LandlockRules::Make(walls.profile, walls.seen, walls.scratch);
    if (rules.ok()) rules_ = *std::move(rules);  // else the interpreter makes its own, or says why there are none
  }

  void MarkScratch() {
    absl::StatusOr<ScratchMark> mark = ScratchMark::Take();
    if (!mark.ok()) End();
    new_scratch_ = *std::move(mark);
  }

  void ReportEnd(int wait_status, const rusage& usage) {
    internal::FromInit frame;
    internal::InterpreterEnded& report = *frame.mutable_ended();
    report.set_generation(generation_);
    report.set_wait_status(wait_status);
    report.set_user_cpu_ns(Ns(usage.ru_utime));
    report.set_system_cpu_ns(Ns(usage.ru_stime));
    report.set_peak_memory_bytes(int64_t{usage.ru_maxrss} * 1024);
    Report(frame);
  }

  const SlotSetup setup_;
  std::unique_ptr<Inheritance> inheritance_;
  BlockingChannel channel_;
  ChildEvents events_;
  std::string scratch_;
  bool own_files_ = false;
  std::optional<ScratchMark> new_scratch_;  // where it has files of its own
  std::optional<LandlockRules> rules_;      // of the next interpreter
  pid_t interpreter_ = 0;                   // 0: none
  uint64_t generation_ = 0;
  int fork_error_ = 0;
  bool just_forked_ = false;
  // Of the interpreter: where its listener comes from, then the listener.
  UniqueFd handover_;
  std::optional<DeniedCalls> denied_;
  bool denied_waits_ = false;  // there may be some to report
  int64_t denied_reported_ns_ = 0;
};

}  // namespace

Profile ProfileOf(const internal::MakeSlot& slot) {
  return {.network = slot.network(), .shared = slot.shared(), .subprocess = slot.subprocess()};
}

void RunSlotInit(SlotSetup setup, UniqueFd conversation, std::unique_ptr<Inheritance> inheritance) {
  prctl(PR_SET_NAME, ("init-" + setup.slot.name()).c_str());
  SlotInit(std::move(setup), std::move(conversation), std::move(inheritance)).Run();
}

}  // namespace gild
